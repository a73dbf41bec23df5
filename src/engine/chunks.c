/* The bitmap: for each 64 chunks a pair of words, then the summaries, level by level, each of four of the level before (level 0: of four
 * pairs, which are one cache line). A summary holds what is *missing* to all free, so that zero means free, and a zero bitmap is a free heap.
 *
 * Invariants:
 * [C1] bits of chunks past the last are set in `used`, clear in `last`
 * [C2] a bit of `last` is set only where `used` is
 * [C3] the last chunk in use before a free one, or before the end, is the last of its block
 * [C4] every summary is what its bits or its four summaries make
 * [C5] heap->used is the number of chunks in use
 */
#include "ctxalloc/chunks.h"

#include "engine/copy.h"
#include "engine/error.h"
#include "engine/runs.h"

#define NONE SIZE_MAX

typedef struct pair {
    uint64_t used; /* a bit a chunk */
    uint64_t last; /* it is the last of its block */
} pair;

typedef struct node {
    uint32_t start, most, end; /* cover - ca_run's */
} node;

enum { WORD = CA_WORD_BITS, FANOUT = 4 };

/* --- layout ----------------------------------------------------------------------------------------------------- */

static size_t words_of(const ctxalloc_chunks *heap)
{
    return CTXALLOC_CHUNKS_WORDS(heap->chunks);
}

static pair *pairs_of(const ctxalloc_chunks *heap)
{
    return (pair *)heap->bitmap;
}

static node *nodes_of(const ctxalloc_chunks *heap, unsigned level)
{
    return (node *)(heap->bitmap + 2 * words_of(heap)) + heap->level[level];
}

/* How many there are: level -1: words. */
static size_t level_length(const ctxalloc_chunks *heap, int level)
{
    return ((words_of(heap) - 1) >> 2 * (level + 1)) + 1;
}

static ca_run run_of_node(const node *n, uint32_t cover)
{
    return (ca_run){cover - n->start, cover - n->most, cover - n->end, cover};
}

static uint32_t cover_of(int level)
{
    return (uint32_t)WORD << 2 * (level + 1);
}

static ca_run run_load(const ctxalloc_chunks *heap, int level, size_t index)
{
    if (level < 0)
        return ca_run_of_word(~pairs_of(heap)[index].used);
    return run_of_node(&nodes_of(heap, (unsigned)level)[index], cover_of(level));
}

/* Four of the level below make one; where there are fewer, the missing chunks are in use. */
static ca_run run_make(const ctxalloc_chunks *heap, unsigned level, size_t index)
{
    size_t first = index * FANOUT, length = level_length(heap, (int)level - 1), rest = length - first;
    unsigned n = rest < FANOUT ? (unsigned)rest : FANOUT;
    uint32_t cover = cover_of((int)level - 1);
    ca_run run;
    if (level == 0) {
        const pair *p = &pairs_of(heap)[first];
        run = ca_run_of_word(~p[0].used);
        for (unsigned i = 1; i < n; i++)
            run = ca_run_join(run, ca_run_of_word(~p[i].used));
    } else {
        const node *below = &nodes_of(heap, level - 1)[first];
        run = run_of_node(&below[0], cover);
        for (unsigned i = 1; i < n; i++)
            run = ca_run_join(run, run_of_node(&below[i], cover));
    }
    for (; CA_UNLIKELY(n < FANOUT); n++)
        run = ca_run_join(run, (ca_run){.cover = cover});
    return run;
}

/* Whether the summary was another. */
static bool node_make(ctxalloc_chunks *heap, unsigned level, size_t index)
{
    ca_run run = run_make(heap, level, index);
    node *n = &nodes_of(heap, level)[index], now = {run.cover - run.start, run.cover - run.most, run.cover - run.end};
    bool same = n->start == now.start && n->most == now.most && n->end == now.end;
    *n = now;
    return !same;
}

/* Makes the summaries over words first … last anew, level by level, as long as they change. */
static void summaries_update(ctxalloc_chunks *heap, size_t first, size_t last)
{
    bool changed = true;
    for (unsigned level = 0; level < heap->levels && changed; level++) {
        first /= FANOUT;
        last /= FANOUT;
        changed = false;
        for (size_t i = first; i <= last; i++)
            changed |= node_make(heap, level, i);
    }
}

