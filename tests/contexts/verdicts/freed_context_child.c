/* A block of a context that went with its parent. */
#include "tests/contexts/verdicts/verdict.h"

int main(void) {
    ctxalloc_context *parent = CREATE(.name = "parent"), *child = CREATE(.name = "child", .parent = parent);
    void *p = block_of(child, 100);
    must(ctxalloc_destroy(parent));
    expect_line("free", p, "freed context child");
    release(p);
    return 0;
}
