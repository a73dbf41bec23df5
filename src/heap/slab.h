/* A slab: a run of pages cut into objects of one class, with one bit for each object that is free.
 * The bits and all else lie in a numbered record apart from the pages: freeing never touches user memory.
 *
 *   bits[]: 1 free in the slab;  0 out: live, or in a magazine
 *
 * Owner: the heap whose pages they are; its current thread alone calls this.
 */
#ifndef CA_HEAP_SLAB_H
#define CA_HEAP_SLAB_H

#include "base/check.h"
#include "heap/class.h"
#include "source/region.h"

enum {
    CA_SLAB_WORDS = 8,
    CA_SLAB_OBJECTS = CA_SLAB_WORDS * 64,
    /* Work, so that calls that move objects have a bound. The unit is an object that is moved, about twelve instructions. Besides, */
    CA_SLAB_TAKE_WORK = 14, /* each slab that objects are taken from (most of it for words of bits without any), */
    CA_SLAB_WORD_WORK = 1, /* and each word of its bits, */
    CA_SLAB_RUN_WORK = 3,  /* or if all that are free in it are neighbours, */
    CA_SLAB_RUN_PART = 2,  /* of which so many are one unit; */
    CA_SLAB_PUT_WORK = 2,  /* each time that they go to another slab than those before, */
    CA_SLAB_FULL_WORK = 2  /* and each slab that was full */
};

/* [S1] free == the number of set bits
 * [S2] in its bin's list of partial slabs iff free > 0
 * [S3] every page's entry holds the heap's tag with this class, and this slab's number
 * [S4] in its heap's list of all slabs */
typedef struct ca_slab {
    uint32_t next, prev; /* of all the heap's; next is first, as the pool's link is, so that all of them can go back at once */
    uint32_t next_partial, prev_partial; /* in the bin's list */
    uint32_t free, objects;
    uint16_t class;
    uint16_t color; /* the object that a new slab gives first, see ca_slab_init */
    ca_page page, pages;
    ca_node node; /* of the heap's TLSF */
    char *start;
    uint32_t saved; /* scratch of heap/save.c */
    uint64_t bits[CA_SLAB_WORDS] CA_ALIGNED(64);
} ca_slab;

_Static_assert(sizeof(ca_slab) <= CA_SLAB_RECORD, "a slab is one record");

CA_INLINE ca_slab *ca_slab_at(uint32_t number)
{
    return ca_pool_at_sized(&ca_region.slabs, number, CA_SLAB_RECORD);
}

/* Numbers; 0: none. */
typedef struct ca_slab_list {
    uint32_t first, last;
} ca_slab_list;

/* All objects free.  color: any number.  If every slab began at its first object, the objects in use of all classes would lie at
 * the starts of pages, which are few lines of the first-level cache; so each begins somewhere in its first page. */
void ca_slab_init(ca_slab *slab, unsigned class, ca_page page, ca_page pages, ca_node node, uint32_t color);

/* Takes up to `wanted` objects (not none), the lowest addresses first, and stores them downwards from `to` (the lowest lies highest, and is popped first). Returns how many: at least
 * one of a slab that has any. *work: how much may be done; what was done is subtracted, and 0 is left where it was all or more. */
unsigned ca_slab_take(ca_slab *slab, void **to, unsigned wanted, unsigned *work);

/* Index of the object that starts at p, or UINT32_MAX: p is not the start of one. */
CA_INLINE uint32_t ca_slab_index(const ca_slab *slab, const void *p)
{
    const ca_class *class = &ca_classes[slab->class];
    uint64_t offset = (uint64_t)((const char *)p - slab->start);
    uint32_t index = (uint32_t)(offset * class->reciprocal >> 32);
    return (uint64_t)index * class->size == offset && index < slab->objects ? index : UINT32_MAX;
}

/* The object *at, which is out, and those behind it in the array, before `end`, as far as they are the slab's, too. Returns where it ended. *at goes in any case.
 * reciprocal: of the class */
CA_INLINE void *const *ca_slab_put(ca_slab *slab, void *const *at, void *const *end, uint64_t reciprocal)
{
    const char *start = slab->start;
    uint64_t bytes = (uint64_t)slab->pages * CA_PAGE, offset = (uint64_t)((const char *)*at - start);
    uint32_t free = slab->free;
    do {
        uint32_t index = (uint32_t)(offset * reciprocal >> 32);
        CA_ASSERT(index == ca_slab_index(slab, start + offset) && !(slab->bits[index / 64] >> index % 64 & 1));
        slab->bits[index / 64] |= 1ULL << index % 64;
        free++;
        if (++at >= end)
            break;
        offset = (uintptr_t)*at - (uintptr_t)start;
    } while (offset < bytes);
    CA_STORE(&slab->free, free);
    return at;
}

bool ca_slab_is_valid(const ca_slab *slab, int *which);

#endif
