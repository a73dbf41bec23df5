#!/usr/bin/env bash
# Statistics as JSON: valid whatever contexts are called, true to what the program did, by the call and at exit.
set -eu
export LC_ALL=C.UTF-8
builddir=${builddir:-.}
program=$builddir/tests/reports/stats
[ -x "$program" ] || { echo "skipped: $program is not built" >&2; exit 77; }
if ! command -v python3 >/dev/null; then
    echo "no python3" >&2
    [ "${CTXALLOC_TESTS_REQUIRE:-0}" = 1 ] && exit 1
    exit 77
fi
foreign=1 # the program frees one block that is not ours, where malloc is replaced
! grep -q '^#define CA_INTERPOSE 0' "$builddir/config.h" || foreign=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for check in on off full; do
    CTXALLOC_OPTIONS=check=$check "$program" >"$work/call.json"
    # the C library's streams are gone when the report is written, and the program's standard output is closed, too
    CTXALLOC_OPTIONS=check=$check,stats=json "$program" exit >&- 2>"$work/exit.json"
    for way in call exit; do
        python3 - "$work/$way.json" "$check" "$foreign" <<'END' || { echo "FAIL: check=$check, at $way" >&2; exit 1; }
import json, sys
with open(sys.argv[1], "rb") as f:
    raw = f.read()
text = raw.decode("utf-8")  # strict
r = json.loads(text)
check = sys.argv[2]
assert r["check"] == check and r["ctxalloc"] and r["process_id"] > 0, r
names = ["plain", 'a "quoted" one', "back\\slash", "line\nbreak\ttab", "\x01\x1f\x7f", "na\u00efve \u20ac \U0001f418",
         "broken \u00ff\u00c3(\u00ed\u00a0\u0080", "cut in the middle of a euro: x\u00e2", ""]
contexts = [c for c in r["contexts"]]
by_name = {}
for c in contexts:
    by_name.setdefault(c["name"], []).append(c)
parent = by_name["parent"][0]
assert parent["hard_limit"] == 64 << 20 and parent["soft_limit"] == 32 << 20 and parent["parent"] == 0
sizes = {"on": 112, "off": 112, "full": 128}  # of a block of 100 bytes
for i, name in enumerate(names):
    of = by_name[name]
    medium = "long" if check == "full" else "medium"  # there is no engine for these in that mode
    assert sorted(c["lifetime"] for c in of) == sorted(["long", medium, "short"]), (name, of)
    for c in of:
        assert c["parent"] == parent["number"] and c["state"] == "live", c
        assert c["live_blocks"] == 10 + (i == 0), c
        low = 1000 + (i == 0) * (3 << 20)
        assert low <= c["live_bytes"] <= low + 1000 + (i == 0) * 65536 * 2, c
        assert c["live_bytes"] <= c["held_bytes"] <= c["peak_bytes"], c
adopted = by_name["adopted"]
assert len(adopted) == 3 and all(c["state"] == "adopted" and c["parent"] == parent["number"] and c["live_blocks"] == 1 for c in adopted), adopted
assert parent["held_bytes"] >= sum(c["held_bytes"] for c in contexts if c["parent"] == parent["number"])
assert by_name["small"][0]["refused_requests"] == 2, by_name["small"]
numbers = [c["number"] for c in contexts]
assert len(set(numbers)) == len(numbers) and 0 not in numbers

p = r["process"]
kinds = ["small", "large", "engines", "huge"]
assert p["live"]["blocks"] == sum(p[k]["blocks"] for k in kinds) and p["live"]["bytes"] == sum(p[k]["bytes"] for k in kinds), p
classes = r["classes"]
assert [c["size"] for c in classes] == sorted(c["size"] for c in classes)
assert all(c["live_blocks"] * c["size"] == c["live_bytes"] and c["cached_blocks"] * c["size"] == c["cached_bytes"] for c in classes)
assert all(c["live_bytes"] + c["cached_bytes"] <= c["slab_bytes"] for c in classes), classes
for of, total in (("live_bytes", p["small"]["bytes"]), ("live_blocks", p["small"]["blocks"]), ("cached_bytes", p["cached_bytes"]), ("slab_bytes", p["slab_bytes"])):
    assert sum(c[of] for c in classes) == total, (of, total)
size = {"on": 224, "off": 224, "full": 224}[check]
mine = next(c for c in classes if c["size"] == size)  # a thousand of 200 bytes, and not many more
assert 1000 <= mine["live_blocks"] <= 1100, mine
heaps = r["heaps"]
assert len(heaps) == p["heaps"] and sum(h["heap_bytes"] for h in heaps) == p["heap_bytes"]
assert sum(h["live_blocks"] for h in heaps) == p["small"]["blocks"] + p["large"]["blocks"]
assert {h["of"] for h in heaps} == {"thread", "context", "engines"}, heaps
assert {h["context"] for h in heaps if h["of"] == "context"} <= set(numbers)
assert len(contexts) == p["contexts"]
assert p["heap_bytes"] <= p["given_bytes"] <= p["committed_bytes"] and p["given_bytes"] + p["free_bytes"] == p["committed_bytes"]
assert p["live"]["bytes"] <= p["held_bytes"] + (1 << 20), p
c = r["counters"]
assert c["foreign_frees"] == int(sys.argv[3]) and c["lost_blocks"] == 0, c
assert set(c["refused_system_calls"]) == {"reserve", "commit", "purge", "renew", "move"} and not any(c["refused_system_calls"].values()), c
END
    done
done
# The text has the same sums.
CTXALLOC_OPTIONS=stats=exit "$program" exit 2>"$work/text"
grep -q '^ctxalloc: statistics' "$work/text" && grep -q 'contexts 32 ' "$work/text" && grep -q "foreign frees $foreign$" "$work/text" ||
    { cat "$work/text" >&2; exit 1; }
