#!/bin/bash
# stress-ng's malloc stressor, with its own checks of the blocks' contents (--verify): several processes and
# threads, with random sizes, reallocs and aligned blocks.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
need stress-ng

# The metrics line has the number of operations done behind the stressor's name; the times beside it are
# not compared.
metrics() {
    local status=0
    under stress-ng --verify --metrics-brief --no-rand-seed --timeout 0 "$@" >log 2>&1 || status=$? # until the operations are done: `under` has the time limit
    grep -E 'fail|error' log || true
    # Each worker ends at the first look after its last operation, so the number may be a little above.
    awk -v ops="$ops" '$4 == "malloc" { print (($5 >= ops && $5 < ops * 2) ? "all operations done" : "operations: " $5) }' log
    [ "$status" -eq 0 ] || tail -n 20 log >&2
    return "$status"
}

ops=50000

stress_processes() {
    metrics --malloc 2 --malloc-ops "$ops" --malloc-bytes 64K --malloc-max 4096 --malloc-touch
}

stress_threads() {
    metrics --malloc 1 --malloc-ops "$ops" --malloc-pthreads 4 --malloc-bytes 16K --malloc-max 2048
}

stress_large() {
    ops=4000
    metrics --malloc 2 --malloc-ops "$ops" --malloc-bytes 4M --malloc-max 32 --malloc-zerofree
}

both stress_processes
both stress_threads
both stress_large
grep -q 'all operations done' "$work/ctxalloc.out" || fail "stress-ng did not report its operations"
saw stress-ng
done_ok
