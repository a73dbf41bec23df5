/* A heap: per-class caches over slabs over a TLSF of pages.
 *
 *   malloc(size)                                                free(p)
 *         │                                            freed      waits until the next one is freed
 *     caches[class]   loaded magazine: pop                        push
 *         │ empty                                                   │ full
 *       depot         full magazines                              depot, up to a limit
 *         │ none                                                    │ limit reached
 *       inbox         magazines that other threads sent             │
 *         │ none                                                    │
 *       slabs         bits, a word at a time                      bits
 *         │ none                                                    │ slab empty
 *       pages         TLSF over the heap's extents                pages
 *         │ none                                                    │ extent empty
 *       region        a new extent                                region
 *
 * Owner: the thread that has it; every call here is for the owner alone, except those that say otherwise.  Other threads reach a
 * heap only through its inbox and its state (heap/remote.h).  Nothing here sets errno.
 */
#ifndef CA_HEAP_HEAP_H
#define CA_HEAP_HEAP_H

#include "base/check.h"
#include "engine/tlsf.h"
#include "heap/account.h"
#include "heap/class.h"
#include "heap/magazine.h"
#include "heap/slab.h"

/* What malloc goes to: the head of a heap, or of a context that has none of this kind.  It says which of the fast paths hold. */
typedef struct ca_target {
    uint32_t kind;      /* enum ca_target_kind */
    uint32_t free_tag;  /* the heap's tag, with CA_TAG_CHECKED when checks are on */
    size_t fast_end;    /* malloc's path without checks serves sizes below this; 0: none */
    size_t checked_end; /* the path with checks, likewise */
    size_t context_end; /* of a context's heap: the path that looks at the caller, with checks or without; 0: nobody need be looked at.
                         * Of a short or medium context: the path into the chunk in use, where nobody need be looked at; or CA_CONTEXT_BUSY */
    struct ca_context *context; /* whose this is; NULL: a thread's heap, or none */
} ca_target;

enum ca_target_kind {
    CA_TARGET_NONE,   /* a thread that has no heap yet, or not any more */
    CA_TARGET_HOME,   /* a thread's own heap */
    CA_TARGET_LONG,   /* the heap of a context */
    CA_TARGET_SHORT,  /* a context that only bumps a pointer (heap/bump.h) */
    CA_TARGET_MEDIUM, /* a context that finds free granules in bitmaps (heap/chunked.h) */
    CA_TARGET_STORED  /* a context over a file or shared memory (heap/stored.h) */
};

/* The loaded magazine of a class. [C1] *top is the last object, or NULL when empty; top <= limit */
typedef struct ca_cache {
    void **top;
    void **limit; /* the last slot that may be used, see ca_habit */
} ca_cache;

/* What is behind a cache. */
typedef struct ca_bin {
    uint32_t partial, partial_last; /* slabs with free objects; refills take from the first */
    uint32_t depot;                 /* full magazines */
    uint16_t depot_objects;         /* in them */
    uint8_t depot_count;
    uint8_t grown;                  /* pages of the next slab */
    uint32_t pages;                 /* in slabs of this class */
    uint32_t out;                   /* objects out of slabs: live, in magazines, or under way to the heap */
} ca_bin;

/* How much of a class is kept free: what its use has shown to pay.  A class that gives objects to slabs for want of room, and then asks them for some, gets twice the room, in its
 * loaded magazine first and then in the depot; what of the depot was not needed for a round of the hand (side_step) goes, and room that it leaves empty with it. */
typedef struct ca_habit {
    uint16_t cold : 4;    /* calls that a context's cache waits before it gets a magazine */
    uint16_t level : 4;   /* how often the room was doubled */
    uint16_t low : 5;     /* the fewest magazines in the depot since the hand came by */
    uint16_t spilled : 1; /* objects went to slabs since they were last asked for some */
} ca_habit;

