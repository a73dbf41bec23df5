/* What the programs for odd environments share. They are not linked with the library: a script preloads it, and a program that finds
 * itself without it ends with status 4, so that no test passes because the preload failed. */
#ifndef CTXALLOC_TESTS_ENV_H
#define CTXALLOC_TESTS_ENV_H

#include <config.h>

#include <errno.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MIB ((size_t)1 << 20)

/* A function that glibc does not have. */
extern size_t malloc_good_size(size_t size) __attribute__((weak));

static inline void say(const char *text) {
    ssize_t written = write(2, text, strlen(text));
    (void)written;
}

#define CHECK(condition)                                                                                                        \
    do {                                                                                                                        \
        if (!(condition)) {                                                                                                     \
            say(__FILE__ ": " #condition "\n");                                                                                 \
            _exit(1);                                                                                                           \
        }                                                                                                                       \
    } while (0)

static inline void require_library(void) {
    if (malloc_good_size == NULL) {
        say("the library is not loaded\n");
        _exit(4);
    }
}

static inline void *hidden(void *p) { /* keeps the compiler from removing malloc and free */
    __asm__ volatile("" : "+r"(p) : : "memory");
    return p;
}

#endif
