#!/usr/bin/env bash
# Each range engine embeds: its one .c and the headers that it includes, alone in a folder, compile with -ffreestanding, refer to nothing
# (not even memcpy), and run in a static program without a C library.  For x86-64 with gcc and clang, and for aarch64 with a cross
# compiler under qemu's user mode, as far as the machine has them; missing ones are named.
set -eu
srcdir=${srcdir:-.}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# shellcheck source-path=SCRIPTDIR source=../processors.sh
. "$srcdir/tests/processors.sh"

headers="base/base.h engine/bin.h engine/error.h"
ran=0

# engine, what to allocate and free in the test program, its headers
program() { # call prefix, handle type
    cat <<END
#include "ctxalloc/${1%%[0-9]*}.h"
static unsigned char memory[1 << 17] __attribute__((aligned(64)));
static int work(void)
{
    ctxalloc_$1 *it = ctxalloc_$1_init(memory, sizeof memory, 10000, 100);
    $2 block[100];
    if (!it)
        return 1;
    for (int round = 0; round < 50; round++) {
        for (int i = 0; i < 100; i++)
            block[i] = ctxalloc_$1_alloc_aligned(it, 1 + (unsigned)(i * 7 + round) % 60, 1 + (unsigned)(i + round) % 8);
        for (int i = 0; i < 100; i++)
            if (ctxalloc_$1_free(it, block[(i * 37) % 100]))
                return 2;
    }
    return ctxalloc_$1_is_valid(it, 0) && ctxalloc_$1_free_largest(it) == 10000 ? 0 : 3;
}
#if defined(__x86_64__)
__asm__(".globl _start\n_start: xor %ebp, %ebp\n and \$-16, %rsp\n call begin\n");
void begin(void);
void begin(void) { __asm__ volatile("syscall" : : "a"(60), "D"(work()) : "rcx", "r11", "memory"); __builtin_unreachable(); }
#else
__asm__(".globl _start\n_start: mov x29, xzr\n bl begin\n");
void begin(void);
void begin(void)
{
    long result = work();
    register long number __asm__("x8") = 93, status __asm__("x0") = result;
    __asm__ volatile("svc 0" : : "r"(number), "r"(status) : "memory");
    __builtin_unreachable();
}
#endif
END
}

engine() { # compiler, runner, .c, prefix, handle, own headers
    local compiler=$1 runner=$2 source=$3 prefix=$4 handle=$5 folder=$work/$4
    shift 5
    rm -rf "$folder"
    mkdir -p "$folder/engine" "$folder/base" "$folder/ctxalloc"
    for file in "engine/$source" $headers "$@"; do cp "$srcdir/src/$file" "$folder/$file"; done
    cp "$srcdir"/include/ctxalloc/{engine,tlsf,fit}.h "$folder/ctxalloc/"
    program "$prefix" "$handle" >"$folder/main.c"
    for level in -O0 -O3 -Os; do # not -O2: what it makes calls of, -O3 does, too
        $compiler -std=c11 -Wall -Wextra -Werror $level -ffreestanding -nostdlib -fno-stack-protector -I"$folder" -c "$folder/engine/$source" \
            -o "$folder/engine.o"
        if "${NM:-nm}" -u "$folder/engine.o" | grep -v '_GLOBAL_OFFSET_TABLE_'; then
            echo "$compiler $level $source: refers to the above" >&2
            exit 1
        fi
        $compiler -std=gnu11 $level -ffreestanding -nostdlib -static -fno-stack-protector -fno-builtin -I"$folder" "$folder/main.c" "$folder/engine.o" \
            -o "$folder/program"
        $runner "$folder/program" || { echo "$compiler $level $source: the program ended with $?" >&2; exit 1; }
        ran=$((ran + 1))
    done
}

compiler() { # compiler, runner
    local packed="engine/tlsf_calls.h engine/tlsf_core.h engine/tlsf_packed.h engine/tlsf32.h"
    local fit="engine/fit_audit.h engine/fit_bins.h engine/fit_calls.h engine/fit_order.h engine/fit_sizes.h engine/fit_types.h engine/fit32.h"
    engine "$1" "$2" tlsf32.c tlsf ctxalloc_block $packed
    engine "$1" "$2" tlsf16.c tlsf16 ctxalloc_block $packed
    engine "$1" "$2" fit.c fit ctxalloc_fit_block $fit
    engine "$1" "$2" fit64.c fit64 ctxalloc_fit64_block $fit
}

each_processor compiler
echo "$ran programs ran"
