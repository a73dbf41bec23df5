/* A process with contexts of all kinds under all sorts of names, which writes its statistics as JSON: stats.sh reads them.
 *
 * Arguments: nothing: to standard output; "exit": it just ends, and the option stats=json does it. What python3 must find is on the first line, as JSON, too. */
#include <dlfcn.h>
#include <fcntl.h>
#include <unistd.h>

#include "include/ctxalloc.h"
#include "tests/face.h"

static const char *const names[] = {"plain", "a \"quoted\" one", "back\\slash", "line\nbreak\ttab", "\x01\x1f\x7f", "na\xc3\xafve \xe2\x82\xac \xf0\x9f\x90\x98",
                                    "broken \xff\xc3(\xed\xa0\x80", "cut in the middle of a euro: x\xe2\x82\xac", ""};
enum { NAMES = sizeof names / sizeof names[0], BLOCKS = 10, SMALL = 1000 };

#define CREATE(...) ctxalloc_create(&(ctxalloc_options){.size = sizeof(ctxalloc_options), __VA_ARGS__})
#define MUST(condition)                                                       \
    do {                                                                      \
        if (!(condition)) {                                                   \
            (void)fprintf(stderr, "stats.c:%d: %s\n", __LINE__, #condition);  \
            exit(2);                                                          \
        }                                                                     \
    } while (0)

int main(int count, char **arguments) {
    static const enum ctxalloc_lifetime lifetimes[] = {CTXALLOC_LONG, CTXALLOC_MEDIUM, CTXALLOC_SHORT};
    ctxalloc_context *parent = CREATE(.name = "parent", .hard_limit = 64 << 20, .soft_limit = 32 << 20);
    MUST(parent);
    for (size_t i = 0; i < NAMES; i++)
        for (size_t l = 0; l < 3; l++) {
            ctxalloc_context *c = CREATE(.name = names[i], .lifetime = lifetimes[l], .parent = parent);
            MUST(c);
            for (size_t k = 0; k < BLOCKS; k++)
                MUST(ctxalloc_malloc(c, 100));
            if (i == 0)
                MUST(ctxalloc_malloc(c, 3 << 20));
        }
    for (size_t l = 0; l < 3; l++) { /* left to the parent */
        ctxalloc_context *c = CREATE(.name = "adopted", .lifetime = lifetimes[l], .parent = parent, .escape = CTXALLOC_ADOPT);
        MUST(c && ctxalloc_malloc(c, 500) && ctxalloc_destroy(c) == 0);
    }
    ctxalloc_context *small = CREATE(.name = "small", .hard_limit = 1 << 20);
    MUST(small && !ctxalloc_malloc(small, 2 << 20) && !ctxalloc_malloc(small, 3 << 20));
    static void *blocks[SMALL];
    for (size_t i = 0; i < SMALL; i++)
        MUST(blocks[i] = malloc(200));
    void *libc = dlopen("libc.so.6", RTLD_NOW | RTLD_NOLOAD);
    void *(*other)(size_t) = libc ? (void *(*)(size_t))(uintptr_t)dlsym(libc, "malloc") : NULL;
    MUST(other);
    if (CA_INTERPOSE)
        free(hide_pointer(other(100))); /* not ours: it is counted, and goes where it came from */
    if (count > 1)
        return 0;
    MUST(ctxalloc_stats(1, (enum ctxalloc_format)7) == EINVAL);
    errno = 77;
    MUST(ctxalloc_stats(-1, CTXALLOC_JSON) == EIO && errno == 77);
    MUST(ctxalloc_stats(-1, CTXALLOC_TEXT) == EIO && errno == 77);
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    MUST(full < 0 || ctxalloc_stats(full, CTXALLOC_JSON) == EIO);
    errno = 77;
    MUST(ctxalloc_stats(1, CTXALLOC_JSON) == 0 && errno == 77);
    return arguments[0] == NULL;
}
