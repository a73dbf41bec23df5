#!/usr/bin/env bash
# System calls that a container refuses. All that the allocator wants from them it must be able to do without.
. "${srcdir:-.}/tests/env/lib.sh" || exit 1
try "$programs/deny" EPERM mbind -- "$(type -P true)"
[ "$status" -ne 77 ] || skip "the kernel takes no seccomp filters here"
[ "$status" -eq 0 ] || fail "deny itself ended with $status"

for error in EPERM ENOSYS; do
    for call in madvise mremap mbind get_mempolicy set_mempolicy membarrier getrandom sched_getaffinity getcpu mlock prctl sysinfo; do
        preloaded "$programs/deny" "$error" "$call" -- "$programs/work" || fail "$call answered with $error: status $?"
    done
    preloaded "$programs/deny" "$error" madvise mremap mbind get_mempolicy set_mempolicy membarrier getrandom sched_getaffinity \
        getcpu prctl -- "$programs/work" || fail "all of them answered with $error: status $?"
done
# munmap may fail for want of memory, too: what cannot be given back is kept.
preloaded "$programs/deny" ENOMEM munmap -- "$programs/work" || fail "munmap answered with ENOMEM: status $?"
preloaded "$programs/deny" ENOMEM mremap madvise -- "$programs/work" || fail "mremap, madvise answered with ENOMEM: status $?"
