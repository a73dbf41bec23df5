/* The public calls of ctxalloc/tlsf.h over tlsf_packed.h, for either width.  Before it is included: what tlsf_packed.h needs, and
 * TLSF(name), the name of a call; TLSF_MOST_NODES and TLSF_MOST_CAPACITY. */
#ifndef CA_ENGINE_TLSF_CALLS_H
#define CA_ENGINE_TLSF_CALLS_H

#ifndef TLSF
#include "engine/tlsf32.h"
#endif
#include "engine/error.h"
#include "engine/tlsf_packed.h"

_Static_assert((int)CTXALLOC_BINS == (int)CA_BIN_COUNT, "a report has all bins");

enum { ALIGN = 64 };
#define MAGIC (0x6378744c53460000ULL + sizeof(tlsf_node))

static const ctxalloc_block no_block = {CTXALLOC_NONE, 0, 0};

/* --- memory ------------------------------------------------------------------------------------------- */

/* Node 0, the fence, and with n live blocks at most n + 1 free ranges. */
CA_INLINE uint64_t nodes_for(uint32_t max_blocks)
{
    return 2 * (uint64_t)max_blocks + 3;
}

/* Bins for sizes up to `capacity`, in whole words of the bitmap. */
CA_INLINE uint32_t words_for(uint64_t capacity)
{
    return ca_bin_floor(capacity) / BINS_A_WORD + 1;
}

/* One for each bin.  A bin's other chunks are full but for the topmost, and so is its own then: with n of them, n full ones. */
CA_INLINE uint64_t chunks_for(uint32_t words, uint32_t max_blocks)
{
    return (uint64_t)words * BINS_A_WORD + ((uint64_t)max_blocks + 1) / (CHUNK - 1);
}

CA_INLINE uint64_t round_line(uint64_t bytes)
{
    return (bytes + ALIGN - 1) & ~(uint64_t)(ALIGN - 1);
}

CA_INLINE uint64_t used_bytes(uint32_t max_blocks)
{
    return USED_IN_NEXT ? 0 : round_line(nodes_for(max_blocks) / 8 + 8);
}

CA_INLINE uint64_t high_bytes(uint32_t max_blocks)
{
    return HIGH_HALVES ? round_line(nodes_for(max_blocks) * sizeof(tlsf_high)) : 0;
}

CA_INLINE uint64_t slots_bytes(uint32_t words, uint32_t max_blocks)
{
    return round_line(chunks_for(words, max_blocks) * CHUNK * sizeof(node_index));
}

CA_INLINE uint64_t bytes_for(uint32_t words, uint32_t max_blocks)
{
    return round_line(sizeof(tlsf)) + used_bytes(max_blocks) + round_line(nodes_for(max_blocks) * sizeof(tlsf_node)) + high_bytes(max_blocks) +
           slots_bytes(words, max_blocks);
}

size_t TLSF(memory)(uint64_t capacity, uint32_t max_blocks)
{
    if (!max_blocks || nodes_for(max_blocks) > TLSF_MOST_NODES || !capacity || capacity > TLSF_MOST_CAPACITY)
        return 0;
    return (size_t)bytes_for(words_for(capacity), max_blocks);
}

/* Where the parts lie; all of them in one piece, so that a copy of it is an instance after this. */
static void parts_place(tlsf *t)
{
    char *at = (char *)t + round_line(sizeof *t) + slots_bytes(t->words, t->max_blocks);
    t->used = (uint64_t *)(void *)at;
    at += used_bytes(t->max_blocks);
    t->nodes = (tlsf_node *)(void *)at;
    at += round_line(nodes_for(t->max_blocks) * sizeof(tlsf_node));
    t->high = HIGH_HALVES ? (tlsf_high *)(void *)at : NULL;
}

static bool memory_is_fit(const void *memory, size_t bytes, size_t needed)
{
    return memory && needed && bytes >= needed && (uintptr_t)memory % ALIGN == 0;
}

CA_INLINE void node_set(tlsf *t, node_index node, uint64_t offset, uint64_t size, node_index next)
{
#if HIGH_HALVES
    t->high[node / NODE_STEP] = (tlsf_high){0, 0};
#endif
    offset_set(t, node, offset);
    size_set(t, node, size);
    node_at(t, node)->back = 0;
    node_at(t, node)->next = next;
}

