#!/bin/bash
# lua5.4: tables, strings, closures, coroutines and both modes of the collector.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
need lua5.4

lua_work() {
    under lua5.4 "$inputs/lua.lua"
}

both lua_work 4
saw lua5.4
done_ok
