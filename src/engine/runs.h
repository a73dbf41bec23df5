/* Runs of set bits in a word, and their summaries: how many are set at the start, at the end, and in the longest run of a stretch.
 *
 * Two neighbouring stretches make one whose summary follows from theirs, so a tree of summaries answers where the next run of n is
 * without looking at the bits; the same idea is in the page allocator of the Go runtime (M. Knyszek, "Proposal: scaling the Go page
 * allocator", 2019).  Pure functions of constant time.
 */
#ifndef CA_ENGINE_RUNS_H
#define CA_ENGINE_RUNS_H

#include "base/base.h"

enum { CA_WORD_BITS = 64 };

typedef struct ca_run {
    uint32_t start, most, end; /* bits; all three are `cover` if all are set */
    uint32_t cover;
} ca_run;

/* Bit i of the result: bits i … i + n - 1 are set. 1 <= n <= 64. */
CA_INLINE uint64_t ca_runs_of(uint64_t bits, unsigned n)
{
    for (unsigned have = 1; have < n;) {
        unsigned more = n - have < have ? n - have : have;
        bits &= bits >> more;
        have += more;
    }
    return bits;
}

/* The length of the longest run. */
CA_INLINE unsigned ca_runs_longest(uint64_t bits)
{
    uint64_t by_power[6], longer;
    unsigned power = 0;
    if (!bits)
        return 0;
    by_power[0] = bits; /* by_power[p]: where runs of 1 << p start */
    while (power < 5 && (longer = by_power[power] & by_power[power] >> (1U << power)))
        by_power[++power] = longer;
    unsigned length = 1U << power;
    uint64_t runs = by_power[power]; /* where runs of `length` start */
    for (unsigned p = power + 1; p-- > 0;)
        if ((longer = length < CA_WORD_BITS ? runs & by_power[p] >> length : 0)) {
            runs = longer;
            length += 1U << p;
        }
    return length;
}

CA_INLINE ca_run ca_run_of_word(uint64_t bits)
{
    if (!~bits)
        return (ca_run){CA_WORD_BITS, CA_WORD_BITS, CA_WORD_BITS, CA_WORD_BITS};
    return (ca_run){ca_bit_low(~bits), ca_runs_longest(bits), (uint32_t)__builtin_clzll(~bits), CA_WORD_BITS};
}

/* The summary of a stretch followed by another. */
CA_INLINE ca_run ca_run_join(ca_run a, ca_run b)
{
    uint32_t across = a.end + b.start, most = a.most > b.most ? a.most : b.most;
    return (ca_run){.start = a.start == a.cover ? a.cover + b.start : a.start,
                    .most = across > most ? across : most,
                    .end = b.end == b.cover ? b.cover + a.end : b.end,
                    .cover = a.cover + b.cover};
}

/* Where in a word n set bits start: at a run of exactly n if there is one, else at the first that is long enough; only at bits of
 * `places`. 64: nowhere. 1 <= n <= 64. */
CA_INLINE unsigned ca_runs_fit(uint64_t bits, unsigned n, uint64_t places)
{
    uint64_t fits = ca_runs_of(bits, n) & places;
    if (!fits)
        return CA_WORD_BITS;
    uint64_t exact = n < CA_WORD_BITS ? fits & ~(bits << 1) & ~(bits >> n) : fits;
    return ca_bit_low(exact ? exact : fits);
}

#endif
