/* A free inside a large block that lies where a destroyed context's blocks were: the verdict is about the new block. */
#include "tests/contexts/verdicts/verdict.h"

enum { LIVES = 40, BYTES = 100000 };

int main(void) {
    ctxalloc_context *context = CREATE(.name = "request", .lifetime = CTXALLOC_LONG);
    char *low = NULL, *high = NULL;
    for (int i = 0; i < LIVES; i++) {
        char *p = (char *)block_of(context, BYTES);
        low = low == NULL || p < low ? p : low;
        high = p > high ? p : high;
    }
    must(ctxalloc_destroy(context));
    for (int i = 0; i < LIVES; i++) {
        char *p = (char *)malloc(BYTES + (size_t)i * 4096);
        if (p < low || p > high)
            continue;
        char text[80];
        snprintf(text, sizeof text, "interior pointer of %p (context global)", (void *)p);
        expect_line("free", p + 16384, text);
        release(p + 16384);
    }
    return 1;
}
