/* Another thread frees an address inside a block. */
#include "tests/misuse/misuse.h"

int main(void) {
    void *p = allocate(160);
    expect_interior("free", offset(p, 64), p);
    release_elsewhere(offset(p, 64));
    return 0;
}
