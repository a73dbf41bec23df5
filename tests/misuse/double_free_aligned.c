/* A block of posix_memalign is freed twice. */
#include "tests/misuse/misuse.h"

int main(void) {
    void *p = NULL;
    if (posix_memalign(&p, 4096, 1000) != 0)
        return 2;
    release(p);
    expect("free", p, "double free");
    release(p);
    return 0;
}
