/* Pools as the Apache Portable Runtime has them, on short contexts: blocks are not freed one by one, but all at once, after cleanups, after the pools below.
 *
 * A pool is a context: it can also be switched to, so that code that knows nothing of pools (strdup, getline, any library) allocates from it, and free() and realloc() of its blocks are right.
 * A pool is used by one thread at a time.  NULL with errno, or an errno value, on failure.
 */
#ifndef EXAMPLES_POOL_H
#define EXAMPLES_POOL_H

#include <ctxalloc.h>

#include <stdio.h>
#include <stdarg.h>
#include <string.h>

typedef ctxalloc_context pool;

/* parent NULL: none. It goes with its parent, before its blocks. */
static inline pool *pool_create(pool *parent) {
    ctxalloc_options o = {0};
    o.size = sizeof o;
    o.parent = parent;
    o.lifetime = CTXALLOC_SHORT;
    return ctxalloc_create(&o);
}

/* Pools below go, cleanups run, the newest first, blocks cease to be; the memory is kept for the pool's next blocks. */
static inline int pool_clear(pool *p) { return ctxalloc_reset(p); }
/* The same, and the pool itself goes. */
static inline int pool_destroy(pool *p) { return ctxalloc_destroy(p); }

static inline void *palloc(pool *p, size_t size) { return ctxalloc_malloc(p, size); }
static inline void *pcalloc(pool *p, size_t size) { return ctxalloc_calloc(p, 1, size); }
static inline char *pstrdup(pool *p, const char *text) { return ctxalloc_strdup(p, text); }

static inline void *pmemdup(pool *p, const void *from, size_t size) {
    void *to = palloc(p, size);
    return to ? memcpy(to, from, size) : NULL;
}

__attribute__((format(printf, 2, 3))) static inline char *psprintf(pool *p, const char *format, ...) {
    va_list list;
    va_start(list, format);
    int length = vsnprintf(NULL, 0, format, list);
    va_end(list);
    char *text = length < 0 ? NULL : (char *)palloc(p, (size_t)length + 1);
    if (text) {
        va_start(list, format);
        vsnprintf(text, (size_t)length + 1, format, list);
        va_end(list);
    }
    return text;
}

/* A cleanup, which lives in the pool. */
typedef struct pool_cleanup {
    void (*fn)(void *data);
    void *data;
} pool_cleanup;

static inline void pool_cleanup_call(void *argument) {
    pool_cleanup *c = (pool_cleanup *)argument;
    if (c->fn)
        c->fn(c->data);
}

/* fn(data) is called when the pool is next cleared or destroyed. */
static inline pool_cleanup *pool_cleanup_register(pool *p, void *data, void (*fn)(void *data)) {
    pool_cleanup *c = (pool_cleanup *)palloc(p, sizeof *c);
    if (!c)
        return NULL;
    c->fn = fn;
    c->data = data;
    return ctxalloc_on_reset(p, pool_cleanup_call, c) ? NULL : c;
}

/* It is not called then. */
static inline void pool_cleanup_kill(pool_cleanup *c) { c->fn = NULL; }

/* It is called now, and not then. */
static inline void pool_cleanup_run(pool_cleanup *c) {
    pool_cleanup_call(c);
    pool_cleanup_kill(c);
}

#endif
