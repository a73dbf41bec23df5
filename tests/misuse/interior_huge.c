/* free of an address inside a huge block. */
#include "tests/misuse/misuse.h"

int main(void) {
    void *p = allocate(256 << 20);
    expect_interior("free", offset(p, 1 << 20), p);
    release(offset(p, 1 << 20));
    return 0;
}
