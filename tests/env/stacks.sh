#!/usr/bin/env bash
# Threads of 64 KiB of stack, nearly used up: the slowest path of the allocator fits into what is left.
. "${srcdir:-.}/tests/env/lib.sh" || exit 1
preloaded "$programs/stacks"
CTXALLOC_OPTIONS=stats=exit preloaded "$programs/stacks" 2> /dev/null
