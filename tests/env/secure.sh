#!/usr/bin/env bash
# A setuid program: the environment's options are not even looked at.
. "${srcdir:-.}/tests/env/lib.sh" || exit 1
[ "$(id -u)" -eq 0 ] || skip "only root can make a program that is setuid to somebody else"
archive=$(dirname "$CTXALLOC_LIB")/libctxalloc.a
[ -e "$archive" ] || skip "no static library in this configuration, and none can be preloaded into a secure program"
if nm "$archive" 2> /dev/null | grep -q -e __ubsan -e __gcov -e __asan; then
    skip "an instrumented library needs its compiler's run-time"
fi
chmod 755 "$work"
${CC:-cc} -O2 -D_GNU_SOURCE -I"$srcdir" -I"$builddir" "$srcdir/tests/env/secure.c" -o "$work/secure" "$archive" -pthread

export CTXALLOC_OPTIONS=nonsense=1,stats=exit
"$work/secure" > "$work/stdout" 2> "$work/stderr"
grep -qx 'not secure' "$work/stdout" || fail "secure before it is setuid"
grep -q nonsense "$work/stderr" || fail "the options have no effect even in an ordinary program"

chown nobody "$work/secure"
chmod u+s "$work/secure"
"$work/secure" > "$work/stdout" 2> "$work/stderr"
grep -qx secure "$work/stdout" || skip "$work does not honour the setuid bit"
[ ! -s "$work/stderr" ] || fail "a secure program listened to the environment: $(cat "$work/stderr")"
