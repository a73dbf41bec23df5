/* The range engines behind one face, so that each test is written once: tlsf, tlsf16, fit, fit64. */
#ifndef TESTS_ENGINE_ENGINE_H
#define TESTS_ENGINE_ENGINE_H

#include <stdlib.h>
#include <string.h>

#include "ctxalloc/fit.h"
#include "ctxalloc/tlsf.h"

/* Any engine's handle. */
typedef struct handle {
    uint64_t offset, size;
    uint32_t node, hint;
} handle;

typedef struct engine {
    const char *name;
    uint64_t most_capacity;
    uint32_t most_blocks;
    bool may_round; /* the tlsf engines: good fit, and handles with nodes; else best fit, and offset and size are the handle */
    void *(*create)(uint64_t capacity, uint32_t max_blocks);
    void (*destroy)(void *);
    void *(*clone)(const void *);
    size_t (*memory)(uint64_t capacity, uint32_t max_blocks);
    void *(*init)(void *memory, size_t bytes, uint64_t capacity, uint32_t max_blocks);
    void *(*attach)(void *memory, size_t bytes);
    void *(*clone_at)(const void *, void *memory, size_t bytes);
    bool (*alloc)(void *, uint64_t size, uint64_t align, handle *); /* align 0: the call without */
    int (*free)(void *, handle);
    int (*resize)(void *, handle *, uint64_t size, uint64_t *available);
    int (*grow)(void *, uint64_t additional);
    void (*reset)(void *);
    uint64_t (*size)(const void *, handle);
    uint64_t (*capacity)(const void *);
    uint64_t (*free_total)(const void *);
    uint64_t (*free_largest)(const void *);
    uint32_t (*live)(const void *);
    bool (*empty)(const void *);
    void (*report)(const void *, ctxalloc_tlsf_report_t *);
    bool (*next_free)(const void *, ctxalloc_range *);
    bool (*next_used)(const void *, ctxalloc_range *);
    uint64_t (*min_capacity)(uint64_t size);
    bool (*is_valid)(const void *, int *which);
} engine;

#define ENGINE_COMMON(name)                                                                                                 \
    static void *name##_create(uint64_t c, uint32_t n) { return ctxalloc_##name##_create(c, n); }                           \
    static void name##_destroy(void *e) { ctxalloc_##name##_destroy(e); }                                                   \
    static void *name##_clone(const void *e) { return ctxalloc_##name##_clone(e); }                                         \
    static void *name##_init(void *m, size_t b, uint64_t c, uint32_t n) { return ctxalloc_##name##_init(m, b, c, n); }      \
    static void *name##_attach(void *m, size_t b) { return ctxalloc_##name##_attach(m, b); }                                \
    static void *name##_clone_at(const void *e, void *m, size_t b) { return ctxalloc_##name##_clone_at(e, m, b); }          \
    static int name##_grow(void *e, uint64_t n) { return ctxalloc_##name##_grow(e, n); }                                    \
    static void name##_reset(void *e) { ctxalloc_##name##_reset(e); }                                                       \
    static uint64_t name##_capacity(const void *e) { return ctxalloc_##name##_capacity(e); }                                \
    static uint64_t name##_free_total(const void *e) { return ctxalloc_##name##_free_total(e); }                            \
    static uint64_t name##_free_largest(const void *e) { return ctxalloc_##name##_free_largest(e); }                        \
    static uint32_t name##_live(const void *e) { return ctxalloc_##name##_live(e); }                                        \
    static bool name##_empty(const void *e) { return ctxalloc_##name##_empty(e); }                                          \
    static void name##_report(const void *e, ctxalloc_tlsf_report_t *r) { ctxalloc_##name##_report(e, r); }                 \
    static bool name##_next_free(const void *e, ctxalloc_range *r) { return ctxalloc_##name##_next_free(e, r); }            \
    static bool name##_next_used(const void *e, ctxalloc_range *r) { return ctxalloc_##name##_next_used(e, r); }            \
    static bool name##_is_valid(const void *e, int *w) { return ctxalloc_##name##_is_valid(e, w); }