/* --- the first call ------------------------------------------------------------------------------------------------ */

/* false: ctxalloc_chunks_over has refused what it was given. */
static CA_COLD bool heap_start(ctxalloc_chunks *heap)
{
    if (!heap->chunks)
        return false;
    size_t words = words_of(heap), tail = heap->chunks % WORD;
    uint32_t at = 0;
    heap->shift = ca_is_power_of_two(heap->chunk_size) ? ca_bit_low(heap->chunk_size) : UINT32_MAX;
    for (size_t length = words; length > 1 || !heap->levels; heap->levels++) {
        length = (length + FANOUT - 1) / FANOUT;
        heap->level[heap->levels] = at;
        at += (uint32_t)length;
    }
    if (tail)
        pairs_of(heap)[words - 1].used = ~0ULL << tail;
    /* Level by level, and not only while something changes: the edge of any of them may cover what is not there. */
    for (unsigned level = 0; level < heap->levels; level++)
        (void)node_make(heap, level, level_length(heap, (int)level) - 1);
    return true;
}

static bool heap_ready(ctxalloc_chunks *heap)
{
    return CA_LIKELY(heap->levels) || heap_start(heap);
}

/* --- chunks ----------------------------------------------------------------------------------------------------------- */

static size_t chunks_for(const ctxalloc_chunks *heap, size_t size)
{
    size += !size;
    return (heap->shift != UINT32_MAX ? (size - 1) >> heap->shift : (size - 1) / heap->chunk_size) + 1;
}

static bool is_used(const ctxalloc_chunks *heap, size_t chunk)
{
    return pairs_of(heap)[chunk / WORD].used >> chunk % WORD & 1;
}

static bool is_last(const ctxalloc_chunks *heap, size_t chunk)
{
    return pairs_of(heap)[chunk / WORD].last >> chunk % WORD & 1;
}

static void last_flip(ctxalloc_chunks *heap, size_t chunk)
{
    pairs_of(heap)[chunk / WORD].last ^= 1ULL << chunk % WORD;
}

/* Chunks first … first + n - 1 change from free to used or back; n >= 1. */
static void used_flip(ctxalloc_chunks *heap, size_t first, size_t n)
{
    size_t word = first / WORD, end = (first + n - 1) / WORD;
    uint64_t mask = ~0ULL << first % WORD;
    for (size_t i = word; i <= end; i++, mask = ~0ULL)
        pairs_of(heap)[i].used ^= i == end ? mask & ~0ULL >> (WORD - 1 - (first + n - 1) % WORD) : mask;
    summaries_update(heap, word, end);
}

/* Free chunks from `chunk` on, counted to `most` at the least if there are so many. */
static size_t free_after(const ctxalloc_chunks *heap, size_t chunk, size_t most)
{
    if (chunk >= heap->chunks)
        return 0;
    uint64_t used = pairs_of(heap)[chunk / WORD].used >> chunk % WORD;
    if (used)
        return ca_bit_low(used);
    size_t n = WORD - chunk % WORD, index = chunk / WORD;
    for (int level = -1; n < most;) {
        for (index++; index % FANOUT == 0 && level + 1 < (int)heap->levels; level++)
            index /= FANOUT;
        if (index >= level_length(heap, level))
            break;
        ca_run run = run_load(heap, level, index);
        n += run.start;
        if (run.start < run.cover)
            break;
    }
    return n;
}

/* --- the search ------------------------------------------------------------------------------------------------------- */

/* The first run of n free chunks in or after a word; n >= 1. Goes along the bits, and over as large a part as has no fit in one step.
 * `before`: free chunks right before the part that is looked at. */
static size_t run_find(const ctxalloc_chunks *heap, size_t n, size_t word)
{
    int level = -1;
    size_t index = word, before = 0;
    while (index < level_length(heap, level)) {
        ca_run run = run_load(heap, level, index);
        size_t start = index * run.cover;
        if (before && before + run.start >= n)
            return start - before;
        if (run.most >= n) {
            if (level < 0)
                return start + ca_runs_fit(~pairs_of(heap)[index].used, (unsigned)n, ~0ULL);
            level--;
            index *= FANOUT;
            continue;
        }
        before = run.start == run.cover ? before + run.cover : run.end;
        for (index++; index % FANOUT == 0 && level + 1 < (int)heap->levels; level++)
            index /= FANOUT;
    }
    return NONE;
}

