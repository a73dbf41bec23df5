/* A block of calloc is freed twice. */
#include "tests/misuse/misuse.h"

int main(void) {
    void *p = hide_pointer(calloc(hide_size(20), 20));
    release(p);
    expect("free", p, "double free");
    release(p);
    return 0;
}
