#!/usr/bin/env bash
# The file example: what one process stores, others read; space is reused, wrong handles are refused, and a foreign file is.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
run() { examples/file_space "$work/store" "$@"; }

declare -A text
for i in $(seq 1 60); do
    t="record $i $(printf 'x%.0s' $(seq 1 $((i * 7 % 90))))"
    text[$(run put "$t")]=$t
done
for handle in "${!text[@]}"; do [ "$(run get "$handle")" = "${text[$handle]}" ] || { echo "$handle differs" >&2; exit 1; }; done
size=$(stat -c %s "$work/store")
dropped=0
for handle in "${!text[@]}"; do
    [ $((dropped++)) -lt 30 ] || break
    run drop "$handle"
    if run drop "$handle" 2>/dev/null || run get "$handle" 2>/dev/null; then echo "$handle is still there" >&2; exit 1; fi
    unset "text[$handle]"
done
for i in $(seq 1 30); do text[$(run put "again $i")]="again $i"; done
for handle in "${!text[@]}"; do [ "$(run get "$handle")" = "${text[$handle]}" ] || { echo "$handle differs" >&2; exit 1; }; done
[ "$(stat -c %s "$work/store")" = "$size" ] || { echo "the file grew although there was room" >&2; exit 1; }
run list | tail -n 1
head -c 500000 /dev/zero >"$work/foreign"
if examples/file_space "$work/foreign" list 2>/dev/null; then echo "a foreign file was taken" >&2; exit 1; fi
