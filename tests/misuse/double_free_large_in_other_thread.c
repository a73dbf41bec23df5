/* The owner freed the large block, then another thread does. */
#include "tests/misuse/misuse.h"

int main(void) {
    release_elsewhere(allocate(100)); /* what a thread's start allocates is there then, and does not take the freed pages */
    void *p = allocate(1 << 20);
    release(p);
    expect("free", p, "double free");
    release_elsewhere(p);
    return 0;
}
