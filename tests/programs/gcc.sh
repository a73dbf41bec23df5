#!/bin/bash
# g++ and gcc compile big generated sources: the assembly and the objects are equal byte for byte, the
# linked program too. The driver, the compiler proper, the assembler and the linker all run preloaded.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
need gcc g++ as ld awk

awk -v units=3 -f "$inputs/big_cpp.awk" >"$work/big.cc"
# C: one function with thousands of blocks, which some passes keep in memory as a whole.
awk 'BEGIN {
    print "unsigned work(unsigned x) {"
    for (i = 0; i < 1000; i++) print "  if ((x ^ " i * 2654435 % 65536 ") % " i % 13 + 2 ") x = x * " i + 3 " + (x >> " i % 7 + 1 ");"
    print "  return x; }\nint main(void) { return (int)(work(1) & 63); }"
}' >"$work/big.c"

# The objects hold the name of the source and, as debug information, of the folder: not the two real ones.
gxx_object() {
    cp "$work/big.cc" .
    under g++ -std=c++17 -O1 -g "-fdebug-prefix-map=$PWD=." -Wall -c big.cc -o big.o
    under g++ big.o -o big
    cksum big.o big
}

gcc_assembly() {
    cp "$work/big.c" .
    under gcc -O2 -S big.c -o big.s
    under gcc big.s -o bigc
    cksum big.s bigc
}

gcc_error() {
    echo 'int f(void) { return undeclared + missing(; }' >bad.c
    under gcc -c bad.c 2>&1
}

both gxx_object
same big.o big
both gcc_assembly
same big.s bigc
both gcc_error 1
saw g++ gcc cc1plus cc1 as collect2 ld
done_ok
