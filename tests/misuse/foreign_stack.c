/* free of an address on the stack: not ours, so the next allocator is asked, and it dies in its way. */
#include "tests/misuse/misuse.h"

int main(void) {
    char buffer[256] __attribute__((aligned(16))) = {0};
    expect_foreign();
    release(buffer + 64);
    return 0;
}
