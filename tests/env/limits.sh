#!/usr/bin/env bash
# With an address space of 64 MiB to 8 GiB, a program gets at least half of it, then NULL and ENOMEM, and goes on when it has freed.
. "${srcdir:-.}/tests/env/lib.sh" || exit 1

# MiB of address space, size of the blocks
while read -r limit size; do
    (
        ulimit -v $((limit * 1024))
        LD_PRELOAD=$CTXALLOC_LIB exec "$programs/hungry" "$size" $((limit / 2))
    ) || fail "with $limit MiB of address space and blocks of $size bytes: status $?"
done << 'END'
64 100
64 4000
64 100000
64 1000000
128 48
128 20000
256 2000000
512 60000
1024 1000000
2048 30000000
4096 1000000
8192 1000000
END

# The usual program needs no more than glibc would, give or take.
(
    ulimit -v $((64 * 1024))
    try preloaded "$programs/work"
    [ "$status" -eq 3 ] # its huge blocks are refused
) || fail "work did not survive 64 MiB of address space"
