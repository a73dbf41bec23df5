/* Treiber's stack of indices, with a tag against ABA, beside a counter of the blocks never used so far.
 *
 *   head       tag | index + 1 ──> table[index] = index + 1 of the next ──> … ──> 0
 *   fresh      blocks from here on were never allocated: they are in no list, and cost nothing until then
 *
 * A block's word in the table says what it is: LIVE, CACHED, or anything else: free (a link, 0 the last), or on its way.
 * Only who has the block writes its word, except for the one compare-and-swap by which a free takes it: LIVE -> not live.
 *
 * Invariants, while no call is running:
 * [B1] fresh <= count <= max_count
 * [B2] the list from head ends, and all its indices are below fresh
 * [B3] no block of the list is LIVE or CACHED
 * [B4] the words of blocks from fresh on are 0
 */
#include "ctxalloc/blocks.h"

#include "base/base.h"
#include "engine/error.h"

enum { PAUSES_MOST = 127 };

#define LIVE UINT64_MAX
#define CACHED (UINT64_MAX - 1)

struct ctxalloc_blocks {
    /* Constant. */
    uint64_t block_size;  /* bytes; 0: slots */
    uint64_t inverse;     /* of the odd part of block_size, modulo 2^64 */
    uint64_t max_count;
    uint64_t addressed;   /* max_count where blocks have addresses; slots: 0, so that no address is one of a block */
    uint64_t index_mask;  /* the bits of `head` that are the index */
    int64_t storage;      /* bytes from this to block 0 */
    uint32_t shift;       /* block_size is odd << shift */
    /* Written by all. */
    CA_ALIGNED(CA_LINE) uint64_t head;
    CA_ALIGNED(CA_LINE) uint64_t fresh; /* blocks */
    uint64_t count;                     /* blocks; only grows */
    CA_ALIGNED(CA_LINE) uint64_t table[];
};

_Static_assert(sizeof(ctxalloc_blocks) == 192, "three lines, as the header says");

/* --- indices and addresses ------------------------------------------------------------------------------------ */

static void *address_of(const ctxalloc_blocks *pool, uint64_t index)
{
    return (void *)((uintptr_t)pool + (uintptr_t)pool->storage + index * pool->block_size);
}

/* The index of the block that starts at p; whatever does not start one gives a number >= max_count. An exact multiple of odd << shift
 * is divided by the inverse of odd and a rotation; any other distance gives a quotient that is too large (Granlund and
 * Montgomery, "Division by invariant integers using multiplication", 1994, section 9). */
static uint64_t index_of(const ctxalloc_blocks *pool, const void *p)
{
    uint64_t distance = ((uintptr_t)p - (uintptr_t)pool - (uintptr_t)pool->storage) * pool->inverse;
    return distance >> (pool->shift & 63) | distance << (-pool->shift & 63);
}

/* The inverse of an odd number modulo 2^64; each step of Newton's doubles the bits that are right, from 5. */
static uint64_t inverse_of(uint64_t odd)
{
    uint64_t x = odd * 3 ^ 2;
    for (int bits = 5; bits < 64; bits *= 2)
        x *= 2 - odd * x;
    return x;
}

/* --- the list --------------------------------------------------------------------------------------------------- */

/* The last step of an allocation: from here on the block can be freed. */
static uint64_t block_make_live(ctxalloc_blocks *pool, uint64_t index)
{
    CA_STORE(&pool->table[index], LIVE);
    return index;
}

/* After a lost race for the list: doing nothing for a while, twice as long each time, so that several processors do not spend their time on moving
 * head's line to and fro (Anderson, "The performance of spin lock alternatives", 1990). Nobody waits for anybody: who is here holds nothing.
 * Returns head. */
static CA_NOINLINE uint64_t list_back_off(const ctxalloc_blocks *pool, uint32_t *pauses)
{
    *pauses = *pauses < PAUSES_MOST ? *pauses * 2 + 1 : *pauses;
    for (uint32_t i = 0; i < *pauses; i++)
        CA_PAUSE();
    return CA_LOAD_ACQUIRE(&pool->head);
}

