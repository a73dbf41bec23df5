/* Other blocks of the same size are freed between the two frees of a medium one. */
#include "tests/misuse/misuse.h"

int main(void) {
    void *blocks[100];
    for (int i = 0; i < 100; i++)
        blocks[i] = allocate(3000);
    for (int i = 0; i < 75; i++)
        release(blocks[i]);
    expect("free", blocks[10], "double free");
    release(blocks[10]);
    return 0;
}
