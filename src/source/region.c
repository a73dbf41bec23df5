#include "source/region.h"

#include "base/check.h"
#include "base/os.h"

enum {
    PARTS = 64,                       /* ranges of address space */
    PART_ALIGN = 4096,                /* pages: a part's entries and live words fill whole pages of metadata */
    COMMIT_LEAST = 256,               /* pages: 1 MiB */
    COMMIT_MOST = 16384,              /* pages: 64 MiB */
    LIVE_BYTES = CA_PAGE / CA_GRANULE / 64 * sizeof(ca_live_word), /* of the live map for a page */
    BASE_ALIGN = 2 << 20,             /* bytes: of the first range; the largest alignment in further ones */
    SKEW = 37 * CA_PAGE,              /* see array_bytes */
    GUARD = 16 * CA_PAGE,
    ARRAY_STEP = 16 * CA_PAGE,        /* an array grows by this at least */
    FIRST_STEP = 4 * CA_PAGE,         /* what the window of page entries and marks begins with, each */
    RECORD_PART = 16,                 /* the store of records: this part of the pages, and at most */
    SIDE_PAGE = CA_PAGE / sizeof(ca_tlsf_node) * sizeof(uint32_t), /* marks of the nodes in a page of records */
    CLOCK_SHIFT = 4                   /* a mark counts 16 ms */
};

#define RECORDS_MOST ((uint64_t)CA_HEAP_RECORD << CA_HEAP_NUMBER_BITS) /* bytes */

/* [R1] pages [first, first + committed) are usable, the rest of the part is reserved
 * [R2] parts follow each other in page numbers: parts[i].first + parts[i].pages == parts[i + 1].first */
typedef struct part {
    uintptr_t base;
    ca_page first, pages, committed, touched; /* touched: pages of this part ever handed out end here */
} part;

ca_region_t ca_region;

/* An array that is committed from its start on. */
typedef struct grown {
    char *base;
    size_t committed; /* bytes */
} grown;

static struct {
    ca_lock lock;
    part parts[PARTS];
    uint32_t part_count;
    ca_page most;  /* page numbers that the side arrays have room for */
    grown entries, runs, live;
    ca_store records;
    ca_tlsf tlsf;  /* free: pages nobody owns, committed or not */
    uint32_t batches;
    unsigned cursor;
    uint32_t now;
    uint64_t given; /* pages */
    uint64_t purged; /* bytes; any thread */
    ca_node bins[CA_BIN_COUNT];
    uint64_t second[CA_TLSF_WORDS(CA_BIN_FIRST_LEVELS)];
} region;

/* --- metadata ----------------------------------------------------------------------------------------- */

/* Where things lie in the reservation: offsets in bytes from its start.
 *
 *   runs ->   …   <- marks | entries ->   …   <- records | live ->   …   guard   pages ->
 *
 * Arrows say where they grow. What starts out together lies together: a process that allocates little touches two small windows of metadata, each
 * of few page tables and made usable by one system call (for process start this was worth 35 and 35 of 130 µs). */
typedef struct layout {
    size_t runs, marks, entries, records, live, all;
    size_t marks_bytes, records_bytes;
} layout;

/* An array's share of the reservation.  Arrays that start a large power of two apart made loops of mixed sizes up to a third slower
 * (docs/log.md).  The likely cause: their pages' addresses differ in high bits only, and processors that guess the way of the first-level
 * cache from a hash of the address (AMD since Zen) take such pages for each other. An odd number of pages more keeps them apart. */
static size_t array_bytes(uint64_t bytes)
{
    return ca_round_up(bytes, CA_PAGE) + SKEW;
}

static layout layout_for(uint64_t pages)
{
    layout l;
    l.records_bytes = ca_size_min(ca_round_up(pages * (CA_PAGE / RECORD_PART), CA_PAGE), RECORDS_MOST);
    l.marks_bytes = ca_round_up(l.records_bytes / CA_PAGE * SIDE_PAGE, CA_PAGE);
    l.runs = 0;
    l.marks = l.runs + array_bytes(pages / CA_CHUNK * sizeof(ca_run_record));
    l.entries = l.marks + l.marks_bytes;
    l.records = l.entries + array_bytes(pages * sizeof(ca_page_entry));
    l.live = l.records + l.records_bytes;
    l.all = l.live + array_bytes(pages * LIVE_BYTES) + GUARD;
    return l;
}

