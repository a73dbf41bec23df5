# shellcheck shell=bash
# What the tests of real programs share; sourced by each of them.
#
# A test defines a shell function that does some work, starts the program under test with `under` or
# `serve` in front, and writes what it found to stdout. `both` calls the function twice, in two folders:
# once with glibc's malloc, once with the allocator in $CTXALLOC_LIB preloaded. The two must print the
# same, end with the same status, and leave the same files (those named to `same`). `saw` then checks,
# in the witness's records (witness.c), that the programs really ran on the allocator they should have.
#
#   need PROGRAM…          skip (77) unless all of them are installed
#   both FUNCTION [STATUS] run it twice, compare; both must end with STATUS (0)
#   same FILE…             the files in the two folders are equal and not empty
#   saw NAME…              each of these commands ran, and no process ran on another malloc
#   done_ok                the test's last line
#
# In the function: under PROGRAM args…, serve PROGRAM args… (in the background, as $server),
# await COMMAND… (until it succeeds), maps_right PID.
#
# The "glibc" side preloads libc.so.6 itself, because some programs bring another malloc (Debian's
# redis is linked with jemalloc), and the first malloc in the order of the libraries is the one used.

set -euo pipefail
export LC_ALL=C

inputs=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/input
test_name=$(basename "$0" .sh)
seconds_max=${CTXALLOC_TEST_SECONDS:-400} # for one program run: a hang is a failure, not a wait
mode=none
server=
work=
checked=0

say() { printf '%s: %s\n' "$test_name" "$*"; }
fail() {
    say "FAIL: $*"
    exit 1
}
skip() {
    say "skipped: $*"
    exit 77
}

need() {
    local program
    for program in "$@"; do
        command -v "$program" >/dev/null || skip "$program is not installed"
    done
}

# python3 may be a wrapper script that picks one of several; the real program is wanted, as $python.
python_find() {
    need python3
    python=/usr/bin/python3
    [ -x "$python" ] || python=$(python3 -c 'import sys; print(sys.executable)')
    python=$(readlink -f "$python")
}

server_kill() {
    if [ -n "$server" ]; then
        kill -KILL "$server" 2>/dev/null || true
        wait "$server" 2>/dev/null || true
        server=
    fi
}

