/* realloc of a huge block that was freed. */
#include "tests/misuse/misuse.h"

int main(void) {
    void *p = allocate(256 << 20);
    release(p);
    expect("realloc", p, "freed pointer");
    resize(p, 512 << 20);
    return 0;
}
