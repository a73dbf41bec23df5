/* Leaves blocks of two functions in a context that is destroyed, for trace.sh. */
#include "include/ctxalloc.h"
#include "tests/face.h"

__attribute__((noinline)) static void *leak_one(void) { return hide_pointer(malloc(hide_size(101))); }
__attribute__((noinline)) static void *leak_other(void) { return hide_pointer(calloc(1, hide_size(202))); }

/* The report in full of what is left: each block must be found with the function that made it. */
int main(void) {
    static const enum ctxalloc_lifetime lifetimes[] = {CTXALLOC_LONG, CTXALLOC_MEDIUM, CTXALLOC_SHORT};
    static const char *const names[] = {"long", "medium", "short"};
    printf("%p %p\n", (void *)(uintptr_t)&leak_one, (void *)(uintptr_t)&leak_other);
    (void)fflush(stdout);
    for (int i = 0; i < 3; i++) {
        ctxalloc_context *c = ctxalloc_create(&(ctxalloc_options){.size = sizeof(ctxalloc_options), .name = names[i], .lifetime = lifetimes[i]});
        if (!c || !ctxalloc_switch(c) || !leak_one() || !leak_other())
            return 2;
        free(leak_one());
        if (!ctxalloc_switch(CTXALLOC_GLOBAL) || ctxalloc_destroy(c) != 0)
            return 2;
    }
    return 0;
}
