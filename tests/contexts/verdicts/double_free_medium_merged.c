/* A block of a medium context is freed twice; meanwhile its neighbours were freed and a block came that covers them. */
#include "tests/contexts/verdicts/verdict.h"

int main(void) {
    ctxalloc_context *context = CREATE(.name = "request", .lifetime = CTXALLOC_MEDIUM, .hard_limit = 8192);
    (void)ctxalloc_switch(context);
    char *p[30];
    for (int i = 0; i < 12; i++) /* the first piece */
        p[i] = (char *)allocate(100);
    for (int i = 2; i < 10; i++)
        release(p[i]);
    char *large = NULL;
    for (int i = 0; i < 60 && large != p[2]; i++)
        large = (char *)allocate(112 * 8);
    if (large != p[2])
        return 3;
    char verdict[100];
    snprintf(verdict, sizeof verdict, "interior pointer of %p (context request)", (void *)large);
    expect_line("free", p[5], verdict);
    release(p[5]);
    return 0;
}
