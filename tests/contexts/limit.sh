#!/usr/bin/env bash
# Limits for programs that know nothing of contexts: CTXALLOC_OPTIONS=limit, and ctxalloc-run --limit. Row N3.
set -eu
export LC_ALL=C
builddir=${builddir:-.}
: "${CTXALLOC_LIB:?is set by make check}"
unset CTXALLOC_OPTIONS

failures=0
fail() {
    echo "FAIL $*" >&2
    failures=$((failures + 1))
}

n3_the_environment_sets_a_limit() {
    local limit bytes said status
    for limit in 32M:33554432 67108864:67108864 1G:1073741824; do
        bytes=${limit#*:} status=0
        said=$(CTXALLOC_OPTIONS=limit=${limit%:*} "$builddir/tests/contexts/limited") || status=$?
        [ "$status" -eq 0 ] || { fail "limit=${limit%:*}: exit status $status"; continue; }
        [ "${said% *}" = "$bytes" ] || fail "limit=${limit%:*}: the library says ${said% *}"
        # nine tenths of it are blocks: 99 of 1,000 bytes to one of 200,000
        [ $((${said#* } * 2990)) -ge $((bytes / 10 * 8)) ] || fail "limit=${limit%:*}: only ${said#* } blocks"
    done
}

# bytes(N) of an unmodified interpreter: below the limit it runs, above it says MemoryError and goes on.
n3_a_program_that_knows_nothing_is_limited() {
    if grep -q '^#define CA_INTERPOSE 0' "$builddir/config.h" || ! command -v python3 >/dev/null; then return; fi
    local program='
kept = [b"x" * 1000000 for i in range(20)]
try:
    bytes(200000000)
    print("served")
except MemoryError:
    print("refused")
print(len(kept))'
    local run="$builddir/ctxalloc-run"
    [ "$("$run" --limit 100M python3 -c "$program" | tr '\n' ' ')" = "refused 20 " ] || fail "ctxalloc-run --limit 100M"
    [ "$("$run" --limit 400M python3 -c "$program" | tr '\n' ' ')" = "served 20 " ] || fail "ctxalloc-run --limit 400M"
    [ "$("$run" python3 -c "$program" | tr '\n' ' ')" = "served 20 " ] || fail "ctxalloc-run without a limit"
}

n3_the_environment_sets_a_limit
n3_a_program_that_knows_nothing_is_limited
[ "$failures" -eq 0 ]
