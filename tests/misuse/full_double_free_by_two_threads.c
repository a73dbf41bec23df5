/* check=full: the second of two frees by two threads is found at the call, before the owner takes anything in. */
#include "tests/misuse/misuse.h"

int main(void) {
    char *p = allocate(100);
    release_elsewhere(p);
    expect("free", p, "double free");
    release(p);
    return 0;
}
