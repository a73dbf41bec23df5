#include "source/region.h"

#include <string.h>

#include "base/check.h"
#include "base/os.h"
#include "source/arena.h"
#include "source/numa.h"
#include "source/parts.h"

enum {
    CLOCK_SHIFT = 4,     /* a mark counts 16 ms */
    MARK_WEIGHT = 4,
    BELOW_TRIES = 2,     /* see ca_region_choose */
    PURGE_DEPTH = 24,    /* blocks of one list that ticks look at */
    ZONE_LEVELS = 31,    /* of a zone's TLSF: up to 2^32 pages */
    CHUNK_BYTES = CA_CHUNK * CA_PAGE,
    LEAST_PART = 512,    /* pages: of a further range of the first zone */
    FAR_PART = 16384,    /* pages that a further zone first asks its source for: 64 MiB; later half as much as it has */
    FAR_PART_MOST = 1 << 22,
    HELD_MOST = 16       /* blocks that a search passes over when their source has no memory */
};

#define PAGES_MOST ((uint64_t)1 << 31) /* of the first range: numbers are 32 bits */

/* [Z1] free: the zone's pages that nobody owns, committed or not */
struct ca_zone {
    ca_lock lock;
    const ca_source *source;
    ca_tlsf free;
    ca_node_batches batches;
    ca_purge_place purged_to;
    uint64_t given;      /* pages */
    uint64_t all;        /* pages in parts */
    ca_part *parts;
    uint32_t references; /* guarded by the lock of the list */
    ca_zone *next;       /* in the list of further zones */
    ca_node bins[ZONE_LEVELS * CA_BIN_SECOND_LEVELS];
    uint64_t second[CA_TLSF_WORDS(ZONE_LEVELS)];
};
_Static_assert(sizeof(ca_zone) <= CA_ZONE_RECORD, "a zone is one record");

static struct {
    ca_zone first;
    uint64_t most;   /* pages */
    bool at_once;    /* what is given goes back to its source */
    bool closed;     /* renewing failed somewhere: memory that is marked as moved may not be usable */
    uint64_t purged; /* bytes; any thread */
    ca_lock list_lock;
    ca_zone *zones;  /* the further ones */
} region;

static ca_zone *zone_or_first(ca_zone *zone)
{
    return zone ? zone : &region.first;
}

const ca_source *ca_zone_source(const ca_zone *zone)
{
    return zone ? zone->source : ca_region.source;
}

ca_zone *ca_region_zone(ca_page page)
{
    ca_zone *zone = ca_part_of(page)->zone;
    return zone == &region.first ? NULL : zone;
}

/* --- nodes --------------------------------------------------------------------------------------------- */

bool ca_region_feed_nodes(ca_tlsf *tlsf, uint32_t spare, ca_node_batches *batches)
{
    while (tlsf->spare < spare) {
        uint32_t batch = ca_pool_take(&ca_region.nodes);
        if (!batch)
            return false;
        *ca_pool_link(&ca_region.nodes, batch) = batches->newest;
        *batches = (ca_node_batches){batch, batches->newest ? batches->oldest : batch};
        ca_tlsf_give_nodes(tlsf, (batch << CA_NODE_BATCH_SHIFT) + 1, CA_NODE_BATCH - 1);
    }
    return true;
}

void ca_region_drop_nodes(ca_node_batches *batches, bool keep_newest)
{
    uint32_t first = batches->newest, last = batches->oldest;
    if (keep_newest && first) {
        uint32_t *link = ca_pool_link(&ca_region.nodes, first);
        *batches = (ca_node_batches){first, first};
        first = *link;
        *link = 0;
    } else {
        *batches = (ca_node_batches){0, 0};
    }
    if (first)
        ca_pool_give_list(&ca_region.nodes, first, last);
}

/* --- start ---------------------------------------------------------------------------------------------- */

static void zone_init(ca_zone *zone, const ca_source *source)
{
    zone->source = source;
    ca_tlsf_init(&zone->free, (ca_tlsf_node *)(void *)ca_region.nodes.base, ca_region.marks, zone->bins, zone->second, ZONE_LEVELS);
    zone->free.mark_weight = MARK_WEIGHT;
    zone->free.bias = ca_region_bias();
}

static bool region_start(uint64_t pages)
{
    ca_part *part = ca_part_first();
    region.most = pages;
    ca_region.now = CA_MARK_OFFERED + 1;
    zone_init(&region.first, ca_region.source);
    region.first.parts = part;
    region.first.all = part->pages;
    if (!ca_region_feed_nodes(&region.first.free, 4, &region.first.batches))
        return false;
    return ca_tlsf_add(&region.first.free, 0, part->pages) != CA_NODE_NONE;
}

