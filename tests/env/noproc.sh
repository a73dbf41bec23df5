#!/usr/bin/env bash
# No /proc and no /sys, as in a bare chroot: hidden under empty file systems, in a mount namespace of our own.
. "${srcdir:-.}/tests/env/lib.sh" || exit 1
unshare=
for options in -m -rm; do
    if unshare $options true 2> /dev/null; then
        unshare="unshare $options"
        break
    fi
done
[ -n "$unshare" ] || skip "no mount namespaces here"
export CTXALLOC_LIB programs
$unshare bash -c '
    set -eu
    mount -t tmpfs none /sys && mount -t tmpfs none /proc || exit 77
    [ ! -e /proc/self ] && [ ! -e /sys/devices ]
    export LD_PRELOAD=$CTXALLOC_LIB
    timeout 60 "$programs/work"
    CTXALLOC_OPTIONS=stats=exit timeout 60 "$programs/work" 2> /dev/null
    timeout 60 "$programs/stacks"
'
