/* A magazine: an array stack of pointers to free objects of one class of one heap.  It moves whole between a heap's caches,
 * its depot, and, through outboxes, other heaps.  Numbered records of 1 KiB out of ca_region.magazines.
 *
 * slot[0] is always NULL: popping an empty magazine yields NULL, which is how the fast path sees that it is empty.
 */
#ifndef CA_HEAP_MAGAZINE_H
#define CA_HEAP_MAGAZINE_H

#include "source/region.h"

enum { CA_MAGAZINE_SLOTS = 125 };

typedef struct ca_magazine {
    uint32_t next;  /* in a list of magazines; first, for the pool */
    uint32_t tag;   /* in an outbox or inbox: the pages' tag of what it holds */
    uint32_t count; /* objects in it, while no cache has it loaded */
    uint32_t generation; /* in an outbox or inbox: the owner's when it was begun */
    void *slot[1 + CA_MAGAZINE_SLOTS];
} ca_magazine;

_Static_assert(sizeof(ca_magazine) <= CA_MAGAZINE_RECORD, "a magazine is one record");

CA_INLINE ca_magazine *ca_magazine_at(uint32_t number)
{
    return ca_pool_at_sized(&ca_region.magazines, number, CA_MAGAZINE_RECORD);
}

/* The magazine that a slot address lies in. */
CA_INLINE uint32_t ca_magazine_of(void *const *slot)
{
    return (uint32_t)((size_t)((const char *)slot - ca_region.magazines.base) / CA_MAGAZINE_RECORD);
}

#endif