bool ca_region_init(const ca_source *source, size_t bytes)
{
    ca_region.source = region.first.source = source;
    uint64_t pages = ca_size_min(ca_round_up(bytes >> CA_PAGE_SHIFT, CA_PART_ALIGN), PAGES_MOST);
    uint64_t all = ca_size_min(2 * pages, 2 * PAGES_MOST - CA_PART_ALIGN); /* as many numbers again for other zones' parts */
    if (ca_parts_init(&region.first, all, pages, pages))
        return region_start(all);
    /* The address space is limited. Number as many pages as could ever be had, reserve a quarter now, and let further ranges follow. */
    size_t limit = ca_os_address_space_limit();
    if (limit >> CA_PAGE_SHIFT < pages)
        pages = ca_round_up(limit >> CA_PAGE_SHIFT, CA_PART_ALIGN);
    for (; pages >= CA_PART_ALIGN; pages = ca_round_up(pages / 2, CA_PART_ALIGN)) {
        all = pages + ca_round_up(pages / 4, CA_PART_ALIGN); /* they begin and end inside units, and some are for other zones' parts */
        if (ca_parts_init(&region.first, all, pages, ca_round_up(pages / 4, CA_PART_ALIGN)))
            return region_start(all);
        if (pages == CA_PART_ALIGN)
            break;
    }
    return false;
}

void ca_region_set_source(const ca_source *source)
{
    if (source == ca_region.source)
        return;
    ca_region.source = region.first.source = source;
    for (ca_part *p = region.first.parts; p; p = p->next) /* all of it was touched by this thread, or not at all */
        (void)source->commit(source, (void *)p->base, (size_t)p->committed * CA_PAGE);
}

/* --- zones ------------------------------------------------------------------------------------------------- */

/* pre: the list is locked */
static ca_zone *zone_new(const ca_source *source)
{
    uint32_t number = ca_pool_take(&ca_region.zones);
    if (!number)
        return NULL;
    ca_zone *zone = ca_pool_at(&ca_region.zones, number);
    memset(zone, 0, sizeof *zone);
    zone_init(zone, source);
    zone->next = region.zones;
    CA_STORE(&region.zones, zone);
    return zone;
}

ca_zone *ca_zone_hold(const ca_source *source)
{
    ca_lock_take(&region.list_lock);
    ca_zone *zone = source->flags & CTXALLOC_SOURCE_PRIVATE ? NULL : region.zones;
    while (zone && zone->source != source)
        zone = zone->next;
    if (!zone)
        zone = zone_new(source);
    if (zone)
        zone->references++;
    ca_lock_drop(&region.list_lock);
    return zone;
}

size_t ca_zone_users(const ca_source *source)
{
    size_t users = 0;
    ca_lock_take(&region.list_lock);
    for (const ca_zone *zone = region.zones; zone; zone = zone->next)
        users += zone->source == source ? zone->references : 0;
    ca_lock_drop(&region.list_lock);
    return users;
}

void ca_zone_share(ca_zone *zone)
{
    ca_lock_take(&region.list_lock);
    zone->references++;
    ca_lock_drop(&region.list_lock);
}

static void part_release(ca_zone *zone, ca_part *part)
{
    ca_page first = part->first;
    ca_node outer = part->outer;
    void *at = (void *)part->base, *range = part->range;
    size_t bytes = (size_t)part->pages * CA_PAGE, range_bytes = part->range_bytes;
    ca_part_drop(part);
    if (zone->source->release)
        zone->source->release(zone->source, range ? range : at, range ? range_bytes : bytes);
    if (range)
        return;
    /* An inner part goes back to the first zone as fresh memory.  If the kernel refuses that, its settings cannot be undone, and nobody gets it. */
    *ca_run_at(first >> CA_CHUNK_SHIFT) = (ca_run_record){.node = outer};
    if (ca_region.source->renew(ca_region.source, at, bytes))
        ca_region_give(first, NULL);
}

static void zone_end(ca_zone *zone)
{
    while (zone->parts) {
        ca_part *part = zone->parts;
        zone->parts = part->next;
        part_release(zone, part);
    }
    ca_region_drop_nodes(&zone->batches, false);
    uint32_t number = (uint32_t)((size_t)((char *)zone - ca_region.zones.base) / CA_ZONE_RECORD);
    ca_pool_give_list(&ca_region.zones, number, number);
}

void ca_zone_drop(ca_zone *zone)
{
    ca_lock_take(&region.list_lock);
    bool last = --zone->references == 0;
    if (last) {
        ca_zone **link = &region.zones;
        while (*link != zone)
            link = &(*link)->next;
        *link = zone->next;
    }
    ca_lock_drop(&region.list_lock);
    CA_ASSERT(!last || zone->given == 0);
    if (last)
        zone_end(zone);
}

/* --- parts of zones ---------------------------------------------------------------------------------------- */

