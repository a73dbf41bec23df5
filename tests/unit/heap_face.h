/* What the front does for the tests of one heap: the start of the process-wide parts, and free by a heap's owner. */
#ifndef TESTS_UNIT_HEAP_FACE_H
#define TESTS_UNIT_HEAP_FACE_H

#include "heap/heap.h"
#include "heap/large.h"
#include "heap/live.h"
#include "heap/remote.h"

static inline bool face_start(const ca_source *source, size_t bytes)
{
    return ca_region_init(source, bytes);
}

static inline ca_page face_page(const void *p)
{
    return ca_granule_page(ca_region_granule(p));
}

static inline uint32_t face_tag(const void *p)
{
    return CA_LOAD(&ca_region.entries[face_page(p)].tag);
}

static inline bool face_is_live(const void *p)
{
    return ca_live_test(ca_region_granule(p));
}

/* By the owner of the block, or by another heap's thread. `heap`: the caller's. Whether the block was live. */
static inline bool face_free(ca_heap *heap, void *p)
{
    uint32_t tag = face_tag(p);
    if (tag == CA_TAG_HUGE)
        return ca_huge_free(face_page(p), true);
    if ((tag ^ heap->tag) >> CA_TAG_HEAP_SHIFT) {
        bool live = face_is_live(p);
        if (!ca_remote_free_quick(heap, tag, ca_region_granule(p), p))
            ca_remote_free(heap, tag, ca_remote_generation(tag), p);
        return live;
    }
    if (!ca_live_clear(ca_region_granule(p)))
        return false;
    if ((tag & CA_TAG_CLASS_MASK) == CA_TAG_LARGE)
        ca_large_free(heap, face_page(p));
    else
        ca_heap_put(p, heap, tag ^ heap->tag);
    return true;
}

static inline bool face_is_valid(ca_heap *heap)
{
    int which;
    return ca_heap_is_valid(heap, &which) && ca_region_is_valid(&which);
}

/* A thread that asks for a block's size over and over, while the block's owner works. */
typedef struct size_reader {
    size_t (*ask)(const void *engine, const void *p);
    const void *engine, *p;
    size_t size; /* what the answer must be */
    uint32_t go_on;
    size_t reads;
} size_reader;

/* The reader if all answers were right, otherwise NULL. */
static inline void *size_reader_run(void *argument)
{
    size_reader *r = argument;
    while (CA_LOAD(&r->go_on)) {
        if (r->ask(r->engine, r->p) != r->size)
            return NULL;
        CA_STORE(&r->reads, r->reads + 1);
    }
    return r;
}

#endif
