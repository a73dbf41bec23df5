/* One program a misuse: each says on standard output which line the library must write (several lines: any one of them), then
 * does the wrong thing. The script `run` compares, and wants the death by SIGABRT. A program that survives just ends. */
#ifndef CTXALLOC_TESTS_MISUSE_H
#define CTXALLOC_TESTS_MISUSE_H

#include <pthread.h>
#include <unistd.h>

#include "tests/face.h"

#define NOINLINE __attribute__((noinline, unused))

/* Out of line, so that no compiler sees what is done to a pointer that it knows to be freed. */
static NOINLINE void release(void *p) { free(hide_pointer(p)); }
static NOINLINE void *resize(void *p, size_t size) { return realloc(hide_pointer(p), size); }
static NOINLINE size_t ask_size(void *p) { return malloc_usable_size(hide_pointer(p)); }

static NOINLINE void *allocate(size_t size) {
    char *p = (char *)malloc(hide_size(size));
    if (p == NULL)
        _exit(2);
    *(char *)hide_pointer(p) = 1;
    return hide_pointer(p);
}

static inline void *offset(void *p, size_t bytes) { return (char *)p + bytes; }

/* Formats and writes without malloc: nothing may come between the two frees. */
static NOINLINE void expect(const char *function, void *p, const char *verdict) {
    char line[200];
    int length = snprintf(line, sizeof line, "ctxalloc: %s(%p): %s (context global)\n", function, p, verdict);
    if (write(1, line, (size_t)length) != length)
        _exit(2);
}

static NOINLINE void expect_interior(const char *function, void *p, void *block) {
    char verdict[80];
    snprintf(verdict, sizeof verdict, "interior pointer of %p", block);
    expect(function, p, verdict);
}

/* For pointers that are nobody's: whatever the next allocator says. */
static NOINLINE void expect_foreign(void) {
    if (write(1, "foreign\n", 8) != 8)
        _exit(2);
}

static inline void *release_in_thread(void *p) {
    release(p);
    return NULL;
}

/* Frees p in a thread that has ended when this returns: what it held back for the owner has been handed over. */
static NOINLINE void release_elsewhere(void *p) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, release_in_thread, p) != 0 || pthread_join(thread, NULL) != 0)
        _exit(2);
}

/* Makes the calling thread take in what other threads freed for it: by running out of its own blocks of this size. */
static NOINLINE void drain(size_t size) {
    for (int i = 0; i < (size < 4096 ? 20000 : 200); i++)
        allocate(size);
    malloc_trim(0);
}

#endif
