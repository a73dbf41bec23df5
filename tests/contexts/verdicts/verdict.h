/* One program a misuse of contexts, as in tests/misuse: each writes to standard output the one line that the library must say, or a pattern of it, and then
 * does the wrong thing. The script `run` compares, and wants the death by SIGABRT. */
#ifndef CTXALLOC_TESTS_VERDICT_H
#define CTXALLOC_TESTS_VERDICT_H

#include "include/ctxalloc.h"
#include "tests/misuse/misuse.h"

#define CREATE(...) ctxalloc_create(&(ctxalloc_options){.size = sizeof(ctxalloc_options), __VA_ARGS__})

/* Not by stdio: nothing may be allocated between the two. */
static NOINLINE void expect_line(const char *function, void *p, const char *verdict) {
    char line[200];
    int length = snprintf(line, sizeof line, "ctxalloc: %s(%p): %s\n", function, p, verdict);
    if (write(1, line, (size_t)length) != length)
        _exit(2);
}

static NOINLINE void *block_of(ctxalloc_context *context, size_t size) {
    char *p = (char *)ctxalloc_malloc(context, size);
    if (!p)
        _exit(2);
    *p = 1;
    return hide_pointer(p);
}

static NOINLINE void must(int result) {
    if (result != 0)
        _exit(2);
}

#endif
