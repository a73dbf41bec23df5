/* A block that a rollback has freed. */
#include "tests/contexts/verdicts/verdict.h"

int main(void) {
    ctxalloc_context *context = CREATE(.name = "request", .lifetime = CTXALLOC_SHORT);
    ctxalloc_mark_t mark;
    (void)ctxalloc_switch(context);
    void *first = allocate(100);
    must(ctxalloc_mark(context, &mark));
    void *p = allocate(100);
    must(ctxalloc_rollback(context, &mark));
    expect_line("free", p, "*");
    release(p);
    return first == NULL;
}