/* The first zone goes on in another range: what is aligned by page number is aligned there, too. */
static ca_part *first_extend(uint64_t pages)
{
    uint64_t least = ca_round_up(pages, LEAST_PART), wanted = ca_size_max(least, ca_round_up(region.most / 8, CA_PART_ALIGN));
    if (ca_part_first()->pages >= region.most / 2) /* there is no limit, but that this is all */
        return NULL;
    for (;; wanted = ca_size_max(least, wanted / 2)) {
        size_t bytes = wanted * CA_PAGE + CA_BASE_ALIGN;
        char *at = ca_region.source->reserve(ca_region.source, bytes, &bytes);
        ca_part *part = at ? ca_part_add(&region.first, ca_round_up((uintptr_t)at, CA_BASE_ALIGN), wanted, CA_BASE_ALIGN / CA_PAGE) : NULL;
        if (part) {
            part->range = at;
            part->range_bytes = bytes;
            return part;
        }
        if (at)
            ca_region.source->release(ca_region.source, at, bytes);
        if (wanted == least)
            return NULL;
    }
}

static ca_part *far_extend(ca_zone *zone, uint64_t pages)
{
    const ca_source *source = zone->source;
    size_t least = pages * CA_PAGE, bytes = ca_size_max(ca_size_min(ca_size_max(zone->all / 2, FAR_PART), FAR_PART_MOST) * CA_PAGE, least);
    char *at = source->reserve(source, least, &bytes);
    if (!at)
        return NULL;
    uintptr_t base = ca_round_up((uintptr_t)at, CHUNK_BYTES), end = (uintptr_t)at + bytes;
    uint64_t all = end > base ? (end - base) / (CHUNK_BYTES) * CA_CHUNK : 0;
    bool ours = ca_region_contains(at) || ca_region_contains(at + bytes - 1); /* a page has one number */
    ca_part *part = all && all < PAGES_MOST && !ours ? ca_part_add(zone, base, all, CA_PART_ALIGN) : NULL;
    if (part) {
        part->range = at;
        part->range_bytes = bytes;
    } else if (source->release) {
        source->release(source, at, bytes);
    }
    return part;
}

static ca_part *inner_extend(ca_zone *zone, uint64_t pages)
{
    uint64_t least = ca_round_up(pages, CA_PART_ALIGN), wanted = ca_size_max(ca_round_up(ca_size_min(zone->all / 2, FAR_PART_MOST), CA_PART_ALIGN), least);
    ca_run run = ca_region_take(NULL, wanted, CA_PART_ALIGN, NULL);
    if (!run.pages && wanted > least)
        run = ca_region_take(NULL, least, CA_PART_ALIGN, NULL);
    if (!run.pages)
        return NULL;
    ca_part *part = NULL;
    if (!ca_region_is_far(run.page) &&
        (!run.mark || ca_region.source->renew(ca_region.source, ca_region_address(run.page), (size_t)run.pages * CA_PAGE)))
        part = ca_part_add_inner(zone, run.page, run.pages);
    if (!part) {
        ca_region.marks[ca_run_at(run.page >> CA_CHUNK_SHIFT)->node] = CA_MARK_MOVED; /* it may have failed half-way */
        CA_STORE(&region.closed, true);
        ca_region_give(run.page, NULL);
        return NULL;
    }
    part->outer = ca_run_at(run.page >> CA_CHUNK_SHIFT)->node;
    if (!run.fresh) /* its memory is, its side arrays are not */
        part->touched = run.pages;
    return part;
}

/* pre: locked. More addresses, with room for `pages`. */
static bool zone_extend(ca_zone *zone, uint64_t pages)
{
    if ((zone->parts && (zone->source->flags & CTXALLOC_SOURCE_ONCE)) || !ca_region_feed_nodes(&zone->free, 3, &zone->batches))
        return false;
    ca_part *part = zone == &region.first ? first_extend(pages) : zone->source->reserve ? far_extend(zone, pages) : inner_extend(zone, pages);
    if (!part)
        return false;
    part->next = zone->parts;
    zone->parts = part;
    zone->all += part->pages;
    /* Usable as it is: so is what describes it, for there may be somebody who counts on it that no system call comes later. */
    if (part->range && !zone->source->commit)
        (void)(ca_part_commit(part, part->pages) && ca_parts_spare(part->pages));
    ca_node node = ca_tlsf_add(&zone->free, part->first, part->pages);
    CA_ASSERT(node);
    if (zone->source->flags & CTXALLOC_SOURCE_DIRTY) {
        part->touched = part->pages;
        ca_region.marks[node] = ca_region_now();
    }
    return true;
}

/* --- runs ------------------------------------------------------------------------------------------------ */