/* What the thread has freed of one other heap and class, until it is sent there. */
typedef struct ca_outbox {
    uint32_t tag;      /* with CA_OUTBOX_MORTAL if the heap may be dropped, and what waits with it: a context's */
    uint32_t magazine; /* 0: empty */
} ca_outbox;
#define CA_OUTBOX_MORTAL CA_TAG_CHECKED

enum {
    CA_OUTBOXES = CA_OUTBOX_RECORD / (int)sizeof(ca_outbox),
    CA_HEAP_LEVELS = 9, /* first levels of the page TLSF: extents stay below CA_EXTENT_MOST * 2 pages */
    CA_EXTENT_LEAST = 16, /* pages; a context's first extents may be smaller, so that small ones stay small */
    CA_EXTENT_MOST = 1024, /* pages: 4 MiB */
    CA_TICK_CALLS = 64,    /* slow calls between two looks at the clock */
    CA_STDIO_LEAST = 1024, /* the smallest buffer of a stream: what contexts give from here on depends on who asks, see front/fast.h */
    CA_HUGE_PAGES = 512    /* runs from here on are the region's own: 2 MiB */
};

enum { CA_WARM_KINDS = CA_TARGET_MEDIUM - CA_TARGET_LONG + 1 };

enum ca_heap_state {
    CA_HEAP_FREE,      /* the record holds no heap */
    CA_HEAP_OWNED,     /* a thread has it */
    CA_HEAP_ABANDONED, /* its thread ended: the next thread takes it over */
    CA_HEAP_BUSY,      /* abandoned, and some thread is just draining its inbox */
    CA_HEAP_ORPHAN     /* after fork: of a thread that the child does not have; never used again */
};

/* [H1] every page with this heap's tag lies in one of its extents
 * [H2] the tag of a page whose block is free is 0
 * [H3] for each class: sum of (objects - free) over its slabs == out
 * [H4] held: used in `pages`, the tag of its page is 0
 * [H5] of every slab but `emptied` an object is out, of that one none */
typedef struct ca_heap {
    ca_target target;
    uint16_t cache_offset[CA_FAST_MAX / CA_GRANULE + 1]; /* of (size + 15) / 16: of the cache, from `caches` */
    uint8_t tick_turn; /* what the next tick does, see ca_heap_tick */
    uint32_t tag;
    uint32_t state; /* enum ca_heap_state */
    uint32_t spare; /* empty magazines */
    ca_cache caches[CA_CLASSES + 1]; /* the last one is empty and full: for `freed` when there is none */

    void *freed;         /* the object that waits, see ca_heap_put; NULL: none */
    uint32_t freed_x;    /* its class, as the distance of its cache from the first; CA_TAG_CACHES: none */
    uint8_t spare_count; /* empty magazines */
    uint8_t slow_calls;  /* counts down to the next look at the clock */
    uint8_t idle_hand;   /* class */
    uint8_t idle_calls;
    ca_outbox *outboxes;   /* CA_OUTBOXES of them; NULL: a context's heap, or no memory */
    uint64_t used_classes; /* bits: a slab or a magazine was taken since the heap was made or dropped */
    uint64_t busy_classes; /* bits: there was a slow call since the idle hand came by, see side_step */
    uint32_t spare_slabs;  /* slab records */
    uint32_t emptied;      /* a slab that goes with the next slow call, see return_some; 0: none */
    ca_node held;          /* the large block freed last, see ca_pages_hold; or none */
    ca_purge_place purged_to;

    uint32_t inbox CA_ALIGNED(64); /* magazines that others sent: a stack; written by all, so what follows in its line is rarely used (`generation` by frees into contexts) */
    uint32_t generation;           /* of a context's heap: how often it was dropped. Frees on their way since then are void */
    uint32_t next_of_all;          /* in the list of all heaps */
    uint32_t next;                 /* in the list of abandoned heaps */
    ca_account *account;
    struct ca_context *warm[CA_WARM_KINDS]; /* a thread's: contexts that wait for their next use, by kind from CA_TARGET_LONG on */
    uint8_t warm_count[CA_WARM_KINDS];
    uint8_t first_extent;   /* pages of a context's next first extent: as many as its last life had, within limits */
    uint32_t large_count;
    struct ca_context *own; /* a thread's: its CTXALLOC_THREAD */

    ca_node_batches node_batches CA_ALIGNED(64);
    ca_slab_list slabs; /* all of them, newest first */
    ca_run_list runs;   /* the extents */
    ca_habit habits[CA_CLASSES];
    ca_bin class_bins[CA_CLASSES];
    ca_tlsf pages;
    ca_node page_bins[CA_HEAP_LEVELS * CA_BIN_SECOND_LEVELS];
    uint64_t page_second[CA_TLSF_WORDS(CA_HEAP_LEVELS)];
    ca_page extent_pages; /* in all extents */
    ca_page large_pages;  /* in live large blocks */
} ca_heap;

