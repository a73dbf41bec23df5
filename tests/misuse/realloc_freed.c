/* realloc of a block that was freed. */
#include "tests/misuse/misuse.h"

int main(void) {
    void *p = allocate(48);
    release(p);
    expect("realloc", p, "freed pointer");
    resize(p, 100);
    return 0;
}