/* What was committed already. */
static bool commit_again(const ca_zone *zone, ca_page page, uint64_t pages)
{
    const ca_source *outer = zone == &region.first || ca_region_is_far(page) ? NULL : ca_region.source;
    void *at = ca_region_address(page);
    return (!outer || outer->commit(outer, at, pages * CA_PAGE)) && (!zone->source->commit || zone->source->commit(zone->source, at, pages * CA_PAGE));
}

/* pre: locked. false: the source has no memory for it. */
static bool block_commit(const ca_zone *zone, ca_node node)
{
    const ca_tlsf_node *n = &zone->free.nodes[node];
    ca_part *p = ca_part_of((ca_page)n->offset);
    return ca_part_commit(p, (ca_page)(n->offset + n->size) - p->first) &&
           (CA_LIKELY(!CA_LOAD(&region.closed)) || ca_region.marks[node] != CA_MARK_MOVED || commit_again(zone, (ca_page)n->offset, n->size));
}

static bool block_is_aligned(const ca_zone *zone, ca_node node, uint64_t align)
{
    ca_page page = (ca_page)zone->free.nodes[node].offset;
    return align <= (!ca_region_is_far(page) ? UINT64_MAX : zone == &region.first ? (uint64_t)CA_BASE_ALIGN / CA_PAGE : CA_PART_ALIGN);
}

/* A block that is committed, or none.  Free memory that the source would have to add to hides smaller blocks from the search, which have all they need: when there is no
 * more to be had it is held back, and the search goes on without it.  refused: a block for which the source had no memory, in use; or none. */
static ca_node block_take(ca_zone *zone, ca_node refused, uint64_t pages, uint64_t align)
{
    ca_tlsf *tlsf = &zone->free;
    ca_node held[HELD_MOST];
    unsigned count = 0;
    if (refused)
        ca_tlsf_claim(tlsf, held[count++] = ca_tlsf_free(tlsf, refused));
    ca_node node = ca_tlsf_alloc(tlsf, pages, align);
    if (!node && zone_extend(zone, pages + align - 1))
        node = ca_tlsf_alloc(tlsf, pages, align);
    while (node && (!block_is_aligned(zone, node, align) || !block_commit(zone, node))) {
        node = ca_tlsf_free(tlsf, node);
        if (count == HELD_MOST)
            node = CA_NODE_NONE;
        if (!node)
            break;
        ca_tlsf_claim(tlsf, held[count++] = node);
        node = ca_tlsf_alloc(tlsf, pages, align);
    }
    while (count)
        (void)ca_tlsf_free(tlsf, held[--count]);
    return node;
}

static ca_run_record *run_record(ca_page page)
{
    return ca_run_at(page >> CA_CHUNK_SHIFT);
}

/* pre: a zone is locked. */
CA_INLINE void list_insert(ca_run_list *list, ca_page page)
{
    ca_run_record *r = run_record(page);
    uint32_t number = (page >> CA_CHUNK_SHIFT) + 1;
    CA_STORE(&r->owner, list ? list->owner : 0);
    r->saved = 0;
    r->prev = r->next = 0;
    if (!list)
        return;
    ca_lock_take(&list->lock);
    r->next = list->first;
    if (r->next)
        ca_run_at(r->next - 1)->prev = number;
    CA_STORE(&list->first, number);
    ca_lock_drop(&list->lock);
}

/* pre: it is locked */
static void list_unlink(ca_run_list *list, const ca_run_record *r)
{
    if (r->next)
        ca_run_at(r->next - 1)->prev = r->prev;
    if (r->prev)
        ca_run_at(r->prev - 1)->next = r->next;
    else
        CA_STORE(&list->first, r->next);
}

/* pre: locked; the block is in use, but no run yet. */
CA_INLINE ca_run run_begin(ca_zone *zone, ca_node node, ca_run_list *list)
{
    const ca_tlsf_node *n = &zone->free.nodes[node];
    ca_page page = (ca_page)n->offset, pages = (ca_page)n->size;
    ca_part *p = ca_part_of(page);
    bool fresh = page - p->first >= p->touched;
    if (fresh) /* whatever it was merged with, it is zero */
        ca_region.marks[node] = 0;
    if (page + pages - p->first > p->touched)
        CA_STORE(&p->touched, page + pages - p->first);
    run_record(page)->node = node;
    list_insert(list, page);
    zone->given += pages;
    return (ca_run){page, pages, ca_region.marks[node], fresh};
}

ca_run ca_region_take(ca_zone *zone, uint64_t pages, uint64_t align, ca_run_list *list)
{
    ca_run run = {0, 0, 0, false};
    pages = ca_round_up(pages, CA_CHUNK); /* so every run starts at a chunk */
    if (pages > region.most || align > region.most)
        return run;
    zone = zone_or_first(zone);
    ca_lock_take(&zone->lock);
    ca_node node = CA_NODE_NONE;
    if (ca_region_feed_nodes(&zone->free, 3, &zone->batches))
        node = block_take(zone, CA_NODE_NONE, pages, align);
    if (node)
        run = run_begin(zone, node, list);
    ca_lock_drop(&zone->lock);
    return run;
}

