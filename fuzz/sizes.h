/* Sizes and alignments out of an input: every range of the allocator is two or three bytes away, and its boundaries are near. */
#ifndef CA_FUZZ_SIZES_H
#define CA_FUZZ_SIZES_H

#include "fuzz/fuzz.h"
#include "heap/heap.h"

static inline size_t fuzz_size(fuzz_input *in)
{
    unsigned kind = fuzz_byte(in), n;
    switch (kind % 8) {
    case 0:
    case 1:
        return fuzz_byte(in); /* the smallest classes */
    case 2:
        return fuzz_two(in) % (CA_FAST_MAX + 64); /* the fast path */
    case 3:
        return fuzz_two(in); /* all classes, and what is just too large for them */
    case 4: /* a class's size, less or more by one */
        n = fuzz_byte(in);
        return ca_classes[n % CA_CLASSES].size + kind / 8 % 3 - 1;
    case 5: /* pages of a heap, up to where the region's own runs begin */
        return (size_t)fuzz_two(in) * 40;
    case 6: /* about the largest large and the smallest huge block */
        n = fuzz_byte(in);
        return (size_t)(CA_HUGE_PAGES - 4 + n % 8) * CA_PAGE + kind / 8 % 3 - 1;
    default: /* huge: up to 8 MiB */
        return (size_t)(fuzz_byte(in) + 1) << 15;
    }
}

/* A power of two, mostly up to 1 MiB. */
static inline size_t fuzz_align(fuzz_input *in)
{
    unsigned n = fuzz_byte(in);
    return (size_t)1 << (n < 240 ? n % 21 : 21 + n % 3);
}

#endif