static size_t most_free(const ctxalloc_chunks *heap)
{
    return run_load(heap, (int)heap->levels - 1, 0).most;
}

/* The next fit: from the cursor on, then from the start. */
static size_t find_next(const ctxalloc_chunks *heap, size_t n)
{
    if (n > most_free(heap))
        return NONE;
    size_t found = run_find(heap, n, heap->cursor);
    return found != NONE || !heap->cursor ? found : run_find(heap, n, 0);
}

/* Chunks to leave out after `chunk` to come to one whose number modulo the power of two `period` is `phase`. */
static size_t chunks_to(size_t chunk, size_t phase, size_t period)
{
    return (phase - chunk) & (period - 1);
}

/* No free run is so long that it holds a fit for certain: tries the shorter ones. */
static CA_COLD size_t find_by_trying(const ctxalloc_chunks *heap, size_t n, size_t phase, size_t period)
{
    size_t at = n <= most_free(heap) ? run_find(heap, n, 0) : NONE;
    for (unsigned tries = 0; at != NONE && tries < CTXALLOC_CHUNKS_TRIES; tries++) {
        size_t skip = chunks_to(at, phase, period), length = free_after(heap, at, skip + n);
        if (length >= skip + n)
            return at + skip;
        /* On with what is left of the word, then with the next that has a run. */
        size_t word = (at + length) / WORD;
        uint64_t rest = ca_runs_of(~pairs_of(heap)[word].used, n < WORD ? (unsigned)n : WORD) & ~0ULL << (at + length) % WORD;
        at = rest && n <= WORD ? word * WORD + ca_bit_low(rest) : run_find(heap, n, word + 1);
    }
    return NONE;
}

static size_t find_aligned(const ctxalloc_chunks *heap, size_t n, size_t phase, size_t period)
{
    if (n <= WORD && period <= WORD) {
        uint64_t places = period == WORD ? 1ULL : ~0ULL / ((1ULL << period) - 1);
        unsigned at = ca_runs_fit(~pairs_of(heap)[heap->cursor].used, (unsigned)n, places << phase);
        if (at < WORD)
            return heap->cursor * WORD + at;
    }
    size_t found = find_next(heap, n + period - 1);
    return found != NONE ? found + chunks_to(found, phase, period) : find_by_trying(heap, n, phase, period);
}

/* --- alignment -------------------------------------------------------------------------------------------------------- */

/* Which chunks have addresses that `align`, a power of two, divides: those with number = *phase modulo *period, a power of two.
 * false: none.  storage + i * size = 0 modulo align has solutions iff the largest power of two in size (or align, if less) divides
 * storage; then i = -(storage / g) / (size / g) modulo align / g. */
static bool aligned_chunks(const ctxalloc_chunks *heap, size_t align, size_t *phase, size_t *period)
{
    size_t power = heap->chunk_size & -heap->chunk_size, base = (uintptr_t)heap->storage;
    size_t g = power < align ? power : align;
    if (base & (g - 1))
        return false;
    size_t odd = heap->chunk_size >> ca_bit_low(power), inverse = odd;
    for (int bits = 3; odd != 1 && bits < 64; bits *= 2) /* Newton; odd * odd = 1 modulo 8 */
        inverse *= 2 - odd * inverse;
    *period = align >> ca_bit_low(g);
    *phase = -(base >> ca_bit_low(g)) * inverse & (*period - 1);
    return true;
}

/* --- errors ------------------------------------------------------------------------------------------------------------ */

static CA_COLD int fail(ctxalloc_chunks *heap, ctxalloc_chunks_error_t error)
{
    heap->error = error;
    return error == CTXALLOC_CHUNKS_OUT_OF_MEMORY ? CA_ENOMEM : CA_EINVAL;
}

static CA_COLD void *fail_alloc(ctxalloc_chunks *heap, size_t size, size_t align, ctxalloc_chunks_error_t error)
{
    fail(heap, error);
    if (error == CTXALLOC_CHUNKS_OUT_OF_MEMORY && heap->log)
        heap->log(heap, size, align, ctxalloc_chunks_usage(heap), heap->argument);
    return NULL;
}