/* How many of a free block's pages were in use before, from its first on: whole chunks. */
CA_INLINE uint64_t pages_used_before(const ca_zone *zone, ca_node node)
{
    const ca_tlsf_node *n = &zone->free.nodes[node];
    if (!node)
        return 0;
    const ca_part *p = ca_part_of((ca_page)n->offset);
    uint64_t end = p->first + (uint64_t)p->touched;
    return end > n->offset ? ca_size_min(n->size, end - n->offset) & ~(uint64_t)(CA_CHUNK - 1) : 0;
}

ca_choice ca_region_choose(ca_zone *zone, uint64_t least, uint64_t most)
{
    zone = zone_or_first(zone);
    const ca_tlsf *tlsf = &zone->free;
    ca_lock_take(&zone->lock);
    most = ca_round_up(most, CA_CHUNK);
    if (most > region.most || !ca_region_feed_nodes(&zone->free, 3, &zone->batches))
        return (ca_choice){CA_NODE_NONE, 0};
    ca_node node = ca_tlsf_find(tlsf, most);
    uint64_t used = pages_used_before(zone, node);
    if (used >= most || ca_round_up(least, CA_CHUNK) >= most)
        return (ca_choice){node, most};
    uint64_t size = most; /* if the zone has no block, and would have to get more addresses, all bins; otherwise it costs too much */
    for (unsigned tries = node ? BELOW_TRIES : UINT32_MAX; tries-- && size >= least;) {
        ca_node below = ca_tlsf_find_below(tlsf, size);
        uint64_t less = pages_used_before(zone, below);
        if (less >= least && less < most)
            return (ca_choice){below, less};
        if (!below)
            break;
        size = ca_bin_size(ca_bin_floor(tlsf->nodes[below].size)) - 1; /* the next bin that has any */
    }
    return (ca_choice){node, used >= least ? used : most};
}

ca_run ca_region_take_chosen(ca_zone *zone, ca_choice choice, ca_run_list *list)
{
    ca_run run = {0, 0, 0, false};
    zone = zone_or_first(zone);
    ca_node node = choice.node;
    if (CA_LIKELY(node))
        ca_tlsf_cut(&zone->free, node, choice.pages);
    if (CA_UNLIKELY(!node) || CA_UNLIKELY(!block_commit(zone, node)))
        node = block_take(zone, node, choice.pages, 1);
    if (node)
        run = run_begin(zone, node, list);
    ca_lock_drop(&zone->lock);
    return run;
}

void ca_region_choose_nothing(ca_zone *zone)
{
    ca_lock_drop(&zone_or_first(zone)->lock);
}

static ca_node run_node(ca_page page)
{
    return run_record(page)->node;
}

uint32_t ca_region_run_owner(ca_page page)
{
    return CA_LOAD(&run_record(page)->owner);
}

ca_page ca_region_first_run(const ca_run_list *list)
{
    return list->first ? (list->first - 1) << CA_CHUNK_SHIFT : UINT32_MAX;
}

ca_page ca_region_next_run(ca_page page)
{
    uint32_t next = run_record(page)->next;
    return next ? (next - 1) << CA_CHUNK_SHIFT : UINT32_MAX;
}

ca_page ca_region_run_pages(ca_page page)
{
    return (ca_page)region.first.free.nodes[run_node(page)].size; /* nodes are all zones'. Of a run in use: constant but for its owner */
}

/* pre: locked, and the run is in no list any more */
static void run_give(ca_zone *zone, ca_page page)
{
    ca_node node = run_node(page);
    zone->given -= zone->free.nodes[node].size;
    if (ca_region.marks[node] != CA_MARK_MOVED)
        ca_region.marks[node] = ca_region_now();
    if (CA_UNLIKELY(region.at_once)) /* before it is merged, so that a page is asked for once */
        ca_region_purge_block(&zone->free, node);
    ca_tlsf_free(&zone->free, node);
}

static ca_zone *run_zone(ca_page page)
{
    return ca_part_of(page)->zone;
}

static void run_unlink(ca_page page, ca_run_list *list)
{
    if (!list)
        return;
    ca_lock_take(&list->lock);
    list_unlink(list, run_record(page));
    ca_lock_drop(&list->lock);
}

void ca_region_give(ca_page page, ca_run_list *list)
{
    ca_zone *zone = run_zone(page);
    ca_lock_take(&zone->lock);
    run_unlink(page, list);
    run_give(zone, page);
    ca_lock_drop(&zone->lock);
}

