/* The same for a context without a name. */
#include "tests/contexts/verdicts/verdict.h"

int main(void) {
    ctxalloc_context *context = ctxalloc_create(NULL);
    void *p = block_of(context, 100);
    must(ctxalloc_destroy(context));
    expect_line("free", p, "freed context without a name");
    release(p);
    return 0;
}