#define ENGINE_NODES(name)                                                                                    \
    ENGINE_COMMON(name)                                                                                       \
    static bool name##_alloc(void *e, uint64_t size, uint64_t align, handle *h)                               \
    {                                                                                                         \
        ctxalloc_block b = align ? ctxalloc_##name##_alloc_aligned(e, size, align) : ctxalloc_##name##_alloc(e, size); \
        *h = (handle){b.offset, size, b.node, b.hint};                                                        \
        return b.offset != CTXALLOC_NONE;                                                                     \
    }                                                                                                         \
    static int name##_free(void *e, handle h)                                                                 \
    {                                                                                                         \
        return ctxalloc_##name##_free(e, (ctxalloc_block){h.offset, h.node, h.hint});                         \
    }                                                                                                         \
    static int name##_resize(void *e, handle *h, uint64_t size, uint64_t *available)                          \
    {                                                                                                         \
        int error = ctxalloc_##name##_resize(e, (ctxalloc_block){h->offset, h->node, h->hint}, size, available); \
        h->size = error ? h->size : size;                                                                     \
        return error;                                                                                         \
    }                                                                                                         \
    static uint64_t name##_size(const void *e, handle h)                                                      \
    {                                                                                                         \
        return ctxalloc_##name##_size(e, (ctxalloc_block){h.offset, h.node, h.hint});                         \
    }

