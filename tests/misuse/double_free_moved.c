/* realloc has moved the block, and the old place is freed. */
#include "tests/misuse/misuse.h"

int main(void) {
    void *p = allocate(100);
    void *moved = resize(p, 200000);
    if (moved == p || moved == NULL)
        return 2;
    expect("free", p, "double free");
    release(p);
    return 0;
}