void ca_region_give_all(ca_run_list *list)
{
    for (uint32_t first; (first = CA_LOAD(&list->first));) {
        ca_zone *zone = run_zone((first - 1) << CA_CHUNK_SHIFT);
        ca_lock_take(&zone->lock);
        ca_lock_take(&list->lock);
        for (ca_page page; (page = ca_region_first_run(list)) != UINT32_MAX && run_zone(page) == zone;) {
            list_unlink(list, run_record(page));
            run_give(zone, page);
        }
        ca_lock_drop(&list->lock);
        ca_lock_drop(&zone->lock);
    }
}

/* --- quarantine ------------------------------------------------------------------------------------------ */

/* Of the first zone, newest first, guarded by its lock. */
static struct {
    uint64_t most, pages;
    uint32_t newest, oldest; /* chunks' numbers plus 1 */
} quarantine;

void ca_region_quarantine(uint64_t bytes)
{
    quarantine.most = bytes / CA_PAGE;
}

static void quarantine_leave(void)
{
    uint32_t number = quarantine.oldest;
    ca_page page = (number - 1) << CA_CHUNK_SHIFT;
    ca_run_record *r = run_record(page);
    quarantine.oldest = r->prev;
    if (r->prev)
        run_record((r->prev - 1) << CA_CHUNK_SHIFT)->next = 0;
    else
        quarantine.newest = 0;
    quarantine.pages -= ca_region_run_pages(page);
    run_give(&region.first, page);
}

/* pre: locked, and the run is in no list any more */
static void quarantine_enter(ca_page page)
{
    ca_run_record *r = run_record(page);
    uint32_t number = (page >> CA_CHUNK_SHIFT) + 1;
    ca_page pages = ca_region_run_pages(page);
    (void)region.first.source->purge(region.first.source, ca_region_address(page), (size_t)pages * CA_PAGE);
    CA_STORE(&r->owner, 0);
    r->prev = 0;
    r->next = quarantine.newest;
    if (r->next)
        run_record((r->next - 1) << CA_CHUNK_SHIFT)->prev = number;
    else
        quarantine.oldest = number;
    quarantine.newest = number;
    quarantine.pages += pages;
    while (quarantine.pages > quarantine.most)
        quarantine_leave();
}

void ca_region_retire(ca_page page, ca_run_list *list)
{
    if (!quarantine.most || run_zone(page) != &region.first) {
        ca_region_give(page, list);
        return;
    }
    ca_lock_take(&region.first.lock);
    run_unlink(page, list);
    quarantine_enter(page);
    ca_lock_drop(&region.first.lock);
}

void ca_region_retire_all(ca_run_list *list)
{
    if (!quarantine.most) {
        ca_region_give_all(list);
        return;
    }
    for (uint32_t first; (first = CA_LOAD(&list->first));)
        ca_region_retire((first - 1) << CA_CHUNK_SHIFT, list);
}

/* Locks on lists are taken inside a zone's, any, so that whoever has all zones (fork) knows that no list is locked. */
void ca_region_pass(ca_run_list *list, ca_run_list *to)
{
    ca_lock_take(&region.first.lock);
    ca_lock_take(&list->lock);
    ca_lock_take(&to->lock);
    while (list->first) {
        uint32_t number = list->first;
        ca_run_record *r = ca_run_at(number - 1);
        CA_STORE(&list->first, r->next);
        r->next = to->first;
        r->prev = 0;
        if (r->next)
            ca_run_at(r->next - 1)->prev = number;
        CA_STORE(&to->first, number);
        CA_STORE(&r->owner, to->owner);
    }
    ca_lock_drop(&to->lock);
    ca_lock_drop(&list->lock);
    ca_lock_drop(&region.first.lock);
}

bool ca_region_list_has(ca_run_list *list, ca_page page)
{
    bool found = false;
    ca_zone *zone = zone_or_first(CA_LOAD(&list->zone)); /* mostly the one that guards the sizes */
    ca_lock_take(&zone->lock);
    ca_lock_take(&list->lock);
    for (ca_page first = ca_region_first_run(list); first != UINT32_MAX && !found; first = ca_region_next_run(first))
        found = page - first < ca_region_run_pages(first);
    ca_lock_drop(&list->lock);
    ca_lock_drop(&zone->lock);
    return found;
}

size_t ca_region_spans(ca_run_list *list, ca_page from, ca_run_span *spans, size_t most)
{
    size_t n = 0;
    ca_zone *zone = zone_or_first(CA_LOAD(&list->zone)); /* mostly the one that guards the sizes */
    ca_lock_take(&zone->lock);
    ca_lock_take(&list->lock);
    for (ca_page page = ca_region_first_run(list); page != UINT32_MAX; page = ca_region_next_run(page)) {
        if (page < from || (n == most && page > spans[n - 1].page))
            continue;
        size_t i = n < most ? n++ : n - 1;
        for (; i && spans[i - 1].page > page; i--)
            spans[i] = spans[i - 1];
        spans[i] = (ca_run_span){page, ca_region_run_pages(page)};
    }
    ca_lock_drop(&list->lock);
    ca_lock_drop(&zone->lock);
    return n;
}

