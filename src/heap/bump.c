#include "heap/bump.h"

#include <string.h>

#include "base/check.h"
#include "heap/heap.h"

enum { CHUNK_LEAST = CA_PAGE };

typedef struct mark {
    uint32_t next;        /* the one before */
    uint32_t used;        /* the chunk in use, 0: the piece */
    uint64_t number;
    char *at;
    uint64_t blocks;
} mark;
_Static_assert(sizeof(mark) <= CA_CHUNK_RECORD, "a mark is one record");

static mark *mark_at(uint32_t number)
{
    return ca_pool_at(&ca_region.chunks, number);
}

/* --- chunks -------------------------------------------------------------------------------------------------- */

/* The chunk becomes the current one. */
static void chunk_load(ca_bump *bump, uint32_t number)
{
    ca_chunk *c = ca_chunk_at(number);
    c->state = 0;
    if (bump->used)
        CA_STORE(&ca_chunk_at(bump->used)->used_end, bump->at);
    else
        CA_STORE(&bump->piece_end, bump->at);
    c->next = bump->used;
    CA_STORE_RELEASE(&bump->used, number); /* after the end of what was in use, before `at`: see blocks_end */
    CA_STORE_RELEASE(&bump->at, ca_chunk_start(c));
    bump->end = bump->at + ca_chunk_bytes(c);
    bump->start = bump->at;
    bump->words = ca_start_at(ca_page_granule(c->page));
    bump->last = bump->high = bump->floor = NULL;
}

static void chunk_keep(ca_bump *bump, uint32_t number)
{
    ca_chunk *c = ca_chunk_at(number);
    CA_STORE(&c->state, 1);
    c->next = bump->kept;
    bump->kept = number;
}

/* A kept chunk with enough room, taken out of its list. */
static uint32_t kept_take(ca_bump *bump, size_t bytes)
{
    for (uint32_t *link = &bump->kept; *link; link = &ca_chunk_at(*link)->next) {
        uint32_t number = *link;
        ca_chunk *c = ca_chunk_at(number);
        if (ca_chunk_bytes(c) < bytes)
            continue;
        *link = c->next;
        ca_chunk_clear(c);
        return number;
    }
    return 0;
}

/* --- blocks ------------------------------------------------------------------------------------------------------- */

static bool in_piece(const ca_bump *bump, const void *p)
{
    return bump->piece && (uintptr_t)p - (uintptr_t)bump->piece < CA_PIECE_BYTES;
}

/* The word that holds the bits of p, and which bit. */
static ca_start_word *start_word(const ca_bump *bump, const void *p, unsigned *bit)
{
    if (in_piece(bump, p)) {
        size_t g = (size_t)((const char *)p - bump->piece) / CA_GRANULE;
        *bit = g % 64;
        return (ca_start_word *)(uintptr_t)&bump->starts[g / 64];
    }
    ca_granule g = ca_region_granule(p);
    *bit = g % 64;
    return ca_start_at(g);
}

/* In the chunk or piece in use. */
static void start_set(ca_bump *bump, const char *p)
{
    size_t g = (size_t)(p - bump->start) / CA_GRANULE;
    ca_start_word *w = &bump->words[g / 64];
    CA_STORE(&w->born, CA_LOAD(&w->born) | 1ULL << g % 64);
}

/* As if it had never been. */
static void start_unset(ca_bump *bump, const void *p)
{
    unsigned bit;
    ca_start_word *w = start_word(bump, p, &bit);
    CA_STORE_RELEASE(&w->born, CA_LOAD(&w->born) & ~(1ULL << bit));
    if (CA_LOAD(&w->died) >> bit & 1) /* other threads may be setting bits beside it */
        __atomic_fetch_and(&w->died, ~(1ULL << bit), __ATOMIC_RELAXED);
}

bool ca_bump_was_block(const ca_bump *bump, const void *p)
{
    return (const char *)p >= bump->at && (const char *)p < bump->high;
}

/* All but `at`. */
static void piece_use(ca_bump *bump)
{
    bump->start = bump->piece;
    bump->end = bump->piece ? bump->piece + CA_PIECE_BYTES : NULL;
    bump->words = bump->starts;
}

static void piece_load(ca_bump *bump)
{
    piece_use(bump);
    CA_STORE(&bump->at, bump->piece);
}