_Static_assert(sizeof(ca_heap) <= CA_HEAP_RECORD, "a heap is one record");
_Static_assert(CA_TAG_CHECKED == 1U << (CA_TAG_HEAP_SHIFT + CA_HEAP_NUMBER_BITS), "the number of a heap ends below the flag");

_Static_assert(CA_CLASSES <= 64, "used_classes");

/* The target of a thread that has none: every fast path turns away from it. */
CA_EXTERN ca_target ca_target_none;

/* Process-wide settings of this layer; constant once heaps exist. */
typedef struct ca_heap_settings {
    bool check;     /* keep the live map, and find wrong frees */
    bool full;      /* and more, see front/full.h: no fast paths; a live bit goes at the call, whoever frees */
    bool profile;   /* samples are taken, see front/profile.h */
    bool slow;      /* full or profile: there are no fast paths */
    bool quarantine; /* what contexts leave is not used again for a while, see ca_region_retire */
    uint32_t decay; /* ms */
    size_t trusted_end; /* bytes: whoever asks a context for less gets it, and need not be looked at; see front/fast.h */
} ca_heap_settings;
CA_EXTERN ca_heap_settings ca_heap_setting;

/* A thread's heap. zone: where its memory comes from, NULL: the first. NULL: no memory. */
ca_heap *ca_heap_create(ca_zone *zone);
/* A context's heap becomes a thread's. */
void ca_heap_make_home(ca_heap *heap);
/* A context's heap, owned by whoever has the context. `owner`: what ca_region_run_owner says of its extents. `zone`: where they come from, NULL: the first. */
ca_heap *ca_heap_create_for(struct ca_context *context, ca_account *account, uint32_t owner, ca_zone *zone);
/* All blocks cease to be; pages, slabs and magazines go back, but for one extent that the heap keeps if `keep`. `dead`: what the pages' entries
 * hold from now on, see heap/verdict.c. Time: proportional to extents, and 8 bytes a page.  Frees of these blocks that are still on their way are dropped when they come. */
void ca_heap_drop(ca_heap *heap, uint32_t dead, bool keep);
/* The record goes back to those that ca_heap_create_for may take. pre: dropped, not kept. */
void ca_heap_retire(ca_heap *heap);
/* For a heap that was made before the options were known: which of the fast paths hold. */
void ca_heap_uncheck(ca_heap *heap);

/* Any size up to CA_MAX_SIZE; 16-byte aligned. NULL: no memory. The block is live. */
void *ca_heap_malloc(ca_heap *heap, size_t size);
/* All zero. */
void *ca_heap_calloc(ca_heap *heap, size_t size);
/* `align`: a power of two. */
void *ca_heap_memalign(ca_heap *heap, size_t align, size_t size);

