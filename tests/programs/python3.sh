#!/bin/bash
# python3 with its own small-object allocator switched off, so that every object comes from malloc.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
python_find

python_work() {
    PYTHONMALLOC=malloc PYTHONHASHSEED=0 under "$python" -I "$inputs/python3.py"
}

both python_work 3
saw "$(basename "$python")"
done_ok
