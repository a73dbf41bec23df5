#!/usr/bin/env bash
# LD_AUDIT: an audit library brings a second namespace and a second libc into the process.
. "${srcdir:-.}/tests/env/lib.sh" || exit 1
audit=$programs/.libs/audit.so
[ -e "$audit" ] || fail "$audit was not built"
LD_AUDIT=$audit preloaded "$programs/work"
LD_AUDIT=$audit preloaded bash -c 'x=$(echo audited); [ "$x" = audited ]'