/* Takes a free block off the list. */
static uint64_t list_pop(ctxalloc_blocks *pool)
{
    uint64_t head = CA_LOAD_ACQUIRE(&pool->head);
    uint32_t pauses = 0;
    for (;; head = list_back_off(pool, &pauses)) {
        uint64_t place = head & pool->index_mask;
        if (!place)
            return CTXALLOC_NONE;
        /* Another thread may have taken this block, so that the link is no link any more: then head's tag or index has changed. */
        uint64_t next = CA_LOAD(&pool->table[place - 1]) & pool->index_mask;
        if (__atomic_compare_exchange_n(&pool->head, &head, (head & ~pool->index_mask) | next, true, __ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE))
            return place - 1;
    }
}

/* Puts a chain of blocks, linked from first to last, before the others. The caller has them alone. */
static void list_push(ctxalloc_blocks *pool, uint64_t first, uint64_t last)
{
    uint64_t head = CA_LOAD(&pool->head), changed;
    uint32_t pauses = 0;
    for (;; head = list_back_off(pool, &pauses)) {
        CA_STORE(&pool->table[last], head & pool->index_mask);
        changed = ((head | pool->index_mask) + 1) | (first + 1); /* a carry out of the index adds 1 to the tag */
        if (__atomic_compare_exchange_n(&pool->head, &head, changed, true, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
            return;
    }
}

/* Takes up to `most` blocks that were never used; *count: how many there were at that moment, used or not. Returns how many. */
static uint64_t fresh_take(ctxalloc_blocks *pool, uint64_t most, uint64_t *first, uint64_t *count)
{
    uint64_t fresh = CA_LOAD_ACQUIRE(&pool->fresh), n;
    do {
        *count = CA_LOAD_ACQUIRE(&pool->count);
        n = *count - fresh < most ? *count - fresh : most;
        if (!n)
            return 0;
    } while (!__atomic_compare_exchange_n(&pool->fresh, &fresh, fresh + n, true, __ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE));
    *first = fresh;
    return n;
}

/* All blocks are in use for certain, at the moment when head is read: no block was fresh before, so none is now, unless the pool has
 * grown, and then its count is another. */
static bool is_empty_since(const ctxalloc_blocks *pool, uint64_t count)
{
    return !(CA_LOAD_ACQUIRE(&pool->head) & pool->index_mask) && CA_LOAD_ACQUIRE(&pool->count) == count;
}

static uint64_t block_take(ctxalloc_blocks *pool)
{
    for (;;) {
        uint64_t count, index = list_pop(pool);
        if (index != CTXALLOC_NONE || fresh_take(pool, 1, &index, &count))
            return block_make_live(pool, index);
        if (is_empty_since(pool, count))
            return CTXALLOC_NONE;
    }
}

/* Whether the block is below `end` and was live; then it is the caller's alone, with `word` in the table. */
static bool block_claim(ctxalloc_blocks *pool, uint64_t index, uint64_t end, uint64_t word)
{
    uint64_t live = LIVE;
    return index < end &&
           __atomic_compare_exchange_n(&pool->table[index], &live, word, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

/* --- allocation --------------------------------------------------------------------------------------------------- */

uint64_t ctxalloc_blocks_alloc_index(ctxalloc_blocks *pool)
{
    return block_take(pool);
}

CA_INLINE int block_free(ctxalloc_blocks *pool, uint64_t index, uint64_t end)
{
    if (!block_claim(pool, index, end, 0))
        return CA_EINVAL;
    list_push(pool, index, index);
    return 0;
}

int ctxalloc_blocks_free_index(ctxalloc_blocks *pool, uint64_t index)
{
    return block_free(pool, index, pool->max_count);
}

void *ctxalloc_blocks_alloc(ctxalloc_blocks *pool)
{
    if (!pool->block_size)
        return NULL;
    uint64_t index = block_take(pool);
    return index == CTXALLOC_NONE ? NULL : address_of(pool, index);
}

int ctxalloc_blocks_free(ctxalloc_blocks *pool, void *p)
{
    return block_free(pool, index_of(pool, p), pool->addressed);
}

int ctxalloc_blocks_free_sized(ctxalloc_blocks *pool, void *p, size_t bytes)
{
    return bytes == pool->block_size ? ctxalloc_blocks_free(pool, p) : CA_EINVAL;
}

/* --- caches ----------------------------------------------------------------------------------------------------- */

int ctxalloc_blocks_cache_init(ctxalloc_blocks_cache *cache, ctxalloc_blocks *pool, uint32_t limit)
{
    if (!limit || limit > CTXALLOC_BLOCKS_CACHE_LIMIT)
        return CA_EINVAL;
    cache->pool = pool;
    cache->used = 0;
    cache->limit = limit;
    return 0;
}

/* Takes up to `most` blocks off the list by one swap. The chain is read while others may change it; if head is still the same
 * afterwards, nothing was taken or put back, and all that was read is true. */
static uint32_t list_pop_many(ctxalloc_blocks *pool, uint32_t most, uint64_t *index)
{
    uint64_t head = CA_LOAD_ACQUIRE(&pool->head);
    for (;;) {
        uint64_t place = head & pool->index_mask;
        uint32_t n = 0;
        while (n < most && place && place <= pool->max_count) {
            index[n++] = place - 1;
            place = CA_LOAD(&pool->table[place - 1]) & pool->index_mask;
        }
        if (!n)
            return 0;
        if (__atomic_compare_exchange_n(&pool->head, &head, (head & ~pool->index_mask) | place, true, __ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE))
            return n;
    }
}

/* Half full, so that as many frees follow before the next exchange as allocations. false: no block is free. */
static CA_NOINLINE bool cache_refill(ctxalloc_blocks_cache *cache)
{
    ctxalloc_blocks *pool = cache->pool;
    uint32_t most = (cache->limit + 1) / 2;
    for (;;) {
        uint64_t first = 0, count = 0;
        uint32_t n = list_pop_many(pool, most, cache->index);
        if (!n) {
            n = (uint32_t)fresh_take(pool, most, &first, &count);
            for (uint32_t i = 0; i < n; i++)
                cache->index[i] = first + n - 1 - i; /* the lowest is used first */
        }
        for (uint32_t i = 0; i < n; i++)
            CA_STORE(&pool->table[cache->index[i]], CACHED);
        cache->used = n;
        if (n)
            return true;
        if (is_empty_since(pool, count))
            return false;
    }
}

/* The oldest n go back. */
static CA_NOINLINE void cache_drain(ctxalloc_blocks_cache *cache, uint32_t n)
{
    ctxalloc_blocks *pool = cache->pool;
    for (uint32_t i = n - 1; i; i--)
        CA_STORE(&pool->table[cache->index[i]], cache->index[i - 1] + 1);
    list_push(pool, cache->index[n - 1], cache->index[0]);
    cache->used -= n;
    for (uint32_t i = 0; i < cache->used; i++)
        cache->index[i] = cache->index[i + n];
}

/* The rare cases are calls at the end of the frequent ones, which so need no stack. */

static CA_NOINLINE uint64_t cache_alloc_index_slowly(ctxalloc_blocks_cache *cache)
{
    return cache_refill(cache) ? ctxalloc_blocks_cache_alloc_index(cache) : CTXALLOC_NONE;
}

static CA_NOINLINE void *cache_alloc_slowly(ctxalloc_blocks_cache *cache)
{
    return cache_refill(cache) ? ctxalloc_blocks_cache_alloc(cache) : NULL;
}

static CA_NOINLINE int cache_free_slowly(ctxalloc_blocks_cache *cache, uint64_t index)
{
    cache_drain(cache, (cache->limit + 1) / 2);
    cache->index[cache->used++] = index;
    return 0;
}

uint64_t ctxalloc_blocks_cache_alloc_index(ctxalloc_blocks_cache *cache)
{
    if (CA_UNLIKELY(!cache->used))
        return cache_alloc_index_slowly(cache);
    return block_make_live(cache->pool, cache->index[--cache->used]);
}

void *ctxalloc_blocks_cache_alloc(ctxalloc_blocks_cache *cache)
{
    ctxalloc_blocks *pool = cache->pool;
    if (!pool->block_size)
        return NULL;
    if (CA_UNLIKELY(!cache->used))
        return cache_alloc_slowly(cache);
    return address_of(pool, block_make_live(pool, cache->index[--cache->used]));
}

CA_INLINE int cache_free(ctxalloc_blocks_cache *cache, uint64_t index, uint64_t end)
{
    if (!block_claim(cache->pool, index, end, CACHED))
        return CA_EINVAL;
    if (CA_UNLIKELY(cache->used == cache->limit))
        return cache_free_slowly(cache, index);
    cache->index[cache->used++] = index;
    return 0;
}

int ctxalloc_blocks_cache_free_index(ctxalloc_blocks_cache *cache, uint64_t index)
{
    return cache_free(cache, index, cache->pool->max_count);
}

int ctxalloc_blocks_cache_free(ctxalloc_blocks_cache *cache, void *p)
{
    return cache_free(cache, index_of(cache->pool, p), cache->pool->addressed);
}

void ctxalloc_blocks_cache_flush(ctxalloc_blocks_cache *cache)
{
    if (cache->used)
        cache_drain(cache, cache->used);
}

/* --- making, growing ------------------------------------------------------------------------------------------------ */

size_t ctxalloc_blocks_memory(size_t block_size, uint64_t max_count)
{
    size_t table, blocks, sum;
    if (!max_count || max_count >= CTXALLOC_BLOCKS_MAX)
        return 0;
    table = sizeof(ctxalloc_blocks) + ca_round_up(max_count * sizeof(uint64_t), CA_LINE);
    if (__builtin_mul_overflow(block_size, max_count, &blocks) || __builtin_add_overflow(table, blocks, &sum) || sum > PTRDIFF_MAX)
        return 0;
    return sum;
}

/* Everything but the table and where the blocks are. */
static ctxalloc_blocks *pool_start(void *mem, size_t bytes, size_t needed, size_t block_size, uint64_t count, uint64_t max_count)
{
    ctxalloc_blocks *pool = mem;
    if (!mem || (uintptr_t)mem % CA_LINE || !needed || bytes < needed || count > max_count)
        return NULL;
    pool->block_size = block_size;
    pool->shift = block_size ? ca_bit_low(block_size) : 0;
    pool->inverse = inverse_of(block_size ? block_size >> pool->shift : 1);
    pool->max_count = max_count;
    pool->addressed = block_size ? max_count : 0;
    pool->index_mask = (2ULL << ca_bit_high(max_count)) - 1;
    pool->storage = 0;
    pool->head = 0;
    pool->fresh = 0;
    pool->count = count;
    return pool;
}

static void table_clear(ctxalloc_blocks *pool, uint64_t end)
{
    for (uint64_t i = 0; i < end; i++)
        CA_STORE(&pool->table[i], 0);
}

ctxalloc_blocks *ctxalloc_blocks_init_zeroed(void *mem, size_t bytes, size_t block_size, uint64_t count, uint64_t max_count)
{
    size_t needed = ctxalloc_blocks_memory(block_size, max_count);
    ctxalloc_blocks *pool = pool_start(mem, bytes, needed, block_size, count, max_count);
    if (pool)
        pool->storage = (int64_t)ctxalloc_blocks_memory(0, max_count);
    return pool;
}

ctxalloc_blocks *ctxalloc_blocks_init(void *mem, size_t bytes, size_t block_size, uint64_t count, uint64_t max_count)
{
    ctxalloc_blocks *pool = ctxalloc_blocks_init_zeroed(mem, bytes, block_size, count, max_count);
    if (pool)
        table_clear(pool, max_count);
    return pool;
}

ctxalloc_blocks *ctxalloc_blocks_init_over(void *mem, size_t bytes, void *storage, size_t storage_bytes, size_t block_size,
                                           uint64_t count, uint64_t max_count)
{
    size_t blocks, needed = ctxalloc_blocks_memory(0, max_count);
    if (!storage || !block_size || __builtin_mul_overflow(block_size, max_count, &blocks) || storage_bytes < blocks)
        return NULL;
    ctxalloc_blocks *pool = pool_start(mem, bytes, needed, block_size, count, max_count);
    if (!pool)
        return NULL;
    pool->storage = (int64_t)((uintptr_t)storage - (uintptr_t)mem);
    table_clear(pool, max_count);
    return pool;
}

int ctxalloc_blocks_grow(ctxalloc_blocks *pool, uint64_t additional)
{
    uint64_t count = CA_LOAD(&pool->count), wanted;
    do {
        if (__builtin_add_overflow(count, additional, &wanted))
            return CA_EOVERFLOW;
        if (wanted > pool->max_count)
            return CA_ENOMEM;
    } while (!__atomic_compare_exchange_n(&pool->count, &count, wanted, true, __ATOMIC_RELEASE, __ATOMIC_RELAXED));
    return 0;
}

/* --- questions -------------------------------------------------------------------------------------------------------- */

uint64_t ctxalloc_blocks_index(const ctxalloc_blocks *pool, const void *p)
{
    uint64_t index = pool->block_size ? index_of(pool, p) : CTXALLOC_NONE;
    return index < CA_LOAD(&pool->count) ? index : CTXALLOC_NONE;
}

void *ctxalloc_blocks_address(const ctxalloc_blocks *pool, uint64_t index)
{
    return pool->block_size && index < CA_LOAD(&pool->count) ? address_of(pool, index) : NULL;
}

bool ctxalloc_blocks_contains(const ctxalloc_blocks *pool, const void *p)
{
    return (uintptr_t)p - (uintptr_t)address_of(pool, 0) < CA_LOAD(&pool->count) * pool->block_size;
}

size_t ctxalloc_blocks_block_size(const ctxalloc_blocks *pool)
{
    return pool->block_size;
}

uint64_t ctxalloc_blocks_count(const ctxalloc_blocks *pool)
{
    return CA_LOAD(&pool->count);
}

uint64_t ctxalloc_blocks_max_count(const ctxalloc_blocks *pool)
{
    return pool->max_count;
}

bool ctxalloc_blocks_is_live(const ctxalloc_blocks *pool, uint64_t index)
{
    return index < pool->max_count && CA_LOAD(&pool->table[index]) == LIVE;
}

uint64_t ctxalloc_blocks_live(const ctxalloc_blocks *pool)
{
    uint64_t live = 0;
    for (uint64_t i = CA_LOAD(&pool->fresh); i; i--)
        live += CA_LOAD(&pool->table[i - 1]) == LIVE;
    return live;
}

/* --- exclusive -------------------------------------------------------------------------------------------------------- */

void ctxalloc_blocks_reset(ctxalloc_blocks *pool)
{
    table_clear(pool, pool->fresh);
    pool->head = 0;
    pool->fresh = 0;
}

/* The free blocks in the list, or CTXALLOC_NONE if it is broken. */
static uint64_t list_length(const ctxalloc_blocks *pool, int *which)
{
    uint64_t n = 0, place = pool->head & pool->index_mask;
    for (; place; place = pool->table[place - 1], n++) {
        *which = place > pool->fresh || n == pool->fresh ? 2 : pool->table[place - 1] >= CACHED ? 3 : 0;
        if (*which)
            return CTXALLOC_NONE;
    }
    return n;
}

/* The list is made anew of all that is not live, lowest first: right whatever state a killed thread left it in. */
uint64_t ctxalloc_blocks_recover(ctxalloc_blocks *pool)
{
    int which = 0;
    uint64_t before = list_length(pool, &which), after = 0, place = 0;
    for (uint64_t i = pool->fresh; i; i--) {
        if (pool->table[i - 1] == LIVE)
            continue;
        pool->table[i - 1] = place;
        place = i;
        after++;
    }
    pool->head = ((pool->head | pool->index_mask) + 1) | place;
    return before == CTXALLOC_NONE ? after : after - before;
}

bool ctxalloc_blocks_is_valid(const ctxalloc_blocks *pool, int *which)
{
    *which = 0;
    if (pool->fresh > pool->count || pool->count > pool->max_count)
        *which = 1;
    if (!*which)
        (void)list_length(pool, which);
    for (uint64_t i = pool->fresh; !*which && i < pool->max_count; i++)
        if (pool->table[i])
            *which = 4;
    return !*which;
}
