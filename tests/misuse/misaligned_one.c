/* free of an address that no block can have: 1 bytes into one. */
#include "tests/misuse/misuse.h"

int main(void) {
    void *p = allocate(48);
    expect("free", offset(p, 1), "misaligned pointer");
    release(offset(p, 1));
    return 0;
}
