#!/bin/bash
# python3 with its own small-object allocator switched off, so that every object comes from malloc.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
python_find

# Not -I or -E: with these it ignores PYTHONMALLOC. Nor anybody's own packages.
unset PYTHONPATH PYTHONHOME PYTHONSTARTUP
export PYTHONMALLOC=malloc PYTHONHASHSEED=0
options=-s

python_work() {
    under "$python" "$options" "$inputs/python3.py"
}

if "$python" "$options" -c 'import sys; sys._debugmallocstats()' 2>&1 | grep -q 'Small block threshold'; then
    fail "python3 uses its own allocator for small objects"
fi
both python_work 3
saw "$(basename "$python")"
done_ok