/* Makes the first `bytes` usable. */
static bool grown_to(grown *array, size_t bytes)
{
    if (bytes <= array->committed)
        return true;
    size_t step = ca_round_up(ca_size_max(array->committed / 8, ARRAY_STEP), CA_PAGE);
    size_t to = ca_round_up(ca_size_max(bytes, array->committed + step), CA_PAGE);
    char *from = array->base + array->committed;
    if (!ca_region.source->commit(ca_region.source, from, to - array->committed)) {
        to = ca_round_up(bytes, CA_PAGE);
        if (!ca_region.source->commit(ca_region.source, from, to - array->committed))
            return false;
    }
    array->committed = to;
    return true;
}

static bool part_commit_to(part *p, ca_page to)
{
    size_t pages = p->first + (size_t)to;
    if (!grown_to(&region.entries, pages * sizeof(ca_page_entry)) || !grown_to(&region.runs, pages / CA_CHUNK * sizeof(ca_run_record)) ||
        !grown_to(&region.live, pages * LIVE_BYTES) ||
        !ca_region.source->commit(ca_region.source, (void *)(p->base + (uintptr_t)p->committed * CA_PAGE),
                                  (size_t)(to - p->committed) * CA_PAGE))
        return false;
    CA_STORE(&p->committed, to);
    if (p == region.parts)
        CA_STORE(&ca_region.granules, ca_page_granule(to));
    return true;
}

/* Makes the first `end` pages of the part usable, and some more, so that this is rarely called. */
static bool part_commit(part *p, ca_page end)
{
    if (end <= p->committed)
        return true;
    ca_page step = p->committed / 4;
    step = step < COMMIT_LEAST ? COMMIT_LEAST : step > COMMIT_MOST ? COMMIT_MOST : step;
    ca_page to = step < p->pages - p->committed ? p->committed + step : p->pages;
    return (to > end && part_commit_to(p, to)) || part_commit_to(p, end);
}

static part *part_of(ca_page page)
{
    part *p = region.parts;
    while (page - p->first >= p->pages)
        p++;
    return p;
}

void *ca_region_address(ca_page page)
{
    const part *p = &region.parts[0];
    if (CA_UNLIKELY(page >= p->pages))
        p = part_of(page);
    return (void *)(p->base + (uintptr_t)(page - p->first) * CA_PAGE);
}

uint64_t ca_region_bias(void)
{
    return ca_region.base >> CA_PAGE_SHIFT;
}

bool ca_region_is_far(ca_page page)
{
    return page >= region.parts[0].pages;
}

ca_granule ca_region_granule_far(uintptr_t address)
{
    uint32_t count = CA_LOAD_ACQUIRE(&region.part_count);
    for (uint32_t i = 0; i < count; i++) {
        const part *p = &region.parts[i];
        if (address - p->base < (uintptr_t)CA_LOAD(&p->committed) * CA_PAGE)
            return ((uintptr_t)p->first * CA_PAGE + (address - p->base)) >> CA_GRANULE_SHIFT;
    }
    return UINT64_MAX;
}

bool ca_region_has_page(ca_page page)
{
    uint32_t count = CA_LOAD_ACQUIRE(&region.part_count);
    for (uint32_t i = 0; i < count; i++)
        if (page - region.parts[i].first < CA_LOAD(&region.parts[i].committed))
            return true;
    return false;
}

bool ca_region_contains(const void *p)
{
    uint32_t count = CA_LOAD_ACQUIRE(&region.part_count);
    for (uint32_t i = 0; i < count; i++)
        if ((uintptr_t)p - region.parts[i].base < (uintptr_t)region.parts[i].pages * CA_PAGE)
            return true;
    return false;
}

/* --- nodes --------------------------------------------------------------------------------------------- */

bool ca_region_feed_nodes(ca_tlsf *tlsf, uint32_t spare, uint32_t *batches)
{
    while (tlsf->spare < spare) {
        uint32_t batch = ca_pool_take(&ca_region.nodes);
        if (!batch)
            return false;
        *ca_pool_link(&ca_region.nodes, batch) = *batches;
        *batches = batch;
        ca_tlsf_give_nodes(tlsf, (batch << CA_NODE_BATCH_SHIFT) + 1, CA_NODE_BATCH - 1);
    }
    return true;
}

