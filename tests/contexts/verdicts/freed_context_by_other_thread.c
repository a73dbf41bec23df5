/* Destroyed by one thread, freed by another. */
#include "tests/contexts/verdicts/verdict.h"

int main(void) {
    ctxalloc_context *context = CREATE(.name = "request");
    void *p = block_of(context, 100);
    must(ctxalloc_destroy(context));
    expect_line("free", p, "freed context request");
    release_elsewhere(p);
    return 0;
}
