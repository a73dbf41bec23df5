/* free of an address that no block can have: 1004 bytes into one. */
#include "tests/misuse/misuse.h"

int main(void) {
    void *p = allocate(3000);
    expect("free", offset(p, 1004), "misaligned pointer");
    release(offset(p, 1004));
    return 0;
}
