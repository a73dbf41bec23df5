# shellcheck shell=bash
# Sourced by tests of code that is written for several processors, and compiles it themselves.
#
#   each_processor FUNCTION   FUNCTION COMPILER RUNNER for each that is here: x86-64 with gcc and clang, AArch64 with a cross compiler under qemu's user mode
#
# What is not here is named; that is a failure with CTXALLOC_TESTS_REQUIRE=1, which ./check sets.  With none at all the test is skipped (77).

each_processor() {
    local processors=0 absent=
    if_here() {
        local tool
        for tool in "$2" $3; do
            command -v "$tool" >/dev/null || { absent="$absent $tool"; return 0; }
        done
        processors=$((processors + 1))
        "$@"
    }
    if [ "$(uname -m)" = x86_64 ]; then
        if_here "$1" gcc ""
        if_here "$1" clang-16 ""
        if_here "$1" aarch64-linux-gnu-gcc qemu-aarch64
    else
        if_here "$1" cc ""
    fi
    if [ -n "$absent" ]; then
        echo "not on this machine:$absent" >&2
        [ "${CTXALLOC_TESTS_REQUIRE-}" != 1 ] || exit 1
    fi
    [ "$processors" -gt 0 ] || exit 77
}
