#!/usr/bin/env bash
# The library can be opened when the static thread-local storage kept for dlopen is nearly used up: 64 bytes must do.
. "${srcdir:-.}/tests/env/lib.sh" || exit 1
eater=$programs/.libs/tls_eater.so
[ -e "$eater" ] || fail "$eater was not built"
for i in $(seq 200); do
    cp "$eater" "$work/eater$i.so"
    eaters[i]=$work/eater$i.so
done
most=$("$programs/tls_full" - "${eaters[@]}")
echo "$most eaters of 64 bytes fit"
[ "$most" -gt 2 ] || fail "the loader keeps no storage in reserve"
[ "$most" -lt 200 ] || skip "this loader never runs out of thread-local storage"
# One eater less leaves 64 bytes, aligned.
timeout 60 "$programs/tls_full" "$CTXALLOC_LIB" "${eaters[@]:1:most-1}"
timeout 60 "$programs/tls_full" "$CTXALLOC_LIB"