cleanup() {
    # Servers that a subshell of `both` started are known by the file it left.
    if [ -n "$work" ]; then
        local file
        for file in "$work"/*.server; do
            [ ! -e "$file" ] || kill -KILL "$(cat "$file")" 2>/dev/null || true
        done
        rm -rf "$work"
    fi
}

# A library built with a sanitizer cannot be preloaded into programs that were built without.
library_check() {
    [ -n "${CTXALLOC_LIB:-}" ] || fail "CTXALLOC_LIB is not set: it names the library to preload"
    # The name that has to be seen in maps, whatever the version behind it.
    library_name=$(basename "$CTXALLOC_LIB")
    library_name=${library_name%%.so*}
    if [ -r "$CTXALLOC_LIB" ] && command -v nm >/dev/null; then
        local symbol
        symbol=$(nm -D --undefined-only "$CTXALLOC_LIB" | grep -oE -m1 '__(asan|tsan|msan)_init' || true)
        [ -z "$symbol" ] || skip "the library was built with a sanitizer ($symbol), so it cannot be preloaded"
    fi
}

# Environment and time limit of a program under test; the mode says which malloc it gets.
environment() {
    environment=(CTXALLOC_WITNESS="$work/$mode.seen")
    case $mode in
        glibc) environment+=(LD_PRELOAD="libc.so.6:$work/witness.so") ;;
        ctxalloc) environment+=(LD_PRELOAD="$CTXALLOC_LIB:$work/witness.so") ;;
        *) fail "a program was started outside both" ;;
    esac
}

under() {
    environment
    timeout -k 5 "$seconds_max" env "${environment[@]}" "$@"
}

# No timeout in front, so that $server is the program itself: its maps and its death are looked at.
serve() {
    environment
    env "${environment[@]}" "$@" >server.log 2>&1 &
    server=$!
    echo "$server" >"$work/$mode.server"
}

await() {
    local tries=0
    until "$@" >/dev/null 2>&1; do
        tries=$((tries + 1))
        if [ "$tries" -gt 4000 ] || { [ -n "$server" ] && ! kill -0 "$server" 2>/dev/null; }; then
            [ ! -e server.log ] || tail -n 20 server.log >&2
            echo "gave up waiting for: $*" >&2
            return 1
        fi
        sleep 0.05
    done
}

# The server's own exit status; killed, with a status of 255, when it does not end within minutes.
server_end() {
    local status=0 tries=0
    # A process that ended is a zombie until bash has noticed, and nothing after that.
    while grep -qs '^State:[[:space:]]*[^ZX[:space:]]' "/proc/$server/status"; do
        tries=$((tries + 1))
        if [ "$tries" -gt 4000 ]; then
            echo "the server does not end" >&2
            server_kill
            return 255
        fi
        sleep 0.05
    done
    wait "$server" || status=$?
    server=
    rm -f "$work/$mode.server"
    return "$status"
}

# The library is mapped in a running process when it should be, and only then.
maps_right() {
    local seen=no wanted=no
    ! grep -q "/$library_name\.so" "/proc/$1/maps" || seen=yes
    [ "$mode" = glibc ] || wanted=yes
    if [ "$seen" != "$wanted" ]; then
        echo "$library_name in the maps of process $1: $seen, wanted: $wanted" >&2
        return 1
    fi
}

both() {
    local function=$1 wanted=${2:-0} status
    say "$function"
    for mode in glibc ctxalloc; do
        mkdir -p "$work/$mode"
        set +e
        (
            set -e
            trap server_kill EXIT
            cd "$work/$mode"
            "$function"
        ) >"$work/$mode.out" 2>"$work/$mode.err"
        status=$?
        set -e
        if [ "$status" -ne "$wanted" ]; then
            tail -n 20 "$work/$mode.out" "$work/$mode.err"
            fail "$function with $mode: exit status $status, wanted $wanted"
        fi
    done
    mode=none
    if ! cmp "$work/glibc.out" "$work/ctxalloc.out"; then
        diff -a "$work/glibc.out" "$work/ctxalloc.out" | head -n 20 || true
        tail -n 20 "$work/ctxalloc.err"
        fail "$function: the output differs"
    fi
    [ -s "$work/glibc.out" ] || fail "$function printed nothing, so nothing was compared"
    checked=$((checked + 1))
}

same() {
    local file
    for file in "$@"; do
        [ -s "$work/glibc/$file" ] || fail "$file is missing or empty"
        cmp "$work/glibc/$file" "$work/ctxalloc/$file" || fail "$file differs"
    done
}

saw() {
    local name strangers
    for name in "$@"; do
        grep -q "^$name [0-9]* .*/libc\.so\.6\$" "$work/glibc.seen" ||
            fail "$name was not seen running on glibc's malloc"
        grep -q "^$name [0-9]* .*/$library_name\.so[^/]*\$" "$work/ctxalloc.seen" || {
            sort "$work/ctxalloc.seen" | uniq -c | sort -rn | head
            fail "$name was not seen running on $library_name: the preload had no effect"
        }
    done
    strangers=$(grep -v "/libc\.so\.6\$" "$work/glibc.seen" | head -n 5 || true)
    [ -z "$strangers" ] || fail "not on glibc's malloc: $strangers"
    strangers=$(grep -v "/$library_name\.so[^/]*\$" "$work/ctxalloc.seen" | head -n 5 || true)
    [ -z "$strangers" ] || fail "not on $library_name: $strangers"
}

done_ok() {
    [ "$checked" -gt 0 ] || fail "nothing was run"
    say "ok ($(wc -l <"$work/ctxalloc.seen") processes ran on $library_name)"
}

library_check
work=$(mktemp -d "${TMPDIR:-/tmp}/ctxalloc-$test_name.XXXXXX")
trap cleanup EXIT
trap 'exit 1' HUP INT TERM
# shellcheck disable=SC2086 # CC may be a command with options
${CC:-cc} -std=gnu11 -O1 -fPIC -shared -Wl,-z,now -o "$work/witness.so" "$(dirname "$inputs")/witness.c" ||
    fail "the witness does not compile"
