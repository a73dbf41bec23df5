#include "heap/chunk.h"

#include <string.h>

#include "heap/heap.h"
#include "source/numa.h"

/* A page of pieces. */
typedef struct nest {
    uint32_t next, prev;  /* in the list of those with free pieces */
    uint32_t owner[CA_PIECES]; /* contexts, 0: free */
    ca_page page;
    ca_node node;
    uint32_t unused;
} nest;
_Static_assert(sizeof(nest) == CA_CHUNK_RECORD, "a page of pieces is one record");

/* What these contexts share: a heap whose pages are cut into chunks and pieces.  The first is everybody's; where there are several nodes, each has one of its own. */
typedef struct common_t {
    ca_lock lock;
    ca_heap *heap;
    ca_zone *zone;  /* constant once known */
    uint32_t nests; /* with free pieces */
} common_t;
enum { COMMONS = 32 };
static common_t common_first;
static common_t *commons; /* COMMONS of them, the first is not used */
static uint32_t common_count = 1;

ca_run_list ca_chunk_runs;

static common_t *common_at(uint32_t place)
{
    return CA_LIKELY(!place) ? &common_first : &commons[place];
}

/* NULL: memory of the zone is not shared. */
static common_t *common_for(const ca_zone *zone)
{
    if (CA_LIKELY(!zone))
        return CA_UNLIKELY(ca_heap_setting.quarantine) ? NULL : &common_first; /* a context's memory rests alone */
    uint32_t count = CA_LOAD_ACQUIRE(&common_count);
    for (uint32_t i = 1; i < count; i++)
        if (commons[i].zone == zone)
            return &commons[i];
    return NULL;
}

bool ca_chunk_is_shared(const ca_zone *zone)
{
    return common_for(zone) != NULL;
}

