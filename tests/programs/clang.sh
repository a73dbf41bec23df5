#!/bin/bash
# clang++ compiles a big generated source, with and without debug information: equal objects.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
need awk
clang=
for name in clang clang-16 clang-14; do
    if [ -z "$clang" ] && command -v "$name" >/dev/null; then
        clang=$name
    fi
done
[ -n "$clang" ] || skip "clang is not installed"

awk -v units=2 -f "$inputs/big_cpp.awk" >"$work/big.cc"

clang_object() {
    cp "$work/big.cc" .
    under "$clang" --driver-mode=g++ -std=c++17 -O1 -g "-fdebug-prefix-map=$PWD=." -c big.cc -o big.o
    cksum big.o
}

clang_assembly() {
    under "$clang" --driver-mode=g++ -std=c++17 -O0 -fsyntax-only -Weverything big.cc 2>&1 | cksum
    under "$clang" --driver-mode=g++ -std=c++17 -O0 -S big.cc -o big.s
    cksum big.s
}

clang_error() {
    echo 'int f(void) { return undeclared + missing(; }' >bad.c
    under "$clang" -c bad.c 2>&1
}

both clang_object
same big.o
both clang_assembly
same big.s
both clang_error 1
saw "$clang"
done_ok
