/* The live map: one bit for each granule of the region, set while a live object starts there.
 * Written by the heap that owns the page, in its current thread; a word covers 1 KiB and so never two heaps.
 * Anyone may read a bit: that of an object which the reader holds does not change under it. */
#ifndef CA_HEAP_LIVE_H
#define CA_HEAP_LIVE_H

#include "source/region.h"

CA_INLINE bool ca_live_test(ca_granule g)
{
    return CA_LOAD(&ca_region.live[g >> 6]) >> (g & 63) & 1;
}

CA_INLINE void ca_live_set(ca_granule g)
{
    uint64_t *word = &ca_region.live[g >> 6];
    CA_STORE(word, CA_LOAD(word) | 1ULL << (g & 63));
}

/* Whether it was set. */
CA_INLINE bool ca_live_clear(ca_granule g)
{
    uint64_t *word = &ca_region.live[g >> 6], old = CA_LOAD(word), bit = 1ULL << (g & 63);
    CA_STORE(word, old & ~bit);
    return (old & bit) != 0;
}

#endif