void TLSF(reset)(tlsf *t)
{
    for (unsigned i = 0; i < sizeof t->second / sizeof *t->second; i++) {
        t->second[i] = 0;
        KEEP_LOOP();
    }
    t->fresh_place = t->own_places;
    for (unsigned bin = 0; bin < t->words * BINS_A_WORD; bin++) {
        t->bins[bin] = (node_index)(bin * CHUNK);
        t->slots[bin * CHUNK] = 0;
    }
    t->spare_list = t->chunk_list = 0;
    t->left = t->max_blocks;
    t->fence = 2 * NODE_STEP;
    t->fresh = 3;
    node_set(t, 0, 0, 0, 0);
    node_set(t, FIRST, 0, t->capacity, t->fence);
    node_set(t, t->fence, t->capacity, 0, 0);
    used_clear(t, FIRST);
    used_set(t, t->fence);
    t->free_total = t->capacity;
    bin_insert(t, FIRST, t->capacity);
}

tlsf *TLSF(init)(void *memory, size_t bytes, uint64_t capacity, uint32_t max_blocks)
{
    if (!memory_is_fit(memory, bytes, TLSF(memory)(capacity, max_blocks)))
        return NULL;
    tlsf *t = memory;
    t->magic = MAGIC;
    t->words = words_for(TLSF_MOST_CAPACITY); /* as many bins as there is memory for, for what may be added to the capacity */
    while (bytes_for(t->words, max_blocks) > bytes)
        t->words--;
    t->most = t->words == words_for(TLSF_MOST_CAPACITY) ? TLSF_MOST_CAPACITY : ca_bin_size(t->words * BINS_A_WORD) - 1;
    t->own_places = t->words * BINS_A_WORD * CHUNK;
    t->capacity = capacity;
    t->wide = capacity > UINT32_MAX;
    t->max_blocks = max_blocks;
    t->scan_limit = UINT32_MAX;
    t->scans = 0;
    t->bias = 0;
    parts_place(t);
    TLSF(reset)(t);
    return t;
}

tlsf *TLSF(attach)(void *memory, size_t bytes)
{
    tlsf *t = memory;
    if (!memory || (uintptr_t)memory % ALIGN || bytes < sizeof *t || t->magic != MAGIC ||
        !memory_is_fit(memory, bytes, bytes_for(t->words, t->max_blocks)))
        return NULL;
    parts_place(t);
    return t;
}

tlsf *TLSF(clone_at)(const tlsf *t, void *memory, size_t bytes)
{
    size_t all = (size_t)bytes_for(t->words, t->max_blocks);
    if (!memory_is_fit(memory, bytes, all))
        return NULL;
    const uint64_t *from = (const uint64_t *)(const void *)t;
    uint64_t *to = memory;
    for (size_t i = 0; i < all / sizeof *to; i++) {
        to[i] = from[i];
        KEEP_LOOP();
    }
    return TLSF(attach)(memory, bytes);
}

/* --- blocks ------------------------------------------------------------------------------------------- */

/* A handle has the node's place in the array. */
CA_INLINE node_index node_of(ctxalloc_block block)
{
    return (node_index)(block.node * NODE_STEP);
}

/* The handle is that of a live block. */
CA_INLINE bool block_is_live(const tlsf *t, ctxalloc_block block)
{
    node_index node = node_of(block);
    return CA_LIKELY(block.node < t->fresh) && CA_LIKELY(block_is_used(t, node)) && CA_LIKELY(block_offset(t, node) == block.offset) &&
           CA_LIKELY(block_next(t, node) != 0); /* the fence, which nothing follows, is no block */
}

CA_INLINE ctxalloc_block take(tlsf *t, uint64_t size, uint64_t align)
{
    if (CA_UNLIKELY(!size || !align || !t->left))
        return no_block;
    node_index node = block_alloc(t, size, align);
    if (CA_UNLIKELY(!node))
        return no_block;
    t->left--;
    return (ctxalloc_block){block_offset(t, node), node / NODE_STEP, block_next(t, node)};
}

CA_INLINE int give(tlsf *t, ctxalloc_block block)
{
    __builtin_prefetch(node_at(t, (node_index)block.hint), 1); /* the block after it: the same node for as long as this one lives in one size */
    if (!block_is_live(t, block))
        return CA_EINVAL;
    t->left++;
    (void)block_free(t, node_of(block));
    return 0;
}

/* Copies for offsets of 64 bits, so that those for 32 are straight. */

