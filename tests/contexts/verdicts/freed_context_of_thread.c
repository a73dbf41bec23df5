/* A block of a thread's own context, after the thread's end. */
#include "tests/contexts/verdicts/verdict.h"

static void *allocate_own(void *unused) {
    (void)unused;
    return ctxalloc_switch(CTXALLOC_THREAD) ? allocate(100) : NULL;
}

int main(void) {
    pthread_t thread;
    void *p;
    if (pthread_create(&thread, NULL, allocate_own, NULL) || pthread_join(thread, &p) || !p)
        return 2;
    expect_line("free", p, "freed context thread");
    release(p);
    return 0;
}