/* --- start ---------------------------------------------------------------------------------------------- */

/* Everything for `pages` page numbers, of which the first range has `first`. */
static bool region_reserve(uint64_t pages, uint64_t first)
{
    layout l = layout_for(pages);
    char *at = ca_region.source->reserve(ca_region.source, l.all + first * CA_PAGE + BASE_ALIGN);
    if (!at)
        return false;
    ca_os_no_huge_pages(at, l.all); /* sparse by nature: a huge page here is almost all waste */
    size_t marks = FIRST_STEP, records = (size_t)2 * ARRAY_STEP; /* bytes at the end of those that begin there */
    if (!ca_region.source->commit(ca_region.source, at + l.entries - marks, marks + FIRST_STEP) ||
        !ca_region.source->commit(ca_region.source, at + l.live - records, records + ARRAY_STEP)) {
        ca_region.source->release(ca_region.source, at, l.all + first * CA_PAGE + BASE_ALIGN);
        return false;
    }
    region.runs = (grown){at + l.runs, 0};
    region.entries = (grown){at + l.entries, FIRST_STEP};
    region.live = (grown){at + l.live, ARRAY_STEP};
    ca_region.runs = (ca_run_record *)(void *)region.runs.base;
    ca_region.marks = (uint32_t *)(void *)(at + l.marks);
    ca_region.entries = (ca_page_entry *)(void *)region.entries.base;
    ca_region.live = (ca_live_word *)(void *)region.live.base;
    ca_store_init(&region.records, at + l.records, l.records_bytes, records, at + l.marks, SIDE_PAGE);
    ca_pool_init(&ca_region.nodes, &region.records, CA_NODE_BATCH * sizeof(ca_tlsf_node));
    ca_pool_init(&ca_region.slabs, &region.records, CA_SLAB_RECORD);
    ca_pool_init(&ca_region.magazines, &region.records, CA_MAGAZINE_RECORD);
    ca_pool_init(&ca_region.heaps, &region.records, CA_HEAP_RECORD);
    ca_pool_init(&ca_region.outboxes, &region.records, CA_OUTBOX_RECORD);
    ca_pool_init(&ca_region.contexts, &region.records, CA_CONTEXT_RECORD);
    ca_pool_init(&ca_region.chunks, &region.records, CA_CHUNK_RECORD);
    ca_region.base = ca_round_up((uintptr_t)(at + l.all), BASE_ALIGN);
    ca_region.granules = 0;
    region.parts[0] = (part){.base = ca_region.base, .first = 0, .pages = (ca_page)first};
    region.part_count = 1;
    region.most = (ca_page)pages;
    return true;
}

static bool region_start(void)
{
    ca_tlsf_init(&region.tlsf, (ca_tlsf_node *)(void *)ca_region.nodes.base, ca_region.marks, region.bins, region.second,
                 CA_BIN_FIRST_LEVELS);
    region.tlsf.bias = ca_region_bias();
    region.now = 1;
    if (!ca_region_feed_nodes(&region.tlsf, 4, &region.batches))
        return false;
    return ca_tlsf_add(&region.tlsf, 0, region.parts[0].pages) != CA_NODE_NONE;
}

bool ca_region_init(const ca_source *source, size_t bytes)
{
    ca_region.source = source;
    uint64_t pages = ca_round_up(bytes >> CA_PAGE_SHIFT, PART_ALIGN);
    if (region_reserve(pages, pages))
        return region_start();
    /* The address space is limited. Number as many pages as could ever be had, reserve a quarter now, and let further ranges follow. */
    size_t limit = ca_os_address_space_limit();
    if (limit >> CA_PAGE_SHIFT < pages)
        pages = ca_round_up(limit >> CA_PAGE_SHIFT, PART_ALIGN);
    for (; pages >= PART_ALIGN; pages = ca_round_up(pages / 2, PART_ALIGN)) {
        if (region_reserve(pages, ca_round_up(pages / 4, PART_ALIGN)))
            return region_start();
        if (pages == PART_ALIGN)
            break;
    }
    return false;
}

