/* A block of a context is freed twice while that is current. */
#include "tests/contexts/verdicts/verdict.h"

int main(void) {
    ctxalloc_context *context = CREATE(.name = "request", .lifetime = CTXALLOC_MEDIUM);
    (void)ctxalloc_switch(context);
    void *p = allocate(100), *next = allocate(100);
    expect_line("free", p, "double free (context request)");
    release(p);
    release(p);
    return next == NULL;
}
