/* The same for the newest block. */
#include "tests/contexts/verdicts/verdict.h"

int main(void) {
    ctxalloc_context *context = CREATE(.name = "request", .lifetime = CTXALLOC_MEDIUM);
    (void)ctxalloc_switch(context);
    void *first = allocate(100), *p = allocate(100);
    expect_line("free", p, "double free (context request)");
    release(p);
    release(p);
    return first == NULL;
}
