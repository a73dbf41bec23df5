#include "heap/slab.h"

void ca_slab_init(ca_slab *slab, unsigned class, ca_page page, ca_page pages, ca_node node)
{
    uint32_t objects = (uint32_t)(pages * (size_t)CA_PAGE / ca_classes[class].size);
    *slab = (ca_slab){.free = objects, .objects = objects, .class = class, .page = page, .pages = pages, .node = node,
                      .start = ca_region_address(page)};
    for (uint32_t i = 0; i < objects; i += 64)
        slab->bits[i / 64] = objects - i >= 64 ? UINT64_MAX : (1ULL << (objects - i)) - 1;
}

unsigned ca_slab_take(ca_slab *slab, void **to, unsigned wanted)
{
    unsigned left = wanted;
    const size_t size = ca_classes[slab->class].size;
    const unsigned words = (slab->objects + 63) / 64;
    for (unsigned w = 0; w < words && left; w++) {
        uint64_t word = slab->bits[w];
        while (word && left) { /* a run of free objects at a time: in a new slab that is all of them */
            unsigned first = ca_bit_low(word);
            uint64_t used = ~(word >> first);
            unsigned run = used ? ca_bit_low(used) : 64;
            run = run < left ? run : left;
            char *p = slab->start + (w * 64 + first) * size;
            for (unsigned i = 0; i < run; i++, p += size)
                *to-- = p;
            word &= first + run < 64 ? ~0ULL << (first + run) : 0;
            left -= run;
        }
        slab->bits[w] = word;
    }
    CA_STORE(&slab->free, slab->free - (wanted - left));
    return wanted - left;
}

uint32_t ca_slab_index(const ca_slab *slab, const void *p)
{
    const ca_class *class = &ca_classes[slab->class];
    uint64_t offset = (uint64_t)((const char *)p - slab->start);
    uint32_t index = (uint32_t)(offset * class->reciprocal >> 32);
    return (uint64_t)index * class->size == offset && index < slab->objects ? index : UINT32_MAX;
}

bool ca_slab_is_valid(const ca_slab *slab, int *which)
{
    uint32_t free = 0;
    for (unsigned w = 0; w < CA_SLAB_WORDS; w++)
        free += ca_bit_count(slab->bits[w]);
    *which = free != slab->free ? 1 : 0;
    return !*which;
}