const char *ctxalloc_chunks_error_text(ctxalloc_chunks_error_t error)
{
    switch (error) {
    case CTXALLOC_CHUNKS_OK: return "no error";
    case CTXALLOC_CHUNKS_BAD_STORAGE: return "bad storage";
    case CTXALLOC_CHUNKS_BAD_BITMAP: return "bad bitmap";
    case CTXALLOC_CHUNKS_BAD_REQUEST: return "bad request";
    case CTXALLOC_CHUNKS_OUT_OF_MEMORY: return "out of memory";
    default: return "unknown error";
    }
}

/* --- blocks -------------------------------------------------------------------------------------------------------------- */

/* The chunks of the block that starts at p, its first in *first; 0: no live block starts there. */
static size_t block_at(const ctxalloc_chunks *heap, const void *p, size_t *first)
{
    size_t offset = (uintptr_t)p - (uintptr_t)heap->storage;
    if (!heap->levels || offset >= heap->chunks * heap->chunk_size)
        return 0;
    size_t chunk = heap->shift != UINT32_MAX ? offset >> heap->shift : offset / heap->chunk_size;
    if (chunk * heap->chunk_size != offset || !is_used(heap, chunk))
        return 0;
    if (chunk && is_used(heap, chunk - 1) && !is_last(heap, chunk - 1))
        return 0;
    *first = chunk;
    size_t word = chunk / WORD;
    uint64_t last = pairs_of(heap)[word].last >> chunk % WORD << chunk % WORD;
    while (!last)
        last = pairs_of(heap)[++word].last;
    return word * WORD + ca_bit_low(last) - chunk + 1;
}

void *ctxalloc_chunks_alloc(ctxalloc_chunks *heap, size_t size, size_t align)
{
    size_t phase = 0, period = 1, first;
    if (!heap_ready(heap))
        return NULL;
    if (!ca_is_power_of_two(align) || (align > 1 && !aligned_chunks(heap, align, &phase, &period)))
        return fail_alloc(heap, size, align, CTXALLOC_CHUNKS_BAD_REQUEST);
    size_t n = chunks_for(heap, size);
    first = period == 1 ? find_next(heap, n) : find_aligned(heap, n, phase, period);
    if (CA_UNLIKELY(first == NONE))
        return fail_alloc(heap, size, align, CTXALLOC_CHUNKS_OUT_OF_MEMORY);
    used_flip(heap, first, n);
    last_flip(heap, first + n - 1);
    heap->used += n;
    heap->cursor = (first + n - 1) / WORD;
    return heap->storage + first * heap->chunk_size;
}

void *ctxalloc_chunks_alloc_at_least(ctxalloc_chunks *heap, size_t size, size_t align, size_t *got)
{
    void *p = ctxalloc_chunks_alloc(heap, size, align);
    *got = p ? chunks_for(heap, size) * heap->chunk_size : 0;
    return p;
}

int ctxalloc_chunks_free(ctxalloc_chunks *heap, void *p)
{
    size_t first, n = block_at(heap, p, &first);
    if (!n)
        return fail(heap, CTXALLOC_CHUNKS_BAD_REQUEST);
    last_flip(heap, first + n - 1);
    used_flip(heap, first, n);
    heap->used -= n;
    return 0;
}

int ctxalloc_chunks_resize(ctxalloc_chunks *heap, void *p, size_t size, size_t *available)
{
    size_t first, n = block_at(heap, p, &first);
    if (available)
        *available = n ? (n + free_after(heap, first + n, NONE)) * heap->chunk_size : 0;
    if (!n)
        return fail(heap, CTXALLOC_CHUNKS_BAD_REQUEST);
    size_t wanted = chunks_for(heap, size), more = wanted > n ? wanted - n : 0;
    if (wanted == n)
        return 0;
    if (more && free_after(heap, first + n, more) < more)
        return fail(heap, CTXALLOC_CHUNKS_OUT_OF_MEMORY);
    last_flip(heap, first + n - 1);
    if (more)
        used_flip(heap, first + n, more);
    else
        used_flip(heap, first + wanted, n - wanted);
    last_flip(heap, first + wanted - 1);
    heap->used += wanted - n;
    return 0;
}

