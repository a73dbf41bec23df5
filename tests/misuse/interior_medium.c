/* free of an address inside a medium block. */
#include "tests/misuse/misuse.h"

int main(void) {
    void *p = allocate(3000);
    expect_interior("free", offset(p, 1600), p);
    release(offset(p, 1600));
    return 0;
}
