/* realloc of a large block that was freed. */
#include "tests/misuse/misuse.h"

int main(void) {
    void *p = allocate(1 << 20);
    release(p);
    expect("realloc", p, "freed pointer");
    resize(p, 2 << 20);
    return 0;
}
