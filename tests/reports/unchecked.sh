#!/usr/bin/env bash
# Walking with check=off, and while a profile is taken.
set -eu
builddir=${builddir:-.}
program=$builddir/tests/reports/walk
[ -x "$program" ] || { echo "skipped: $program is not built" >&2; exit 77; }
for options in check=off check=off,profile=10000 profile=10000; do
    CTXALLOC_OPTIONS=$options "$program" || { echo "FAIL: walk with $options" >&2; exit 1; }
done
