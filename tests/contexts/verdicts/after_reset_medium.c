/* A block from before a reset. */
#include "tests/contexts/verdicts/verdict.h"

int main(void) {
    ctxalloc_context *context = CREATE(.name = "request", .lifetime = CTXALLOC_MEDIUM);
    (void)ctxalloc_switch(context);
    void *p = allocate(100);
    must(ctxalloc_reset(context));
    expect_line("free", p, "*");
    release(p);
    return 0;
}
