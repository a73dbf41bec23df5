#!/bin/bash
# Writes 100,000,000 bytes of text to stdout, the same on every machine: the input of sort.sh and xz.sh.
# Lines of 30 to 330 bytes, in no order; the numbers come from a linear congruential generator that
# stays below 2^53, so that every awk computes them exactly.
set -eu
# head ends first, and awk may then say that its pipe broke.
awk 'BEGIN {
    x = 12345
    filler = "the quick brown fox jumps over the lazy dog and then sleeps "
    filler = filler filler filler filler filler filler
    for (;;) {
        x = (x * 1103515 + 12345) % 2147483648
        printf "%08x %d %s %d\n", x, x % 100003, substr(filler, x % 50 + 1, x % 301), x % 65521
    }
}' 2>/dev/null | head -c 100000000
