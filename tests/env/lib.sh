# Sourced by the scripts of this folder: where things are, how to skip, and how to run a program with the library preloaded.
# shellcheck shell=bash
set -eu
export LC_ALL=C
: "${CTXALLOC_LIB:?is set by make check}"
srcdir=${srcdir:-.} builddir=${builddir:-.}
programs=$(cd "$builddir/tests/env" && pwd)
unset CTXALLOC_OPTIONS LD_PRELOAD
ulimit -c 0

skip() {
    echo "skipped: $*" >&2
    exit 77
}

fail() {
    echo "FAIL: $*" >&2
    exit 1
}

if grep -q '^#define CA_INTERPOSE 0' "$builddir/config.h"; then
    skip "a sanitizer build cannot be preloaded"
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

preloaded() {
    LD_PRELOAD=$CTXALLOC_LIB timeout -k 1 100 "$@"
}

# The status of a command that may fail, in $status.
try() {
    status=0
    "$@" || status=$?
}
