#include "heap/bump.h"

#include <string.h>

#include "base/check.h"
#include "heap/heap.h"
#include "heap/live.h"

enum {
    CHUNK_LEAST = CA_PAGE,
    CHUNK_MOST = 16 * CA_PAGE /* of what is shared; what is larger is a run of the region's */
};

/* A chunk, or a page of pieces. 32 bytes. */
typedef struct chunk {
    uint32_t next;
    uint32_t context;
    ca_page page, pages;
    ca_node node;         /* of the common heap; CA_NODE_NONE: a run of the region's */
    uint32_t idle;        /* kept for later: nothing in it is live */
    char *used_end;       /* blocks end here, once the chunk is not the current one any more */
} chunk;
typedef struct nest {
    uint32_t next, prev;  /* in the list of those with free pieces */
    uint32_t owner[CA_PIECES]; /* contexts, 0: free */
    ca_page page;
    ca_node node;
    uint32_t unused;
} nest;
typedef struct mark {
    uint32_t next;        /* the one before */
    uint32_t used;        /* the chunk in use, 0: the piece */
    uint64_t number;
    char *at;
    uint64_t blocks;
} mark;
_Static_assert(sizeof(chunk) == CA_CHUNK_RECORD && sizeof(nest) == CA_CHUNK_RECORD && sizeof(mark) == CA_CHUNK_RECORD, "records");

/* What all short contexts share: a heap whose pages are cut into chunks and pieces. */
static struct {
    ca_lock lock;
    ca_heap *heap;
    uint32_t nests; /* with free pieces */
} common;

static chunk *chunk_at(uint32_t number)
{
    return ca_pool_at(&ca_region.chunks, number);
}

static nest *nest_at(uint32_t number)
{
    return ca_pool_at(&ca_region.chunks, number);
}

static char *page_start(ca_page page)
{
    return ca_region_address(page);
}

static ca_page page_of(const void *p)
{
    return ca_granule_page(ca_region_granule(p));
}

/* --- pages ------------------------------------------------------------------------------------------------- */

/* pre: locked. Pages of the common heap, their live words zero. */
static ca_node common_take(uint64_t pages)
{
    if (!common.heap)
        common.heap = ca_heap_create_for(NULL, NULL, 0, NULL);
    ca_node node = common.heap ? ca_pages_take(common.heap, pages, 1) : CA_NODE_NONE;
    if (node)
        memset(ca_live_at(ca_page_granule((ca_page)common.heap->pages.nodes[node].offset)), 0,
               (size_t)pages * (CA_PAGE / CA_GRANULE / 64) * sizeof(ca_live_word));
    return node;
}

static void entries_set(ca_page page, ca_page pages, uint32_t tag, uint32_t number)
{
    for (ca_page i = page; i < page + pages; i++) {
        ca_region.entries[i].number = number;
        CA_STORE(&ca_region.entries[i].tag, tag);
    }
}

/* --- chunks -------------------------------------------------------------------------------------------------- */

static uint32_t chunk_take(ca_zone *zone, ca_account *account, uint32_t context, uint64_t bytes)
{
    if (zone) /* whole runs: nothing is shared with others */
        bytes = ca_round_up(bytes, CA_CHUNK * CA_PAGE);
    uint32_t number = ca_pool_take(&ca_region.chunks);
    ca_page pages = (ca_page)(bytes / CA_PAGE);
    if (!number)
        return 0;
    if (bytes / CA_PAGE > UINT32_MAX / 2)
        goto refused;
    chunk *c = chunk_at(number);
    *c = (chunk){.context = context, .pages = pages};
    if (!ca_account_charge(account, bytes))
        goto refused;
    if (bytes <= CHUNK_MOST && !zone) {
        ca_lock_take(&common.lock);
        c->node = common_take(pages);
        c->page = c->node ? (ca_page)common.heap->pages.nodes[c->node].offset : 0;
        ca_lock_drop(&common.lock);
        if (!c->node)
            goto none;
    } else {
        ca_run run = ca_region_take(zone, pages, 1, NULL);
        if (!run.pages)
            goto none;
        c->page = run.page;
        if (!run.fresh)
            memset(ca_live_at(ca_page_granule(run.page)), 0, (size_t)pages * (CA_PAGE / CA_GRANULE / 64) * sizeof(ca_live_word));
    }
    entries_set(c->page, pages, CA_TAG_BUMP, number);
    ca_account_settle(account);
    return number;
none:
    ca_account_discharge(account, bytes);
refused:
    ca_pool_give_list(&ca_region.chunks, number, number);
    return 0;
}

