/* malloc_usable_size of a block whose context was destroyed. */
#include "tests/contexts/verdicts/verdict.h"

int main(void) {
    ctxalloc_context *context = CREATE(.name = "request");
    void *p = block_of(context, 100);
    must(ctxalloc_destroy(context));
    expect_line("malloc_usable_size", p, "freed context request");
    return (int)ask_size(p);
}
