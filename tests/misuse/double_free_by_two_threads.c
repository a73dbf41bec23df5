/* Two threads that are not the owner free the same block. The verdict may wait until the owner runs
 * out of blocks. */
#include "tests/misuse/misuse.h"

int main(void) {
    void *p = allocate(48);
    expect("free", p, "double free");
    release_elsewhere(p);
    release_elsewhere(p);
    drain(48);
    return 0;
}