static CA_NOINLINE ctxalloc_block take_wide(tlsf *t, uint64_t size, uint64_t align)
{
    return take(t, size, align);
}

static CA_NOINLINE int give_wide(tlsf *t, ctxalloc_block block)
{
    return give(t, block);
}

ctxalloc_block TLSF(alloc)(tlsf *t, uint64_t size)
{
    return is_wide(t) ? take_wide(t, size, 1) : take(t, size, 1);
}

ctxalloc_block TLSF(alloc_aligned)(tlsf *t, uint64_t size, uint64_t align)
{
    return is_wide(t) ? take_wide(t, size, align) : take(t, size, align);
}

int TLSF(free)(tlsf *t, ctxalloc_block block)
{
    return is_wide(t) ? give_wide(t, block) : give(t, block);
}

int TLSF(resize)(tlsf *t, ctxalloc_block block, uint64_t new_size, uint64_t *available)
{
    if (!new_size || !block_is_live(t, block))
        return CA_EINVAL;
    return block_resize(t, node_of(block), new_size, available) ? 0 : CA_ENOMEM;
}

int TLSF(grow)(tlsf *t, uint64_t additional)
{
    if (additional > t->most - t->capacity)
        return CA_EOVERFLOW;
    if (!additional)
        return 0;
    node_index last = node_at(t, t->fence)->back;
    if (last) {
        bin_remove(t, last, block_size(t, last));
    } else { /* the fence becomes the new free block, with a new fence after it */
        last = t->fence;
        t->fence = spare_take(t);
        node_at(t, last)->next = t->fence;
        used_clear(t, last);
        node_set(t, t->fence, 0, 0, 0);
        used_set(t, t->fence);
    }
    t->capacity += additional;
    t->wide = t->capacity > UINT32_MAX; /* the high halves so far are 0 */
    offset_set(t, t->fence, t->capacity);
    t->free_total += additional;
    size_set(t, last, block_size(t, last) + additional);
    bin_insert(t, last, block_size(t, last));
    return 0;
}

/* --- questions ---------------------------------------------------------------------------------------- */

uint64_t TLSF(size)(const tlsf *t, ctxalloc_block block)
{
    return block_is_live(t, block) ? block_size(t, node_of(block)) : 0;
}

uint64_t TLSF(capacity)(const tlsf *t) { return t->capacity; }
uint64_t TLSF(free_total)(const tlsf *t) { return t->free_total; }
uint32_t TLSF(live)(const tlsf *t) { return t->max_blocks - t->left; }
uint32_t TLSF(max_blocks)(const tlsf *t) { return t->max_blocks; }
bool TLSF(empty)(const tlsf *t) { return t->left == t->max_blocks; }
uint64_t TLSF(scans)(const tlsf *t) { return t->scans; }
void TLSF(set_scan_limit)(tlsf *t, uint32_t limit) { t->scan_limit = limit; }

uint64_t TLSF(free_largest)(const tlsf *t)
{
    unsigned word = t->words - 1;
    while (word && !t->second[word])
        word--;
    if (!t->second[word])
        return 0;
    unsigned bin = word * BINS_A_WORD + ca_bit_high(t->second[word]);
    uint64_t largest = 0;
    for (node_index node = bin_first(t, bin); node; node = bin_following(t, node))
        largest = block_size(t, node) > largest ? block_size(t, node) : largest;
    return largest;
}

uint64_t TLSF(min_capacity)(uint64_t size)
{
    unsigned bin = ca_bin_ceil(size);
    uint64_t capacity = bin < CA_BIN_COUNT ? ca_bin_size(bin) : CTXALLOC_NONE;
    return capacity <= TLSF_MOST_CAPACITY ? capacity : CTXALLOC_NONE;
}

void TLSF(report)(const tlsf *t, ctxalloc_tlsf_report_t *report)
{
    report->free_total = t->free_total;
    report->free_largest = TLSF(free_largest)(t);
    report->free_ranges = 0;
    for (unsigned bin = 0; bin < CTXALLOC_BINS; bin++) {
        uint64_t count = 0;
        for (node_index node = bin < t->words * BINS_A_WORD ? bin_first(t, bin) : 0; node; node = bin_following(t, node))
            count++;
        report->bin[bin].size = ca_bin_size(bin);
        report->bin[bin].count = count;
        report->free_ranges += count;
    }
}

