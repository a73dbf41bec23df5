/* A block from before a mark, freed after it, freed again after the rollback. */
#include "tests/contexts/verdicts/verdict.h"

int main(void) {
    ctxalloc_context *context = CREATE(.name = "request", .lifetime = CTXALLOC_SHORT);
    ctxalloc_mark_t mark;
    (void)ctxalloc_switch(context);
    void *p = allocate(100);
    must(ctxalloc_mark(context, &mark));
    void *next = allocate(100);
    release(p);
    must(ctxalloc_rollback(context, &mark));
    expect_line("free", p, "double free (context request)");
    release(p);
    return next == NULL;
}
