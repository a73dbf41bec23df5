/* free of the last 16 bytes of a large block. */
#include "tests/misuse/misuse.h"

int main(void) {
    void *p = allocate(1 << 20);
    size_t last = (ask_size(p) - 1) & ~(size_t)15;
    expect_interior("free", offset(p, last), p);
    release(offset(p, last));
    return 0;
}
