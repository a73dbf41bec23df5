#!/usr/bin/env python3
"""profile.py PROFILE SITES PROGRAM: reads a heap profile of profile.c, and compares what it says of each site with what the site did."""
import math
import re
import sys

text = open(sys.argv[1], encoding="utf-8").read()
head, _, rest = text.partition("\n")
number = r"\s*(\d+): (\d+) \[\s*(\d+): (\d+)\] @"
match = re.fullmatch(r"heap profile: " + number + r" heap_v2/(\d+)", head)
assert match, head
total, interval = [int(n) for n in match.groups()[:4]], int(match.group(5))
samples, _, maps = rest.partition("\nMAPPED_LIBRARIES:\n")
assert maps, "no mapped libraries"
ranges = []
for line in maps.splitlines():
    fields = line.split(None, 5)
    low, high = (int(n, 16) for n in fields[0].split("-"))
    ranges.append((low, high, fields[5] if len(fields) > 5 else ""))

sites = []
for line in open(sys.argv[2], encoding="utf-8"):
    name, address, live, every = line.split()
    sites.append((int(address, 16), name, int(live), int(every)))
sites.sort()

sums = [0, 0, 0, 0]
found = {name: [0, 0] for _, name, _, _ in sites}
seen = {name: 0 for _, name, _, _ in sites}
for line in samples.splitlines():
    match = re.fullmatch(number + r"((?: 0x[0-9a-f]+)+)", line)
    assert match, line
    counts = [int(n) for n in match.groups()[:4]]
    frames = [int(n, 16) for n in match.group(5).split()]
    sums = [a + b for a, b in zip(sums, counts)]
    assert counts[0] <= counts[2] and counts[1] <= counts[3], line
    leaf = frames[0]
    below = [s for s in sites if s[0] < leaf]
    if not below or leaf - below[-1][0] > 256:
        continue  # the C library's own, and the like
    name = below[-1][1]
    assert any(low <= leaf < high and path.endswith(sys.argv[3]) for low, high, path in ranges), (name, hex(leaf))
    assert len(frames) >= 2, line  # main is above it
    for i in (0, 1):  # each of n samples of size s stands for 1 / (1 - exp(-s / interval)) blocks
        blocks, size = counts[2 * i], counts[2 * i + 1]
        if blocks:
            found[name][i] += size / (1 - math.exp(-size / blocks / interval))
    seen[name] += counts[2]
assert sums == total, (sums, total)

wrong = 0
for _, name, live, every in sites:
    for what, expected, got in (("live", live, found[name][0]), ("allocated", every, found[name][1])):
        # The number of samples is Poisson distributed, or narrower: five standard deviations. None at all is exact.
        bound = 5 * math.sqrt(expected * interval) + 1 if expected else 0
        ok = abs(got - expected) <= bound
        wrong += not ok
        print(f"{name:18} {what:10} {expected:10} {got:12.0f} {'' if ok else 'WRONG'}")
    wrong += seen[name] == 0
sys.exit(1 if wrong else 0)
