/* The public TLSF engines' metadata: small nodes, and each bin's blocks in arrays, not in lists through the nodes.
 *
 * A node is an offset, a size and two numbers: 16 bytes, 4 to a cache line, where numbers have 32 bits.  Offsets and sizes of 64 bits
 * have their high halves in an array of their own, which nobody reads or writes while the capacity is below 2^32; they are 0 then.
 * After the last block comes the *fence*, a used block of no units, which nothing follows (next is 0).
 *
 *   used   back: the free block just before it, or 0      next: the block after it
 *   free   back: its place in the bins' arrays            next: the block after it (used)
 *   spare                                                 next: the next spare node
 *
 * So freeing reads the block before only where it is free, and no list neighbours.
 *
 * A bin is a stack of chunks of 16 places.  Place 0 of a chunk is the place where the chunk below ends.  The first chunk is the bin's own:
 * chunk b is bin b's.  bins[] has the place of the bin's last block; place 0 of its own chunk: empty.  A block leaves from the
 * middle by giving its place to the last one.
 *
 * Node 0 and bin 0 hold nothing: 0 is none, and place 0 of a bin's own chunk has node 0.
 *
 * Before it is included: node_index, the instance as `tlsf` and its struct tag as tlsf_struct, USED_IN_NEXT (1: a used node is marked
 * in the lowest bit of `next`; 0: in a bitmap of its own), and HIGH_HALVES (0: offsets have 32 bits).
 */
#ifndef CA_ENGINE_TLSF_PACKED_H
#define CA_ENGINE_TLSF_PACKED_H

#ifndef TLSF
#include "engine/tlsf32.h"
#endif
#include "base/base.h"
#include "engine/bin.h"

/* In a loop: it stays one, and does not become a call of memset or memcpy, which a freestanding program may lack. */
#define KEEP_LOOP() __asm__ volatile("")

/* In a rare branch: the compiler takes the variable for another one from here on, and so the frequent path does not copy it for this one. */
#define RARE_COPY(variable) __asm__("" : "+r"(variable))

enum { BINS_A_WORD = 64, BIN_NONE = CA_BIN_COUNT, CHUNK = 16, MOST_WORDS = (CA_BIN_COUNT + 63) / 64 };

typedef struct tlsf_node {
    uint32_t offset, size; /* units; the low halves */
    node_index back, next;
} tlsf_node;

typedef struct tlsf_high {
    uint32_t offset, size;
} tlsf_high;

/* [P1] a bit of `second` is set iff that bin is not empty
 * [P2] a free block is in bin ca_bin_floor(size), and its back is its place there
 * [P3] the blocks from node FIRST on, by next, begin at 0, have at least 1 unit each, and end with the fence, at the capacity
 * [P4] no two neighbours are both free; a used block's back is the free block before it, or 0
 * [P5] free_total == the sum of the sizes of the free blocks; max_blocks - left == the number of used ones without the fence
 * [P6] no node and no chunk is lost
 * [P7] not wide: all high halves below `fresh` are 0 */
struct tlsf_struct {
    tlsf_node *nodes;
    tlsf_high *high;     /* of each node; NULL: HIGH_HALVES is 0 */
    uint64_t second[MOST_WORDS]; /* a bit for each bin */
    uint64_t free_total; /* units */
    uint64_t capacity;   /* units */
    uint64_t scans;      /* how often the last-resort scan ran */
    uint64_t bias;       /* 0 */
    uint32_t words;      /* of second, in use: bins for sizes up to `most` */
    uint64_t most;       /* units: the largest capacity that there are bins for */
    uint16_t wide;       /* the capacity has more than 32 bits. A type of its own: no write to a node can change it */
    uint32_t scan_limit; /* blocks looked at by one last-resort scan; 0: never scan */
    uint32_t max_blocks, left; /* left: how many more can be allocated */
    uint32_t fresh;      /* nodes from here on (counted, not numbered) were never used */
    uint32_t fresh_place; /* the first of the chunks that were never used */
    uint32_t own_places; /* places from here on are in chunks that any bin may get */
    node_index spare_list, chunk_list, fence;
    uint64_t magic;
    uint64_t *used;      /* a bit for each node, where it is not in next */
    node_index bins[MOST_WORDS * 64];
    CA_ALIGNED(CA_LINE) node_index slots[]; /* chunks of places */
};

/* --- nodes ------------------------------------------------------------------------------------------- */

/* Numbers of nodes ascend by NODE_STEP.  With 2, one is an address but for a scale that the processor knows (8), and its lowest bit
 * is free for the mark. */
