/* free of a global variable: not ours, so the next allocator is asked, and it dies in its way. */
#include "tests/misuse/misuse.h"

static char buffer[256] __attribute__((aligned(16))) = {0};

int main(void) {
    expect_foreign();
    release(buffer + 64);
    return 0;
}
