#!/usr/bin/env bash
# Standard streams that are closed, and a first file that then is number 2: the library says nothing into it.
. "${srcdir:-.}/tests/env/lib.sh" || exit 1
preloaded "$programs/work" 2>&-
preloaded "$programs/work" <&- >&- 2>&-
for options in stats=exit nonsense=1 help; do
    CTXALLOC_OPTIONS=$options preloaded "$programs/work" 2>&- > /dev/null || fail "$options with a closed standard error: $?"
    CTXALLOC_OPTIONS=$options preloaded "$programs/work" <&- >&- 2>&- || fail "$options with closed standard streams: $?"
    CTXALLOC_OPTIONS=$options preloaded "$programs/work" > /dev/full 2> /dev/full || fail "$options to a full device: $?"
done
