#!/usr/bin/env bash
# A plug-in opened with RTLD_DEEPBIND has libc's malloc, and its blocks come to our free and realloc.
. "${srcdir:-.}/tests/env/lib.sh" || exit 1
plugin=$programs/.libs/plugin.so
[ -e "$plugin" ] || fail "$plugin was not built"
preloaded "$programs/deepbind" "$plugin"
