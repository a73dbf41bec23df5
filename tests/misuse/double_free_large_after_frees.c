/* The block was freed, and merged with others that were freed later. */
#include "tests/misuse/misuse.h"

int main(void) {
    void *blocks[4];
    for (int i = 0; i < 4; i++)
        blocks[i] = allocate(1 << 20);
    release(blocks[1]);
    release(blocks[0]);
    release(blocks[2]);
    expect("free", blocks[1], "double free");
    release(blocks[1]);
    return 0;
}
