/* The owner freed the block, then another thread does. */
#include "tests/misuse/misuse.h"

int main(void) {
    void *p = allocate(48);
    release(p);
    expect("free", p, "double free");
    release_elsewhere(p);
    return 0;
}
