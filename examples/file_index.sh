#!/usr/bin/env bash
# The persistent index: what one process adds, later ones find, also after one of them was killed; foreign files are refused.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
run() { examples/file_index "$work/heap" "$@"; }
is() { [ "$1" = "$2" ] || { echo "'$1' is not '$2'" >&2; exit 1; }; }

words=()
for i in $(seq 1 500); do words+=("word$i" "$((i * i))"); done
run add "${words[@]}"
is "$(run get word17)" 289
is "$(run list | wc -l)" 500
run add word17 -1 new 7
is "$(run get word17)" -1
run drop word18
if run get word18; then echo "word18 is still there" >&2; exit 1; fi
is "$(run list | sort | tail -n 1)" "word99 9801"
for i in $(seq 1 20); do # in the middle of anything
    many=()
    for k in $(seq 1 300); do many+=("killed$i.$k" "$k"); done
    examples/file_index "$work/heap" add "${many[@]}" &
    sleep "0.00$((i % 10))"
    kill -9 $! 2>/dev/null || true
    wait $! 2>/dev/null || true
    is "$(run get word17)" -1
    bad=$(run list | awk '$1 ~ /^killed/ { split($1, part, "."); if (part[2] != $2) print }')
    is "$bad" ""
done
head -c 100000 /dev/zero >"$work/foreign"
if examples/file_index "$work/foreign" list 2>"$work/text"; then echo "a foreign file was taken" >&2; exit 1; fi
grep -q "not a ctxalloc heap" "$work/text"
