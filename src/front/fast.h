/* malloc and free as almost every call sees them.  Read the disassembly after every change here.
 *
 * One word, ca_current, says where to allocate. A heap's caches are array stacks of pointers, so no object is touched.
 *
 *   malloc   size ──table──> cache; pop. NULL from the sentinel: empty.
 *   free     p - base ──> granule; rotating instead of shifting sends misaligned pointers out of range, too
 *            page's tag ^ heap's tag: offset of the class's cache if the page is this heap's, large otherwise; push the object freed before (ca_heap_put).
 *
 * The checks (live map) are a second path, and which path is taken is in the heap's own numbers: with check=off the first
 * comparison leads to the first path and nothing is tested for; with check=on it fails and the second one holds.
 * ca_target_none, what a thread starts with, fails both, and so do contexts that are no heaps.
 */
#ifndef CA_FRONT_FAST_H
#define CA_FRONT_FAST_H

#include <string.h>

#include "front/front.h"
#include "heap/context.h"
#include "heap/live.h"
#include "heap/remote.h"

/* Code that allocates for itself what outlives the context that happens to be current: it never gets it from one.
 * The dynamic loader: threads' tables, descriptions of libraries, thread-local variables made on first use.
 * _IO_file_doallocate: the buffers of stdio's streams, which are made on the first use of stdout, say; of CA_STDIO_LEAST bytes or more.
 *
 * Both call through pointers of their own. Where these can be made to lead elsewhere (preload/loader.c, preload/libc.c; ca_heap_setting.trusted_end), contexts' blocks come from the same
 * paths as everybody's; where not, they come from ca_fast_context_malloc, which looks at the caller: all of them, or with the loader's alone led elsewhere those that may be a stream's. */
CA_EXTERN struct ca_outsiders {
    uintptr_t loader, stdio;
    size_t loader_bytes;
} ca_outsiders;
enum { CA_STDIO_BYTES = 352 /* of _IO_file_doallocate's code; what lies behind it may be served from outside, too */ };

CA_INLINE bool ca_is_loader(const void *caller)
{
    return (uintptr_t)caller - ca_outsiders.loader < ca_outsiders.loader_bytes;
}

CA_INLINE bool ca_is_stdio(const void *caller)
{
    return (uintptr_t)caller - ca_outsiders.stdio < CA_STDIO_BYTES;
}

CA_INLINE bool ca_is_outsider(const void *caller)
{
    return CA_LOAD(&ca_heap_setting.trusted_end) <= CA_FAST_MAX && (ca_is_loader(caller) || ca_is_stdio(caller));
}

/* size <= CA_FAST_MAX */
CA_INLINE ca_cache *ca_fast_cache_for(ca_target *target, size_t size)
{
    ca_heap *heap = ca_heap_of(target);
    return ca_heap_cache(heap, heap->cache_offset[(size + CA_GRANULE - 1) / CA_GRANULE]);
}

/* The live map's word for an object of the first range, and its place there: from its address, so that nothing has to be kept for it. */
CA_INLINE ca_live_word *ca_fast_live(const void *p)
{
    return (ca_live_word *)(ca_region.live_origin + (uintptr_t)p / (CA_GRANULE * CA_LIVE_GRANULES) * sizeof(ca_live_word));
}

CA_INLINE uint64_t ca_fast_live_place(const void *p)
{
    return (uintptr_t)p / CA_GRANULE;
}

/* NULL: empty. */
CA_INLINE void *ca_fast_pop(ca_cache *cache, bool checked)
{
    void **top = cache->top, *p = *top--; /* to before no_slot, too, but not used then; here and not below: then p need not be moved into the register that it is returned in */
    if (CA_LIKELY(p != NULL)) {
        CA_STORE(&cache->top, top);
        if (checked) /* never in a further range: see extent_take */
            ca_live_set_in(ca_fast_live(p), ca_fast_live_place(p));
    }
    return p;
}

/* NULL: not from here; ask ca_front_malloc. */
CA_INLINE void *ca_fast_malloc_from(ca_target *target, size_t size)
{
    if (CA_LIKELY(size < target->fast_end))
        return ca_fast_pop(ca_fast_cache_for(target, size), false);
    if (CA_LIKELY(size < target->checked_end))
        return ca_fast_pop(ca_fast_cache_for(target, size), true);
    return NULL;
}

CA_INLINE void *ca_fast_malloc(size_t size)
{
    return ca_fast_malloc_from(ca_current, size);
}

/* Whether the target is a heap of which the fast paths serve all classes. */
CA_INLINE bool ca_has_all_classes(const ca_target *target)
{
    return (target->fast_end | target->checked_end) > CA_FAST_MAX;
}

CA_INLINE void *ca_fast_class_malloc(ca_target *target, unsigned class)
{
    return ca_fast_pop(&ca_heap_of(target)->caches[class], target->checked_end != 0);
}