/* An object of the heap's own small class, already not live. x: class << CA_TAG_CLASS_SHIFT. It waits in the heap until the next one is put, and the one that waited goes into its cache now.
 *
 * So the addresses of all stores are known before the entry of p's page is. Otherwise the processor, once it has seen malloc take what was just freed, holds malloc's loads of every
 * class's cache back until it knows where free has stored. Pairs of changing sizes take two thirds (with checks three quarters) of the time, random replacement nine tenths, pairs of one
 * size a tenth more. */
CA_INLINE void ca_heap_put(void *p, ca_heap *heap, uint32_t x);
/* Into a cache that is full. p NULL: nothing. */
void ca_heap_put_full(void *p, ca_heap *heap, ca_cache *cache);

/* What lies in caches is nobody's: only the magazines stay. */
void ca_heap_drop_caches(ca_heap *heap);
/* Empties all caches into the slabs. */
void ca_heap_flush(ca_heap *heap);
/* Gives back what is unused: as flush, then empty extents to the region, and free pages to the kernel. */
void ca_heap_trim(ca_heap *heap);
/* Now and then, on slow paths: purges what has been unused for the decay time. */
void ca_heap_tick(ca_heap *heap);

/* --- for the files of this layer --- */

/* An empty magazine, 0: no memory. */
uint32_t ca_heap_take_magazine(ca_heap *heap);
void ca_heap_give_magazine(ca_heap *heap, uint32_t magazine);
/* A magazine, its count written down, into the depot. */
void ca_depot_push(ca_bin *bin, uint32_t magazine);
/* Objects straight to their slabs. */
void ca_heap_return(ca_heap *heap, unsigned class, void *const *objects, uint32_t count);

/* Live map words of pages that were dropped with live blocks are cleared when the pages are used again. */
CA_EXTERN bool ca_heap_dropped_any;

/* Pages (heap/pages.c). CA_NODE_NONE: no memory. */
CA_INLINE ca_node ca_pages_take(ca_heap *heap, uint64_t pages, uint64_t align);
/* What ca_pages_take does when the heap has not got them, or is short of nodes. */
ca_node ca_pages_take_more(ca_heap *heap, uint64_t pages, uint64_t align);
/* At most `most` pages, but no less than `least`: of what the heap has, before it takes a new extent. *pages: how many. */
ca_node ca_pages_take_some(ca_heap *heap, uint64_t least, uint64_t most, uint64_t *pages);
void ca_pages_give(ca_heap *heap, ca_node node);
/* The same, but the next request for as many pages finds the block as it is (ca_pages_take_held).  It is given before anything else is done with the heap's pages, but for requests that it would not
 * serve, and at once where its extent would go back to the region: so the heap never has more than without. pre: none is held */
CA_INLINE void ca_pages_hold(ca_heap *heap, ca_node node);
CA_INLINE ca_node ca_pages_take_held(ca_heap *heap, uint64_t pages);
/* pre: held */
void ca_pages_let_go(ca_heap *heap);
/* The same where it might serve a request for so many pages: if not, it would be merged for nothing, and before an extent is taken, which is enough work. */
void ca_pages_let_go_for(ca_heap *heap, uint64_t pages);
void ca_pages_trim(ca_heap *heap);
/* What is free goes to the kernel. */
void ca_pages_purge(ca_heap *heap);
/* Just one extent, a small one. */
bool ca_pages_are_few(const ca_heap *heap);
/* All extents back to the region; the TLSF is as new. */
void ca_pages_drop(ca_heap *heap);

/* Statistics; any thread: sums that may be a little old. */
typedef struct ca_heap_usage {
    uint64_t small_bytes, small_count; /* live, or in other heaps' outboxes */
    uint64_t cached_bytes;             /* free, in magazines, or waiting */
    uint64_t slab_bytes;               /* pages in slabs */
    uint64_t large_bytes, large_count;
    uint64_t extent_bytes;
} ca_heap_usage;
void ca_heap_add_usage(const ca_heap *heap, ca_heap_usage *usage);
/* The same of one class. */
typedef struct ca_class_usage {
    uint64_t live, cached; /* objects: live, or in other heaps' outboxes; free, in magazines, or waiting */
    uint64_t slab_bytes;   /* pages in slabs */
} ca_class_usage;
ca_class_usage ca_heap_class_usage(const ca_heap *heap, unsigned class);

