#!/usr/bin/env bash
# CA25: pools on short contexts, and the same steps through libapr, which must do the same.
. "$(dirname "$0")/lib.sh"
pkg-config --exists apr-1 || missing "apr-1 is not installed (Debian: libapr1-dev)"
quietly gcc -std=gnu11 -O2 -DWITH_APR "$srcdir/examples/pool.c" -o "$work/apr" $(pkg-config --cflags --libs apr-1)
"$work/apr" >"$work/apr.txt"
for compiler in $compilers_c; do
    build "$compiler" pool.c "$work/pool"
    timeout 60 "$work/pool" >"$work/pool.txt" || fail "pool, $compiler: status $?"
    diff "$work/apr.txt" "$work/pool.txt" || fail "$compiler: libapr does otherwise"
    echo "$compiler: $(grep -c cleanup "$work/pool.txt") cleanups, in libapr's order"
done
