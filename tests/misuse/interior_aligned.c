/* free of an address inside a block of large alignment. */
#include "tests/misuse/misuse.h"

int main(void) {
    void *p = NULL;
    if (posix_memalign(&p, 1 << 16, 100000) != 0)
        return 2;
    expect_interior("free", offset(p, 65536), p);
    release(offset(p, 65536));
    return 0;
}
