/* A small block is freed twice in a row. */
#include "tests/misuse/misuse.h"

int main(void) {
    void *p = allocate(48);
    release(p);
    expect("free", p, "double free");
    release(p);
    return 0;
}
