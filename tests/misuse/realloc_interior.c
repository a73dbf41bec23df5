/* realloc of an address inside a block. */
#include "tests/misuse/misuse.h"

int main(void) {
    void *p = allocate(160);
    expect_interior("realloc", offset(p, 48), p);
    resize(offset(p, 48), 300);
    return 0;
}
