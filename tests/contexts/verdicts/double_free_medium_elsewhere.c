/* A block of a medium context is freed by its owner, then by another thread, which must be told at the call. */
#include "tests/contexts/verdicts/verdict.h"

int main(void) {
    ctxalloc_context *context = CREATE(.name = "request", .lifetime = CTXALLOC_MEDIUM);
    (void)ctxalloc_switch(context);
    void *p = allocate(100), *next = allocate(100);
    expect_line("free", p, "double free (context request)");
    release(p);
    release_elsewhere(p);
    return next == NULL;
}
