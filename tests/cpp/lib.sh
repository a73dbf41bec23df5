# shellcheck shell=bash
# Sourced by the scripts of tests/cpp, tests/coroutines and examples: compilers, the library, and what to do when something is not installed.
#
#   need_header NAME PACKAGE   skips (77) when there is no such header; fails with CTXALLOC_TESTS_REQUIRE=1, which ./check sets
#   compilers_c, compilers_cxx the compilers that are here, gcc's and clang's
#   quietly COMMAND…           its output only when it fails
#   $so, $archive              the two forms of the library of this build; $flags: what compiles against it
set -euo pipefail
export LC_ALL=C
: "${CTXALLOC_LIB:?is set by make check}"
srcdir=$(cd "${srcdir:-.}" && pwd) builddir=$(cd "${builddir:-.}" && pwd)
unset CTXALLOC_OPTIONS LD_PRELOAD
ulimit -c 0

skip() {
    echo "skipped: $*" >&2
    exit 77
}
missing() {
    if [ "${CTXALLOC_TESTS_REQUIRE-}" = 1 ]; then
        echo "FAIL: $*" >&2
        exit 1
    fi
    skip "$@"
}
fail() {
    echo "FAIL: $*" >&2
    exit 1
}

if grep -q '^#define CA_INTERPOSE 0' "$builddir/config.h"; then
    skip "a sanitizer build does not replace malloc"
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

quietly() {
    "$@" >"$work/log" 2>&1 || { cat "$work/log"; return 1; }
}
have() { command -v "$1" >/dev/null 2>&1; }
first_of() {
    local c
    for c in "$@"; do
        if have "$c"; then
            echo "$c"
            return
        fi
    done
}
compilers_c="$(first_of gcc) $(first_of clang-16 clang)"
compilers_cxx="$(first_of g++) $(first_of clang++-16 clang++)"
need_both() {
    [ "$(wc -w <<<"$compilers_cxx $compilers_c")" -eq 4 ] || missing "gcc and clang are not both installed"
}
need_header() {
    echo "#include <$1>" | ${CXX:-c++} -E -x c++ - >/dev/null 2>&1 || missing "<$1> is not installed (Debian: $2)"
}

so=$(dirname "$CTXALLOC_LIB")
archive=$so/libctxalloc.a
flags=(-I"$srcdir/include" -D_GNU_SOURCE -pthread)
