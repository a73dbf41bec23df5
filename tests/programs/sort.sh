#!/bin/bash
# GNU sort orders 100 MB of text: within memory on two threads, and through temporary files.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
need sort awk

"$(dirname "$0")/text100m.sh" >"$work/text"

sort_memory() {
    under sort --parallel=2 -S 1G -o sorted "$work/text"
    cksum <sorted
}

sort_spill() {
    under sort --parallel=2 -S 24M -T . -k 2,2n -k 1,1r "$work/text" >sorted
    cksum <sorted
    under sort -c -k 2,2n -k 1,1r sorted
    rm sorted
}

both sort_memory
same sorted
both sort_spill
saw sort
done_ok
