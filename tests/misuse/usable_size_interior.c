/* malloc_usable_size of an address inside a block. */
#include "tests/misuse/misuse.h"

int main(void) {
    void *p = allocate(160);
    expect_interior("malloc_usable_size", offset(p, 16), p);
    ask_size(offset(p, 16));
    return 0;
}