static void chunk_give(ca_account *account, uint32_t number, uint32_t dead)
{
    chunk *c = chunk_at(number);
    ca_account_discharge(account, (uint64_t)c->pages * CA_PAGE);
    if (CA_UNLIKELY(ca_heap_setting.full))
        memset(page_start(c->page), 0, (size_t)c->pages * CA_PAGE);
    entries_set(c->page, c->pages, 0, dead);
    if (ca_heap_setting.check)
        CA_STORE(&ca_heap_dropped_any, true);
    if (c->node) {
        ca_lock_take(&common.lock);
        ca_pages_give(common.heap, c->node);
        ca_lock_drop(&common.lock);
    } else {
        ca_region_give(c->page, NULL);
    }
    ca_pool_give_list(&ca_region.chunks, number, number);
}

/* The chunk becomes the current one. */
static void chunk_load(ca_bump *bump, uint32_t number)
{
    chunk *c = chunk_at(number);
    c->idle = 0;
    if (bump->used)
        CA_STORE(&chunk_at(bump->used)->used_end, bump->at);
    else
        CA_STORE(&bump->piece_end, bump->at);
    c->next = bump->used;
    CA_STORE_RELEASE(&bump->used, number); /* after the end of what was in use, before `at`: see blocks_end */
    CA_STORE_RELEASE(&bump->at, page_start(c->page));
    bump->end = bump->at + (size_t)c->pages * CA_PAGE;
    bump->start = bump->at;
    bump->words = ca_live_at(ca_page_granule(c->page));
    bump->last = bump->high = bump->floor = NULL;
}

static void chunk_keep(ca_bump *bump, uint32_t number)
{
    chunk *c = chunk_at(number);
    CA_STORE(&c->idle, 1);
    c->next = bump->kept;
    bump->kept = number;
}

/* A kept chunk with enough room, taken out of its list. */
static uint32_t kept_take(ca_bump *bump, size_t bytes)
{
    for (uint32_t *link = &bump->kept; *link; link = &chunk_at(*link)->next) {
        uint32_t number = *link;
        chunk *c = chunk_at(number);
        if ((size_t)c->pages * CA_PAGE < bytes)
            continue;
        *link = c->next;
        memset(ca_live_at(ca_page_granule(c->page)), 0, (size_t)c->pages * (CA_PAGE / CA_GRANULE / 64) * sizeof(ca_live_word));
        return number;
    }
    return 0;
}

/* --- pieces ---------------------------------------------------------------------------------------------------- */

static unsigned piece_index(const void *p)
{
    return (unsigned)(((uintptr_t)p & (CA_PAGE - 1)) / CA_PIECE_BYTES);
}

static void nest_insert(uint32_t number)
{
    nest *n = nest_at(number);
    n->prev = 0;
    n->next = common.nests;
    if (n->next)
        nest_at(n->next)->prev = number;
    common.nests = number;
}

static void nest_remove(uint32_t number)
{
    const nest *n = nest_at(number);
    if (n->next)
        nest_at(n->next)->prev = n->prev;
    if (n->prev)
        nest_at(n->prev)->next = n->next;
    else
        common.nests = n->next;
}

static uint32_t nest_create(void)
{
    uint32_t number = ca_pool_take(&ca_region.chunks);
    if (!number)
        return 0;
    ca_node node = common_take(1);
    if (!node) {
        ca_pool_give_list(&ca_region.chunks, number, number);
        return 0;
    }
    *nest_at(number) = (nest){.page = (ca_page)common.heap->pages.nodes[node].offset, .node = node};
    entries_set(nest_at(number)->page, 1, CA_TAG_NEST, number);
    nest_insert(number);
    return number;
}

