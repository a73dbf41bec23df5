#!/usr/bin/env bash
# CA25: a context as libuv's allocator.
. "$(dirname "$0")/lib.sh"
example libuv libuv libuv1-dev
