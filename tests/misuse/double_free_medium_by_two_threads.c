/* Two threads that are not the owner free the same medium block. The verdict may wait until the owner runs
 * out of blocks. */
#include "tests/misuse/misuse.h"

int main(void) {
    void *p = allocate(3000);
    expect("free", p, "double free");
    release_elsewhere(p);
    release_elsewhere(p);
    drain(3000);
    return 0;
}
