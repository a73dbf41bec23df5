#!/usr/bin/env bash
# Every system call for memory fails from the nth on, and at the nth only, from the start of a process: it ends as it should, or says that it
# has no memory, and never by a crash. This also stands for overcommit_memory=2, which cannot be set without harm to others.
. "${srcdir:-.}/tests/env/lib.sh" || exit 1
command -v strace > /dev/null || skip "strace is missing"
try strace -o /dev/null -e trace=none -e inject=mbind:error=EPERM true
[ "$status" -eq 0 ] || skip "strace cannot be used here"

worst=0
inject() { # call, error, when
    status=0
    { timeout -k 1 60 strace -f -q -o "$work/trace" -e trace="$1,openat" -e inject="$1:error=$2:when=$3" \
        -E LD_PRELOAD="$CTXALLOC_LIB" "$programs/work" > "$work/out" 2>&1; } 2> "$work/shell" || status=$?
    case $status in
        0 | 3) ;; # all went well; work met ENOMEM
        127) grep -q -e 'error while loading' -e 'cannot' "$work/out" || fail "$1 $2 when=$3: 127 without the loader's words" ;;
        # Too early for any program to run: the loader could not map the library, and went on without.
        4 | 1) grep -q 'cannot be preloaded\|not loaded\|cannot' "$work/out" ||
            fail "$1 $2 when=$3: status $status: $(head -c 300 "$work/out")" ;;
        134) grep -q '^ctxalloc: .*memory' "$work/out" || fail "$1 $2 when=$3: aborted: $(head -c 300 "$work/out")" ;;
        # The loader of glibc 2.36 itself crashes when its first mapping fails: excused only before it has opened the library.
        139) grep -q "openat.*libctxalloc" "$work/trace" && fail "$1 $2 when=$3: crashed" ;;
        *) fail "$1 $2 when=$3: status $status: $(head -c 300 "$work/out")" ;;
    esac
    [ "$status" -le "$worst" ] || worst=$status
    runs=$((runs + 1))
    if grep -q INJECTED "$work/trace"; then injected=$((injected + 1)); fi
}

runs=0 injected=0
for n in $(seq 40); do
    inject mmap ENOMEM "$n+"
    inject mmap ENOMEM "$n"
done
for n in $(seq 12); do
    inject mprotect ENOMEM "$n+"
    inject mprotect ENOMEM "$n"
done
for n in $(seq 10); do
    inject munmap ENOMEM "$n+"
    inject madvise ENOMEM "$n+"
    inject mremap ENOMEM "$n+"
    inject brk ENOMEM "$n+"
done
inject getrandom EAGAIN 1+
inject prlimit64 EPERM 1+
inject futex EPERM 1000+
echo "$runs runs, $injected of them with failures injected, highest status $worst"
[ "$injected" -gt 40 ] || fail "hardly any failure was injected"
