#!/usr/bin/env bash
# CA25: a context as a lua_Alloc.
. "$(dirname "$0")/lib.sh"
example lua lua5.4 liblua5.4-dev
