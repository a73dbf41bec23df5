/* The freed block's memory has gone back to the system before it is freed again. */
#include "tests/misuse/misuse.h"

int main(void) {
    void *p = allocate(3000), *neighbour = allocate(3000);
    release(p);
    malloc_trim(0);
    expect("free", p, "double free");
    release(p);
    release(neighbour);
    return 0;
}
