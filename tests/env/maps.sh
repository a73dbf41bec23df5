#!/usr/bin/env bash
# Few mappings left, or none: memory or ENOMEM, never a crash, and free keeps errno when munmap fails.
. "${srcdir:-.}/tests/env/lib.sh" || exit 1
limit=$(cat /proc/sys/vm/max_map_count 2> /dev/null || echo 65530)
[ "$limit" -le 1000000 ] || skip "vm.max_map_count is $limit"
preloaded "$programs/maps"
