/* What the tests of contexts share: making one, its numbers, threads that do one thing, sizes that take every way through the library.
 *
 * Under a sanitizer malloc is ca_face_malloc, see tests/face.h; what the C library allocates by itself is not ours then. */
#ifndef CTXALLOC_TESTS_CONTEXTS_H
#define CTXALLOC_TESTS_CONTEXTS_H

#include <pthread.h>
#include <unistd.h>

#include "include/ctxalloc.h"
#include "tests/abi/abi.h"

#define CREATE(...) ctxalloc_create(&(ctxalloc_options){.size = sizeof(ctxalloc_options), __VA_ARGS__})

static const enum ctxalloc_lifetime lifetimes[] = {CTXALLOC_LONG, CTXALLOC_MEDIUM, CTXALLOC_SHORT};
#define EACH_LIFETIME(l) for (const enum ctxalloc_lifetime *l = lifetimes; l < lifetimes + ARRAY_LENGTH(lifetimes); l++)

/* A slab's object, a first piece's last, a chunk's, a large block, a huge one. */
static const size_t kinds_of_sizes[] = {1, 24, 100, 1360, 1361, 5000, 33000, 100000, 700000, 3 << 20};
#define EACH_SIZE(s) for (const size_t *s = kinds_of_sizes; s < kinds_of_sizes + ARRAY_LENGTH(kinds_of_sizes); s++)

static inline ctxalloc_usage_t usage_of(ctxalloc_context *context) {
    ctxalloc_usage_t usage;
    assert_true(ctxalloc_usage(context, &usage));
    return usage;
}

/* The payload tells blocks apart: its seed is the address of the block. */
static inline void *filled(void *p, size_t size) {
    assert_non_null(p);
    payload_write(p, size, (uint64_t)(uintptr_t)p);
    return p;
}

static inline void assert_filled(const void *p, size_t size, const void *seed) { assert_true(payload_holds(p, size, (uint64_t)(uintptr_t)seed)); }

/* fn(argument) in a thread that has ended when this returns. */
static inline void *in_thread(void *(*fn)(void *), void *argument) {
    pthread_t thread;
    void *result;
    assert_int_equal(pthread_create(&thread, NULL, fn, argument), 0);
    assert_int_equal(pthread_join(thread, &result), 0);
    return result;
}

static inline void *free_it(void *p) {
    free(p);
    return NULL;
}

/* A thread that has the context current until it is told to go. */
struct holder {
    ctxalloc_context *context;
    pthread_t thread;
    pthread_barrier_t at;
    void *block; /* of 100 bytes, the context's */
};

static inline void *hold(void *argument) {
    struct holder *h = (struct holder *)argument;
    ctxalloc_context *before = ctxalloc_switch(h->context);
    h->block = before ? malloc(100) : NULL;
    pthread_barrier_wait(&h->at);
    pthread_barrier_wait(&h->at);
    if (before)
        (void)ctxalloc_switch(before);
    return before;
}

static inline void holder_start(struct holder *h, ctxalloc_context *context) {
    h->context = context;
    assert_int_equal(pthread_barrier_init(&h->at, NULL, 2), 0);
    assert_int_equal(pthread_create(&h->thread, NULL, hold, h), 0);
    pthread_barrier_wait(&h->at);
    assert_non_null(h->block);
}

static inline void holder_end(struct holder *h) {
    void *before;
    pthread_barrier_wait(&h->at);
    assert_int_equal(pthread_join(h->thread, &before), 0);
    assert_ptr_equal(before, CTXALLOC_GLOBAL);
    pthread_barrier_destroy(&h->at);
}

/* A failed test leaves whatever it had current. */
static inline int back_to_global(void **state) {
    (void)state;
    return ctxalloc_switch(CTXALLOC_GLOBAL) ? 0 : -1;
}

#define TEST(fn) cmocka_unit_test_teardown(fn, back_to_global)

#endif