void *ctxalloc_chunks_realloc(ctxalloc_chunks *heap, void *p, size_t size, size_t align)
{
    size_t first, n = block_at(heap, p, &first);
    if (!p)
        return ctxalloc_chunks_alloc(heap, size, align);
    if (!n || !ca_is_power_of_two(align))
        return fail_alloc(heap, size, align, CTXALLOC_CHUNKS_BAD_REQUEST);
    size_t wanted = chunks_for(heap, size);
    if (!((uintptr_t)p & (align - 1)))
        if (wanted <= n || free_after(heap, first + n, wanted - n) >= wanted - n)
            return ctxalloc_chunks_resize(heap, p, size, NULL) ? NULL : p;
    void *moved = ctxalloc_chunks_alloc(heap, size, align);
    if (!moved)
        return NULL;
    ca_copy(moved, p, ca_size_min(n * heap->chunk_size, size));
    (void)ctxalloc_chunks_free(heap, p);
    return moved;
}

/* --- making one ------------------------------------------------------------------------------------------------------------ */

static void bitmap_clear(ctxalloc_chunks *heap)
{
    volatile uint64_t *bitmap = heap->bitmap; /* volatile: no call of memset */
    for (size_t i = 0; i < CTXALLOC_CHUNKS_BITMAP_WORDS(heap->chunks); i++)
        bitmap[i] = 0;
    heap->levels = 0;
    heap->used = heap->cursor = 0;
}

int ctxalloc_chunks_over(ctxalloc_chunks *heap, void *storage, size_t bytes, uint64_t *bitmap, size_t bitmap_bytes, size_t chunk_size)
{
    heap->storage = storage; /* one by one: a compiler would call memset for all at once */
    heap->bitmap = bitmap;
    heap->chunk_size = chunk_size;
    heap->chunks = heap->used = heap->cursor = 0;
    heap->log = NULL;
    heap->argument = NULL;
    heap->levels = 0;
    heap->error = CTXALLOC_CHUNKS_OK;
    if (!storage || !chunk_size || !bytes || bytes % chunk_size || bytes / chunk_size > CTXALLOC_CHUNKS_MAX || (uintptr_t)storage + bytes < bytes)
        return fail(heap, CTXALLOC_CHUNKS_BAD_STORAGE);
    size_t chunks = bytes / chunk_size;
    if (!bitmap || (uintptr_t)bitmap % sizeof(uint64_t) || bitmap_bytes / sizeof(uint64_t) < CTXALLOC_CHUNKS_BITMAP_WORDS(chunks))
        return fail(heap, CTXALLOC_CHUNKS_BAD_BITMAP);
    heap->chunks = chunks;
    bitmap_clear(heap);
    return 0;
}

size_t ctxalloc_chunks_memory(size_t chunks, size_t chunk_size)
{
    size_t bytes;
    if (!chunks || chunks > CTXALLOC_CHUNKS_MAX || !chunk_size || __builtin_mul_overflow(chunks, chunk_size, &bytes))
        return 0;
    size_t state = ca_round_up(sizeof(ctxalloc_chunks), CA_LINE) +
                   ca_round_up(CTXALLOC_CHUNKS_BITMAP_WORDS(chunks) * sizeof(uint64_t), CA_LINE);
    return bytes > PTRDIFF_MAX - state ? 0 : state + bytes;
}

ctxalloc_chunks *ctxalloc_chunks_init(void *mem, size_t bytes, size_t chunks, size_t chunk_size)
{
    size_t needed = ctxalloc_chunks_memory(chunks, chunk_size), state = ca_round_up(sizeof(ctxalloc_chunks), CA_LINE);
    if (!mem || (uintptr_t)mem % CA_LINE || !needed || bytes < needed)
        return NULL;
    unsigned char *at = mem;
    size_t storage = chunks * chunk_size;
    return ctxalloc_chunks_over(mem, at + needed - storage, storage, (uint64_t *)(void *)(at + state), needed - storage - state, chunk_size)
               ? NULL
               : mem;
}

void ctxalloc_chunks_set_log(ctxalloc_chunks *heap, ctxalloc_chunks_log *log, void *argument)
{
    heap->log = log;
    heap->argument = argument;
}

void ctxalloc_chunks_reset(ctxalloc_chunks *heap)
{
    bitmap_clear(heap);
}