#if USED_IN_NEXT
enum { NODE_STEP = 2 };
#define NEXT_USED ((node_index)1)
#else
enum { NODE_STEP = 1 };
#define NEXT_USED ((node_index)0)
#endif

enum { FIRST = NODE_STEP }; /* the block at offset 0: splits and merges keep the lower block's node */

CA_INLINE tlsf_node *node_at(const tlsf *t, node_index node)
{
    return (tlsf_node *)(void *)((char *)t->nodes + (size_t)node * (sizeof(tlsf_node) / NODE_STEP));
}

CA_INLINE bool block_is_used(const tlsf *t, node_index node)
{
#if USED_IN_NEXT
    return node_at(t, node)->next & NEXT_USED;
#else
    return t->used[node / 64] >> node % 64 & 1;
#endif
}

CA_INLINE void used_set(tlsf *t, node_index node)
{
#if USED_IN_NEXT
    node_at(t, node)->next |= NEXT_USED;
#else
    t->used[node / 64] |= 1ULL << node % 64;
#endif
}

/* For what never was used as well. */
CA_INLINE void used_clear(tlsf *t, node_index node)
{
#if USED_IN_NEXT
    node_at(t, node)->next &= (node_index)~NEXT_USED;
#else
    t->used[node / 64] &= ~(1ULL << node % 64);
#endif
}

/* Where a caller has asked before, this is a constant. */
CA_INLINE bool is_wide(const tlsf *t)
{
    return HIGH_HALVES && CA_UNLIKELY(t->wide);
}

CA_INLINE uint64_t block_offset(const tlsf *t, node_index node)
{
    return is_wide(t) ? node_at(t, node)->offset | (uint64_t)t->high[node / NODE_STEP].offset << 32 : node_at(t, node)->offset;
}

CA_INLINE uint64_t block_size(const tlsf *t, node_index node)
{
    return is_wide(t) ? node_at(t, node)->size | (uint64_t)t->high[node / NODE_STEP].size << 32 : node_at(t, node)->size;
}

CA_INLINE void offset_set(tlsf *t, node_index node, uint64_t offset)
{
    node_at(t, node)->offset = (uint32_t)offset;
    if (is_wide(t))
        t->high[node / NODE_STEP].offset = (uint32_t)(offset >> 32);
}

CA_INLINE void size_set(tlsf *t, node_index node, uint64_t size)
{
    node_at(t, node)->size = (uint32_t)size;
    if (is_wide(t))
        t->high[node / NODE_STEP].size = (uint32_t)(size >> 32);
}

CA_INLINE node_index block_next(const tlsf *t, node_index node)
{
    return (node_index)(node_at(t, node)->next & (node_index)~NEXT_USED);
}

CA_INLINE node_index free_before(const tlsf *t, node_index node)
{
    return node_at(t, node)->back;
}

CA_INLINE node_index free_after(const tlsf *t, node_index node)
{
    node_index after = block_next(t, node);
    CA_ASSUME(after != 0); /* at last the fence */
    return block_is_used(t, after) ? 0 : after;
}

/* There are nodes for as many free ranges as max_blocks blocks can leave. */
CA_INLINE bool spare_is_none(const tlsf *t)
{
    (void)t;
    return false;
}

CA_INLINE node_index next_of_free(const tlsf *t, node_index node)
{
    return node_at(t, node)->next;
}

CA_INLINE node_index spare_take(tlsf *t)
{
    node_index node = t->spare_list;
    if (CA_UNLIKELY(!node)) {
#if HIGH_HALVES
        t->high[t->fresh] = (tlsf_high){0, 0};
#endif
        return (node_index)(t->fresh++ * NODE_STEP);
    }
    t->spare_list = node_at(t, node)->next;
    return node;
}

CA_INLINE void spare_give(tlsf *t, node_index node)
{
    node_at(t, node)->next = t->spare_list; /* not marked used */
#if !USED_IN_NEXT
    used_clear(t, node);
#endif
    t->spare_list = node;
}

/* --- bins -------------------------------------------------------------------------------------------- */

CA_INLINE unsigned bin_count(const tlsf *t)
{
    return t->words * BINS_A_WORD;
}

/* All of them, since that is a constant: a bin that an instance does not have is empty. */
CA_INLINE unsigned word_count(const tlsf *t)
{
    (void)t;
    return MOST_WORDS;
}

CA_INLINE node_index bin_first(const tlsf *t, unsigned bin)
{
    return t->slots[t->bins[bin]];
}

/* The place under this one in the same bin; of the bin's own chunk, place 0: none. */
CA_INLINE node_index place_under(const tlsf *t, node_index place)
{
    return place % CHUNK == 1 && place >= t->own_places ? t->slots[place - 1] : (node_index)(place - 1);
}

