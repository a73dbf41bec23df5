#include "heap/class.h"

#include "heap/magazine.h"
#include "heap/slab.h"

enum {
    MAGAZINE_BYTES = 48 << 10, /* what a full magazine holds at most, but no less than LEAST objects */
    MAGAZINE_LEAST = 2,
    ROOM_BYTES = 8 << 10,  /* what a class may keep before its use has shown that more would pay, but no less than one object */
    DEPOT_BYTES = 64 << 10, /* of full magazines, but no less than one */
    DEPOT_MOST = 16
};

#define AT_LEAST(least, n) ((n) < (least) ? (least) : (n))
#define AT_MOST(most, n) ((n) > (most) ? (most) : (n))
#define CAPACITY(size) AT_LEAST(MAGAZINE_LEAST, AT_MOST(CA_MAGAZINE_SLOTS, MAGAZINE_BYTES / (size)))
#define DEPOT(size) AT_LEAST(1, AT_MOST(DEPOT_MOST, DEPOT_BYTES / (CAPACITY(size) * (size))))
#define ROOM(size) AT_LEAST(1, AT_MOST(CA_MAGAZINE_SLOTS, ROOM_BYTES / (size)))
#define CLASS(size, first, most) \
    {size, (uint32_t)(((1ULL << 32) + (size) - 1) / (size)), (uint8_t)CAPACITY(size), (uint8_t)DEPOT(size), (uint8_t)ROOM(size), first, most, \
     (uint8_t)AT_LEAST(1, AT_MOST(64, CA_PAGE / (size)))}

/* Constants, so that a process does not touch a page of variables for them. First: the smallest slab that wastes at most an eighth of itself at the end; or nothing, where the
 * largest would waste more than a twentieth (5,120, 7,168 and 14,336 bytes). Most: that one doubled as long as it has no more objects than a slab can have and is no more than 64 KiB;
 * beyond 2,560 bytes no more than 32 KiB or two objects, for a few objects of that size would keep much more than themselves from being given back. */
const ca_class ca_classes[CA_CLASSES] = {
    CLASS(16, 1, 2), CLASS(32, 1, 4), CLASS(48, 1, 4), CLASS(64, 1, 8),
    CLASS(80, 1, 8), CLASS(96, 1, 8), CLASS(112, 1, 8), CLASS(128, 1, 16),
    CLASS(160, 1, 16), CLASS(192, 1, 16), CLASS(224, 1, 16), CLASS(256, 1, 16),
    CLASS(320, 1, 16), CLASS(384, 1, 16), CLASS(448, 1, 16), CLASS(512, 1, 16),
    CLASS(640, 1, 16), CLASS(768, 1, 16), CLASS(896, 1, 16), CLASS(1024, 1, 16),
    CLASS(1280, 1, 16), CLASS(1536, 2, 16), CLASS(1792, 1, 16), CLASS(2048, 1, 16),
    CLASS(2560, 2, 16), CLASS(3072, 3, 6), CLASS(3584, 1, 8), CLASS(4096, 1, 8),
    CLASS(5120, 5, 5), CLASS(6144, 3, 6), CLASS(7168, 7, 7), CLASS(8192, 2, 8),
    CLASS(10240, 5, 5), CLASS(12288, 3, 6), CLASS(14336, 7, 7), CLASS(16384, 4, 8),
    CLASS(20480, 5, 10), CLASS(24576, 6, 12), CLASS(28672, 7, 14), CLASS(32768, 8, 16),
};

const uint8_t ca_class_table[CA_FAST_MAX / CA_GRANULE + 1] = {
    0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 8, 9, 9, 10, 10, 11, 11, [17 ... 20] = 12, [21 ... 24] = 13, [25 ... 28] = 14, [29 ... 32] = 15,
    [33 ... 40] = 16, [41 ... 48] = 17, [49 ... 56] = 18, [57 ... 64] = 19};

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