/* Sizes that the table does not have: the class is computed. size > CA_FAST_MAX */
CA_INLINE void *ca_fast_medium_malloc(ca_target *target, size_t size)
{
    return CA_LIKELY(size <= CA_SMALL_MAX) && CA_LIKELY(ca_has_all_classes(target)) ? ca_fast_class_malloc(target, ca_class_of(size)) : NULL;
}

/* align: a power of two. NULL: not from here; ca_front_memalign goes on. */
CA_INLINE void *ca_fast_aligned_malloc(ca_target *target, size_t align, size_t size)
{
    if (CA_UNLIKELY(size > CA_SMALL_MAX) || CA_UNLIKELY(align > CA_PAGE) || CA_UNLIKELY(!ca_has_all_classes(target)))
        return NULL;
    unsigned class = ca_class_of_aligned(size, align);
    return class < CA_CLASSES ? ca_fast_class_malloc(target, class) : NULL;
}

/* For the heap of a context whose callers have to be looked at. caller: where malloc returns to. */
CA_INLINE void *ca_fast_context_malloc(ca_target *target, size_t size, const void *caller)
{
    if (CA_UNLIKELY(size >= target->context_end || ca_is_loader(caller) || (size >= CA_STDIO_LEAST && ca_is_stdio(caller))))
        return NULL;
    return ca_fast_pop(ca_fast_cache_for(target, size), ca_heap_setting.check);
}

/* pre: its kind is SHORT or MEDIUM */
CA_INLINE ca_context *ca_context_of_target(ca_target *target)
{
    return (ca_context *)(void *)target;
}

/* For short and medium contexts: out of the chunk in use. */
CA_INLINE void *ca_fast_chunk_malloc(ca_target *target, size_t size)
{
    if (CA_UNLIKELY(size >= target->context_end))
        return NULL;
    ca_context *c = ca_context_of_target(target);
    return CA_LIKELY(target->kind == CA_TARGET_SHORT) ? ca_bump_quick(&c->bump, size) : ca_chunked_quick(&c->chunked, size);
}

/* After ca_fast_malloc, the first thing on the slow path: none of these costs those who need it not. */
CA_INLINE void *ca_fast_malloc_second(ca_target *target, size_t size, const void *caller)
{
    if (CA_UNLIKELY(target->kind >= CA_TARGET_SHORT))
        return ca_fast_chunk_malloc(target, size);
    return size > CA_FAST_MAX ? ca_fast_medium_malloc(target, size) : ca_fast_context_malloc(target, size, caller);
}

/* Both. caller NULL: nobody who has to be looked at. */
CA_INLINE void *ca_fast_malloc_any(size_t size, const void *caller)
{
    void *p = ca_fast_malloc(size);
    return CA_LIKELY(p != NULL) ? p : ca_fast_malloc_second(ca_current, size, caller);
}

/* Not below ca_region.granules: misaligned, or not from the first range. */
CA_INLINE ca_granule ca_fast_granule(const void *p)
{
    uintptr_t offset = (uintptr_t)p - ca_region.base;
    return offset >> CA_GRANULE_SHIFT | offset << (64 - CA_GRANULE_SHIFT);
}

CA_INLINE uint32_t ca_fast_tag(ca_granule g)
{
    return CA_LOAD(&ca_region.entries[g >> (CA_PAGE_SHIFT - CA_GRANULE_SHIFT)].tag);
}

/* false: not from here; ask ca_front_free. Nothing has changed then. */
CA_INLINE bool ca_fast_free(void *p)
{
    ca_granule g = ca_fast_granule(p);
    if (CA_UNLIKELY(g >= CA_PEEK(&ca_region.granules)))
        return false;
    ca_target *target = ca_current;
    uint32_t x = ca_fast_tag(g) ^ target->free_tag;
    if (CA_UNLIKELY(x >= CA_TAG_CACHES)) {
        if (CA_UNLIKELY((int32_t)x >= INT32_MIN + (int32_t)CA_TAG_CACHES) /* nothing, or CA_TAG_CHECKED and less than CA_TAG_CACHES */ || CA_UNLIKELY(!ca_live_clear_in(ca_fast_live(p), ca_fast_live_place(p))))
            return false;
        x ^= CA_TAG_CHECKED;
    }
    ca_heap_put(p, ca_heap_of(target), x);
    return true;
}

/* It has freed enough to show that a heap pays: the next malloc sees to it. */
CA_INLINE void ca_fast_chunk_busy(ca_target *target)
{
    if (!ca_heap_setting.slow)
        target->context_end = CA_CONTEXT_BUSY;
}

