# shellcheck shell=bash
# Sourced by the tests of the examples: compiles one with gcc and with clang as its head says, against this build's library, and runs it.
. "$(dirname "${BASH_SOURCE[0]}")/../tests/cpp/lib.sh"
need_both

# build COMPILER SOURCE OUTPUT MODULE...
build() {
    local cc=$1 source=$2 output=$3
    shift 3
    # shellcheck disable=SC2046
    quietly "$cc" -std=gnu11 -O2 -g -Wall -Wextra -Wconversion -Wshadow -Werror "${flags[@]}" "$srcdir/examples/$source" -o "$output" "$so/libctxalloc.so" -Wl,-rpath,"$so" \
        $([ $# -eq 0 ] || pkg-config --cflags --libs "$@")
}

# example NAME MODULE PACKAGE: with the library of that pkg-config module
example() {
    pkg-config --exists "$2" || missing "$2 is not installed (Debian: $3)"
    for compiler in $compilers_c; do
        build "$compiler" "$1.c" "$work/$1" "$2"
        timeout 120 "$work/$1" || fail "$1, $compiler: status $?"
    done
}
