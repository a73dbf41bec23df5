/* free of an address inside a large block. */
#include "tests/misuse/misuse.h"

int main(void) {
    void *p = allocate(1 << 20);
    expect_interior("free", offset(p, 4096), p);
    release(offset(p, 4096));
    return 0;
}
