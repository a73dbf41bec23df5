#include "front/front.h"

#include <string.h>

#include "base/print.h"
#include "front/fast.h"
#include "front/process.h"
#include "heap/large.h"
#include "heap/live.h"
#include "heap/remote.h"
#include "heap/verdict.h"

/* realloc leaves a block of more than SHRINK_LEAST bytes when less than this part of it is used, so that shrinking gives memory back. */
enum { SHRINK_PART = 2, SHRINK_LEAST = 64 };

/* --- allocation ------------------------------------------------------------------------------------------ */

/* The heap to allocate from, and whether it is only borrowed for this call. */
static ca_heap *heap_get(bool *borrowed)
{
    ca_heap *heap = ca_current;
    *borrowed = false;
    if (CA_LIKELY(heap != &ca_heap_none))
        return heap;
    if (ca_thread_home())
        return ca_current;
    *borrowed = true;
    return ca_thread_borrow();
}

#define WITH_HEAP(result, call)             \
    do {                                    \
        bool borrowed_;                     \
        ca_heap *heap = heap_get(&borrowed_); \
        (result) = heap ? (call) : NULL;    \
        if (CA_UNLIKELY(borrowed_ && heap)) \
            ca_thread_return(heap);         \
    } while (0)

CA_COLD static void *malloc_first(size_t size)
{
    void *p;
    WITH_HEAP(p, ca_heap_malloc(heap, size));
    return p;
}

void *ca_front_malloc(size_t size)
{
    ca_heap *heap = ca_current;
    if (CA_UNLIKELY(size > CA_MAX_SIZE))
        return NULL;
    return CA_LIKELY(heap != &ca_heap_none) ? ca_heap_malloc(heap, size) : malloc_first(size);
}

void *ca_front_calloc(size_t size)
{
    void *p;
    if (CA_UNLIKELY(size > CA_MAX_SIZE))
        return NULL;
    WITH_HEAP(p, ca_heap_calloc(heap, size));
    return p;
}

void *ca_front_memalign(size_t align, size_t size)
{
    void *p;
    if (size > CA_MAX_SIZE || align > CA_MAX_SIZE - size)
        return NULL;
    WITH_HEAP(p, ca_heap_memalign(heap, align, size));
    return p;
}

/* --- what a pointer is -------------------------------------------------------------------------------------- */

typedef struct block {
    ca_granule g;
    uint32_t tag;
    const char *function;
} block;

/* false: foreign. Returns only for what may be freed: with checks, a live object; without, anything in a page in use. */
static bool block_find(const void *p, const char *function, block *b)
{
    b->g = ca_region_granule(p);
    if (CA_UNLIKELY(b->g == UINT64_MAX)) {
        if (ca_region_contains(p))
            ca_verdict_unused(function, p);
        return false;
    }
    if (CA_UNLIKELY((uintptr_t)p % CA_GRANULE && ca_heap_setting.check))
        ca_verdict_misaligned(function, p);
    b->tag = CA_LOAD(&ca_region.entries[ca_granule_page(b->g)].tag);
    if (CA_UNLIKELY(ca_heap_setting.check ? !ca_live_test(b->g) : !b->tag))
        ca_verdict(function, p, b->g);
    return true;
}

static size_t block_size(const block *b)
{
    uint32_t x = b->tag & CA_TAG_CLASS_MASK;
    return x < CA_TAG_CACHES ? ca_classes[x >> CA_TAG_CLASS_SHIFT].size : ca_large_size(ca_granule_page(b->g));
}

enum ca_found ca_front_usable(const void *p, size_t *size, const char *function)
{
    block b;
    if (!block_find(p, function, &b))
        return CA_FOREIGN;
    *size = block_size(&b);
    return CA_OURS;
}

size_t ca_front_good_size(size_t size)
{
    if (size <= CA_SMALL_MAX)
        return ca_classes[ca_class_of(size)].size;
    if (size > CA_MAX_SIZE)
        return size;
    size_t unit = ca_large_is_huge(size, 1) ? (size_t)CA_CHUNK * CA_PAGE : CA_PAGE;
    return ca_round_up(size, unit);
}

/* --- free ----------------------------------------------------------------------------------------------------- */

/* A block of the heap that this thread has. */
static void own_free(ca_heap *heap, const block *b, void *p)
{
    if (ca_heap_setting.check)
        (void)ca_live_clear(b->g);
    uint32_t x = b->tag ^ heap->tag;
    if (x < CA_TAG_CACHES)
        ca_heap_put(heap, x, p);
    else
        ca_large_free(heap, ca_granule_page(b->g));
}

