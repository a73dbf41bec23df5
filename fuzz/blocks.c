#include "fuzz/blocks.h"

#include <string.h>

#include "fuzz/fuzz.h"

enum { BLOCKS_STAMPS = 64 };

static block store[BLOCKS_MOST];

void blocks_init(blocks *b)
{
    *b = (blocks){.at = store};
}

bool blocks_has_room(const blocks *b, size_t size)
{
    return b->count < BLOCKS_MOST && size <= BLOCKS_BYTES - ca_size_min(b->bytes, BLOCKS_BYTES);
}

/* --- patterns ---------------------------------------------------------------------------------------------- */

/* The eight bytes of the pattern at an offset that is a multiple of eight. */
static uint64_t word_of(uint64_t seed, size_t offset)
{
    uint64_t x = (seed + 1) * 0x9E3779B97F4A7C15ULL + offset * 0xD1B54A32D192ED03ULL;
    return (x ^ x >> 29) | 1; /* never zero: a page that was given back and reads as zero is seen */
}

/* The next stretch of bytes that the pattern covers, from `offset` on; false: there is none. `room` is a multiple of 8. */
static bool stretch_next(size_t room, size_t *offset, size_t *length)
{
    if (*offset >= room)
        return false;
    if (room <= BLOCKS_FULL) {
        *length = room - *offset;
    } else if (*offset < BLOCKS_FULL / 2) {
        *length = BLOCKS_FULL / 2 - *offset;
    } else if (*offset < room - BLOCKS_FULL / 2) {
        size_t stride = ca_round_up(room / BLOCKS_STAMPS + 1, CA_PAGE);
        *offset = ca_size_min((*offset / stride + 1) * stride, room - BLOCKS_FULL / 2);
        *length = 8;
    } else {
        *length = room - *offset;
    }
    return true;
}

static void block_fill(const block *one)
{
    for (size_t offset = 0, length; stretch_next(one->room, &offset, &length); offset += length)
        for (size_t i = offset; i < offset + length; i += 8) {
            uint64_t word = word_of(one->seed, i);
            memcpy(one->start + i, &word, 8);
        }
}

/* The pattern of a block of `room` bytes is at `start`, as far as `kept`. */
static void pattern_check(const unsigned char *start, size_t room, size_t kept, uint64_t seed)
{
    for (size_t offset = 0, length; stretch_next(room, &offset, &length); offset += length)
        for (size_t i = offset; i < offset + length; i += 8) {
            if (i >= kept)
                return;
            uint64_t word = word_of(seed, i);
            FUZZ_CHECK(!memcmp(start + i, &word, ca_size_min(8, kept - i)), "block of %zu bytes differs at %zu", room, i);
        }
}

void block_check(const block *one)
{
    pattern_check(one->start, one->room, one->room, one->seed);
}

void block_check_zero(const void *start, size_t size)
{
    const unsigned char *p = start;
    size_t step = size <= 64 * BLOCKS_FULL ? 1 : 8;
    for (size_t i = 0; i < size;) {
        FUZZ_CHECK(!p[i], "byte %zu of %zu is not zero", i, size);
        i += step;
        if (step > 1 && i % CA_PAGE == BLOCKS_FULL / 2 && size - i > CA_PAGE)
            i += CA_PAGE - BLOCKS_FULL / 2; /* the start of each page, and all of the last */
    }
}

/* --- the set ------------------------------------------------------------------------------------------------- */

/* How many blocks start below p. */
static unsigned index_of(const blocks *b, const unsigned char *p)
{
    unsigned low = 0, high = b->count;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (b->at[middle].start < p)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void insert(blocks *b, block one)
{
    unsigned i = index_of(b, one.start);
    FUZZ_CHECK(!((uintptr_t)one.start % CA_GRANULE), "%p", (void *)one.start);
    FUZZ_CHECK(one.room && one.room % 8 == 0, "%zu bytes", one.room);
    if (i)
        FUZZ_CHECK(b->at[i - 1].start + b->at[i - 1].room <= one.start, "%zu bytes overlap the block before", one.room);
    if (i < b->count)
        FUZZ_CHECK(one.start + one.room <= b->at[i].start, "%zu bytes overlap the block after", one.room);
    memmove(&b->at[i + 1], &b->at[i], (b->count - i) * sizeof one);
    b->at[i] = one;
    b->count++;
    b->bytes += one.room;
    b->latest = i;
    block_fill(&one);
}

static void take_out(blocks *b, unsigned index)
{
    b->bytes -= b->at[index].room;
    b->count--;
    memmove(&b->at[index], &b->at[index + 1], (b->count - index) * sizeof b->at[0]);
    b->latest = 0;
}

void blocks_add(blocks *b, void *start, size_t room)
{
    insert(b, (block){start, room, b->seed++});
}

void *blocks_take(blocks *b, unsigned index)
{
    unsigned char *p = b->at[index].start;
    block_check(&b->at[index]);
    take_out(b, index);
    return p;
}

void blocks_replace(blocks *b, unsigned index, void *start, size_t room, size_t kept)
{
    block old = b->at[index];
    take_out(b, index);
    pattern_check(start, old.room, ca_size_min(old.room, kept), old.seed);
    insert(b, (block){start, room, b->seed++});
}

void blocks_check_all(const blocks *b)
{
    for (unsigned i = 0; i < b->count; i++)
        block_check(&b->at[i]);
}
