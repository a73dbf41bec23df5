#!/usr/bin/env bash
# check=full,trace=N: the report of what is left in a context says who allocated it, so that addr2line finds the function.
set -eu
export LC_ALL=C
builddir=${builddir:-.}
program=$builddir/tests/reports/trace
if grep -q '^#define CA_INTERPOSE 0' "$builddir/config.h"; then
    echo "skipped: a sanitizer's frames stand between" >&2
    exit 77
fi
[ -x "$program" ] || { echo "skipped: $program is not built" >&2; exit 77; }
real=$program
[ ! -x "$builddir/tests/reports/.libs/trace" ] || real=$builddir/tests/reports/.libs/trace
if ! command -v addr2line >/dev/null; then
    echo "no addr2line" >&2
    [ "${CTXALLOC_TESTS_REQUIRE:-0}" = 1 ] && exit 1
    exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() {
    echo "FAIL: $*" >&2
    cat "$work/report" >&2
    exit 1
}

CTXALLOC_OPTIONS=check=full,trace=8 "$program" >/dev/null 2>"$work/report"
[ "$(grep -c "was allocated at" "$work/report")" -eq 6 ] || fail "not two traces for each context"
for name in long medium short; do
    awk -v name="'$name'" '/goes with/ { mine = $3 == name } mine' "$work/report" >"$work/mine"
    grep -q "goes with 2 live blocks" "$work/mine" || fail "$name: not two blocks"
    for pair in 101:leak_one 202:leak_other; do
        block=$(grep -o "0x[0-9a-f]*:${pair%:*}" "$work/mine" | cut -d: -f1)
        [ -n "$block" ] || fail "$name: no block of ${pair%:*} bytes"
        frame=$(sed -n "s/^ctxalloc:   $block was allocated at [^ ]*trace+\(0x[0-9a-f]*\) .*/\1/p" "$work/mine")
        [ -n "$frame" ] || fail "$name: the innermost frame of $block is not in the program"
        function=$(addr2line -f -e "$real" "$frame" | head -n 1)
        [ "$function" = "${pair#*:}" ] || fail "$name: $block was allocated by $function, not ${pair#*:}"
        main=$(sed -n "s/^ctxalloc:   $block was allocated at [^ ]*trace+0x[0-9a-f]* [^ ]*trace+\(0x[0-9a-f]*\) .*/\1/p" "$work/mine")
        [ "$(addr2line -f -e "$real" "$main" | head -n 1)" = main ] || fail "$name: main is not the next frame"
    done
done
# As many frames as asked for; none otherwise.
CTXALLOC_OPTIONS=check=full,trace=1 "$program" >/dev/null 2>"$work/report"
grep -q "was allocated at [^ ]*trace+0x[0-9a-f]*$" "$work/report" || fail "trace=1"
for options in check=full check=on,trace=8; do
    CTXALLOC_OPTIONS=$options "$program" >/dev/null 2>"$work/report"
    ! grep -q "was allocated at" "$work/report" || fail "$options: traces that nobody asked for"
done
CTXALLOC_OPTIONS=check=full,trace=31 "$program" >/dev/null 2>"$work/report"
grep -q "wrong value '31' for 'trace' (0 to 30)" "$work/report" || fail "trace=31"