static char *piece_take(ca_account *account, uint32_t context)
{
    char *piece = NULL;
    if (!ca_account_charge(account, CA_PIECE_BYTES))
        return NULL;
    ca_lock_take(&common.lock);
    uint32_t number = common.nests ? common.nests : nest_create();
    if (number) {
        nest *n = nest_at(number);
        unsigned i = n->owner[0] ? n->owner[1] ? 2 : 1 : 0;
        CA_STORE(&n->owner[i], context);
        piece = page_start(n->page) + i * (size_t)CA_PIECE_BYTES;
        if (n->owner[0] && n->owner[1] && n->owner[2])
            nest_remove(number);
    }
    ca_lock_drop(&common.lock);
    if (piece)
        ca_account_settle(account);
    else
        ca_account_discharge(account, CA_PIECE_BYTES);
    return piece;
}

static void piece_give(ca_account *account, char *piece, uint32_t dead)
{
    ca_page page = page_of(piece);
    uint32_t number = ca_region.entries[page].number;
    nest *n = nest_at(number);
    ca_account_discharge(account, CA_PIECE_BYTES);
    ca_lock_take(&common.lock);
    bool full = n->owner[0] && n->owner[1] && n->owner[2];
    CA_STORE(&n->owner[piece_index(piece)], 0);
    if (!n->owner[0] && !n->owner[1] && !n->owner[2] && common.nests != number && !full) {
        nest_remove(number);
        if (CA_UNLIKELY(ca_heap_setting.full))
            memset(page_start(page), 0, CA_PAGE);
        entries_set(page, 1, 0, dead);
        ca_pages_give(common.heap, n->node);
        ca_pool_give_list(&ca_region.chunks, number, number);
    } else if (full) {
        nest_insert(number);
    }
    ca_lock_drop(&common.lock);
}

uint32_t ca_bump_owner(ca_page page, uint32_t tag, const void *p)
{
    uint32_t number = CA_LOAD(&ca_region.entries[page].number);
    if (tag == CA_TAG_BUMP)
        return CA_LOAD(&chunk_at(number)->context);
    unsigned i = piece_index(p);
    return i < CA_PIECES ? CA_LOAD(&nest_at(number)->owner[i]) : 0;
}

/* --- blocks ------------------------------------------------------------------------------------------------------- */

static bool in_piece(const ca_bump *bump, const void *p)
{
    return bump->piece && (uintptr_t)p - (uintptr_t)bump->piece < CA_PIECE_BYTES;
}

/* The word that holds the bits of p, and which bit. */
static ca_live_word *start_word(const ca_bump *bump, const void *p, unsigned *bit)
{
    if (in_piece(bump, p)) {
        size_t g = (size_t)((const char *)p - bump->piece) / CA_GRANULE;
        *bit = g % 64;
        return (ca_live_word *)(uintptr_t)&bump->starts[g / 64];
    }
    ca_granule g = ca_region_granule(p);
    *bit = g % 64;
    return ca_live_at(g);
}

/* In the chunk or piece in use. */
static void start_set(ca_bump *bump, const char *p)
{
    size_t g = (size_t)(p - bump->start) / CA_GRANULE;
    ca_live_word *w = &bump->words[g / 64];
    CA_STORE(&w->born, CA_LOAD(&w->born) | 1ULL << g % 64);
}

/* As if it had never been. */
static void start_unset(ca_bump *bump, const void *p)
{
    unsigned bit;
    ca_live_word *w = start_word(bump, p, &bit);
    CA_STORE(&w->born, CA_LOAD(&w->born) & ~(1ULL << bit));
    if (CA_LOAD(&w->died) >> bit & 1) /* other threads may be setting bits beside it */
        __atomic_fetch_and(&w->died, ~(1ULL << bit), __ATOMIC_RELAXED);
}