void ca_chunk_share(ca_zone *zone)
{
    if (common_for(zone))
        return;
    ca_lock_take(&common_first.lock);
    if (!commons)
        commons = ca_numa_table(COMMONS * sizeof *commons);
    if (commons && common_count < COMMONS && !common_for(zone)) {
        commons[common_count].zone = zone;
        CA_STORE_RELEASE(&common_count, common_count + 1);
    }
    ca_lock_drop(&common_first.lock);
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

/* pre: locked. Pages of the common heap, their live words zero. */
static ca_node common_take(common_t *common, uint64_t pages)
{
    if (!common->heap)
        common->heap = ca_heap_create_for(NULL, NULL, 0, common->zone);
    ca_node node = common->heap ? ca_pages_take(common->heap, pages, 1) : CA_NODE_NONE;
    if (node)
        ca_live_reset((ca_page)common->heap->pages.nodes[node].offset, pages);
    return node;
}

/* --- chunks -------------------------------------------------------------------------------------------------- */

uint32_t ca_chunk_take(ca_zone *zone, ca_account *account, uint32_t context, uint64_t bytes)
{
    common_t *common = common_for(zone);
    if (!common) /* whole runs: nothing is shared with others */
        bytes = ca_round_up(bytes, (uint64_t)CA_CHUNK * CA_PAGE);
    uint32_t number = ca_pool_take(&ca_region.chunks);
    ca_page pages = (ca_page)(bytes / CA_PAGE);
    if (!number)
        return 0;
    if (bytes / CA_PAGE > UINT32_MAX / 2)
        goto refused;
    ca_chunk *c = ca_chunk_at(number);
    *c = (ca_chunk){.context = context, .pages = pages};
    if (!ca_account_charge(account, bytes))
        goto refused;
    if (bytes <= CA_CHUNK_MOST && common) {
        ca_lock_take(&common->lock);
        c->node = common_take(common, pages);
        c->page = c->node ? (ca_page)common->heap->pages.nodes[c->node].offset : 0;
        ca_lock_drop(&common->lock);
        if (!c->node)
            goto none;
    } else {
        ca_run run = ca_region_take(zone, pages, 1, &ca_chunk_runs);
        if (!run.pages)
            goto none;
        c->page = run.page;
        if (!run.fresh)
            ca_live_reset(run.page, pages);
    }
    ca_page_entries_set(c->page, pages, CA_TAG_BUMP, number);
    ca_account_settle(account);
    return number;
none:
    ca_account_discharge(account, bytes);
refused:
    ca_pool_give_list(&ca_region.chunks, number, number);
    return 0;
}

void ca_chunk_give_list(ca_account *account, uint32_t first, uint32_t dead)
{
    enum { AT_ONCE = 32 }; /* while others wait for the lock */
    common_t *common = NULL;
    uint32_t last = 0, locked = 0;
    uint64_t bytes = 0;
    if (ca_heap_setting.check)
        CA_STORE(&ca_heap_dropped_any, true);
    for (uint32_t number = first; number; number = ca_chunk_at(number)->next) {
        const ca_chunk *c = ca_chunk_at(last = number);
        bytes += ca_chunk_bytes(c);
        if (CA_UNLIKELY(ca_heap_setting.full))
            memset(page_start(c->page), 0, ca_chunk_bytes(c));
        ca_page_entries_set(c->page, c->pages, 0, dead);
        if (!c->node) {
            ca_region_retire(c->page, &ca_chunk_runs);
            continue;
        }
        if (common && ++locked == AT_ONCE) {
            ca_lock_drop(&common->lock);
            common = NULL;
        }
        if (!common) {
            common = common_for(ca_region_zone(c->page)); /* the same for all of a context's */
            ca_lock_take(&common->lock);
            locked = 0;
        }
        ca_pages_give(common->heap, c->node);
    }
    if (common)
        ca_lock_drop(&common->lock);
    ca_account_discharge(account, bytes);
    if (first)
        ca_pool_give_list(&ca_region.chunks, first, last);
}

void ca_chunk_give(ca_account *account, uint32_t number, uint32_t dead)
{
    ca_chunk_at(number)->next = 0;
    ca_chunk_give_list(account, number, dead);
}

/* --- pieces ---------------------------------------------------------------------------------------------------- */

static unsigned piece_index(const void *p)
{
    return (unsigned)(((uintptr_t)p & (CA_PAGE - 1)) / CA_PIECE_BYTES);
}

static void nest_insert(common_t *common, uint32_t number)
{
    nest *n = nest_at(number);
    n->prev = 0;
    n->next = common->nests;
    if (n->next)
        nest_at(n->next)->prev = number;
    common->nests = number;
}

static void nest_remove(common_t *common, uint32_t number)
{
    const nest *n = nest_at(number);
    if (n->next)
        nest_at(n->next)->prev = n->prev;
    if (n->prev)
        nest_at(n->prev)->next = n->next;
    else
        common->nests = n->next;
}

static uint32_t nest_create(common_t *common)
{
    uint32_t number = ca_pool_take(&ca_region.chunks);
    if (!number)
        return 0;
    ca_node node = common_take(common, 1);
    if (!node) {
        ca_pool_give_list(&ca_region.chunks, number, number);
        return 0;
    }
    *nest_at(number) = (nest){.page = (ca_page)common->heap->pages.nodes[node].offset, .node = node};
    ca_page_entry_set(nest_at(number)->page, CA_TAG_NEST, number);
    nest_insert(common, number);
    return number;
}

char *ca_piece_take(const ca_zone *zone, ca_account *account, uint32_t context)
{
    common_t *common = common_for(zone);
    char *piece = NULL;
    if (!common || !ca_account_charge(account, CA_PIECE_BYTES))
        return NULL;
    ca_lock_take(&common->lock);
    uint32_t number = common->nests ? common->nests : nest_create(common);
    if (number) {
        nest *n = nest_at(number);
        unsigned i = n->owner[0] ? n->owner[1] ? 2 : 1 : 0;
        CA_STORE(&n->owner[i], context);
        piece = page_start(n->page) + i * (size_t)CA_PIECE_BYTES;
        if (n->owner[0] && n->owner[1] && n->owner[2])
            nest_remove(common, number);
    }
    ca_lock_drop(&common->lock);
    if (piece)
        ca_account_settle(account);
    else
        ca_account_discharge(account, CA_PIECE_BYTES);
    return piece;
}

void ca_piece_give(ca_account *account, char *piece, uint32_t dead)
{
    ca_page page = page_of(piece);
    uint32_t number = ca_region.entries[page].number;
    nest *n = nest_at(number);
    common_t *common = common_for(ca_region_zone(page));
    ca_account_discharge(account, CA_PIECE_BYTES);
    ca_lock_take(&common->lock);
    bool full = n->owner[0] && n->owner[1] && n->owner[2];
    CA_STORE(&n->owner[piece_index(piece)], 0);
    if (!n->owner[0] && !n->owner[1] && !n->owner[2] && common->nests != number && !full) {
        nest_remove(common, number);
        if (CA_UNLIKELY(ca_heap_setting.full))
            memset(page_start(page), 0, CA_PAGE);
        ca_page_entry_set(page, 0, dead);
        ca_pages_give(common->heap, n->node);
        ca_pool_give_list(&ca_region.chunks, number, number);
    } else if (full) {
        nest_insert(common, number);
    }
    ca_lock_drop(&common->lock);
}

uint32_t ca_chunk_owner(ca_page page, uint32_t tag, const void *p)
{
    uint32_t number = CA_LOAD(&ca_region.entries[page].number);
    if (tag == CA_TAG_BUMP)
        return CA_LOAD(&ca_chunk_at(number)->context);
    unsigned i = piece_index(p);
    return i < CA_PIECES ? CA_LOAD(&nest_at(number)->owner[i]) : 0;
}

void ca_chunk_each(uint32_t number, void (*fn)(void *start, size_t bytes, void *argument), void *argument)
{
    for (; number; number = ca_chunk_at(number)->next)
        fn(ca_chunk_start(ca_chunk_at(number)), ca_chunk_bytes(ca_chunk_at(number)), argument);
}

void ca_chunk_clear(const ca_chunk *c)
{
    ca_start_word *words = ca_start_at(ca_page_granule(c->page));
    for (size_t i = 0; i < (size_t)c->pages * (CA_PAGE / CA_GRANULE / 64); i++) { /* one by one: who asks for a block's size may look at words behind it */
        CA_STORE(&words[i].born, 0);
        CA_STORE(&words[i].died, 0);
    }
}

/* --- looking at them -------------------------------------------------------------------------------------------- */

bool ca_area_of_chunk(uint32_t number, ca_area *a)
{
    const ca_chunk *c = ca_chunk_at(number);
    if (!ca_pool_has(&ca_region.chunks, number))
        return false;
    ca_page page = CA_LOAD(&c->page), pages = CA_LOAD(&c->pages);
    uint64_t last = (uint64_t)page + pages - 1;
    if (!pages || last > UINT32_MAX || !ca_region_has_page(page) || !ca_region_has_page((ca_page)last))
        return false;
    ca_page_entry e = ca_page_entry_read(page);
    if (e.tag != CA_TAG_BUMP || e.number != number)
        return false;
    *a = (ca_area){.start = page_start(page), .words = ca_start_at(ca_page_granule(page)), .granules = pages * (CA_PAGE / CA_GRANULE)};
    return true;
}

bool ca_area_walk(const ca_area *a, ca_area_fn *fn, void *argument)
{
    const size_t none = SIZE_MAX, all = a->granules, end = a->end ? (size_t)(a->end - a->start) / CA_GRANULE : none;
    size_t before = none; /* the last start seen, if that block is live */
    for (size_t w = 0; w * 64 < all; w++) {
        uint64_t born = CA_LOAD_ACQUIRE(&a->words[w].born), died = CA_LOAD(&a->words[w].died);
        for (; born; born &= born - 1) {
            unsigned bit = ca_bit_low(born);
            size_t at = w * 64 + bit, to = before < end && end < at ? end : at;
            if (at >= all)
                break;
            if (before != none && !fn(a->start + before * CA_GRANULE, (to - before) * CA_GRANULE, argument))
                return false;
            before = died >> bit & 1 ? none : at;
        }
    }
    return before == none || fn(a->start + before * CA_GRANULE, ((before < end && end < all ? end : all) - before) * CA_GRANULE, argument);
}

const uint32_t *ca_piece_owner(uint32_t number, unsigned index)
{
    return &nest_at(number)->owner[index];
}

/* --- fork ----------------------------------------------------------------------------------------------------------- */

void ca_chunk_lock(void)
{
    for (uint32_t i = 0; i < common_count; i++) /* only grows under the first one's */
        ca_lock_take(&common_at(i)->lock);
}

void ca_chunk_unlock(void)
{
    for (uint32_t i = common_count; i--;)
        ca_lock_drop(&common_at(i)->lock);
}
