/* The live map: which granules are the start of a live object, for every granule of the region.
 *
 * Two bits a granule: malloc flips one and free the other, and an object is live while they differ.  One bit would do, but then malloc
 * and free would each read what the other has just written, and a loop of the two would wait for that chain of stores and
 * loads: 1.7 times the time of a pair, measured.  Apart, each waits for itself only.  Both words of a place are eight bytes, so that its
 * address is a shift and an index: with 64-bit words malloc and free took four instructions more, chains were twice as long, and batches took a seventh more time.
 *
 * Written by the heap that owns the page, in its current thread; a word covers 512 bytes and so never two heaps.
 * Anyone may read: the bits of an object which the reader holds do not change under it.
 * Chunks of contexts keep their starts in the same place, in words of their own (heap/chunk.h).
 */
#ifndef CA_HEAP_LIVE_H
#define CA_HEAP_LIVE_H

#include <string.h>

#include "source/region.h"

CA_INLINE ca_live_word *ca_live_at(ca_granule g)
{
    return &ca_region.live[g / CA_LIVE_GRANULES];
}

CA_INLINE bool ca_live_test(ca_granule g)
{
    const ca_live_word *w = ca_live_at(g);
    return (CA_LOAD(&w->born) ^ CA_LOAD(&w->died)) >> g % CA_LIVE_GRANULES & 1;
}

/* w: what ca_live_at says. place: g, or what differs from it by a multiple of CA_LIVE_GRANULES. pre: not live */
CA_INLINE void ca_live_set_in(ca_live_word *w, uint64_t place)
{
    CA_STORE(&w->born, CA_LOAD(&w->born) ^ 1U << place % CA_LIVE_GRANULES);
}

CA_INLINE void ca_live_set(ca_granule g)
{
    ca_live_set_in(ca_live_at(g), g);
}

/* Whether it was live; if not, nothing changes. */
CA_INLINE bool ca_live_clear_in(ca_live_word *w, uint64_t place)
{
    uint32_t died = CA_LOAD(&w->died);
    if (CA_UNLIKELY(!((CA_LOAD(&w->born) ^ died) >> place % CA_LIVE_GRANULES & 1)))
        return false;
    CA_STORE(&w->died, died ^ 1U << CA_ANEW(place) % CA_LIVE_GRANULES); /* anew: otherwise gcc takes the low bits out by itself, which the processor does anyway */
    return true;
}

CA_INLINE bool ca_live_clear(ca_granule g)
{
    return ca_live_clear_in(ca_live_at(g), g);
}

/* The same for a block that two threads may free at once: one of them learns that it was not live. */
CA_INLINE bool ca_live_clear_shared(ca_granule g)
{
    ca_live_word *w = ca_live_at(g);
    uint32_t died = __atomic_fetch_xor(&w->died, 1U << g % CA_LIVE_GRANULES, __ATOMIC_ACQ_REL);
    return (CA_LOAD(&w->born) ^ died) >> g % CA_LIVE_GRANULES & 1;
}

/* Nothing in these pages is live, and nothing was: for pages that others may have used in their own way. */
CA_INLINE void ca_live_reset(ca_page page, uint64_t pages)
{
    memset(ca_live_at(ca_page_granule(page)), 0, (size_t)pages * CA_LIVE_PAGE);
}

#endif