static bool room_find(ca_bump *bump, ca_account *account, uint32_t context, size_t bytes)
{
    if (!bump->piece && !bump->used && bytes <= CA_PIECE_BYTES && ca_chunk_is_shared(CA_LOAD(&bump->zone))) {
        CA_STORE(&bump->piece, ca_piece_take(CA_LOAD(&bump->zone), account, context));
        if (bump->piece) {
            piece_load(bump);
            return true;
        }
    }
    uint32_t number = kept_take(bump, bytes);
    if (!number) {
        uint64_t wanted = ca_size_min(ca_size_max(bump->chunk_bytes, CHUNK_LEAST), CA_CHUNK_MOST), least = ca_round_up(bytes, CA_PAGE);
        number = ca_chunk_take(CA_LOAD(&bump->zone), account, context, ca_size_max(wanted, least));
        if (!number && wanted > least)
            number = ca_chunk_take(CA_LOAD(&bump->zone), account, context, least);
        if (!number)
            return false;
        bump->chunk_bytes += (uint64_t)ca_chunk_at(number)->pages * CA_PAGE;
    }
    chunk_load(bump, number);
    return true;
}

static void *block_take(ca_bump *bump, size_t size, size_t align)
{
    char *p = (char *)ca_round_up((uintptr_t)bump->at, align);
    if ((uintptr_t)p < (uintptr_t)bump->at || (size_t)(bump->end - bump->at) < (size_t)(p - bump->at) ||
        (size_t)(bump->end - p) < size)
        return NULL;
    if (p != bump->at) { /* what is left out is a block that is dead, so that the one before keeps its size */
        size_t g = (size_t)(bump->at - bump->start) / CA_GRANULE;
        start_set(bump, bump->at);
        __atomic_fetch_or(&bump->words[g / 64].died, 1ULL << g % 64, __ATOMIC_RELAXED);
        CA_STORE(&bump->blocks, bump->blocks + 1);
        CA_STORE(&bump->own_freed, bump->own_freed + 1);
    }
    bump->last = p;
    CA_STORE(&bump->blocks, bump->blocks + 1);
    start_set(bump, p);
    CA_STORE_RELEASE(&bump->at, p + size);
    return p;
}

void *ca_bump_alloc(ca_bump *bump, ca_account *account, uint32_t context, size_t size, size_t align)
{
    size = size ? ca_round_up(size, CA_GRANULE) : CA_GRANULE;
    align = align < CA_GRANULE ? CA_GRANULE : align;
    void *p = bump->at ? block_take(bump, size, align) : NULL;
    if (CA_LIKELY(p != NULL))
        return p;
    size_t bytes;
    if (__builtin_add_overflow(size, align - CA_GRANULE, &bytes) || !room_find(bump, account, context, bytes))
        return NULL;
    return block_take(bump, size, align);
}

bool ca_bump_is_live(const ca_bump *bump, const void *p)
{
    unsigned bit;
    const ca_start_word *w = start_word(bump, p, &bit);
    if (!in_piece(bump, p) && CA_LOAD(&ca_chunk_at(ca_chunk_of(p))->state))
        return false;
    return (uintptr_t)p % CA_GRANULE == 0 && (CA_LOAD(&w->born) & ~CA_LOAD(&w->died)) >> bit & 1;
}

/* Where the blocks of the chunk or piece that p lies in end.  Other threads ask, too, while the owner allocates: a start bit is set before `at` moves over it, and
 * what replaces `at` as the end of a chunk is written before `used`, and that before `at`. */
static const char *blocks_end(const ca_bump *bump, const void *p)
{
    const char *at = CA_LOAD_ACQUIRE(&bump->at);
    uint32_t used = CA_LOAD_ACQUIRE(&bump->used);
    if (in_piece(bump, p))
        return used ? CA_LOAD(&bump->piece_end) : at;
    uint32_t number = ca_chunk_of(p);
    return number == used ? at : CA_LOAD(&ca_chunk_at(number)->used_end);
}

/* `end`: see blocks_end. */
static size_t size_up_to(const ca_bump *bump, const void *p, const char *end)
{
    const char *q = (const char *)p + CA_GRANULE;
    while (q < end) {
        unsigned bit;
        uint64_t word = CA_LOAD_ACQUIRE(&start_word(bump, q, &bit)->born) >> bit;
        if (word) {
            q += ca_bit_low(word) * (size_t)CA_GRANULE;
            break;
        }
        q += (64 - bit) * (size_t)CA_GRANULE;
    }
    return (size_t)((q < end ? q : end) - (const char *)p);
}

