/* A pointer into a block of a context. */
#include "tests/contexts/verdicts/verdict.h"

int main(void) {
    ctxalloc_context *context = CREATE(.name = "request", .lifetime = CTXALLOC_MEDIUM);
    void *p = block_of(context, 200), *inside = offset(p, 32);
    char verdict[100];
    snprintf(verdict, sizeof verdict, "interior pointer of %p (context request)", p);
    expect_line("free", inside, verdict);
    release(inside);
    return 0;
}
