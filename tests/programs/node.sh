#!/bin/bash
# node: buffers, maps, JSON, zlib, hashes, timers and worker threads.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
need node

node_work() {
    under node "$inputs/node.js"
}

both node_work 7
saw node
done_ok
