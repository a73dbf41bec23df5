#!/bin/bash
# xz packs and unpacks 100 MB of text: on one thread and on two, with equal archives, and back.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
need xz awk

"$(dirname "$0")/text100m.sh" >"$work/text"

xz_threads() {
    under xz -0 -T2 --block-size=8MiB -c "$work/text" >text.xz
    under xz -dc -T2 text.xz | cmp - "$work/text"
    cksum <text.xz
}

# The best preset needs large blocks (dictionary and match finder), so it gets a smaller part.
xz_best() {
    head -c 2000000 "$work/text" | under xz -9e -T1 -c >best.xz
    under xz -lv best.xz | grep -c CRC
    under xz -dc best.xz | cksum
}

both xz_threads
same text.xz
both xz_best
same best.xz
saw xz
done_ok
