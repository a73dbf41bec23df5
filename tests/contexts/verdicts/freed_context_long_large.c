/* A free of a block whose context was destroyed. */
#include "tests/contexts/verdicts/verdict.h"

int main(void) {
    ctxalloc_context *context = CREATE(.name = "request", .lifetime = CTXALLOC_LONG);
    void *p = block_of(context, 100000);
    must(ctxalloc_destroy(context));
    expect_line("free", p, "freed context request");
    release(p);
    return 0;
}