/* --- runs ------------------------------------------------------------------------------------------------ */

/* Another range of addresses with room for `pages`. */
static bool region_extend(uint64_t pages)
{
    const part *last = &region.parts[region.part_count - 1];
    ca_page first = last->first + last->pages;
    uint64_t left = region.most - first;
    uint64_t least = ca_round_up(pages, PART_ALIGN), wanted = ca_size_max(least, ca_round_up(region.most / 8, PART_ALIGN));
    if (region.part_count == PARTS || least > left || !ca_region_feed_nodes(&region.tlsf, 3, &region.batches))
        return false;
    wanted = ca_size_min(wanted, left);
    char *at = ca_region.source->reserve(ca_region.source, wanted * CA_PAGE + BASE_ALIGN);
    if (!at && wanted > least)
        at = ca_region.source->reserve(ca_region.source, (wanted = least) * CA_PAGE + BASE_ALIGN);
    if (!at)
        return false;
    /* Where it would lie if it followed the first range: so what is aligned by page number is aligned here, too. */
    uintptr_t skip = (ca_region.base + (uintptr_t)first * CA_PAGE - (uintptr_t)at) & (BASE_ALIGN - 1);
    region.parts[region.part_count] = (part){.base = (uintptr_t)at + skip, .first = first, .pages = (ca_page)wanted};
    CA_STORE_RELEASE(&region.part_count, region.part_count + 1);
    return ca_tlsf_add(&region.tlsf, first, wanted) != CA_NODE_NONE;
}

/* A block that is committed, or none. */
static ca_node run_take(uint64_t pages, uint64_t align, bool *fresh)
{
    ca_node node = ca_tlsf_alloc(&region.tlsf, pages, align);
    if (!node && region_extend(pages + align - 1))
        node = ca_tlsf_alloc(&region.tlsf, pages, align);
    if (!node)
        return CA_NODE_NONE;
    const ca_tlsf_node *n = &region.tlsf.nodes[node];
    part *p = part_of((ca_page)n->offset);
    ca_page end = (ca_page)(n->offset + n->size) - p->first;
    bool misaligned = align > BASE_ALIGN / CA_PAGE && p != region.parts;
    if (misaligned || !part_commit(p, end)) {
        ca_tlsf_free(&region.tlsf, node);
        return CA_NODE_NONE;
    }
    *fresh = n->offset - p->first >= p->touched;
    if (*fresh) /* whatever it was merged with, it is zero */
        ca_region.marks[node] = 0;
    if (end > p->touched)
        CA_STORE(&p->touched, end);
    return node;
}

static ca_run_record *run_record(ca_page page)
{
    return &ca_region.runs[page >> CA_CHUNK_SHIFT];
}

/* pre: locked */
static void list_insert(ca_run_list *list, ca_page page)
{
    ca_run_record *r = run_record(page);
    uint32_t number = (page >> CA_CHUNK_SHIFT) + 1;
    r->owner = list ? list->owner : 0;
    r->saved = 0;
    r->prev = 0;
    r->next = list ? list->first : 0;
    if (r->next)
        ca_region.runs[r->next - 1].prev = number;
    if (list)
        list->first = number;
}

static void list_remove(ca_run_list *list, const ca_run_record *r)
{
    if (r->next)
        ca_region.runs[r->next - 1].prev = r->prev;
    if (r->prev)
        ca_region.runs[r->prev - 1].next = r->next;
    else if (list)
        list->first = r->next;
}

ca_run ca_region_take(uint64_t pages, uint64_t align, ca_run_list *list)
{
    ca_run run = {0, 0, 0, false};
    pages = ca_round_up(pages, CA_CHUNK); /* so every run starts at a chunk */
    if (pages > region.most || align > region.most)
        return run;
    ca_lock_take(&region.lock);
    if (ca_region_feed_nodes(&region.tlsf, 3, &region.batches)) {
        ca_node node = run_take(pages, align, &run.fresh);
        if (node) {
            const ca_tlsf_node *n = &region.tlsf.nodes[node];
            run = (ca_run){(ca_page)n->offset, (ca_page)n->size, ca_region.marks[node], run.fresh};
            run_record(run.page)->node = node;
            list_insert(list, run.page);
            region.given += pages;
        }
    }
    ca_lock_drop(&region.lock);
    return run;
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
    return (ca_page)region.tlsf.nodes[run_node(page)].size; /* of a run in use: constant but for its owner */
}