void ca_bump_take_back(ca_bump *bump, void *p)
{
    size_t g = (size_t)((char *)p - bump->start) / CA_GRANULE;
    ca_live_word *w = &bump->words[g / 64];
    bump->high = bump->at > bump->high ? bump->at : bump->high;
    bump->last = NULL;
    CA_STORE(&bump->blocks, bump->blocks - 1);
    CA_STORE(&bump->retreats, bump->retreats + 1);
    CA_STORE_RELEASE(&bump->at, p);
    CA_STORE_RELEASE(&w->born, CA_LOAD(&w->born) & ~(1ULL << g % 64));
    CA_STORE_RELEASE(&bump->retreats, bump->retreats + 1);
}

bool ca_bump_was_block(const ca_bump *bump, const void *p)
{
    return (const char *)p >= bump->at && (const char *)p < bump->high;
}

static void piece_load(ca_bump *bump)
{
    bump->start = bump->piece;
    CA_STORE(&bump->at, bump->piece);
    bump->end = bump->piece ? bump->piece + CA_PIECE_BYTES : NULL;
    bump->words = bump->starts;
}

static bool room_find(ca_bump *bump, ca_account *account, uint32_t context, size_t bytes)
{
    if (!bump->piece && !bump->used && !bump->zone && bytes <= CA_PIECE_BYTES) {
        CA_STORE(&bump->piece, piece_take(account, context));
        if (bump->piece) {
            piece_load(bump);
            return true;
        }
    }
    uint32_t number = kept_take(bump, bytes);
    if (!number) {
        uint64_t wanted = ca_size_min(ca_size_max(bump->chunk_bytes, CHUNK_LEAST), CHUNK_MOST), least = ca_round_up(bytes, CA_PAGE);
        number = chunk_take(bump->zone, account, context, ca_size_max(wanted, least));
        if (!number && wanted > least)
            number = chunk_take(bump->zone, account, context, least);
        if (!number)
            return false;
        bump->chunk_bytes += (uint64_t)chunk_at(number)->pages * CA_PAGE;
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
        __atomic_fetch_add(&bump->freed, 1, __ATOMIC_RELAXED);
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
    const ca_live_word *w = start_word(bump, p, &bit);
    if (!in_piece(bump, p) && CA_LOAD(&chunk_at(ca_region.entries[page_of(p)].number)->idle))
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
    uint32_t number = CA_LOAD(&ca_region.entries[page_of(p)].number);
    return number == used ? at : CA_LOAD(&chunk_at(number)->used_end);
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

/* While the owner takes back the block behind p, its start bit and `at` disagree for a moment: look again. */
size_t ca_bump_size(const ca_bump *bump, const void *p)
{
    for (;;) {
        uint32_t before = CA_LOAD_ACQUIRE(&bump->retreats);
        size_t size = size_up_to(bump, p, blocks_end(bump, p));
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        if (!(before & 1) && CA_LOAD(&bump->retreats) == before)
            return size;
    }
}

const void *ca_bump_start(const ca_bump *bump, const void *p)
{
    const char *first = in_piece(bump, p) ? bump->piece : page_start(chunk_at(ca_region.entries[page_of(p)].number)->page);
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
    unsigned bit;
    ca_live_word *w = start_word(bump, p, &bit);
    if (mine && p == bump->last && (char *)p >= bump->floor && !(CA_LOAD(&w->died) >> bit & 1)) {
        ca_bump_take_back(bump, p);
        return true;
    }
    if (!(CA_LOAD(&w->born) >> bit & 1) || __atomic_fetch_or(&w->died, 1ULL << bit, __ATOMIC_ACQ_REL) >> bit & 1)
        return false;
    __atomic_fetch_add(&bump->freed, 1, __ATOMIC_RELAXED);
    return true;
}

typedef bool visitor(const void *block, size_t size, void *argument);

/* The blocks in [at, end). */
static bool range_walk(const ca_bump *bump, const char *at, const char *end, visitor *fn, void *argument)
{
    while (at && at < end) {
        size_t size = ca_bump_size(bump, at);
        if (ca_bump_is_live(bump, at) && !fn(at, size, argument))
            return false;
        at += size ? size : CA_GRANULE;
    }
    return true;
}

/* Of a chunk, as far as blocks go.  The owner may be moving on: `at` need not lie in the chunk in use, and a chunk that a reset gives back may be anything by now. */
static bool chunk_walk(const ca_bump *bump, uint32_t number, const char *at, bool in_use, visitor *fn, void *argument)
{
    const chunk *c = chunk_at(number);
    ca_page page = CA_LOAD(&c->page), pages = CA_LOAD(&c->pages);
    if (!ca_region_has_page(page) || CA_LOAD(&ca_region.entries[page].number) != number || CA_LOAD(&ca_region.entries[page].tag) != CA_TAG_BUMP)
        return true;
    const char *start = page_start(page), *end = in_use ? at : CA_LOAD(&c->used_end);
    return (size_t)(end - start) > (size_t)pages * CA_PAGE || range_walk(bump, start, end, fn, argument);
}

bool ca_bump_walk(const ca_bump *bump, visitor *fn, void *argument)
{
    const char *at = CA_LOAD_ACQUIRE(&bump->at), *piece = CA_LOAD(&bump->piece); /* in this order: see blocks_end */
    uint32_t used = CA_LOAD_ACQUIRE(&bump->used);
    const char *piece_end = used ? CA_LOAD(&bump->piece_end) : at;
    bool on = !piece || (size_t)(piece_end - piece) > CA_PIECE_BYTES || range_walk(bump, piece, piece_end, fn, argument);
    for (uint32_t number = used; on && number; number = CA_LOAD(&chunk_at(number)->next))
        on = chunk_walk(bump, number, at, number == used, fn, argument);
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

void ca_bump_drop(ca_bump *bump, ca_account *account, uint32_t dead, bool keep)
{
    uint32_t rest = bump->used;
    while (rest) {
        uint32_t number = rest;
        rest = chunk_at(number)->next;
        if (keep) {
            chunk_keep(bump, number);
        } else {
            chunk_give(account, number, dead);
        }
    }
    while (!keep && bump->kept) {
        uint32_t number = bump->kept;
        bump->kept = chunk_at(number)->next;
        chunk_give(account, number, dead);
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
        piece_give(account, bump->piece, dead);
    CA_STORE(&bump->piece, NULL);
    piece_load(bump);
}

static mark *mark_at(uint32_t number)
{
    return ca_pool_at(&ca_region.chunks, number);
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

/* The blocks in [from, end) are as if they had never been. Returns how many of them were freed before. */
static uint64_t starts_clear(ca_bump *bump, const char *from, const char *end)
{
    uint64_t freed = 0;
    for (const char *p = from; p && p < end;) {
        unsigned bit;
        size_t size = ca_bump_size(bump, p);
        const ca_live_word *w = start_word(bump, p, &bit);
        freed += w->died >> bit & 1;
        start_unset(bump, p);
        p += size ? size : CA_GRANULE;
    }
    return freed;
}

/* The chunk, or piece, in use is left, and nothing in it was ever there. */
static uint64_t chunk_unload(ca_bump *bump)
{
    uint32_t number = bump->used;
    uint64_t freed = starts_clear(bump, page_start(chunk_at(number)->page), bump->at);
    CA_STORE(&bump->used, chunk_at(number)->next);
    chunk_keep(bump, number);
    if (bump->used) {
        const chunk *c = chunk_at(bump->used);
        bump->start = page_start(c->page);
        bump->words = ca_live_at(ca_page_granule(c->page));
        bump->end = bump->start + (size_t)c->pages * CA_PAGE;
        CA_STORE(&bump->at, c->used_end);
    } else {
        piece_load(bump);
        CA_STORE(&bump->at, bump->piece ? bump->piece_end : NULL);
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
    char *at = m->at ? m->at : bump->piece;
    freed += starts_clear(bump, at, bump->at);
    bump->high = bump->at > bump->high ? bump->at : bump->high;
    bump->floor = at;
    CA_STORE(&bump->at, at);
    bump->last = NULL;
    bump->blocks = m->blocks;
    __atomic_fetch_sub(&bump->freed, freed, __ATOMIC_RELAXED);
    return true;
}

void ca_bump_lock(void)
{
    ca_lock_take(&common.lock);
}

void ca_bump_unlock(void)
{
    ca_lock_drop(&common.lock);
}
