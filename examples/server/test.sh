#!/bin/sh
# The server with contexts under load, one request in 50 oversized: right answers, 413 for exactly those, memory that does not grow; then the same load
# without oversized ones, with contexts and without, by turns: requests a second.  SERVER_SECONDS: of each run (1).
set -u
here=${abs_builddir:-.}/examples/server
seconds=${SERVER_SECONDS:-1}
work=$(mktemp -d) || exit 1
pid=
trap '[ -z "$pid" ] || kill "$pid" 2>/dev/null; rm -rf "$work"' EXIT
failed=0

fail() {
    echo "FAIL: $*"
    failed=1
}

# serve NAME OVERSIZED_EVERY [server's arguments]: the figures are in $work/NAME
serve() {
    name=$1 every=$2
    shift 2
    : >"$work/server" # what the server before wrote is no answer
    "$here/server" "$@" >>"$work/server" &
    pid=$!
    while kill -0 "$pid" 2>/dev/null && ! grep -q '^port' "$work/server"; do sleep 0.1; done
    port=$(sed -n 's/^port //p' "$work/server")
    timeout $((${seconds%.*} + 200)) "$here/load" "$port" "$pid" "$seconds" "$every" >"$work/$name" || fail "$name: the load generator's status is $?"
    kill -TERM "$pid"
    wait "$pid" || fail "$name: the server's status is $?"
    pid=
    cat "$work/server" >>"$work/$name"
    echo "$name: $(tr '\n' ' ' <"$work/$name")"
}

figure() { sed -n "s/.*\\b$2 \\([0-9]*\\).*/\\1/p" "$work/$1" | head -n 1; }

serve limited 50
asked=$(figure limited asked)
[ "${asked:-0}" -ge 5000 ] || fail "only ${asked:-0} requests"
[ "$(figure limited wrong)" = 0 ] || fail "wrong answers"
[ "$(figure limited refused)" = $((asked / 50)) ] || fail "413 for $(figure limited refused) of $((asked / 50)) oversized requests"
grep -q "^requests $asked refused $((asked / 50)) other 0 " "$work/limited" || fail "the server counts otherwise"
early=$(figure limited early_kib) late=$(figure limited late_kib)
[ "${late:-0}" -gt 0 ] && [ "$late" -le $((early + 1024)) ] || fail "memory grew from $early to $late KiB"

for round in 1 2 3; do
    serve "contexts$round" 0
    serve "plain$round" 0 --plain
done
middle() { for round in 1 2 3; do figure "$1$round" "$2"; done | sort -n | sed -n 2p; }
echo "medians of 3: with contexts $(middle contexts per_second) requests a second, $(middle contexts cpu_ns) ns of the server's processor time each;" \
    "without $(middle plain per_second), $(middle plain cpu_ns)"
exit $failed
