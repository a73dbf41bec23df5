/* A thousand allocations and frees of other sizes lie between the two frees. */
#include "tests/misuse/misuse.h"

int main(void) {
    void *p = allocate(48), *neighbour = allocate(48);
    void *others[10] = {NULL};
    release(p);
    for (size_t i = 0; i < 1000; i++) {
        release(others[i % 10]);
        others[i % 10] = allocate(1000 + i * 7 % 3000);
    }
    expect("free", p, "double free");
    release(p);
    release(neighbour);
    return 0;
}
