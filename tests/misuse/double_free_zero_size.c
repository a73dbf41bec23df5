/* A block of no bytes is a block all the same, and is freed twice. */
#include "tests/misuse/misuse.h"

int main(void) {
    void *p = allocate(0);
    release(p);
    expect("free", p, "double free");
    release(p);
    return 0;
}