/* Of the short or medium context that is current: the block cut last. false: not that; nothing has changed. */
CA_INLINE bool ca_fast_chunk_free_last(ca_target *target, void *p)
{
    ca_context *c = ca_context_of_target(target);
    if (CA_LIKELY(target->kind == CA_TARGET_SHORT)) {
        if (CA_UNLIKELY(!ca_bump_free_last(&c->bump, p)))
            return false;
        if (CA_UNLIKELY(c->bump.retreats % CA_BUMP_FREES == 0))
            ca_fast_chunk_busy(target);
        return true;
    }
    if (CA_UNLIKELY(!ca_chunked_free_last(&c->chunked, p)))
        return false;
    if (CA_UNLIKELY(c->chunked.retreats % CA_CHUNKED_FREES == 0))
        ca_fast_chunk_busy(target);
    return true;
}

/* That, and of a short one any in the chunk in use. */
CA_INLINE bool ca_fast_chunk_free_quick(ca_target *target, void *p)
{
    if (CA_LIKELY(ca_fast_chunk_free_last(target, p)))
        return true;
    ca_bump *bump = &ca_context_of_target(target)->bump;
    if (target->kind != CA_TARGET_SHORT || !ca_bump_free_quick(bump, p))
        return false;
    if (CA_UNLIKELY(ca_bump_freed_many(bump)))
        ca_fast_chunk_busy(target);
    return true;
}

/* The rest, but for blocks in its first piece when that is not in use. */
CA_INLINE bool ca_fast_chunk_free_own(ca_target *target, void *p)
{
    ca_context *c = ca_context_of_target(target);
    bool is_short = target->kind == CA_TARGET_SHORT;
    if (!(is_short ? ca_bump_free_own(&c->bump, ca_context_number(c), p) : ca_chunked_free_own(&c->chunked, ca_context_number(c), p)))
        return false;
    if (CA_UNLIKELY(is_short ? ca_bump_freed_many(&c->bump) : c->chunked.own_freed % CA_CHUNKED_FREES == 0))
        ca_fast_chunk_busy(target);
    return true;
}

/* An object of another thread's heap, where others of its class wait to be sent there. false: not that; nothing has changed. */
CA_INLINE bool ca_fast_free_others(ca_target *target, void *p)
{
    ca_granule g = ca_fast_granule(p);
    return CA_LIKELY(g < CA_PEEK(&ca_region.granules)) && CA_LIKELY(ca_has_all_classes(target)) && ca_remote_free_quick(ca_heap_of(target), ca_fast_tag(g), g, p);
}

/* After ca_fast_free, the first thing on the slow path. It calls nothing (on x86-64), so it needs no frame. */
CA_INLINE bool ca_fast_free_second(void *p)
{
    ca_target *target = ca_current;
    if (CA_LIKELY(target->kind == CA_TARGET_HOME))
        return ca_fast_free_others(target, p);
    return CA_UNLIKELY(target->kind >= CA_TARGET_SHORT) && target->context_end != 0 && ca_fast_chunk_free_quick(target, p);
}

/* After that, the second thing. */
CA_INLINE bool ca_fast_free_third(void *p)
{
    ca_target *target = ca_current;
    return CA_UNLIKELY(target->kind >= CA_TARGET_SHORT) && target->context_end != 0 && ca_fast_chunk_free_own(target, p);
}

/* Of a slab's object of the current heap. 0: not from here; ask ca_front_usable. */
CA_INLINE size_t ca_fast_usable(const void *p)
{
    ca_granule g = ca_fast_granule(p);
    if (CA_UNLIKELY(g >= CA_LOAD(&ca_region.granules)))
        return 0;
    uint32_t x = ca_fast_tag(g) ^ ca_current->free_tag;
    if (x < CA_TAG_CACHES)
        return ca_classes[x >> CA_TAG_CLASS_SHIFT].size;
    x ^= CA_TAG_CHECKED;
    return CA_LIKELY(x < CA_TAG_CACHES) && CA_LIKELY(ca_live_test(g)) ? ca_classes[x >> CA_TAG_CLASS_SHIFT].size : 0;
}

/* realloc leaves an object of more than CA_SHRINK_LEAST bytes when less than this part of it is used, so that shrinking gives memory back. */
enum { CA_SHRINK_PART = 2, CA_SHRINK_LEAST = 64 };

CA_INLINE bool ca_object_serves(size_t old, size_t size)
{
    return size <= old && (size > old / CA_SHRINK_PART || old <= CA_SHRINK_LEAST);
}

/* Of a slab's object of the thread's own heap (contexts count their resizes). NULL: not from here, nothing has changed; ask ca_front_realloc. size > 0 */
CA_INLINE void *ca_fast_realloc(void *p, size_t size)
{
    size_t old = ca_fast_usable(p);
    if (CA_UNLIKELY(!old) || CA_UNLIKELY(ca_current->context != NULL))
        return NULL;
    if (ca_object_serves(old, size))
        return p;
    void *to = ca_fast_malloc_any(size, NULL);
    if (CA_UNLIKELY(!to))
        return NULL;
    memcpy(to, p, old < size ? old : size);
    if (CA_UNLIKELY(!ca_fast_free(p)))
        (void)ca_front_free(p, "realloc"); /* another thread was freeing it */
    return to;
}

#endif
