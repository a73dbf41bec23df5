#!/bin/bash
# bash runs a script of arrays, strings, functions, subshells, pipes and here-documents.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
need bash

bash_work() {
    under bash --norc "$inputs/work.bash"
}

both bash_work 11
saw bash
done_ok
