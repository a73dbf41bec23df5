/* The best-fit engine's bins: as those of engine/bin.h, with a mantissa of 6 bits.
 *
 *   sizes 0…127   bins 0…127, exact
 *   sizes 128…255 bins 128…191, steps of 2, and so on: bin = first level * 64 + mantissa
 *
 * So a first level's bins are the bits of one word, and a size of up to 1023 leaves 3 bits open at most.
 *
 * Before it is included: unit. */
#ifndef CA_ENGINE_FIT_BINS_H
#define CA_ENGINE_FIT_BINS_H

#ifndef FIT
#include "engine/fit32.h"
#endif
#include "engine/bin.h"

enum {
    FIT_MANTISSA_BITS = 6,
    FIT_SECOND_LEVELS = 1 << FIT_MANTISSA_BITS,
    FIT_FIRST_LEVELS = 8 * sizeof(unit) - FIT_MANTISSA_BITS + 1,
    FIT_BINS = FIT_FIRST_LEVELS * FIT_SECOND_LEVELS
};

/* Where a free range of this size is filed. */
CA_INLINE unsigned fit_bin(uint64_t size)
{
    return ca_bin_floor_of(size, FIT_MANTISSA_BITS);
}

/* Bits of a size that its bin leaves open. */
CA_INLINE unsigned fit_open_bits(unsigned bin)
{
    return bin < 2 * FIT_SECOND_LEVELS ? 0 : bin / FIT_SECOND_LEVELS - 1;
}

#endif
