/* The bin arithmetic for every size of 32 bits: nothing is left to chance.
 *
 * The bins are walked in order, and the sizes of each one by one, so that
 *   ca_bin_floor never falls and leaves no bin out, and a bin's sizes are exactly [ca_bin_size(bin), ca_bin_size(bin + 1))
 *   ca_bin_ceil is that bin for its smallest size and the next bin for all others
 *   a bin's sizes differ by at most an eighth (the 12.5 %)
 * A build without optimisation would take minutes: it looks at every 61st size and both ends of each bin, and says so.
 */
#include <stdio.h>

#include "engine/bin.h"

#define END (1ULL << 32)

#ifdef __OPTIMIZE__
enum { STEP = 1 };
#else
enum { STEP = 61 };
#endif

/* x86-64 as it was first counts leading zeros by an instruction that is slow on many of its processors: with the newer one, where that is there, this test takes half the time. */
#if defined(__x86_64__) && defined(__OPTIMIZE__) && defined(__GNUC__) && !defined(__clang__)
#define CLONES __attribute__((target_clones("default", "arch=x86-64-v3")))
#else
#define CLONES
#endif

CA_INLINE bool size_is_right(uint64_t size, uint64_t smallest, unsigned bin)
{
    return ca_bin_floor(size) == bin && ca_bin_ceil(size) == bin + (size != smallest);
}

CLONES static bool bin_is_right(unsigned bin, uint64_t smallest, uint64_t end)
{
    unsigned wrong = 0;
    for (uint64_t size = smallest; size < end; size += STEP) /* no way out: the loop stays tight */
        wrong |= !size_is_right(size, smallest, bin);
    return !wrong && size_is_right(end - 1, smallest, bin) && end - 1 - smallest <= smallest / 8 &&
           ca_bin_floor(end) == bin + 1;
}

int main(void)
{
    uint64_t size = 0;
    unsigned bin = 0;
    for (; size < END; bin++) {
        uint64_t end = ca_bin_size(bin + 1);
        if (ca_bin_size(bin) != size || end <= size || !bin_is_right(bin, size, end)) {
            printf("bin %u, sizes %llu to %llu, is wrong\n", bin, (unsigned long long)size, (unsigned long long)end - 1);
            return 1;
        }
        size = end;
    }
    printf("%llu sizes in %u bins, every %d. tried\n", (unsigned long long)size, bin, STEP);
    return size == END ? 0 : 1;
}