CA_NOINLINE enum ca_found ca_front_free(void *p, const char *function)
{
    block b;
    if (!p)
        return CA_OURS;
    if (!block_find(p, function, &b))
        return CA_FOREIGN;
    ca_heap *heap = ca_current;
    if (CA_LIKELY((b.tag ^ heap->tag) >> CA_TAG_HEAP_SHIFT == 0)) {
        own_free(heap, &b, p);
    } else if (b.tag == CA_TAG_HUGE) {
        if (!ca_huge_free(ca_granule_page(b.g), ca_heap_setting.check))
            ca_verdict(function, p, b.g);
    } else {
        ca_heap *home = ca_thread_home();
        if (home && (b.tag ^ home->tag) >> CA_TAG_HEAP_SHIFT == 0)
            own_free(home, &b, p);
        else
            ca_remote_free(home, b.tag, p);
    }
    return CA_OURS;
}

/* --- realloc ------------------------------------------------------------------------------------------------------ */

/* The same block at another size, where that is cheap. NULL: copy. */
static void *resize_in_place(const block *b, void *p, size_t old, size_t size)
{
    ca_heap *heap = ca_current;
    bool huge = b->tag == CA_TAG_HUGE, large = (b->tag & CA_TAG_CLASS_MASK) == CA_TAG_LARGE;
    if (!huge && !large)
        return size <= old && (size > old / SHRINK_PART || old <= SHRINK_LEAST) ? p : NULL;
    if (ca_front_good_size(size) == old)
        return p;
    /* What becomes small enough for a slab, or for a heap's own pages, moves there. */
    if (size <= CA_SMALL_MAX || (huge && !ca_large_is_huge(size, 1)))
        return NULL;
    if (huge || (b->tag ^ heap->tag) >> CA_TAG_HEAP_SHIFT == 0)
        if (ca_large_resize(heap, ca_granule_page(b->g), size))
            return p;
    return NULL;
}

/* A huge block's pages go to a new place. */
static void *move_huge(const block *b, size_t size)
{
    void *to = NULL;
    if (b->tag == CA_TAG_HUGE)
        WITH_HEAP(to, ca_huge_move(heap, ca_granule_page(b->g), size));
    return to;
}

static void *copy_to_new(void *p, size_t old, size_t size)
{
    void *to = ca_fast_malloc(size);
    if (!to)
        to = ca_front_malloc(size);
    if (!to)
        return size <= old ? p : NULL; /* shrinking never fails */
    memcpy(to, p, old < size ? old : size);
    if (!ca_fast_free(p))
        (void)ca_front_free(p, "realloc");
    return to;
}

enum ca_found ca_front_realloc(void *p, size_t size, void **result)
{
    block b;
    if (!block_find(p, "realloc", &b))
        return CA_FOREIGN;
    if (size > CA_MAX_SIZE) {
        *result = NULL;
        return CA_OURS;
    }
    size_t old = block_size(&b);
    *result = resize_in_place(&b, p, old, size);
    if (!*result)
        *result = move_huge(&b, size);
    if (!*result)
        *result = copy_to_new(p, old, size);
    return CA_OURS;
}

/* --- the process as a whole ------------------------------------------------------------------------------------------ */

bool ca_front_trim(void)
{
    ca_heap *home = ca_thread_home();
    if (home)
        ca_heap_trim(home);
    ca_region_purge(0, UINT32_MAX, UINT32_MAX);
    return home != NULL;
}

static void usage_add(ca_heap *heap, void *usage)
{
    ca_front_usage *u = usage;
    u->heap_count++;
    ca_heap_add_usage(heap, &u->heaps);
}

ca_front_usage ca_front_get_usage(void)
{
    ca_front_usage u;
    memset(&u, 0, sizeof u);
    if (!ca_process_start())
        return u;
    ca_heap_each(usage_add, &u);
    ca_huge_usage huge = ca_huge_get_usage();
    u.huge_bytes = huge.bytes;
    u.huge_count = huge.count;
    ca_region_usage region = ca_region_get_usage();
    u.committed = region.committed;
    u.free_bytes = region.free;
    u.lost = CA_LOAD(&ca_remote_lost);
    return u;
}

void ca_front_print_stats(int fd)
{
    ca_front_usage u = ca_front_get_usage();
    ca_print(fd,
             "ctxalloc: statistics (bytes)\n"
             "  live      small %z in %z   large %z in %z   huge %z in %z\n"
             "  cached    %z   slabs %z   heaps' pages %z   region's free pages %z\n"
             "  committed %z   heaps %z   lost blocks %z\n",
             (size_t)u.heaps.small_bytes, (size_t)u.heaps.small_count, (size_t)u.heaps.large_bytes,
             (size_t)u.heaps.large_count, (size_t)u.huge_bytes, (size_t)u.huge_count, (size_t)u.heaps.cached_bytes,
             (size_t)u.heaps.slab_bytes, (size_t)u.heaps.extent_bytes, (size_t)u.free_bytes, (size_t)u.committed,
             (size_t)u.heap_count, (size_t)u.lost);
}
