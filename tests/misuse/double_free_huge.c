/* A huge block is freed twice in a row. */
#include "tests/misuse/misuse.h"

int main(void) {
    void *p = allocate(256 << 20);
    release(p);
    expect("free", p, "double free");
    release(p);
    return 0;
}