/* blocks_end reads `at` first. Again, when the owner has taken back a block meanwhile: see ca_chunk_lower. */
size_t ca_bump_size(const ca_bump *bump, const void *p)
{
    for (;;) {
        uint32_t before = CA_LOAD_ACQUIRE(&bump->retreats);
        size_t size = size_up_to(bump, p, blocks_end(bump, p));
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        if (CA_LOAD(&bump->retreats) == before)
            return size;
    }
}

const void *ca_bump_start(const ca_bump *bump, const void *p)
{
    const char *first = in_piece(bump, p) ? bump->piece : ca_chunk_start(ca_chunk_at(ca_chunk_of(p)));
    const char *q = (const char *)((uintptr_t)p & ~(uintptr_t)(CA_GRANULE - 1));
    for (; q >= first; q -= CA_GRANULE) {
        unsigned bit;
        if (CA_LOAD(&start_word(bump, q, &bit)->born) >> bit & 1)
            return (const char *)p < blocks_end(bump, p) ? q : NULL;
    }
    return NULL;
}

bool ca_bump_resize(ca_bump *bump, void *p, size_t size)
{
    size = size ? ca_round_up(size, CA_GRANULE) : CA_GRANULE;
    if (p != bump->last || (char *)p < bump->floor) /* a mark holds what is below it */
        return size <= ca_bump_size(bump, p);
    if ((size_t)(bump->end - (char *)p) < size)
        return false;
    bump->high = bump->at > bump->high ? bump->at : bump->high;
    CA_STORE_RELEASE(&bump->at, (char *)p + size);
    return true;
}

bool ca_bump_free(ca_bump *bump, void *p, bool mine)
{
    if (mine && ca_bump_free_last(bump, p))
        return true;
    unsigned bit;
    ca_start_word *w = start_word(bump, p, &bit);
    if (!(CA_LOAD(&w->born) >> bit & 1) || __atomic_fetch_or(&w->died, 1ULL << bit, __ATOMIC_ACQ_REL) >> bit & 1)
        return false;
    __atomic_fetch_add(&bump->freed, 1, __ATOMIC_RELEASE);
    return true;
}

bool ca_bump_free_own(ca_bump *bump, uint32_t context, const void *p)
{
    ca_granule g = ca_region_granule(p);
    if (g == UINT64_MAX || (uintptr_t)p % CA_GRANULE || p == bump->last)
        return false;
    const ca_page_entry *e = &ca_region.entries[ca_granule_page(g)];
    if (CA_LOAD(&e->tag) != CA_TAG_BUMP)
        return false;
    const ca_chunk *c = ca_chunk_at(CA_LOAD(&e->number));
    ca_start_word *w = ca_start_at(g);
    uint64_t bit = 1ULL << g % 64;
    if (CA_LOAD(&c->context) != context || CA_LOAD(&c->state) || !(CA_LOAD(&w->born) & bit) || __atomic_fetch_or(&w->died, bit, __ATOMIC_ACQ_REL) & bit)
        return false;
    CA_STORE_RELEASE(&bump->own_freed, bump->own_freed + 1);
    return true;
}

bool ca_bump_area(const ca_bump *bump, uint32_t number, ca_area *a)
{
    uint32_t used = CA_LOAD_ACQUIRE(&bump->used);
    const char *at = CA_LOAD_ACQUIRE(&bump->at);
    if (number) {
        if (!ca_area_of_chunk(number, a) || CA_LOAD(&ca_chunk_at(number)->state))
            return false;
        a->end = number == used ? at : CA_LOAD(&ca_chunk_at(number)->used_end);
        return true;
    }
    *a = (ca_area){CA_LOAD(&bump->piece), used ? CA_LOAD(&bump->piece_end) : at, bump->starts, CA_PIECE_BYTES / CA_GRANULE};
    return a->start != NULL;
}

bool ca_bump_walk(const ca_bump *bump, ca_area_fn *fn, void *argument)
{
    ca_area a;
    bool on = !ca_bump_area(bump, 0, &a) || ca_area_walk(&a, fn, argument);
    for (uint32_t number = CA_LOAD_ACQUIRE(&bump->used), looks = 0; on && number && ca_bump_area(bump, number, &a) && looks < CA_CHUNKS_MOST; looks++) {
        number = CA_LOAD(&ca_chunk_at(number)->next); /* fn may free the block */
        on = ca_area_walk(&a, fn, argument);
    }
    return on;
}

static bool bytes_add(const void *p, size_t size, void *sum)
{
    (void)p;
    *(uint64_t *)sum += size;
    return true;
}

