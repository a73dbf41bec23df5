#!/usr/bin/env bash
# A static heap of chunks is a constant expression, in C and in C++; storage and bitmap that do not fit together do not compile.
set -eu
srcdir=${srcdir:-.}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# compiles STORAGE BITMAP INIT: three declarations or expressions
compiles() {
    printf '#include "ctxalloc/chunks.h"\nstatic %s;\nstatic %s;\nstatic ctxalloc_chunks heap = %s;\nvoid *use(void);\nvoid *use(void) { return &heap; }\n' "$@" >"$work/heap.c"
    cp "$work/heap.c" "$work/heap.cc"
    ${CC:-cc} -std=gnu11 -Wall -Wextra -Wconversion -Werror -I"$srcdir/include" -c "$work/heap.c" -o "$work/heap.o" 2>"$work/log" &&
        ${CXX:-c++} -std=c++17 -Wall -Wextra -Werror -I"$srcdir/include" -c "$work/heap.cc" -o "$work/heap.o" 2>>"$work/log"
}

storage='CTXALLOC_CHUNKS_STORAGE(storage, 100, 32)' bitmap='CTXALLOC_CHUNKS_BITMAP(bitmap, 100)'
compiles "$storage" "$bitmap" 'CTXALLOC_CHUNKS_INIT(storage, bitmap, 32)' || { cat "$work/log"; exit 1; }
compiles "$storage" "$bitmap" 'CTXALLOC_CHUNKS_INIT(storage, bitmap, 64)' || { cat "$work/log"; exit 1; }
wrong=0
refused() {
    if compiles "$@"; then
        echo "this compiles: $*"
        wrong=1
    elif ! grep -q 'negative\|division by zero\|not constant\|constant' "$work/log"; then
        echo "refused for another reason: $*"
        cat "$work/log"
        wrong=1
    fi
}
refused "$storage" "$bitmap" 'CTXALLOC_CHUNKS_INIT(storage, bitmap, 16)'                                       # more chunks than bits
refused "$storage" "$bitmap" 'CTXALLOC_CHUNKS_INIT(storage, bitmap, 33)'                                       # not a whole number of chunks
refused "$storage" "$bitmap" 'CTXALLOC_CHUNKS_INIT(storage, bitmap, 0)'
refused "$storage" 'CTXALLOC_CHUNKS_BITMAP(bitmap, 64)' 'CTXALLOC_CHUNKS_INIT(storage, bitmap, 32)'
refused 'unsigned char *storage' "$bitmap" 'CTXALLOC_CHUNKS_INIT(storage, bitmap, 32)'                          # a pointer, no array
[ $wrong -eq 0 ] && echo "7 heaps: 2 compile, 5 are refused"
exit $wrong
