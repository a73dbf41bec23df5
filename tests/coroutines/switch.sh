#!/usr/bin/env bash
# The stack switch by hand, for each processor that it is written for: natively, and for AArch64 with a cross compiler under qemu's user mode.
set -eu
srcdir=${srcdir:-.}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# shellcheck source-path=SCRIPTDIR source=../processors.sh
. "$srcdir/tests/processors.sh"

with() { # compiler, runner
    local compiler=$1 runner=$2 level
    for level in -O0 -O2 -O3; do
        $compiler -std=gnu11 $level -Wall -Wextra -Wshadow -Werror -frounding-math -static -I"$srcdir" "$srcdir/tests/coroutines/switch.c" -o "$work/switch" -lm
        timeout 60 $runner "$work/switch" >"$work/log" || { echo "FAIL: $compiler $level"; cat "$work/log"; exit 1; }
        echo "$compiler $level: $(cat "$work/log")"
    done
}

each_processor with
