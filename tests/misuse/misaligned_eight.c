/* free of an address that no block can have: 8 bytes into one. */
#include "tests/misuse/misuse.h"

int main(void) {
    void *p = allocate(48);
    expect("free", offset(p, 8), "misaligned pointer");
    release(offset(p, 8));
    return 0;
}
