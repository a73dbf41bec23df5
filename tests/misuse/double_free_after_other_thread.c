/* Another thread freed the block, then its owner does. The verdict may wait until the owner takes in what
 * others freed. */
#include "tests/misuse/misuse.h"

int main(void) {
    void *p = allocate(48);
    release_elsewhere(p);
    expect("free", p, "double free");
    release(p);
    malloc_trim(0);
    return 0;
}