/* pre: locked, and a spare node. */
static bool run_resize(ca_zone *zone, ca_node node, uint64_t pages)
{
    ca_tlsf *tlsf = &zone->free;
    uint64_t before = tlsf->nodes[node].size;
    if (ca_region.marks[node] != CA_MARK_MOVED)
        ca_region.marks[node] = pages < before ? ca_region_now() : 0; /* of what a shrink cuts off; what a growth leaves keeps its own */
    if (!ca_tlsf_resize(tlsf, node, pages, NULL))
        return false;
    const ca_tlsf_node *n = &tlsf->nodes[node];
    ca_part *p = ca_part_of((ca_page)n->offset);
    ca_page end = (ca_page)(n->offset + n->size) - p->first;
    if (pages > before && !block_commit(zone, node)) {
        (void)ca_tlsf_resize(tlsf, node, before, NULL);
        return false;
    }
    zone->given += pages - before;
    if (end > p->touched)
        CA_STORE(&p->touched, end);
    if (CA_UNLIKELY(region.at_once) && pages < before)
        ca_region_purge_block(tlsf, n->next); /* what was cut off */
    return true;
}

bool ca_region_resize(ca_page page, uint64_t pages)
{
    pages = ca_round_up(pages, CA_CHUNK);
    if (pages > region.most)
        return false;
    ca_zone *zone = run_zone(page);
    ca_lock_take(&zone->lock);
    bool done = ca_region_feed_nodes(&zone->free, 1, &zone->batches) && run_resize(zone, run_node(page), pages);
    ca_lock_drop(&zone->lock);
    return done;
}

bool ca_region_move(ca_page from, ca_page to, ca_page pages)
{
    const ca_zone *zone = run_zone(from);
    const ca_source *source = zone->source;
    if (zone != run_zone(to) || !source->move || !source->renew ||
        !source->move(source, ca_region_address(from), ca_region_address(to), (size_t)pages * CA_PAGE))
        return false;
    ca_region.marks[run_node(to)] = CA_MARK_MOVED;
    return true;
}

bool ca_region_is_usable(ca_page page)
{
    return commit_again(run_zone(page), page, ca_region_run_pages(page));
}

void ca_region_lose(ca_page page, ca_run_list *list)
{
    ca_zone *zone = run_zone(page);
    ca_lock_take(&zone->lock);
    run_unlink(page, list);
    zone->given -= ca_region_run_pages(page);
    ca_lock_drop(&zone->lock);
}

/* --- giving back ------------------------------------------------------------------------------------------- */

bool ca_region_tick(void)
{
    uint32_t now = (uint32_t)(ca_os_milliseconds() >> CLOCK_SHIFT) | 1;
    if (now == ca_region_now())
        return false;
    CA_STORE(&ca_region.now, now);
    return true;
}

/* Whether the source was asked. What lies past the part's touched pages never was resident. */
static bool block_purge(ca_tlsf *tlsf, ca_node node)
{
    const ca_tlsf_node *n = &tlsf->nodes[node];
    const ca_part *p = ca_part_of((ca_page)n->offset);
    const ca_source *source = p->zone->source;
    uint64_t start = n->offset - p->first, end = ca_size_min(start + n->size, CA_LOAD(&p->touched));
    bool moved = tlsf->marks[node] == CA_MARK_MOVED;
    if (!source->purge && !(moved && source->renew) && start < end)
        return false;
    tlsf->marks[node] = 0;
    if (start >= end)
        return false;
    void *at = (void *)(p->base + start * CA_PAGE);
    size_t bytes = (end - start) * CA_PAGE;
    if (moved && source->renew && !source->renew(source, at, bytes)) {
        (void)(source->purge && source->purge(source, at, bytes));
        tlsf->marks[node] = CA_MARK_MOVED;
        CA_STORE(&region.closed, true);
    } else if (moved || source->purge(source, at, bytes)) {
        __atomic_fetch_add(&region.purged, bytes, __ATOMIC_RELAXED);
    } else {
        tlsf->marks[node] = source->flags & CTXALLOC_SOURCE_LAZY ? CA_MARK_OFFERED : ca_region_now();
    }
    return true;
}

void ca_region_purge_block(ca_tlsf *tlsf, ca_node node)
{
    if (tlsf->marks[node] && tlsf->marks[node] != CA_MARK_OFFERED)
        (void)block_purge(tlsf, node);
}

void ca_region_purge_at_once(bool at_once)
{
    region.at_once = at_once;
}

