#include "heap/slab.h"

void ca_slab_init(ca_slab *slab, unsigned class, ca_page page, ca_page pages, ca_node node, uint32_t color)
{
    uint32_t objects = (uint32_t)(pages * (uint64_t)CA_PAGE * ca_classes[class].reciprocal >> 32);
    uint32_t choice = ca_classes[class].colors;
    *slab = (ca_slab){.free = objects, .objects = objects, .class = (uint16_t)class, .color = (uint16_t)((uint64_t)(color * 0x9e3779b1U) * choice >> 32),
                      .page = page, .pages = pages, .node = node, .start = ca_region_address(page)};
    for (uint32_t i = 0; i < objects; i += 64)
        slab->bits[i / 64] = objects - i >= 64 ? UINT64_MAX : (1ULL << (objects - i)) - 1;
}

/* Out of a word of bits, those of `among`, of which there are some (and last < to): their objects are stored downwards from `to`, no further than `last`. Returns where it ended. */
CA_INLINE void **word_take(uint64_t *bits, uint64_t among, char *base, size_t size, void **to, void *const *last)
{
    uint64_t word = *bits & among, others = *bits & ~among;
    do {
        *to-- = base + ca_bit_low(word) * size;
        word &= word - 1;
        if (!word)
            break;
    } while (to != last);
    *bits = others | word;
    return to;
}

unsigned ca_slab_take(ca_slab *slab, void **to, unsigned wanted, unsigned *work)
{
    const size_t size = ca_classes[slab->class].size;
    char *base = slab->start;
    unsigned taken = wanted < slab->free ? wanted : slab->free;
    void **at = to, *const *last = to - taken;
    if (slab->color) { /* nothing was taken yet */
        at = word_take(&slab->bits[0], ~0ULL << slab->color, base, size, at, last);
        slab->color = 0;
    }
    ptrdiff_t left = (ptrdiff_t)*work - (to - at);
    for (uint64_t *bits = slab->bits; at != last && left > 0; bits++, base += 64 * size)
        if (*bits) {
            void **from = at;
            at = word_take(bits, ~0ULL, base, size, at, last);
            left -= CA_SLAB_WORD_WORK + (from - at);
        }
    taken = (unsigned)(to - at);
    CA_STORE(&slab->free, slab->free - taken);
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