/* A handle too large for the engine's is one that no engine gave. */
#define ENGINE_FIT(name, unit)                                                                                \
    ENGINE_COMMON(name)                                                                                       \
    static ctxalloc_##name##_block name##_narrow(handle h)                                                    \
    {                                                                                                         \
        return (ctxalloc_##name##_block){(unit)h.offset, (unit)h.size};                                       \
    }                                                                                                         \
    static bool name##_alloc(void *e, uint64_t size, uint64_t align, handle *h)                               \
    {                                                                                                         \
        ctxalloc_##name##_block b = align ? ctxalloc_##name##_alloc_aligned(e, size, align) : ctxalloc_##name##_alloc(e, size); \
        *h = (handle){b.offset, b.size, 0, 0};                                                                \
        return b.size != 0;                                                                                   \
    }                                                                                                         \
    static int name##_free(void *e, handle h) { return ctxalloc_##name##_free(e, name##_narrow(h)); }         \
    static int name##_resize(void *e, handle *h, uint64_t size, uint64_t *available)                          \
    {                                                                                                         \
        ctxalloc_##name##_block b = name##_narrow(*h);                                                        \
        int error = ctxalloc_##name##_resize(e, &b, size, available);                                         \
        *h = (handle){b.offset, b.size, 0, 0};                                                                \
        return error;                                                                                         \
    }                                                                                                         \
    static uint64_t name##_size(const void *e, handle h) { return ctxalloc_##name##_size(e, name##_narrow(h)); }

#define ENGINE_ENTRY(name, most, blocks, rounds)                                                              \
    {#name, most, blocks, rounds, name##_create, name##_destroy, name##_clone, ctxalloc_##name##_memory, name##_init, name##_attach, \
     name##_clone_at, name##_alloc, name##_free, name##_resize, name##_grow, name##_reset, name##_size, name##_capacity, \
     name##_free_total, name##_free_largest, name##_live, name##_empty, name##_report, name##_next_free, name##_next_used, \
     ctxalloc_##name##_min_capacity, name##_is_valid}

ENGINE_NODES(tlsf)
ENGINE_NODES(tlsf16)
ENGINE_FIT(fit, uint32_t)
ENGINE_FIT(fit64, uint64_t)

static const engine engines[] = {
    ENGINE_ENTRY(tlsf, CTXALLOC_NONE - 1, (1U << 30) - 2, true),
    ENGINE_ENTRY(tlsf16, UINT32_MAX, 32766, true),
    ENGINE_ENTRY(fit, UINT32_MAX, UINT32_MAX / 4, false),
    ENGINE_ENTRY(fit64, CTXALLOC_NONE - 1, UINT32_MAX / 4, false),
};

#ifdef ENGINE_SCALE
/* tlsf once more, each unit being 2^ENGINE_SCALE: the same behaviour is wanted of offsets and sizes of more than 32 bits. */
#define UP(units) ((uint64_t)(units) << ENGINE_SCALE)
static void *scaled_create(uint64_t c, uint32_t n) { return tlsf_create(UP(c), n); }
static size_t scaled_memory(uint64_t c, uint32_t n) { return ctxalloc_tlsf_memory(UP(c), n); }
static void *scaled_init(void *m, size_t b, uint64_t c, uint32_t n) { return tlsf_init(m, b, UP(c), n); }
static handle scaled_handle(handle h) { return (handle){UP(h.offset), UP(h.size), h.node, h.hint}; }
static bool scaled_alloc(void *e, uint64_t size, uint64_t align, handle *h)
{
    bool done = tlsf_alloc(e, UP(size), align > 1 ? UP(align) : align, h);
    h->offset = done ? h->offset >> ENGINE_SCALE : h->offset;
    h->size = size;
    return done;
}
static int scaled_free(void *e, handle h) { return tlsf_free(e, scaled_handle(h)); }
static int scaled_resize(void *e, handle *h, uint64_t size, uint64_t *available)
{
    handle up = scaled_handle(*h);
    int error = tlsf_resize(e, &up, UP(size), available);
    if (available)
        *available >>= ENGINE_SCALE;
    h->size = error ? h->size : size;
    return error;
}
static int scaled_grow(void *e, uint64_t more) { return tlsf_grow(e, UP(more)); }
static uint64_t scaled_size(const void *e, handle h) { return tlsf_size(e, scaled_handle(h)) >> ENGINE_SCALE; }
static uint64_t scaled_capacity(const void *e) { return tlsf_capacity(e) >> ENGINE_SCALE; }
static uint64_t scaled_free_total(const void *e) { return tlsf_free_total(e) >> ENGINE_SCALE; }
static uint64_t scaled_free_largest(const void *e) { return tlsf_free_largest(e) >> ENGINE_SCALE; }
static void scaled_report(const void *e, ctxalloc_tlsf_report_t *r)
{
    tlsf_report(e, r);
    r->free_total >>= ENGINE_SCALE;
    r->free_largest >>= ENGINE_SCALE;
}
static bool scaled_next(const void *e, ctxalloc_range *r, bool (*next)(const void *, ctxalloc_range *))
{
    r->offset <<= ENGINE_SCALE;
    r->size <<= ENGINE_SCALE;
    bool found = next(e, r);
    r->offset >>= ENGINE_SCALE;
    r->size >>= ENGINE_SCALE;
    return found;
}
static bool scaled_next_free(const void *e, ctxalloc_range *r) { return scaled_next(e, r, tlsf_next_free); }
static bool scaled_next_used(const void *e, ctxalloc_range *r) { return scaled_next(e, r, tlsf_next_used); }

static const engine tlsf_scaled = {
    "tlsf, scaled", (CTXALLOC_NONE - 1) >> ENGINE_SCALE, (1U << 30) - 2, true, scaled_create, tlsf_destroy, tlsf_clone, scaled_memory, scaled_init,
    tlsf_attach, tlsf_clone_at, scaled_alloc, scaled_free, scaled_resize, scaled_grow, tlsf_reset, scaled_size, scaled_capacity,
    scaled_free_total, scaled_free_largest, tlsf_live, tlsf_empty, scaled_report, scaled_next_free, scaled_next_used,
    ctxalloc_tlsf_min_capacity, tlsf_is_valid};
#endif

enum { ENGINES = sizeof engines / sizeof *engines };

/* A free range of so many units surely holds an aligned block of a size. */
static inline uint64_t engine_padded(const engine *e, uint64_t size, uint64_t align)
{
#ifdef ENGINE_SCALE
    if (e == &tlsf_scaled && align > 1) /* the alignment less 1 is no whole number of units */
        return size + align;
#endif
    return size + (e && align ? align - 1 : 0);
}

/* A small generator (Marsaglia, xorshift64), so that a failure can be repeated on any machine. */
static inline uint64_t engine_random(uint64_t *state)
{
    uint64_t x = *state;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return *state = x;
}

#endif