void ca_region_clear(ca_page page, ca_page pages)
{
    const ca_source *source = run_zone(page)->source;
    void *at = ca_region_address(page);
    if (!source->purge || !source->purge(source, at, (size_t)pages * CA_PAGE))
        memset(at, 0, (size_t)pages * CA_PAGE);
}

/* The block at a depth of a list that may have become shorter. */
static ca_node block_at_depth(const ca_tlsf *tlsf, unsigned bin, unsigned depth)
{
    ca_node node = tlsf->bins[bin];
    while (node && depth--)
        node = tlsf->nodes[node].next_free;
    return node;
}

unsigned ca_region_purge_tlsf(ca_tlsf *tlsf, ca_purge_place *place, unsigned looks, uint32_t age, unsigned most)
{
    const unsigned start = place->bin;
    uint32_t now = ca_region_now(), ticks = age >> CLOCK_SHIFT;
    unsigned done = 0;
    for (bool round = false; looks && done < most;) {
        unsigned bin = ca_tlsf_bin_from(tlsf, place->bin), depth = bin == place->bin ? place->depth : 0;
        if (bin >= (round ? start : CA_BIN_COUNT)) {
            if (round)
                break;
            round = true;
            *place = (ca_purge_place){0, 0};
            continue;
        }
        ca_node node = block_at_depth(tlsf, bin, depth);
        for (; node && looks && done < most; node = tlsf->nodes[node].next_free, looks--, depth++)
            if (tlsf->marks[node] > CA_MARK_OFFERED && (age == 0 || now - tlsf->marks[node] > ticks))
                done += block_purge(tlsf, node);
        *place = node && depth < PURGE_DEPTH ? (ca_purge_place){(uint16_t)bin, (uint16_t)depth} : (ca_purge_place){(uint16_t)(bin + 1), 0};
    }
    return done;
}

void ca_region_purge(ca_zone *zone, uint32_t age, unsigned looks, unsigned most)
{
    zone = zone_or_first(zone);
    ca_lock_take(&zone->lock);
    (void)ca_region_purge_tlsf(&zone->free, &zone->purged_to, looks, age, most);
    ca_lock_drop(&zone->lock);
}

/* --- all zones ------------------------------------------------------------------------------------------------ */

static void zones_each(void (*fn)(ca_zone *zone, void *argument), void *argument)
{
    ca_lock_take(&region.list_lock);
    for (ca_zone *zone = region.zones; zone; zone = zone->next) {
        ca_lock_take(&zone->lock);
        fn(zone, argument);
        ca_lock_drop(&zone->lock);
    }
    ca_lock_take(&region.first.lock);
    fn(&region.first, argument);
    ca_lock_drop(&region.first.lock);
    ca_lock_drop(&region.list_lock);
}

static void zone_purge(ca_zone *zone, void *unused)
{
    (void)unused;
    (void)ca_region_purge_tlsf(&zone->free, &(ca_purge_place){0, 0}, UINT32_MAX, 0, UINT32_MAX);
}

void ca_region_purge_all(void)
{
    zones_each(zone_purge, NULL);
}

/* What inner parts hold is the first zone's, and in use there. */
static void zone_count(ca_zone *zone, void *usage)
{
    ca_region_usage *u = usage;
    u->given += zone->given * CA_PAGE;
    for (const ca_part *p = zone->parts; p; p = p->next) {
        if (p == ca_part_first() || p->range)
            u->committed += (uint64_t)p->committed * CA_PAGE;
        else
            u->given -= (uint64_t)p->pages * CA_PAGE;
    }
}

ca_region_usage ca_region_get_usage(void)
{
    ca_region_usage u = {.purged = CA_LOAD(&region.purged)};
    zones_each(zone_count, &u);
    u.free = u.committed - u.given;
    return u;
}

static void zone_check(ca_zone *zone, void *which)
{
    int w = 0;
    if (!ca_tlsf_is_valid(&zone->free, &w))
        *(int *)which = w;
}

bool ca_region_is_valid(int *which)
{
    int broken = 0;
    zones_each(zone_check, &broken);
    *which = broken ? broken : *which;
    return !broken;
}

void ca_region_lock_all(void)
{
    ca_lock_take(&region.list_lock);
    for (ca_zone *zone = region.zones; zone; zone = zone->next)
        ca_lock_take(&zone->lock);
    ca_arena_lock_all(); /* they are asked under zones' locks, and ask the first zone themselves */
    ca_lock_take(&region.first.lock);
    ca_parts_lock();
    ca_numa_lock();
}

void ca_region_unlock_all(void)
{
    ca_numa_unlock();
    ca_parts_unlock();
    ca_lock_drop(&region.first.lock);
    ca_arena_unlock_all();
    for (ca_zone *zone = region.zones; zone; zone = zone->next)
        ca_lock_drop(&zone->lock);
    ca_lock_drop(&region.list_lock);
}