/* The first block at or after `node` that is used, or free. */
static bool visit(const tlsf *t, ctxalloc_range *range, bool used)
{
    if (range->begun && (range->node >= t->fresh || range->node == t->fence / NODE_STEP))
        return false;
    node_index node = range->begun ? block_next(t, (node_index)(range->node * NODE_STEP)) : FIRST;
    while (node && node != t->fence && block_is_used(t, node) != used)
        node = block_next(t, node);
    if (!node)
        node = t->fence;
    range->begun = 1;
    range->node = node / NODE_STEP;
    if (node == t->fence)
        return false;
    range->offset = block_offset(t, node);
    range->size = block_size(t, node);
    return true;
}

bool TLSF(next_free)(const tlsf *t, ctxalloc_range *range)
{
    return visit(t, range, false);
}

bool TLSF(next_used)(const tlsf *t, ctxalloc_range *range)
{
    return visit(t, range, true);
}

/* --- audit --------------------------------------------------------------------------------------------- */

CA_INLINE bool is_fresh(const tlsf *t, node_index node)
{
    return node / NODE_STEP >= t->fresh;
}

typedef struct audit {
    uint64_t free_total, used, free;
    uint64_t chunks;
} audit;

/* [P1] and the number of chunks. */
static int bins_audit(const tlsf *t, audit *a)
{
    for (unsigned bin = 0; bin < t->words * BINS_A_WORD; bin++) {
        node_index bottom = (node_index)(bin * CHUNK), place = t->bins[bin];
        if ((t->second[bin / BINS_A_WORD] >> bin % BINS_A_WORD & 1) != (place != bottom) || t->slots[bottom])
            return 1;
        for (; place != bottom; place = place_under(t, place)) {
            if (++a->free > t->max_blocks + 1ULL || place >= t->fresh_place)
                return 2;
            node_index node = t->slots[place];
            if (!node || is_fresh(t, node) || block_is_used(t, node) || node_at(t, node)->back != place)
                return 2;
            if (ca_bin_floor(block_size(t, node)) != bin)
                return 2;
            a->chunks += place % CHUNK == 1 && place >= t->own_places;
        }
    }
    return 0;
}

static int blocks_audit(const tlsf *t, audit *a)
{
    uint64_t steps = 0, free = 0;
    node_index node = FIRST, before = 0;
    if (block_offset(t, FIRST) != 0)
        return 3;
    for (node_index next; node != t->fence; node = next) {
        next = block_next(t, node);
        if (!next || is_fresh(t, next) || ++steps > nodes_for(t->max_blocks) || !block_size(t, node))
            return 3;
        if (block_offset(t, next) != block_offset(t, node) + block_size(t, node))
            return 3;
        if (block_is_used(t, node)) {
            if (node_at(t, node)->back != before)
                return 4;
            before = 0;
            a->used++;
        } else {
            if (before)
                return 4;
            before = node;
            free++;
            a->free_total += block_size(t, node);
        }
    }
    if (block_offset(t, node) != t->capacity || !block_is_used(t, node) || block_next(t, node))
        return 3;
    if (node_at(t, node)->back != before)
        return 4;
    return free == a->free ? 0 : 2;
}

static int spare_audit(const tlsf *t, const audit *a)
{
    uint64_t nodes = nodes_for(t->max_blocks) - t->fresh, chunks = a->chunks + t->words * BINS_A_WORD;
    for (node_index node = t->spare_list; node; node = node_at(t, node)->next)
        if (is_fresh(t, node) || ++nodes > nodes_for(t->max_blocks) || block_is_used(t, node))
            return 6;
    for (node_index chunk = t->chunk_list; chunk; chunk = t->slots[chunk])
        if (chunk >= t->fresh_place || ++chunks > t->fresh_place / CHUNK)
            return 6;
    return nodes + a->used + a->free + 2 != nodes_for(t->max_blocks) || chunks != t->fresh_place / CHUNK ? 6 : 0;
}

bool TLSF(is_valid)(const tlsf *t, int *which)
{
    audit a;
    a.free_total = a.used = a.free = a.chunks = 0;
    int broken = bins_audit(t, &a);
    if (!broken)
        broken = blocks_audit(t, &a);
    if (!broken && (a.free_total != t->free_total || a.used != t->max_blocks - t->left))
        broken = 5;
    if (!broken)
        broken = spare_audit(t, &a);
    if (which)
        *which = broken;
    return !broken;
}

#endif
