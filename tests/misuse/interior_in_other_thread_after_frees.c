/* Another thread frees blocks, which wait to be sent to their owner, and then an address inside one that is live. */
#include "tests/misuse/misuse.h"

enum { FREES = 10 };

static void *blocks[FREES];

static void *release_all(void *last) {
    for (int i = 0; i < FREES; i++)
        release(blocks[i]);
    release(last);
    return NULL;
}

int main(void) {
    pthread_t thread;
    for (int i = 0; i < FREES; i++)
        blocks[i] = allocate(160);
    void *p = allocate(160);
    expect_interior("free", offset(p, 64), p);
    if (pthread_create(&thread, NULL, release_all, offset(p, 64)) != 0 || pthread_join(thread, NULL) != 0)
        _exit(2);
    return 0;
}
