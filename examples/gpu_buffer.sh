#!/usr/bin/env bash
# The GPU buffer example: its JSON is right (ranges in order, without gaps, aligned), and its picture is XML with as many units dark as are used.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
examples/gpu_buffer "$work"
python3 - "$work" <<'END'
import json, sys, xml.etree.ElementTree as xml
dump = json.load(open(sys.argv[1] + "/gpu_buffer.json"))
ranges = sorted([(r["offset"], r["size"], True) for r in dump["used"]] + [(r["offset"], r["size"], False) for r in dump["free_ranges"]])
end, last_free = 0, False
for offset, size, used in ranges:
    assert offset == end and size > 0, (offset, end)
    assert not used or offset % 256 == 0
    assert used or not last_free
    end, last_free = offset + size, not used
assert end == dump["capacity"] == 256 << 20
assert sum(size for _, size, used in ranges if not used) == dump["free"]
assert max(size for _, size, used in ranges if not used) == dump["largest"]
assert sum(used for _, _, used in ranges) == dump["blocks"] > 100
picture = xml.parse(sys.argv[1] + "/gpu_buffer.svg").getroot()
dark = sum(float(r.get("width")) for r in picture.findall("./{*}g/{*}rect"))
used = dump["capacity"] - dump["free"]
assert abs(dark / 1000 * (4 << 20) - used) < used / 500, (dark, used)
END
