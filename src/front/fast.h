/* malloc and free as almost every call sees them.  Read the disassembly after every change here.
 *
 * One word, ca_current, says where to allocate. A heap's caches are array stacks of pointers, so no object is touched.
 *
 *   malloc   size ──table──> cache; pop. NULL from the sentinel: empty.
 *   free     p - base ──> granule; rotating instead of shifting sends misaligned pointers out of range, too
 *            page's tag ^ heap's tag: offset of the class's cache if the page is this heap's, large otherwise; push.
 *
 * The checks (live map) are a second path, and which path is taken is in the heap's own numbers: with check=off the first
 * comparison leads to the first path and nothing is tested for; with check=on it fails and the second one holds.
 * ca_target_none, what a thread starts with, fails both, and so do contexts that are no heaps.
 */
#ifndef CA_FRONT_FAST_H
#define CA_FRONT_FAST_H

#include "front/front.h"
#include "heap/live.h"

CA_INLINE ca_cache *ca_fast_cache(ca_target *target, size_t offset)
{
    return (ca_cache *)(void *)((char *)ca_heap_of(target)->caches + offset);
}

/* NULL: not from here; ask ca_front_malloc. */
CA_INLINE void *ca_fast_malloc(size_t size)
{
    ca_target *target = ca_current;
    if (CA_LIKELY(size < target->fast_end)) {
        ca_cache *cache = ca_fast_cache(target, ca_heap_of(target)->cache_offset[(size + CA_GRANULE - 1) / CA_GRANULE]);
        void **top = cache->top, *p = *top;
        if (CA_LIKELY(p != NULL))
            CA_STORE(&cache->top, top - 1);
        return p;
    }
    if (CA_LIKELY(size < target->checked_end)) {
        ca_cache *cache = ca_fast_cache(target, ca_heap_of(target)->cache_offset[(size + CA_GRANULE - 1) / CA_GRANULE]);
        void **top = cache->top, *p = *top;
        if (CA_LIKELY(p != NULL)) {
            CA_STORE(&cache->top, top - 1);
            ca_live_set(((uintptr_t)p - ca_region.base) >> CA_GRANULE_SHIFT); /* never in a further range: see extent_take */
        }
        return p;
    }
    return NULL;
}

/* false: not from here; ask ca_front_free. Nothing has changed then. ca_heap_put_full is for a full magazine. */
CA_INLINE bool ca_fast_free(void *p)
{
    uintptr_t offset = (uintptr_t)p - ca_region.base;
    ca_granule g = offset >> CA_GRANULE_SHIFT | offset << (64 - CA_GRANULE_SHIFT);
    if (CA_UNLIKELY(g >= CA_LOAD(&ca_region.granules)))
        return false;
    ca_target *target = ca_current;
    uint32_t x = CA_LOAD(&ca_region.entries[g >> (CA_PAGE_SHIFT - CA_GRANULE_SHIFT)].tag) ^ target->free_tag;
    if (CA_LIKELY(x < CA_TAG_CACHES)) {
        ca_cache *cache = ca_fast_cache(target, x);
        void **top = cache->top;
        if (CA_UNLIKELY(top == cache->limit)) {
            ca_heap_put_full(ca_heap_of(target), cache, p);
            return true;
        }
        top[1] = p;
        CA_STORE(&cache->top, top + 1);
        return true;
    }
    x ^= CA_TAG_CHECKED;
    if (CA_LIKELY(x < CA_TAG_CACHES)) {
        ca_cache *cache = ca_fast_cache(target, x);
        if (CA_UNLIKELY(!ca_live_clear(g)))
            return false;
        void **top = cache->top;
        if (CA_UNLIKELY(top == cache->limit)) {
            ca_heap_put_full(ca_heap_of(target), cache, p);
            return true;
        }
        top[1] = p;
        CA_STORE(&cache->top, top + 1);
        return true;
    }
    return false;
}

#endif
