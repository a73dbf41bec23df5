/* free of an address inside a small block. */
#include "tests/misuse/misuse.h"

int main(void) {
    void *p = allocate(160);
    expect_interior("free", offset(p, 32), p);
    release(offset(p, 32));
    return 0;
}
