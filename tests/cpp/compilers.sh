#!/usr/bin/env bash
# ctxalloc.hpp with gcc and clang, as C++17, 20 and 2b, with every warning an error, linked and run; one of these optimised. And it needs no header before it.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
need_both
for cxx in $compilers_cxx; do
    for std in c++17 c++20 c++2b; do
        level=-O0
        [ "$std" != c++20 ] || level=-O2
        echo '#include <ctxalloc.hpp>' >"$work/alone.cc"
        quietly "$cxx" -std=$std "${flags[@]}" -Wall -Wextra -pedantic -Werror -fsyntax-only "$work/alone.cc"
        quietly "$cxx" -std=$std $level -Wall -Wextra -Wconversion -Wshadow -pedantic -Werror "${flags[@]}" "$srcdir/tests/cpp/objects.cc" -o "$work/objects" \
            "$so/libctxalloc.so" -Wl,-rpath,"$so"
        timeout 60 "$work/objects" || fail "$cxx $std: status $?"
        echo "$cxx $std: right"
    done
done
