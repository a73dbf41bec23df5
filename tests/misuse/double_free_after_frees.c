/* Other blocks of the same size are freed between the two frees of one. */
#include "tests/misuse/misuse.h"

int main(void) {
    void *blocks[200];
    for (int i = 0; i < 200; i++)
        blocks[i] = allocate(48);
    for (int i = 0; i < 150; i++)
        release(blocks[i]);
    expect("free", blocks[20], "double free");
    release(blocks[20]);
    return 0;
}