/* pre: locked */
static void run_give(ca_page page, ca_run_list *list)
{
    ca_node node = run_node(page);
    list_remove(list, run_record(page));
    region.given -= region.tlsf.nodes[node].size;
    if (ca_region.marks[node] != CA_MARK_MOVED)
        ca_region.marks[node] = CA_LOAD(&region.now);
    ca_tlsf_free(&region.tlsf, node);
}

void ca_region_give(ca_page page, ca_run_list *list)
{
    ca_lock_take(&region.lock);
    run_give(page, list);
    ca_lock_drop(&region.lock);
}

void ca_region_give_all(ca_run_list *list)
{
    ca_lock_take(&region.lock);
    while (list->first)
        run_give(ca_region_first_run(list), list);
    ca_lock_drop(&region.lock);
}

void ca_region_disown(ca_run_list *list)
{
    ca_lock_take(&region.lock);
    while (list->first) {
        ca_run_record *r = &ca_region.runs[list->first - 1];
        list->first = r->next;
        r->next = r->prev = 0;
        CA_STORE(&r->owner, 0);
    }
    ca_lock_drop(&region.lock);
}

bool ca_region_list_has(const ca_run_list *list, ca_page page)
{
    bool found = false;
    ca_lock_take(&region.lock);
    for (ca_page first = ca_region_first_run(list); first != UINT32_MAX && !found; first = ca_region_next_run(first))
        found = page - first < ca_region_run_pages(first);
    ca_lock_drop(&region.lock);
    return found;
}

/* pre: locked, and a spare node. */
static bool run_resize(ca_node node, uint64_t pages)
{
    uint64_t before = region.tlsf.nodes[node].size;
    if (ca_region.marks[node] != CA_MARK_MOVED)
        ca_region.marks[node] = CA_LOAD(&region.now); /* of what a shrink cuts off */
    if (!ca_tlsf_resize(&region.tlsf, node, pages, NULL))
        return false;
    const ca_tlsf_node *n = &region.tlsf.nodes[node];
    part *p = part_of((ca_page)n->offset);
    ca_page end = (ca_page)(n->offset + n->size) - p->first;
    if (!part_commit(p, end)) {
        (void)ca_tlsf_resize(&region.tlsf, node, before, NULL);
        return false;
    }
    region.given += pages - before;
    if (end > p->touched)
        CA_STORE(&p->touched, end);
    return true;
}

bool ca_region_resize(ca_page page, uint64_t pages)
{
    pages = ca_round_up(pages, CA_CHUNK);
    if (pages > region.most)
        return false;
    ca_lock_take(&region.lock);
    bool done = ca_region_feed_nodes(&region.tlsf, 1, &region.batches) && run_resize(run_node(page), pages);
    ca_lock_drop(&region.lock);
    return done;
}

bool ca_region_move(ca_page from, ca_page to, ca_page pages)
{
    if (!ca_region.source->move(ca_region.source, ca_region_address(from), ca_region_address(to), (size_t)pages * CA_PAGE))
        return false;
    ca_region.marks[run_node(to)] = CA_MARK_MOVED;
    return true;
}

/* --- giving back ------------------------------------------------------------------------------------------- */

uint32_t ca_region_now(void)
{
    return CA_LOAD(&region.now);
}

bool ca_region_tick(void)
{
    uint32_t now = (uint32_t)(ca_os_milliseconds() >> CLOCK_SHIFT) | 1;
    if (now == CA_LOAD(&region.now))
        return false;
    CA_STORE(&region.now, now);
    return true;
}

