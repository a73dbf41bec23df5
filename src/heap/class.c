#include "heap/class.h"

#include "heap/magazine.h"
#include "heap/slab.h"

enum {
    MAGAZINE_BYTES = 64 << 10, /* what a full magazine holds at most, but no less than LEAST objects */
    MAGAZINE_LEAST = 4,
    DEPOT_BYTES = 128 << 10,
    DEPOT_MOST = 16,
    SLAB_BYTES = 64 << 10, /* a grown slab, or LEAST objects */
    SLAB_LEAST = 4
};

ca_class ca_classes[CA_CLASSES];
uint8_t ca_class_table[CA_FAST_MAX / CA_GRANULE + 1];

static uint32_t class_size(unsigned class)
{
    if (class < 8)
        return (class + 1) * CA_GRANULE;
    unsigned exponent = class / 4 + 5; /* the inverse of ca_class_of */
    return (class % 4 + 5) << (exponent - 2);
}

/* Pages of the smallest slab that wastes at most an eighth of itself at the end. */
static uint8_t first_pages(uint32_t size)
{
    uint32_t pages = 1;
    while (pages * CA_PAGE < size || pages * CA_PAGE % size > pages * CA_PAGE / 8)
        pages++;
    return (uint8_t)pages;
}

static uint8_t most_pages(uint32_t size, uint32_t pages)
{
    uint32_t bytes = (uint32_t)ca_size_max(SLAB_BYTES, (size_t)size * SLAB_LEAST);
    while (pages * 2 * CA_PAGE <= bytes && pages * 2 * CA_PAGE / size <= CA_SLAB_OBJECTS)
        pages *= 2;
    return (uint8_t)pages;
}

void ca_class_init(void)
{
    for (unsigned i = 0; i < CA_CLASSES; i++) {
        uint32_t size = class_size(i);
        size_t capacity = ca_size_max(MAGAZINE_LEAST, ca_size_min(CA_MAGAZINE_SLOTS, MAGAZINE_BYTES / size));
        uint8_t pages = first_pages(size);
        ca_classes[i] = (ca_class){.size = size,
                                   .reciprocal = (uint32_t)(((1ULL << 32) + size - 1) / size),
                                   .capacity = (uint16_t)capacity,
                                   .depot = (uint16_t)ca_size_min(DEPOT_MOST, DEPOT_BYTES / (capacity * size) + 1),
                                   .first_pages = pages,
                                   .most_pages = most_pages(size, pages),
                                   .colors = (uint8_t)ca_size_max(1, ca_size_min(64, CA_PAGE / size))};
    }
    for (unsigned i = 0; i <= CA_FAST_MAX / CA_GRANULE; i++)
        ca_class_table[i] = (uint8_t)ca_class_of((size_t)i * CA_GRANULE);
}

unsigned ca_class_of_aligned(size_t size, size_t align)
{
    /* Slabs start at a page, so objects are aligned when their size is a multiple; every fourth class is a power of two. */
    size = ca_round_up(size ? size : 1, align);
    if (size > CA_SMALL_MAX)
        return CA_CLASSES;
    unsigned class = ca_class_of(size);
    while (class < CA_CLASSES && ca_classes[class].size & (align - 1))
        class++;
    return class;
}
