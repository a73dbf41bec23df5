#!/usr/bin/env bash
# The contexts' tests again without the checks on frees; what only the checks can know is left out there. And the first of them where malloc looks at its caller. Savepoints, and what concerns the quarantine, also with all checks.
set -eu
export LC_ALL=C
builddir=${builddir:-.}
failures=0
for name in targets limits threads run fork exceptions saves promoted; do
    program=$builddir/tests/contexts/$name
    [ -x "$program" ] || { echo "skipped: $name is not built" >&2; exit 77; }
    if ! CTXALLOC_OPTIONS=check=off "$program"; then
        echo "FAIL $name with check=off" >&2
        failures=$((failures + 1))
    fi
done
for name in saves quarantine; do
    if ! CTXALLOC_OPTIONS=check=full "$builddir/tests/contexts/$name"; then
        echo "FAIL $name with check=full" >&2
        failures=$((failures + 1))
    fi
done
for options in loader=look check=off,loader=look; do
    if ! CTXALLOC_OPTIONS=$options "$builddir/tests/contexts/targets"; then
        echo "FAIL targets with $options" >&2
        failures=$((failures + 1))
    fi
done
# Records of contexts that are gone rest, too: what looks at all of them meets them.
if ! CTXALLOC_OPTIONS=quarantine=1048576 "$builddir/tests/contexts/numa"; then
    echo "FAIL numa with quarantine=1048576" >&2
    failures=$((failures + 1))
fi
[ "$failures" -eq 0 ]