CA_INLINE node_index bin_following(const tlsf *t, node_index node)
{
    return t->slots[place_under(t, node_at(t, node)->back)];
}

/* A chunk on top of the bin's others, which are full; its first place. */
CA_INLINE node_index chunk_push(tlsf *t, node_index top)
{
    node_index chunk = t->chunk_list;
    if (chunk)
        t->chunk_list = t->slots[chunk];
    else
        t->fresh_place = (chunk = (node_index)t->fresh_place) + CHUNK;
    t->slots[chunk] = top;
    return (node_index)(chunk + 1);
}

/* The topmost chunk is empty: where the bin ends now.  A bin's own chunk stays. */
CA_INLINE node_index chunk_pop(tlsf *t, unsigned bin, node_index chunk)
{
    if (chunk < t->own_places) {
        RARE_COPY(bin);
        t->second[bin / BINS_A_WORD] &= ~(1ULL << bin % BINS_A_WORD);
        return chunk;
    }
    node_index under = t->slots[chunk];
    size_t at = chunk;
    RARE_COPY(at);
    t->slots[at] = t->chunk_list;
    t->chunk_list = chunk;
    return under;
}

/* The first place of a bin, or of a chunk: rare in a well-filled bin. */
CA_INLINE node_index top_after(tlsf *t, unsigned bin, node_index top)
{
    if ((top + 1) % CHUNK == 0)
        return chunk_push(t, top);
    t->second[bin / BINS_A_WORD] |= 1ULL << bin % BINS_A_WORD; /* only an empty bin ends at a chunk's place 0 */
    return (node_index)(top + 1);
}

/* pre: node, not marked used. */
CA_INLINE void bin_insert(tlsf *t, node_index node, uint64_t size)
{
    unsigned bin = ca_bin_floor(size);
    node_index next = node_at(t, node)->next, top = t->bins[bin], place = (node_index)(top + 1);
    if (CA_UNLIKELY(place % CHUNK <= 1))
        place = top_after(t, bin, top);
    node_at(t, node)->back = place;
    node_at(t, next)->back = node;
    t->bins[bin] = place;
    t->slots[place] = node;
}

/* The topmost place goes; the one below it. */
CA_INLINE node_index bin_drop(tlsf *t, unsigned bin, node_index top)
{
    top--;
    if (CA_UNLIKELY(top % CHUNK == 0))
        top = chunk_pop(t, bin, top);
    return t->bins[bin] = top;
}

CA_INLINE void bin_remove(tlsf *t, node_index node, uint64_t size)
{
    unsigned bin = ca_bin_floor(size);
    node_index place = node_at(t, node)->back, top = t->bins[bin], last = t->slots[top];
    t->slots[place] = last;
    node_at(t, last)->back = place;
    (void)bin_drop(t, bin, top);
}

CA_INLINE node_index bin_pop(tlsf *t, unsigned bin)
{
    node_index top = t->bins[bin], node = t->slots[top];
    CA_ASSUME(node != 0); /* the bin is not empty */
    top = bin_drop(t, bin, top);
    __builtin_prefetch(node_at(t, t->slots[top]), 1); /* whom the bin gives next */
    return node;
}

/* --- blocks ------------------------------------------------------------------------------------------- */

CA_INLINE void block_stretch(tlsf *t, node_index node, uint64_t size, node_index next)
{
    size_set(t, node, size);
    node_at(t, node)->next = next;
#if !USED_IN_NEXT
    used_clear(t, node);
#endif
}

CA_INLINE void block_use(tlsf *t, node_index node, node_index before)
{
    node_at(t, node)->back = before;
    used_set(t, node);
}

CA_INLINE void block_follows_used(tlsf *t, node_index node)
{
    node_at(t, block_next(t, node))->back = 0;
}

CA_INLINE void block_swallow(tlsf *t, node_index node, node_index gone, uint64_t size, uint64_t its_size)
{
    (void)t;
    (void)node;
    (void)gone;
    (void)size;
    (void)its_size;
}

/* pre: not marked used. */
CA_INLINE node_index block_split(tlsf *t, node_index node, uint64_t size, uint64_t rest_size)
{
    node_index rest = spare_take(t);
    tlsf_node *n = node_at(t, node), *r = node_at(t, rest);
    offset_set(t, rest, block_offset(t, node) + size);
    size_set(t, rest, rest_size);
    size_set(t, node, size);
    r->next = n->next;
    n->next = rest;
#if !USED_IN_NEXT
    used_clear(t, rest);
#endif
    return rest;
}

#define TLSF_LAYOUT
#include "engine/tlsf_core.h"

#endif
