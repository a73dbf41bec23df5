#!/usr/bin/env bash
# N4: ctxalloc-fsck says what a file is, by text and status, changes nothing, and restores the last sync.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
heap=$work/index.heap
fsck=./ctxalloc-fsck

# expect STATUS TEXT COMMAND...
expect() {
    local status=$1 text=$2 got=0
    shift 2
    "$@" >"$work/out" 2>&1 || got=$?
    if [ "$got" != "$status" ] || ! grep -q -- "$text" "$work/out"; then
        echo "'$*' gave $got and:" >&2
        cat "$work/out" >&2
        exit 1
    fi
}

examples/file_index "$heap" add apple 1 banana 2 cherry 3 >/dev/null
expect 0 "was closed" $fsck "$heap"
expect 0 " 1 roots" $fsck "$heap"
before=$(cksum <"$heap")
[ -z "$($fsck -q "$heap")" ] || { echo "-q was not quiet" >&2; exit 1; }
expect 8 "not a ctxalloc heap" $fsck "$0"
expect 8 "no such file" $fsck "$work/none"
expect 8 "not a regular file" $fsck "$work"
expect 16 "usage" $fsck
expect 16 "usage" $fsck --unknown "$heap"
expect 0 "ctxalloc-fsck 0" $fsck -V
[ "$(cksum <"$heap")" = "$before" ] || { echo "it was changed" >&2; exit 1; }

# An entry of the table of pages (the second half of pages 6 and 7 are free pages' entries).
cp "$heap" "$work/damaged"
printf '\2\2\2\2' | dd of="$work/damaged" bs=1 seek=$((6 * 4096 + 48 * 8)) conv=notrunc status=none
expect 4 "table of pages" $fsck "$work/damaged"
expect 12 "no such file" $fsck "$work/damaged" "$work/none"
if examples/file_index "$work/damaged" get apple >/dev/null 2>&1; then echo "a damaged heap was opened" >&2; exit 1; fi
expect 1 "last sync" $fsck --restore "$work/damaged"
[ "$(examples/file_index "$work/damaged" get apple)" = 1 ]
expect 0 "was closed" $fsck "$work/damaged"

cp "$heap" "$work/short"
truncate -s 200000 "$work/short"
expect 4 "too short" $fsck "$work/short"
