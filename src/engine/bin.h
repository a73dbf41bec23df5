/* Size to bin and back: a small floating-point number with a 3-bit mantissa, so that a bin's sizes differ by at most 12.5 %.
 *
 *   sizes 0…7   bins 0…7, exact            (first level 0)
 *   sizes 8…15  bins 8…15, exact           (first level 1)
 *   sizes 16…31 bins 16…23, steps of 2     (first level 2), and so on: bin = first level * 8 + mantissa
 *
 * Two-level segregated fit: Masmano, Ripoll, Crespo, Real, "TLSF: a new dynamic memory allocator for real-time
 * systems", 2004; the float distribution as in S. Aaltonen's OffsetAllocator.  Pure functions, constant time.
 */
#ifndef CA_ENGINE_BIN_H
#define CA_ENGINE_BIN_H

#include "base/base.h"

enum {
    CA_BIN_MANTISSA_BITS = 3,
    CA_BIN_SECOND_LEVELS = 1 << CA_BIN_MANTISSA_BITS,
    CA_BIN_FIRST_LEVELS = 64 - CA_BIN_MANTISSA_BITS + 1, /* for any uint64_t */
    CA_BIN_COUNT = CA_BIN_FIRST_LEVELS * CA_BIN_SECOND_LEVELS
};

/* The bin whose smallest size is the largest that is <= size, of bins with so many bits of mantissa. */
CA_INLINE unsigned ca_bin_floor_of(uint64_t size, unsigned mantissa_bits)
{
    unsigned exponent = ca_bit_high(size | 1ULL << mantissa_bits) - mantissa_bits; /* 0 for both exact levels: no branch */
    return (exponent << mantissa_bits) + (unsigned)(size >> exponent);
}

/* Where a free range of this size is filed. */
CA_INLINE unsigned ca_bin_floor(uint64_t size)
{
    return ca_bin_floor_of(size, CA_BIN_MANTISSA_BITS);
}

/* The smallest size filed in a bin. */
CA_INLINE uint64_t ca_bin_size(unsigned bin)
{
    if (bin < 2 * CA_BIN_SECOND_LEVELS)
        return bin;
    unsigned exponent = (bin >> CA_BIN_MANTISSA_BITS) - 1;
    return (uint64_t)((bin & (CA_BIN_SECOND_LEVELS - 1)) | CA_BIN_SECOND_LEVELS) << exponent;
}

/* The first bin of which every range is >= size: where a search for this size starts.  May be CA_BIN_COUNT: none. */
CA_INLINE unsigned ca_bin_ceil(uint64_t size)
{
    unsigned some = size != 0;
    unsigned bin = ca_bin_floor(size - some) + some; /* one past the bin of the next smaller size */
    CA_ASSUME(bin <= CA_BIN_COUNT);
    return bin;
}

#endif
