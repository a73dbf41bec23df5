/* Size classes: which sizes share slabs, and how each is cached.
 *
 * 16 to 128 in steps of 16, then four classes a doubling, so that rounding wastes at most 20 %, up to CA_SMALL_MAX.
 * A page's tag says which heap and which class:  heap << 10 | class << 4.  The class is stored shifted, because
 * `tag ^ heap's own tag` is then the offset of the class's cache in the heap, and small iff the page is the heap's.
 */
#ifndef CA_HEAP_CLASS_H
#define CA_HEAP_CLASS_H

#include "base/base.h"

enum {
    CA_CLASSES = 40,
    CA_SMALL_MAX = 32768, /* largest size of a slab class */
    CA_FAST_MAX = 1024,   /* largest size that the table of the fast path covers */
    CA_TAG_CLASS_SHIFT = 4,
    CA_TAG_HEAP_SHIFT = 10,
    CA_TAG_CACHES = CA_CLASSES << CA_TAG_CLASS_SHIFT, /* x = tag ^ own tag is below this: my small object */
    CA_TAG_ENGINES = 56 << CA_TAG_CLASS_SHIFT,        /* from here to CA_TAG_LARGE: pages of engines (heap/engine.h); the heap is 0 */
    CA_TAG_NEST = 60 << CA_TAG_CLASS_SHIFT,           /* pieces of short contexts (heap/bump.c) */
    CA_TAG_BUMP = 61 << CA_TAG_CLASS_SHIFT,           /* chunks of short contexts */
    CA_TAG_LARGE = 62 << CA_TAG_CLASS_SHIFT,          /* a run of pages of a heap's own TLSF */
    CA_TAG_HUGE = 63 << CA_TAG_CLASS_SHIFT,           /* a run of pages of the region; the heap is 0 */
    CA_TAG_CLASS_MASK = 63 << CA_TAG_CLASS_SHIFT
};
#define CA_TAG_CHECKED 0x80000000U /* in a heap's free_tag only: sends every free past the unchecked path */

typedef struct ca_class {
    uint32_t size;       /* bytes */
    uint32_t reciprocal; /* ceil(2^32 / size): offset * reciprocal >> 32 == offset / size within a slab */
    uint8_t capacity;    /* objects in a full magazine */
    uint8_t depot;       /* full magazines kept at most */
    uint8_t room;        /* objects that a magazine may hold before the class has shown that more pays; see ca_habit */
    uint8_t first_pages; /* pages of a heap's first slab of the class; later ones double, up to */
    uint8_t most_pages;
    uint8_t colors;      /* objects that begin in the first page of a slab, and in the first word of its bits */
} ca_class;

CA_EXTERN const ca_class ca_classes[CA_CLASSES];
/* Class of (size + 15) / 16 for sizes up to CA_FAST_MAX. */
CA_EXTERN const uint8_t ca_class_table[CA_FAST_MAX / CA_GRANULE + 1];

/* size <= CA_SMALL_MAX */
CA_INLINE unsigned ca_class_of(size_t size)
{
    if (size <= 128)
        return size ? (unsigned)((size - 1) >> CA_GRANULE_SHIFT) : 0;
    unsigned exponent = ca_bit_high(size - 1); /* 7: 129…256 */
    return (exponent - 5) * 4 + (unsigned)((size - 1) >> (exponent - 2) & 3);
}

/* The smallest class of which every object is aligned to `align` (a power of two, at most a page); CA_CLASSES: none. */
unsigned ca_class_of_aligned(size_t size, size_t align);

#endif