enum { CA_SPARE_NODES = 4 }; /* that there are before pages are taken: a take uses at most 2, a new extent with an aligned block 3 */

CA_INLINE ca_node ca_pages_take(ca_heap *heap, uint64_t pages, uint64_t align)
{
    if (heap->held)
        ca_pages_let_go_for(heap, pages);
    ca_node node = CA_LIKELY(heap->pages.spare >= CA_SPARE_NODES) ? ca_tlsf_alloc(&heap->pages, pages, align) : CA_NODE_NONE;
    return CA_LIKELY(node) ? node : ca_pages_take_more(heap, pages, align);
}

/* CA_NODE_NONE: there is none of this size. */
CA_INLINE ca_node ca_pages_take_held(ca_heap *heap, uint64_t pages)
{
    ca_node node = heap->held;
    if (!node || heap->pages.nodes[node].size != pages)
        return CA_NODE_NONE;
    heap->held = CA_NODE_NONE;
    return node;
}

/* Used, and between the ends of its extent there are at most free blocks beside it. */
CA_INLINE bool ca_pages_is_last(const ca_tlsf *tlsf, ca_node node)
{
    ca_node prev = tlsf->nodes[node].prev, next = tlsf->nodes[node].next;
    return (!prev || (!ca_tlsf_is_used(tlsf, prev) && !tlsf->nodes[prev].prev)) && (!next || (!ca_tlsf_is_used(tlsf, next) && !tlsf->nodes[next].next));
}

CA_INLINE void ca_pages_hold(ca_heap *heap, ca_node node)
{
    const ca_tlsf *tlsf = &heap->pages;
    CA_ASSERT(!heap->held);
    if (CA_UNLIKELY(ca_heap_setting.decay == 0) || (tlsf->free_total >= tlsf->nodes[node].size && ca_pages_is_last(tlsf, node))) {
        ca_pages_give(heap, node);
        return;
    }
    tlsf->marks[node] = ca_region_now();
    heap->held = node;
}

CA_INLINE ca_cache *ca_heap_cache(ca_heap *heap, size_t offset)
{
    return (ca_cache *)(void *)((char *)heap->caches + offset);
}

CA_INLINE void ca_heap_put(void *p, ca_heap *heap, uint32_t x)
{
    void *before = heap->freed;
    ca_cache *cache = ca_heap_cache(heap, heap->freed_x);
    CA_STORE(&heap->freed_x, x);
    void **top = cache->top;
    if (CA_UNLIKELY(top == cache->limit)) {
        CA_STORE(&heap->freed, p);
        ca_heap_put_full(before, heap, cache);
        return;
    }
    top[1] = before;
    CA_STORE(&cache->top, top + 1);
    CA_STORE(&heap->freed, p); /* last: half of what pairs of one size lose if it stands beside freed_x */
}

/* Audits; the owner, or nobody running. */
bool ca_heap_is_valid(ca_heap *heap, int *which);

/* The heap that a target is the head of. pre: its kind is HOME or LONG */
CA_INLINE ca_heap *ca_heap_of(ca_target *target)
{
    return (ca_heap *)(void *)target;
}

CA_INLINE bool ca_target_is_heap(const ca_target *target)
{
    return target->kind == CA_TARGET_HOME || target->kind == CA_TARGET_LONG;
}

CA_INLINE ca_heap *ca_heap_at(uint32_t number)
{
    return ca_pool_at_sized(&ca_region.heaps, number, CA_HEAP_RECORD);
}

CA_INLINE uint32_t ca_heap_number(const ca_heap *heap)
{
    return heap->tag >> CA_TAG_HEAP_SHIFT;
}

#endif