/* --- questions ---------------------------------------------------------------------------------------------------------------- */

size_t ctxalloc_chunks_size(const ctxalloc_chunks *heap, const void *p)
{
    size_t first;
    return block_at(heap, p, &first) * heap->chunk_size;
}

void *ctxalloc_chunks_next(const ctxalloc_chunks *heap, const void *p, size_t *bytes)
{
    size_t first = 0, n = p ? block_at(heap, p, &first) : 0;
    *bytes = 0;
    if (!heap->levels || (p && !n))
        return NULL;
    size_t chunk = first + n;
    chunk += free_after(heap, chunk, NONE);
    if (chunk >= heap->chunks)
        return NULL;
    void *next = heap->storage + chunk * heap->chunk_size;
    *bytes = ctxalloc_chunks_size(heap, next);
    return next;
}

size_t ctxalloc_chunks_capacity(const ctxalloc_chunks *heap)
{
    return heap->chunks * heap->chunk_size;
}

size_t ctxalloc_chunks_used(const ctxalloc_chunks *heap)
{
    return heap->used * heap->chunk_size;
}

size_t ctxalloc_chunks_largest(const ctxalloc_chunks *heap)
{
    return (heap->levels ? most_free(heap) : heap->chunks) * heap->chunk_size;
}

unsigned ctxalloc_chunks_usage(const ctxalloc_chunks *heap)
{
    size_t percent = heap->chunks ? (heap->used * 100 + heap->chunks / 2) / heap->chunks : 0;
    if (heap->used && !percent)
        return 1;
    return percent == 100 && heap->used < heap->chunks ? 99 : (unsigned)percent;
}

size_t ctxalloc_chunks_chunk_size(const ctxalloc_chunks *heap)
{
    return heap->chunk_size;
}

size_t ctxalloc_chunks_min_alignment(const ctxalloc_chunks *heap)
{
    size_t both = (uintptr_t)heap->storage | heap->chunk_size;
    return both & -both;
}

bool ctxalloc_chunks_empty(const ctxalloc_chunks *heap)
{
    return !heap->used;
}

void *ctxalloc_chunks_range(const ctxalloc_chunks *heap, size_t *bytes)
{
    *bytes = ctxalloc_chunks_capacity(heap);
    return heap->storage;
}

bool ctxalloc_chunks_contains(const ctxalloc_chunks *heap, const void *p)
{
    return (uintptr_t)p - (uintptr_t)heap->storage < ctxalloc_chunks_capacity(heap);
}

ctxalloc_chunks_error_t ctxalloc_chunks_error(const ctxalloc_chunks *heap)
{
    return heap->error;
}

/* --- audit --------------------------------------------------------------------------------------------------------------------- */

static bool node_is_right(const ctxalloc_chunks *heap, unsigned level, size_t index)
{
    ca_run is = run_load(heap, (int)level, index), should = run_make(heap, level, index);
    return is.start == should.start && is.most == should.most && is.end == should.end;
}

bool ctxalloc_chunks_is_valid(const ctxalloc_chunks *heap, int *which)
{
    size_t used = 0, words = words_of(heap);
    *which = 0;
    if (!heap->levels)
        return true;
    uint64_t past = heap->chunks % WORD ? ~0ULL << heap->chunks % WORD : 0;
    if ((pairs_of(heap)[words - 1].used & past) != past)
        *which = 1;
    for (size_t i = 0; i < words && !*which; i++) {
        const pair *p = &pairs_of(heap)[i];
        uint64_t real = p->used & ~(i == words - 1 ? past : 0), next = i + 1 < words ? p[1].used : 0;
        if (p->last & ~real)
            *which = 2;
        uint64_t after = real >> 1 | (i + 1 == words - 1 ? next & ~past : next) << (WORD - 1);
        if (!*which && (real & ~after & ~p->last))
            *which = 3;
        for (; real; real &= real - 1) /* no popcount: without the instruction it is a call */
            used++;
    }
    for (unsigned level = 0; level < heap->levels && !*which; level++)
        for (size_t i = 0; i < level_length(heap, (int)level) && !*which; i++)
            if (!node_is_right(heap, level, i))
                *which = 4;
    if (!*which && used != heap->used)
        *which = 5;
    return !*which;
}
