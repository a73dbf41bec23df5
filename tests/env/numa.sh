#!/usr/bin/env bash
# A machine with one node pays nothing for NUMA: no system call of it, and the same calls with numa=off as without; not at the start, and not with many threads (N9).
# shellcheck source=tests/env/lib.sh
. "$(dirname "$0")/lib.sh"
command -v strace >/dev/null || { [ "${CTXALLOC_TESTS_REQUIRE-}" = 1 ] && fail "no strace"; skip "no strace"; }
nodes=$(cat /sys/devices/system/node/has_memory 2>/dev/null || echo 0)
[ "$nodes" = 0 ] || skip "this machine has memory on nodes $nodes: tests/numa is for those"

try strace -o /dev/null true
[ "$status" -eq 0 ] || skip "strace cannot trace here"
# Of the program alone: timeout's own calls depend on which of the two ends first.
traced() { # FILE [VARIABLE=VALUE]...
    local to=$1
    shift
    timeout -k 1 100 strace -f -qq -o "$to" env LD_PRELOAD="$CTXALLOC_LIB" "$@" "$programs/numa_threads" >/dev/null 2>&1 || fail "numa_threads $*: status $?"
}
numa_calls() { grep -cE 'mbind|get_mempolicy|set_mempolicy|move_pages|getcpu|/sys/devices/system/node' "$1" || true; }
counted() { sed 's/^[0-9]* *//; s/(.*//' "$1" | grep -E '^[a-z]' | grep -vE '^(futex|sched_yield|madvise|restart_syscall|resumed)' | sort | uniq -c; }

traced "$work/threads"
traced "$work/off" CTXALLOC_OPTIONS=numa=off
[ "$(numa_calls "$work/threads")" = 0 ] || fail "$(grep -E 'mbind|mempolicy|move_pages|getcpu|/node' "$work/threads" | head)"
counted "$work/threads" >"$work/a"
counted "$work/off" >"$work/b"
diff "$work/a" "$work/b" >&2 || fail "other calls than with numa=off"

# Who asks is answered: the files are read once, and one node needs no policy.
traced "$work/asked" CTXALLOC_OPTIONS=numa=bind:0
[ "$(grep -c '/sys/devices/system/node/has_memory' "$work/asked")" -ge 1 ] || fail "numa=bind:0 did not look"
grep -q mbind "$work/asked" && fail "a policy was told to a kernel with one node"

# A node that is not there: one line, and the program runs.
timeout -k 1 100 env LD_PRELOAD="$CTXALLOC_LIB" CTXALLOC_OPTIONS=numa=bind:7 "$programs/numa_threads" >"$work/out" 2>"$work/err" || fail "numa=bind:7 ends the program"
[ "$(grep -c 'numa=bind:7' "$work/err")" = 1 ] || fail "numa=bind:7: $(cat "$work/err")"
echo "no system call for NUMA in $(wc -l <"$work/threads") calls"
