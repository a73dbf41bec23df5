#!/usr/bin/env bash
# The stack switch by hand, for each processor that it is written for: natively, and for AArch64 with a cross compiler under qemu's user mode.
set -eu
srcdir=${srcdir:-.}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
ran=0 missing=

with() { # compiler, runner
    local compiler=$1 runner=$2 tool level
    for tool in $compiler $runner; do
        command -v "$tool" >/dev/null || { missing="$missing $tool"; return 0; }
    done
    for level in -O0 -O2 -O3; do
        $compiler -std=gnu11 $level -Wall -Wextra -Wshadow -Werror -frounding-math -static -I"$srcdir" "$srcdir/tests/coroutines/switch.c" -o "$work/switch" -lm
        timeout 60 $runner "$work/switch" >"$work/log" || { echo "FAIL: $compiler $level"; cat "$work/log"; exit 1; }
        echo "$compiler $level: $(cat "$work/log")"
        ran=$((ran + 1))
    done
}

if [ "$(uname -m)" = x86_64 ]; then
    with gcc ""
    with clang-16 ""
    with aarch64-linux-gnu-gcc qemu-aarch64
else
    with cc ""
fi
if [ -n "$missing" ]; then
    echo "not on this machine:$missing"
    [ -z "${CTXALLOC_TESTS_REQUIRE-}" ] || exit 1
fi
[ "$ran" -gt 0 ] || exit 77