/* Whether the free block went back. What lies past the part's touched pages never was resident. */
static bool block_purge(ca_tlsf *tlsf, ca_node node)
{
    const ca_tlsf_node *n = &tlsf->nodes[node];
    const part *p = part_of((ca_page)n->offset);
    uint64_t start = n->offset - p->first, end = ca_size_min(start + n->size, CA_LOAD(&p->touched));
    bool (*back)(const ca_source *, void *, size_t) =
        tlsf->marks[node] == CA_MARK_MOVED ? ca_region.source->renew : ca_region.source->purge;
    tlsf->marks[node] = 0;
    if (start >= end)
        return false;
    if (!back(ca_region.source, (void *)(p->base + start * CA_PAGE), (end - start) * CA_PAGE))
        tlsf->marks[node] = CA_LOAD(&region.now);
    else
        __atomic_fetch_add(&region.purged, (end - start) * CA_PAGE, __ATOMIC_RELAXED);
    return true;
}

unsigned ca_region_purge_tlsf(ca_tlsf *tlsf, unsigned *cursor, unsigned looks, uint32_t age, unsigned most)
{
    const unsigned all = tlsf->levels * CA_BIN_SECOND_LEVELS;
    uint32_t now = CA_LOAD(&region.now), ticks = age >> CLOCK_SHIFT;
    unsigned done = 0;
    for (unsigned seen = 0; seen < all && looks && done < most; looks--) { /* once round at most */
        for (ca_node node = tlsf->bins[*cursor]; node && looks > 1 && done < most; node = tlsf->nodes[node].next_free, looks--)
            if (tlsf->marks[node] && (age == 0 || now - tlsf->marks[node] > ticks))
                done += block_purge(tlsf, node);
        bool skip = *cursor % CA_BIN_SECOND_LEVELS == 0 && !(tlsf->second[*cursor / 64] >> *cursor % 64 & 0xff);
        unsigned step = skip ? CA_BIN_SECOND_LEVELS : 1;
        seen += step;
        *cursor = *cursor + step < all ? *cursor + step : 0;
    }
    return done;
}

void ca_region_purge(uint32_t age, unsigned looks, unsigned most)
{
    ca_lock_take(&region.lock);
    (void)ca_region_purge_tlsf(&region.tlsf, &region.cursor, looks, age, most);
    ca_lock_drop(&region.lock);
}

/* --- report, fork -------------------------------------------------------------------------------------------- */

bool ca_region_range(uint32_t index, ca_page *first, ca_page *end)
{
    ca_lock_take(&region.lock);
    bool there = index < region.part_count;
    if (there) {
        *first = region.parts[index].first;
        *end = *first + region.parts[index].committed;
    }
    ca_lock_drop(&region.lock);
    return there;
}

ca_region_usage ca_region_get_usage(void)
{
    ca_region_usage u = {.purged = CA_LOAD(&region.purged)};
    ca_lock_take(&region.lock);
    for (uint32_t i = 0; i < region.part_count; i++)
        u.committed += (uint64_t)region.parts[i].committed * CA_PAGE;
    u.given = region.given * CA_PAGE;
    ca_lock_drop(&region.lock);
    u.free = u.committed - u.given;
    return u;
}

bool ca_region_is_valid(int *which)
{
    ca_lock_take(&region.lock);
    bool valid = ca_tlsf_is_valid(&region.tlsf, which);
    ca_lock_drop(&region.lock);
    return valid;
}

void ca_region_lock_all(void)
{
    ca_lock_take(&region.lock);
    ca_lock_take(&ca_region.nodes.lock);
    ca_lock_take(&ca_region.slabs.lock);
    ca_lock_take(&ca_region.magazines.lock);
    ca_lock_take(&ca_region.heaps.lock);
    ca_lock_take(&ca_region.outboxes.lock);
    ca_lock_take(&ca_region.contexts.lock);
    ca_lock_take(&ca_region.chunks.lock);
    ca_lock_take(&region.records.lock);
}

void ca_region_unlock_all(void)
{
    ca_lock_drop(&region.records.lock);
    ca_lock_drop(&ca_region.chunks.lock);
    ca_lock_drop(&ca_region.contexts.lock);
    ca_lock_drop(&ca_region.outboxes.lock);
    ca_lock_drop(&ca_region.heaps.lock);
    ca_lock_drop(&ca_region.magazines.lock);
    ca_lock_drop(&ca_region.slabs.lock);
    ca_lock_drop(&ca_region.nodes.lock);
    ca_lock_drop(&region.lock);
}