uint64_t ca_bump_live_bytes(const ca_bump *bump)
{
    uint64_t bytes = 0;
    (void)ca_bump_walk(bump, bytes_add, &bytes);
    return bytes;
}

/* --- all at once ------------------------------------------------------------------------------------------------------ */

void ca_bump_trim(ca_bump *bump, ca_account *account, uint32_t dead)
{
    ca_chunk_give_list(account, bump->kept, dead);
    bump->kept = 0;
}

void ca_bump_drop(ca_bump *bump, ca_account *account, uint32_t dead, bool keep)
{
    if (keep) {
        for (uint32_t number = bump->used, next; number; number = next) {
            next = ca_chunk_at(number)->next;
            chunk_keep(bump, number);
        }
    } else {
        ca_chunk_give_list(account, bump->used, dead);
        ca_bump_trim(bump, account, dead);
    }
    ca_pool_give_chain(&ca_region.chunks, &bump->marks);
    CA_STORE(&bump->used, 0);
    bump->chunk_bytes = keep ? bump->chunk_bytes : 0;
    piece_load(bump);
    ca_bump_restart(bump);
}

void ca_bump_retire(ca_bump *bump, ca_account *account, uint32_t dead)
{
    if (bump->piece)
        ca_piece_give(account, bump->piece, dead);
    CA_STORE(&bump->piece, NULL);
    piece_load(bump);
}

uint64_t ca_bump_mark(ca_bump *bump)
{
    static uint64_t made; /* of all bumps: the number of a mark of another's, or of another life, is never found */
    uint32_t number = ca_pool_take(&ca_region.chunks);
    if (!number)
        return 0;
    *mark_at(number) = (mark){.next = bump->marks, .used = bump->used, .number = __atomic_add_fetch(&made, 1, __ATOMIC_RELAXED), .at = bump->at, .blocks = bump->blocks};
    bump->marks = number;
    bump->floor = bump->at;
    return mark_at(number)->number;
}

/* The blocks in [from, end) are as if they had never been. Returns how many of them were freed before. pre: `at` was there and is not any more, see ca_chunk_lower */
static uint64_t starts_clear(ca_bump *bump, const char *from, const char *end)
{
    uint64_t freed = 0;
    for (const char *p = from; p && p < end;) {
        unsigned bit;
        size_t size = size_up_to(bump, p, end);
        const ca_start_word *w = start_word(bump, p, &bit);
        freed += w->died >> bit & 1;
        start_unset(bump, p);
        p += size ? size : CA_GRANULE;
    }
    return freed;
}

/* The chunk in use is left, and nothing in it was ever there. */
static uint64_t chunk_unload(ca_bump *bump)
{
    uint32_t number = bump->used, next = ca_chunk_at(number)->next;
    const char *end = bump->at;
    ca_chunk_lower(&bump->at, next ? ca_chunk_at(next)->used_end : bump->piece ? bump->piece_end : NULL, &bump->retreats); /* before `used` changes, too */
    CA_STORE_RELEASE(&bump->used, next);
    uint64_t freed = starts_clear(bump, ca_chunk_start(ca_chunk_at(number)), end);
    chunk_keep(bump, number);
    if (next) {
        const ca_chunk *c = ca_chunk_at(next);
        bump->start = ca_chunk_start(c);
        bump->words = ca_start_at(ca_page_granule(c->page));
        bump->end = bump->start + ca_chunk_bytes(c);
    } else {
        piece_use(bump);
    }
    bump->high = NULL;
    return freed;
}

bool ca_bump_rollback(ca_bump *bump, uint64_t number)
{
    uint32_t found = bump->marks;
    while (found && mark_at(found)->number != number)
        found = mark_at(found)->next;
    if (!found)
        return false;
    while (bump->marks != found) {
        uint32_t newer = bump->marks;
        bump->marks = mark_at(newer)->next;
        ca_pool_give_list(&ca_region.chunks, newer, newer);
    }
    const mark *m = mark_at(found);
    uint64_t freed = 0;
    while (bump->used != m->used)
        freed += chunk_unload(bump);
    char *at = m->at ? m->at : bump->piece, *end = bump->at;
    ca_chunk_lower(&bump->at, at, &bump->retreats);
    freed += starts_clear(bump, at, end);
    bump->high = end > bump->high ? end : bump->high;
    bump->floor = at;
    bump->last = NULL;
    bump->blocks = m->blocks;
    CA_STORE(&bump->own_freed, bump->own_freed - freed);
    return true;
}
