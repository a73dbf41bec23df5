#!/usr/bin/env bash
# Blocks, chunks and bumps embed: one .c and its headers compile alone, with gcc and clang for x86-64, and with Debian's cross compiler for
# aarch64, where qemu runs them; they need no symbol of anybody's; and programs without a C library run on them.
set -eu
srcdir=${srcdir:-.}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# shellcheck source-path=SCRIPTDIR source=../processors.sh
. "$srcdir/tests/processors.sh"
flags="-std=gnu11 -ffreestanding -nostdlib -static -fno-stack-protector -Wall -Wextra -Wundef -Wconversion -Wshadow -Werror"
tried=0

with() { # compiler, runner
    local cc=$1 runner=$2 atomics= engine level undefined
    case $cc in aarch64-*) atomics=-mno-outline-atomics ;; esac
    for level in -O0 -O3; do # not -O2: what it makes calls of, -O3 does, too
        for engine in blocks chunks bump; do
            # Nothing but these headers: a folder with copies of them, and of no others.
            rm -rf "$work/alone"
            mkdir -p "$work/alone/ctxalloc" "$work/alone/engine" "$work/alone/base"
            cp "$srcdir"/include/ctxalloc/{engine,$engine}.h "$work/alone/ctxalloc"
            cp "$srcdir/src/base/base.h" "$work/alone/base"
            cp "$srcdir"/src/engine/{error,copy,runs,bump}.h "$work/alone/engine"
            cp "$srcdir/src/engine/$engine.c" "$work/alone"
            "$cc" $flags $atomics $level -I"$work/alone" -c "$work/alone/$engine.c" -o "$work/$engine.o"
            undefined=$(${NM:-nm} -u "$work/$engine.o")
            [ -z "$undefined" ] || { echo "$cc $level: $engine.c needs $undefined"; exit 1; }
        done
        "$cc" $flags $atomics $level -I"$srcdir/include" "$srcdir/tests/engine/freestanding_pools.c" "$work"/{blocks,chunks,bump}.o -o "$work/pools"
        $runner "$work/pools" || { echo "$cc $level: line $? of freestanding_pools.c does not hold (modulo 256)"; exit 1; }
        "$cc" $flags $atomics $level -I"$srcdir/include" "$srcdir/examples/freestanding.c" "$work/chunks.o" -o "$work/example"
        $runner "$work/example" >"$work/output"
        diff "$work/output" - <<'END'
squares: 0 1 4 9 16 25 36 49 64 81
out of memory: 256 bytes wanted, usage 25 %
well
END
        tried=$((tried + 1))
    done
    echo "$cc: ok"
}

each_processor with
echo "$tried programs without a C library"
