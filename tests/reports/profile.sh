#!/usr/bin/env bash
# Heap profiles: the shares of known sites are right within what sampling can give, live and allocated, through contexts' ends, resizes and threads; viewers read
# them; none is taken unless asked for.
set -eu
export LC_ALL=C
: "${CTXALLOC_LIB:?is set by make check}"
builddir=$(realpath "${builddir:-.}") srcdir=$(realpath "${srcdir:-.}")
program=$builddir/tests/reports/profile
if grep -q '^#define CA_INTERPOSE 0' "$builddir/config.h"; then
    echo "skipped: a sanitizer's frames stand between" >&2
    exit 77
fi
missing() {
    echo "no $1" >&2
    [ "${CTXALLOC_TESTS_REQUIRE:-0}" = 1 ] && exit 1
    exit 77
}
[ -x "$program" ] || { echo "skipped: $program is not built" >&2; exit 77; }
command -v python3 >/dev/null || missing python3
real=$program
[ ! -x "$builddir/tests/reports/.libs/profile" ] || real=$builddir/tests/reports/.libs/profile
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

for options in profile=8K profile=64K check=off,profile=8K check=full,profile=8K; do
    CTXALLOC_OPTIONS=$options "$program" "$work/call.heap" >sites 2>errors || { echo "FAIL: $options" >&2; cat errors >&2; exit 1; }
    python3 "$srcdir/tests/reports/profile.py" call.heap sites profile >shares || { echo "FAIL: $options" >&2; cat shares >&2; exit 1; }
    # At exit there is one, too, in the current directory; the program had allocated nothing more.
    mv ctxalloc.*.heap exit.heap
    python3 "$srcdir/tests/reports/profile.py" exit.heap sites profile >shares || { echo "FAIL: $options, at exit" >&2; cat shares >&2; exit 1; }
done

# Not asked for: none is written, and the call says so.
if "$program" "$work/none.heap" 2>errors >/dev/null || [ -e none.heap ] || [ -n "$(ls ctxalloc.*.heap 2>/dev/null)" ]; then
    echo "FAIL: a profile that nobody asked for" >&2
    exit 1
fi
grep -q 'profile_dump(arguments' errors || { cat errors >&2; exit 1; }

# What cannot be written is said.
mkdir closed && cd closed && mkdir "sub" && cd sub && rmdir ../sub
CTXALLOC_OPTIONS=profile=64K "$program" "$work/x.heap" 2>"$work/errors" >/dev/null
grep -q '^ctxalloc: profile: cannot write ctxalloc\.[0-9]*\.heap in the current directory (error 2)$' "$work/errors" || { cat "$work/errors" >&2; exit 1; }
cd "$work"

# A program nobody built for it, preloaded.
CTXALLOC_OPTIONS=profile=32K PYTHONMALLOC=malloc LD_PRELOAD=$CTXALLOC_LIB python3 -c 'x = [str(i) * 100 for i in range(20000)]'
for heap in ctxalloc.*.heap; do # where python3 is a script there is more than one process
    head -n 1 "$heap" | grep -q '^heap profile: [0-9]*: [0-9]* \[[0-9]*: [0-9]*\] @ heap_v2/32768$' || { head -n 3 "$heap" >&2; exit 1; }
    rm "$heap"
done

# A viewer reads it, and names the sites.
pprof=$(command -v google-pprof || true)
[ -n "$pprof" ] || missing google-pprof
CTXALLOC_OPTIONS=profile=8K "$program" "$work/call.heap" >sites
rm ctxalloc.*.heap
"$pprof" --text "$real" call.heap >live 2>errors || { cat errors >&2; exit 1; }
"$pprof" --text --alloc_space "$real" call.heap >allocated 2>>errors || { cat errors >&2; exit 1; }
# The first column is MB of 2^20 bytes.
check() { # FILE SITE COLUMN: within 15 %
    awk -v site="$2" -v column="$3" '
        NR == FNR { if ($1 == site) expected = $column / 1048576; next }
        $NF == site { found = 1; if ($1 < expected * 0.85 - 0.1 || $1 > expected * 1.15 + 0.1) { print site ": " $1 " MB, not " expected; exit 1 } }
        END { if (!found) { print site " is not there"; exit 1 } }' sites "$1" >&2
}
for site in site_large site_small site_grown site_inherited; do
    check live $site 3
    check allocated $site 4
done
check allocated site_destroyed 4
if grep -q 'site_destroyed' live; then
    echo "FAIL: blocks of a destroyed context are live" >&2
    exit 1
fi
! grep -q malloc live || { echo "FAIL: the library's own frames are shown" >&2; exit 1; }
