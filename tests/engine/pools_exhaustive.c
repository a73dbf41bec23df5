/* Every sequence of up to 8 operations on 16 units, for chunks, blocks and bumps: each step compared with a naive model and audited.
 *
 * An operation that fails changes nothing (that is compared), so sequences go on only from those that succeed. Two sequences that lead
 * to the very same bytes with as many operations left go on alike, so the second is not followed again.
 *
 *   chunks  allocate 1 … 16 chunks at 1, 2, 4, 8 chunks, free any block, resize any to any size
 *   blocks  allocate, free any; at every state each of the 16 is tried that is not live
 *   bumps   allocate 1 … 16 units at alignments 1, 2, 3, free or resize the last, mark, release
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctxalloc/blocks.h"
#include "ctxalloc/bump.h"
#include "ctxalloc/chunks.h"

enum { UNITS = 16, DEPTH = 8, SEEN_BITS = 22 };

static unsigned long long steps, states;
static uint64_t seen[1U << SEEN_BITS]; /* hashes of the states followed, open addressing */

#define REQUIRE(condition)                                                              \
    do {                                                                                \
        if (!(condition)) {                                                             \
            printf("%s:%d: step %llu: %s\n", __FILE__, __LINE__, steps, #condition);    \
            exit(1);                                                                    \
        }                                                                               \
    } while (0)

static bool was_seen(const void *bytes, size_t size, int depth)
{
    uint64_t hash = 0xcbf29ce484222325U + (unsigned)depth;
    for (size_t i = 0; i < size; i++) { /* FNV-1a, with a mix */
        hash = (hash ^ ((const unsigned char *)bytes)[i]) * 0x100000001b3ULL;
        hash ^= hash >> 29;
    }
    hash += !hash; /* 0: an empty place */
    uint64_t at = hash >> (64 - SEEN_BITS);
    for (; seen[at]; at = (at + 1) % (1U << SEEN_BITS))
        if (seen[at] == hash)
            return true;
    REQUIRE(states++ < (1U << SEEN_BITS) / 8 * 7);
    seen[at] = hash;
    return false;
}

static void forget(const char *what)
{
    printf("%s: %llu steps from %llu states\n", what, steps, states);
    memset(seen, 0, sizeof seen);
    steps = states = 0;
}

/* --- chunks ------------------------------------------------------------------------------------------------ */

static _Alignas(64) unsigned char storage[UNITS];

/* A heap of 16 chunks is known by 32 bits: which chunks are in use, and above them which end a block.  All of its other words follow from
 * those, and that they do is compared at every step.  So the states are walked breadth first: each is followed once, from where it is
 * reached with the fewest operations, which leaves the most to go on with. */
typedef uint32_t state;

enum { ENDS = 16, STATES_MOST = 1 << 22, TABLE = 1 << 23 };

typedef struct summary { /* what the bitmap has behind its first two words */
    uint64_t word[CTXALLOC_CHUNKS_BITMAP_WORDS(UNITS) - 2];
} summary;

static ctxalloc_chunks heap;
static state queue[STATES_MOST];
static state table[TABLE]; /* open addressing; 0, the empty heap, is the first of the queue */
static size_t queued;
static summary summaries[1U << UNITS]; /* by the chunks in use */
static bool summary_known[1U << UNITS];

static state mask(size_t at, size_t n) { return (state)(((1U << n) - 1) << at); }
static bool is_used(state s, size_t at) { return s >> at & 1; }
static bool is_end(state s, size_t at) { return s >> ENDS >> at & 1; }

static void chunks_load(state s)
{
    heap.bitmap[0] = (s & mask(0, UNITS)) | ~(uint64_t)mask(0, UNITS);
    heap.bitmap[1] = s >> ENDS;
    memcpy(heap.bitmap + 2, &summaries[s & mask(0, UNITS)], sizeof(summary));
    heap.used = (size_t)__builtin_popcount(s & mask(0, UNITS));
}

/* The heap is in this state. */
static void chunks_compare(state s)
{
    state used = s & mask(0, UNITS);
    REQUIRE(heap.bitmap[0] == (used | ~(uint64_t)mask(0, UNITS)) && heap.bitmap[1] == s >> ENDS);
    REQUIRE(heap.used == (size_t)__builtin_popcount(used) && heap.cursor == 0);
    if (!summary_known[used]) {
        int which;
        REQUIRE(ctxalloc_chunks_is_valid(&heap, &which));
        memcpy(&summaries[used], heap.bitmap + 2, sizeof(summary));
        summary_known[used] = true;
    }
    REQUIRE(memcmp(&summaries[used], heap.bitmap + 2, sizeof(summary)) == 0);
    steps++;
}

static size_t free_from(state s, size_t at)
{
    size_t n = 0;
    while (at + n < UNITS && !is_used(s, at + n))
        n++;
    return n;
}

static bool chunks_fit(state s, size_t size, size_t align)
{
    for (size_t at = 0; at < UNITS; at += align)
        if (free_from(s, at) >= size)
            return true;
    return false;
}

/* What can be asked of a state, and wrong frees of all there is; the heap is in it. */
static void chunks_ask(state s)
{
    int which;
    size_t longest = 0;
    for (size_t i = 0; i < UNITS; i++) {
        bool starts = is_used(s, i) && (!i || !is_used(s, i - 1) || is_end(s, i - 1));
        size_t length = 0;
        while (starts && !(length && is_end(s, i + length - 1)))
            length++;
        REQUIRE(ctxalloc_chunks_size(&heap, storage + i) == length);
        if (!starts)
            REQUIRE(ctxalloc_chunks_free(&heap, storage + i) == EINVAL);
        longest = free_from(s, i) > longest ? free_from(s, i) : longest;
    }
    REQUIRE(ctxalloc_chunks_free(&heap, storage + UNITS) == EINVAL);
    REQUIRE(ctxalloc_chunks_largest(&heap) == longest && ctxalloc_chunks_is_valid(&heap, &which));
    chunks_compare(s);
}

/* A step led to this state. */
static void chunks_reach(state s)
{
    chunks_compare(s);
    if (!s)
        return;
    size_t at = (uint32_t)(s * 0x9e3779b1U) >> 9;
    for (; table[at]; at = (at + 1) % TABLE)
        if (table[at] == s)
            return;
    REQUIRE(queued < STATES_MOST);
    table[at] = s;
    queue[queued++] = s;
    chunks_ask(s);
}

static void chunks_follow(state from)
{
    for (size_t align = 1; align <= 8; align *= 2)
        for (size_t size = 1; size <= UNITS; size++) {
            chunks_load(from);
            unsigned char *p = ctxalloc_chunks_alloc(&heap, size, align);
            REQUIRE((p != NULL) == chunks_fit(from, size, align));
            if (!p) {
                chunks_compare(from);
                continue;
            }
            size_t at = (size_t)(p - storage);
            REQUIRE(at % align == 0 && at + size <= UNITS && free_from(from, at) >= size);
            chunks_reach(from | mask(at, size) | mask(at + size - 1 + ENDS, 1));
        }
    for (size_t at = 0, length; at < UNITS; at += length) {
        length = 1;
        if (!is_used(from, at))
            continue;
        while (!is_end(from, at + length - 1))
            length++;
        state without = from & ~(mask(at, length) | mask(at + length - 1 + ENDS, 1));
        for (size_t size = 0; size <= UNITS + 1U; size++) { /* 0: free */
            chunks_load(from);
            bool fits = free_from(without, at) >= size;
            if (size)
                REQUIRE(ctxalloc_chunks_resize(&heap, storage + at, size, NULL) == (fits ? 0 : ENOMEM));
            else
                REQUIRE(ctxalloc_chunks_free(&heap, storage + at) == 0);
            chunks_reach(!fits ? from : !size ? without : without | mask(at, size) | mask(at + size - 1 + ENDS, 1));
        }
    }
}

static void chunks_explore(void)
{
    size_t at = 0;
    queue[queued++] = 0;
    chunks_ask(0);
    for (int depth = 0; depth < DEPTH; depth++)
        for (size_t end = queued; at < end; at++)
            chunks_follow(queue[at]);
    states = queued;
}

/* --- blocks -------------------------------------------------------------------------------------------------- */

typedef struct blocks_world {
    _Alignas(64) unsigned char pool[192 + UNITS * 8];
    bool live[UNITS];
} blocks_world;

static void blocks_explore(const blocks_world *from, int depth, size_t lives)
{
    int which;
    if (depth == DEPTH || was_seen(from, sizeof *from, depth))
        return;
    for (size_t i = 0; i <= UNITS; i++) {
        blocks_world w = *from;
        ctxalloc_blocks *pool = (ctxalloc_blocks *)(void *)w.pool;
        if (i == UNITS) {
            uint64_t index = ctxalloc_blocks_alloc_index(pool);
            REQUIRE(lives < UNITS ? index < UNITS && !w.live[index] : index == CTXALLOC_NONE);
            if (index == CTXALLOC_NONE)
                continue;
            w.live[index] = true;
        } else {
            REQUIRE(ctxalloc_blocks_free_index(pool, i) == (w.live[i] ? 0 : EINVAL));
            if (!w.live[i]) {
                REQUIRE(memcmp(w.pool, from->pool, sizeof w.pool) == 0);
                continue;
            }
            w.live[i] = false;
        }
        steps++;
        size_t now = i == UNITS ? lives + 1 : lives - 1;
        REQUIRE(ctxalloc_blocks_is_valid(pool, &which) && ctxalloc_blocks_live(pool) == now);
        blocks_explore(&w, depth + 1, now);
    }
}

/* --- bumps ------------------------------------------------------------------------------------------------------ */

typedef struct bump_world {
    size_t at, last;           /* of the bump */
    size_t mark_at, mark_last; /* SIZE_MAX: no mark */
} bump_world;

static ctxalloc_bump bump_of(const bump_world *w)
{
    return (ctxalloc_bump){.at = storage + w->at, .end = storage + UNITS, .last = storage + w->last, .start = storage};
}

static void bump_save(bump_world *w, const ctxalloc_bump *bump)
{
    int which;
    REQUIRE(ctxalloc_bump_is_valid(bump, &which) && bump->start == storage && bump->end == storage + UNITS);
    w->at = (size_t)(bump->at - storage);
    w->last = (size_t)(bump->last - storage);
    steps++;
}

static void bump_explore(const bump_world *from, int depth)
{
    if (depth == DEPTH || was_seen(from, sizeof *from, depth))
        return;
    for (size_t align = 1; align <= 3; align++)
        for (size_t size = 1; size <= UNITS + 1; size++) {
            bump_world w = *from;
            ctxalloc_bump bump = bump_of(&w);
            size_t at = w.at;
            while (((uintptr_t)storage + at) % align)
                at++;
            unsigned char *p = ctxalloc_bump_alloc(&bump, size, align);
            REQUIRE(p == (at + size <= UNITS ? storage + at : NULL));
            bump_save(&w, &bump);
            REQUIRE(w.at == (p ? at + size : from->at) && w.last == (p ? at : from->last));
            if (p)
                bump_explore(&w, depth + 1);
        }
    for (size_t at = 0; at <= UNITS; at++) /* frees and resizes, right and wrong, of every address */
        for (size_t size = 0; size <= UNITS + 1; size++) {
            bump_world w = *from;
            ctxalloc_bump bump = bump_of(&w);
            bool known = at < w.at && at <= w.last, changes = known && at == w.last && at + size <= UNITS;
            int error = size ? ctxalloc_bump_resize(&bump, storage + at, size, NULL) : ctxalloc_bump_free(&bump, storage + at);
            REQUIRE(error == (!known ? EINVAL : size && !changes ? ENOMEM : 0));
            bump_save(&w, &bump);
            REQUIRE(w.at == (changes ? at + size : from->at) && w.last == from->last);
            if (changes)
                bump_explore(&w, depth + 1);
        }
    bump_world w = *from;
    ctxalloc_bump bump = bump_of(&w);
    ctxalloc_bump_mark mark = ctxalloc_bump_get_mark(&bump);
    w.mark_at = mark.at;
    w.mark_last = mark.last;
    bump_explore(&w, depth + 1);
    if (from->mark_at != SIZE_MAX) {
        w = *from;
        bool possible = w.mark_at <= w.at;
        REQUIRE(ctxalloc_bump_release(&bump, (ctxalloc_bump_mark){w.mark_at, w.mark_last}) == (possible ? 0 : EINVAL));
        bump_save(&w, &bump);
        REQUIRE(w.at == (possible ? w.mark_at : from->at) && w.last == (possible ? w.mark_last : from->last));
        bump_explore(&w, depth + 1);
    }
}

int main(void)
{
    static uint64_t bitmap[CTXALLOC_CHUNKS_BITMAP_WORDS(UNITS)];
    REQUIRE(ctxalloc_chunks_over(&heap, storage, UNITS, bitmap, sizeof bitmap, 1) == 0);
    REQUIRE(ctxalloc_chunks_alloc(&heap, UNITS, 1) == storage && ctxalloc_chunks_free(&heap, storage) == 0);
    chunks_explore();
    forget("chunks, all calls, depth 8");

    blocks_world b = {.live = {false}};
    REQUIRE(ctxalloc_blocks_init(b.pool, sizeof b.pool, 0, UNITS, UNITS) != NULL);
    blocks_explore(&b, 0, 0);
    for (size_t i = 0; i < UNITS - 3; i++) /* and from nearly full */
        b.live[ctxalloc_blocks_alloc_index((ctxalloc_blocks *)(void *)b.pool)] = true;
    blocks_explore(&b, 3, UNITS - 3);
    forget("blocks, alloc and free, depth 8");

    bump_world w = {.mark_at = SIZE_MAX};
    bump_explore(&w, 0);
    forget("bumps, all calls, depth 8");
    return 0;
}
