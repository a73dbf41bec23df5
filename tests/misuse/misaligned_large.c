/* free of an address that no block can have: 4097 bytes into one. */
#include "tests/misuse/misuse.h"

int main(void) {
    void *p = allocate(1 << 20);
    expect("free", offset(p, 4097), "misaligned pointer");
    release(offset(p, 4097));
    return 0;
}
