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

/* From word w, its bits at or after `from`. Returns how many. */
static unsigned word_take(ca_slab *slab, unsigned w, unsigned from, void **to, unsigned wanted)
{
    const size_t size = ca_classes[slab->class].size;
    char *base = slab->start + (size_t)w * 64 * size;
    uint64_t all = slab->bits[w], word = all & ~0ULL << from, rest = all & ~word;
    void **first = to, **last = to - wanted;
    for (; word && to != last; word &= word - 1)
        *to-- = base + ca_bit_low(word) * size;
    slab->bits[w] = rest | word;
    return (unsigned)(first - to);
}

unsigned ca_slab_take(ca_slab *slab, void **to, unsigned wanted)
{
    const unsigned words = (slab->objects + 63) / 64;
    unsigned taken = 0;
    if (slab->color) {
        taken = word_take(slab, 0, slab->color, to, wanted);
        slab->color = 0;
    }
    for (unsigned w = 0; w < words && taken < wanted; w++)
        if (slab->bits[w])
            taken += word_take(slab, w, 0, to - taken, wanted - taken);
    CA_STORE(&slab->free, slab->free - taken);
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
