#include "heap/slab.h"

void ca_slab_init(ca_slab *slab, unsigned class, ca_page page, ca_page pages, ca_node node, uint32_t color)
{
    uint32_t objects = (uint32_t)(pages * (uint64_t)CA_PAGE * ca_classes[class].reciprocal >> 32);
    uint32_t choice = ca_classes[class].colors;
    *slab = (ca_slab){.free = objects, .objects = objects, .class = (uint16_t)class, .color = (uint16_t)((uint64_t)(color * 0x9e3779b1U) * choice >> 32),
                      .page = page, .pages = pages, .node = node, .start = ca_region_address(page)};
    for (uint32_t w = 0; w < objects / 64; w++)
        slab->bits[w] = UINT64_MAX;
    if (objects % 64)
        slab->bits[objects / 64] = (1ULL << objects % 64) - 1;
}

/* What is taken is written to soon, and several lines come from memory at a time where one after the other would. */
CA_INLINE void object_store(void **to, char *p)
{
    *to = p;
    __builtin_prefetch(p, 1);
}

/* Out of a word of bits, the run of `count` (not none) that begins at the bit `first`: its objects are stored downwards from `to`. Returns where it ended. */
CA_INLINE void **run_take(uint64_t *bits, unsigned first, size_t count, char *base, size_t size, void **to)
{
    *bits &= ~(UINT64_MAX >> (64 - count) << first);
    char *p = base + first * size;
    for (void *const *end = to - count; to != end; p += size)
        object_store(to--, p);
    return to;
}

/* Those of `some`, which is not 0, no further than `last`. pre: last < to */
CA_INLINE void **word_take(uint64_t *bits, uint64_t some, char *base, size_t size, void **to, void *const *last)
{
    uint64_t others = *bits & ~some;
    base = CA_ANEW(base); /* one sum, not two for each object */
    do {
        object_store(to--, base + (uint64_t)ca_bit_low(some) * size);
        some &= some - 1;
        if (!some)
            break;
    } while (to != last);
    *bits = others | some;
    return to;
}

unsigned ca_slab_take(ca_slab *slab, void **to, unsigned wanted, unsigned *work)
{
    const size_t size = ca_classes[slab->class].size;
    void **at = to, *const *last = to - (wanted < slab->free ? wanted : slab->free);
    ptrdiff_t left = (ptrdiff_t)*work - CA_SLAB_TAKE_WORK;
    uint64_t word = slab->bits[0] & ~0ULL << slab->color; /* the rest of it comes with a later call */
    slab->color = 0;
    for (unsigned w = 0; at != last;) {
        if (word) {
            ptrdiff_t most = left > 0 ? left : 1, all = at - last;
            char *base = slab->start + (size_t)w * 64 * size;
            uint64_t behind = word + (word & -word); /* the bit behind the first run: not free if that is all there is */
            if (!(word & behind) && word & (word - 1)) {
                unsigned first = ca_bit_low(word), end = behind ? ca_bit_low(behind) : 64;
                size_t count = ca_size_min(ca_size_min(end - first, (size_t)all), (size_t)most * CA_SLAB_RUN_PART);
                at = run_take(&slab->bits[w], first, count, base, size, at);
                left -= (ptrdiff_t)(CA_SLAB_RUN_WORK + (count + CA_SLAB_RUN_PART - 1) / CA_SLAB_RUN_PART);
            } else {
                void **from = at;
                at = word_take(&slab->bits[w], word, base, size, at, all > most ? at - most : last);
                left -= CA_SLAB_WORD_WORK + (from - at);
            }
            if (left <= 0)
                break;
        }
        if (++w == CA_SLAB_WORDS)
            break;
        word = slab->bits[w];
    }
    unsigned taken = (unsigned)(to - at);
    CA_STORE(&slab->free, taken ? slab->free - taken : 0); /* without checks an object that was freed twice is counted twice */
    *work = left > 0 ? (unsigned)left : 0;
    return taken;
}

bool ca_slab_is_valid(const ca_slab *slab, int *which)
{
    uint32_t free = 0;
    for (unsigned w = 0; w < CA_SLAB_WORDS; w++)
        free += ca_bit_count(slab->bits[w]);
    *which = free != slab->free ? 1 : 0;
    return !*which;
}
