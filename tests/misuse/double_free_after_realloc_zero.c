/* realloc(p, 0) has freed the block, and free does it again. */
#include "tests/misuse/misuse.h"

int main(void) {
    void *p = allocate(100);
    if (resize(p, hide_size(0)) != NULL)
        return 2;
    expect("free", p, "double free");
    release(p);
    return 0;
}
