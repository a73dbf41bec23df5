#include "source/parts.h"

#include <string.h>

#include "base/check.h"
#include "base/os.h"

enum {
    PARTS = 1024,                     /* at most */
    COMMIT_LEAST = 256,               /* pages: 1 MiB */
    COMMIT_MOST = 16384,              /* pages: 64 MiB */
    SKEW = 37 * CA_PAGE,              /* see array_bytes */
    GUARD = 16 * CA_PAGE,
    ARRAY_STEP = 16 * CA_PAGE,        /* an array grows by this at least */
    HUGE_LEAST = 1 << 20,             /* bytes: a window this large may get a huge page of its own */
    FIRST_STEP = 4 * CA_PAGE,         /* what the window of page entries and marks begins with, each */
    /* What every process takes at once lies in two pages at the end of the store of records, at these distances from it. */
    FIRST_HEAP = CA_HEAP_RECORD,
    FIRST_SLABS = 3072, SLABS = (FIRST_SLABS - FIRST_HEAP) / CA_SLAB_RECORD,
    MAGAZINES = 2, FIRST_MAGAZINES = FIRST_SLABS + MAGAZINES * CA_MAGAZINE_RECORD,
    BATCHES = 4, NODE_RECORD = CA_NODE_BATCH * sizeof(ca_tlsf_node), FIRST_NODES = FIRST_MAGAZINES + BATCHES * NODE_RECORD,
    FIRST_OUTBOX = FIRST_NODES + CA_OUTBOX_RECORD,
    FIRST_RUNS = FIRST_OUTBOX + CA_FIRST_CHUNKS * sizeof(ca_run_record),
    FIRST_BYTES = 2 * CA_PAGE,
    RECORD_UNIT = CA_HEAP_RECORD * 256, /* the store's size is a multiple, so that its end is one of every kind's, and the marks beside it end at a page's */
    RECORD_PART = 16,                 /* the store of records: this part of the pages, and at most */
    SIDE_PAGE = CA_PAGE / sizeof(ca_tlsf_node) * sizeof(uint32_t), /* marks of the nodes in a page of records */
    SPARE_LEAST = 256 << 10,          /* bytes of records for the heaps of a part: magazines, mostly, */
    SPARE_PAGE = 256,                 /* and for each page: a slab, two nodes */
    NUMBER_LEVELS = 20                /* of the TLSF of numbers, in units of CA_PART_ALIGN */
};

/* Bytes. No heap has the number of all ones, for that is what a target that is no heap has in its free_tag. */
#define RECORDS_MOST (((uint64_t)CA_HEAP_RECORD << CA_HEAP_NUMBER_BITS) - RECORD_UNIT)

_Static_assert(RECORD_UNIT % CA_PAGE == 0 && RECORD_UNIT / CA_PAGE * SIDE_PAGE % CA_PAGE == 0 && CA_PAGE % CA_MAGAZINE_RECORD == 0 && RECORDS_MOST % RECORD_UNIT == 0, "the end of the store is a multiple");
_Static_assert(SLABS > 0 && FIRST_SLABS % CA_SLAB_RECORD == 0 && FIRST_SLABS % CA_MAGAZINE_RECORD == 0 && FIRST_MAGAZINES % NODE_RECORD == 0 && FIRST_NODES % CA_OUTBOX_RECORD == 0 &&
                   FIRST_RUNS % sizeof(uint64_t) == 0 && FIRST_RUNS <= FIRST_BYTES, "the first records lie at multiples of their sizes, in two pages");

ca_region_t ca_region;

static struct {
    ca_store records;
    ca_part first;      /* part 0 */
    char *at;           /* what lies beside the pages: */
    size_t bytes;
    bool sparse;        /* it has no huge pages any more */
    uint16_t *map;      /* which part, for CA_PART_ALIGN numbers each, see unit_of; NULL: there is part 0 only */
    uint32_t far_count; /* in `order` */
    uint32_t version;   /* odd while `order` changes */
    ca_lock lock;
    uint64_t most;      /* page numbers that the side arrays have room for */
    ca_part *part;      /* parts_most of them, the first is not used */
    uint16_t *order;    /* far parts by address, as many */
    ca_tlsf numbers;    /* those of no part */
    ca_node_batches batches;
    ca_node bins[NUMBER_LEVELS * CA_BIN_SECOND_LEVELS];
    uint64_t second[CA_TLSF_WORDS(NUMBER_LEVELS)];
} table;

static ca_part *part_at(uint32_t number)
{
    return number ? &table.part[number] : &table.first;
}

/* --- metadata ----------------------------------------------------------------------------------------- */

/* Where things lie in the reservation: offsets in bytes from its start.
 *
 *   parts   runs ->   …   <- marks | entries ->   …   <- records | live ->   …   guard   pages ->
 *
 * Arrows say where they grow. What starts out together lies together: a process that allocates little touches two small windows of metadata, each
 * of few page tables and made usable by one system call (for process start this was worth 35 and 35 of 130 µs). */
typedef struct layout {
    size_t parts, runs, marks, entries, records, live, all;
    size_t marks_bytes, records_bytes;
} layout;

/* An array's share of the reservation.  Arrays that start a large power of two apart made loops of mixed sizes up to a third slower
 * (docs/log.md).  The likely cause: their pages' addresses differ in high bits only, and processors that guess the way of the first-level
 * cache from a hash of the address (AMD since Zen) take such pages for each other. An odd number of pages more keeps them apart. */
static size_t array_bytes(uint64_t bytes)
{
    return ca_round_up(bytes, CA_PAGE) + SKEW;
}

/* Records of parts, and of their order; then there is the map. None of it has a use while there is part 0 only. */
static uint32_t parts_most(uint64_t pages)
{
    return (uint32_t)ca_size_min(pages / CA_PART_ALIGN + 2, PARTS);
}

static size_t parts_bytes(uint64_t pages)
{
    return ca_round_up(parts_most(pages) * (sizeof(ca_part) + sizeof(uint16_t)) + (pages / CA_PART_ALIGN + 1) * sizeof(uint16_t), CA_PAGE);
}

/* Numbers are dealt out in units whose addresses in part 0 are aligned, too: it begins inside the first one. */
static uint64_t unit_shift(void)
{
    return ca_region_bias() & (CA_PART_ALIGN - 1);
}

static uint64_t unit_of(uint64_t page)
{
    return (page + unit_shift()) / CA_PART_ALIGN;
}

static layout layout_for(uint64_t pages, uint64_t used)
{
    layout l;
    l.records_bytes = ca_size_min((used * (CA_PAGE / RECORD_PART) / RECORD_UNIT + 1) * RECORD_UNIT, RECORDS_MOST);
    l.marks_bytes = ca_round_up(l.records_bytes / CA_PAGE * SIDE_PAGE, CA_PAGE);
    l.parts = 0;
    l.runs = parts_bytes(pages);
    l.marks = l.runs + array_bytes(pages / CA_CHUNK * sizeof(ca_run_record));
    l.entries = l.marks + l.marks_bytes;
    l.records = l.entries + array_bytes(pages * sizeof(ca_page_entry));
    l.live = l.records + l.records_bytes;
    l.all = l.live + array_bytes(pages * CA_LIVE_PAGE) + GUARD;
    return l;
}

/* --- windows ------------------------------------------------------------------------------------------- */

/* Where a window begins: at the part's first element, rounded down to a page. */
static ca_window window_at(const void *first, const void *end)
{
    char *base = (char *)((uintptr_t)first & ~(uintptr_t)(CA_PAGE - 1));
    return (ca_window){base, 0, ca_round_up((size_t)((const char *)end - base), CA_PAGE)};
}

static void windows_init(ca_part *p, ca_page first, ca_page pages)
{
    size_t end = first + (size_t)pages;
    p->entries = window_at(ca_region.entries + first, ca_region.entries + end);
    p->runs = window_at(ca_region.runs + first / CA_CHUNK, ca_region.runs + end / CA_CHUNK);
    p->live = window_at((char *)ca_region.live + (size_t)first * CA_LIVE_PAGE, (char *)ca_region.live + end * CA_LIVE_PAGE);
}

/* The arrays are sparse by nature: a huge page in them is almost all waste. The kernel is told before a window is large enough for one, so that small processes need not. */
static void keep_sparse(void)
{
    if (!__atomic_exchange_n(&table.sparse, true, __ATOMIC_RELAXED))
        ca_os_no_huge_pages(table.at, table.bytes);
}

/* Makes the window usable up to `end`. */
static bool window_to(ca_window *w, const void *end)
{
    size_t bytes = (size_t)((const char *)end - w->base);
    if (bytes <= w->committed)
        return true;
    size_t step = ca_round_up(ca_size_max(w->committed / 8, ARRAY_STEP), CA_PAGE);
    size_t to = ca_size_min(ca_round_up(ca_size_max(bytes, w->committed + step), CA_PAGE), w->all);
    char *from = w->base + w->committed;
    if (to >= HUGE_LEAST)
        keep_sparse();
    if (!ca_region.source->commit(ca_region.source, from, to - w->committed)) {
        to = ca_round_up(bytes, CA_PAGE);
        if (!ca_region.source->commit(ca_region.source, from, to - w->committed))
            return false;
    }
    w->committed = to;
    return true;
}

bool ca_parts_init(ca_zone *zone, uint64_t pages, uint64_t used, uint64_t first)
{
    const ca_source *source = ca_region.source;
    layout l = layout_for(pages, used);
    size_t bytes = l.all + first * CA_PAGE + CA_BASE_ALIGN;
    char *at = source->reserve(source, bytes, &bytes);
    if (!at)
        return false;
    size_t marks = FIRST_STEP, records = (size_t)2 * ARRAY_STEP; /* bytes at the end of those that begin there */
    if (!source->commit(source, at + l.entries - marks, marks + FIRST_STEP) ||
        !source->commit(source, at + l.live - records, records + ARRAY_STEP)) {
        source->release(source, at, bytes);
        return false;
    }
    ca_region.runs = (ca_run_record *)(void *)(at + l.runs);
    ca_region.marks = (uint32_t *)(void *)(at + l.marks);
    ca_region.entries = (ca_page_entry *)(void *)(at + l.entries);
    ca_region.live = (ca_live_word *)(void *)(at + l.live);
    ca_store_init(&table.records, at + l.records, l.records_bytes, records, at + l.marks, SIDE_PAGE);
    ca_pool_init(&ca_region.nodes, &table.records, CA_NODE_BATCH * sizeof(ca_tlsf_node));
    ca_pool_init(&ca_region.slabs, &table.records, CA_SLAB_RECORD);
    ca_pool_init(&ca_region.magazines, &table.records, CA_MAGAZINE_RECORD);
    ca_pool_init(&ca_region.heaps, &table.records, CA_HEAP_RECORD);
    ca_pool_init(&ca_region.outboxes, &table.records, CA_OUTBOX_RECORD);
    ca_pool_init(&ca_region.contexts, &table.records, CA_CONTEXT_RECORD);
    ca_pool_init(&ca_region.chunks, &table.records, CA_CHUNK_RECORD);
    ca_pool_init(&ca_region.zones, &table.records, CA_ZONE_RECORD);
    const char *end = table.records.end;
    ca_store_cut(&table.records, FIRST_BYTES);
    ca_pool_begin(&ca_region.heaps, end - FIRST_HEAP, 1);
    ca_pool_begin(&ca_region.slabs, end - FIRST_SLABS, SLABS);
    ca_pool_begin(&ca_region.magazines, end - FIRST_MAGAZINES, MAGAZINES);
    ca_pool_begin(&ca_region.nodes, end - FIRST_NODES, BATCHES);
    ca_pool_begin(&ca_region.outboxes, end - FIRST_OUTBOX, 1);
    ca_region.first_runs = (ca_run_record *)(void *)(at + l.live - FIRST_RUNS);
    CA_STORE(&ca_region.live->born, 0); /* malloc reads it first, and a page that is first read faults twice */
    ca_region.base = ca_round_up((uintptr_t)(at + l.all), CA_BASE_ALIGN);
    ca_region.live_origin = (uintptr_t)ca_region.live - ca_region.base / CA_PAGE * CA_LIVE_PAGE;
    ca_region.granules = 0;
    table.first = (ca_part){.base = ca_region.base, .pages = (ca_page)first, .zone = zone};
    windows_init(&table.first, 0, (ca_page)first);
    table.first.entries.committed = FIRST_STEP;
    table.first.live.committed = ARRAY_STEP;
    table.most = pages;
    table.at = at;
    table.bytes = l.all;
    table.part = (ca_part *)(void *)(at + l.parts);
    table.order = (uint16_t *)(void *)(table.part + parts_most(pages));
    return true;
}

static bool part_commit_to(ca_part *p, ca_page to)
{
    const ca_source *source = ca_zone_source(p->zone);
    size_t pages = p->first + (size_t)to;
    if (!window_to(&p->entries, ca_region.entries + pages) || (pages / CA_CHUNK > CA_FIRST_CHUNKS && !window_to(&p->runs, ca_region.runs + pages / CA_CHUNK)) ||
        !window_to(&p->live, (char *)ca_region.live + pages * CA_LIVE_PAGE) ||
        (source->commit && !source->commit(source, (void *)(p->base + (uintptr_t)p->committed * CA_PAGE), (size_t)(to - p->committed) * CA_PAGE)))
        return false;
    CA_STORE(&p->committed, to);
    if (p == &table.first)
        CA_STORE(&ca_region.granules, ca_page_granule(to));
    return true;
}

bool ca_part_commit(ca_part *p, ca_page end)
{
    if (end <= p->committed)
        return true;
    if (ca_zone_source(p->zone)->flags & CTXALLOC_SOURCE_EXACT)
        return part_commit_to(p, end);
    ca_page step = p->committed / 4;
    step = step < COMMIT_LEAST ? COMMIT_LEAST : step > COMMIT_MOST ? COMMIT_MOST : step;
    ca_page to = step < p->pages - p->committed ? p->committed + step : p->pages;
    return (to > end && part_commit_to(p, to)) || part_commit_to(p, end);
}

bool ca_parts_spare(ca_page pages)
{
    return ca_store_spare(&table.records, SPARE_LEAST + (size_t)pages * SPARE_PAGE);
}

/* --- looking up ------------------------------------------------------------------------------------------ */

ca_part *ca_part_first(void)
{
    return &table.first;
}

ca_part *ca_part_of(ca_page page)
{
    const uint16_t *map = CA_LOAD_ACQUIRE(&table.map);
    return map ? part_at(CA_LOAD(&map[unit_of(page)])) : &table.first;
}

void *ca_region_address_far(ca_page page)
{
    const ca_part *p = page < table.first.pages ? &table.first : ca_part_of(page);
    return (void *)(p->base + (uintptr_t)(page - p->first) * CA_PAGE);
}

uint64_t ca_region_bias(void)
{
    return ca_region.base >> CA_PAGE_SHIFT;
}

ca_page ca_region_bottom(ca_page page)
{
    return ca_part_of(page)->first;
}

bool ca_region_is_far(ca_page page)
{
    return page >= table.first.pages;
}

/* The far part that begins at the address or below it, the last such; NULL: none. */
static const ca_part *far_below(uintptr_t address)
{
    for (;;) {
        uint32_t version = CA_LOAD_ACQUIRE(&table.version), low = 0, high = CA_LOAD(&table.far_count);
        while (low < high) {
            uint32_t middle = low + (high - low) / 2;
            if (CA_LOAD(&table.part[CA_LOAD(&table.order[middle])].base) <= address)
                low = middle + 1;
            else
                high = middle;
        }
        const ca_part *p = low ? &table.part[CA_LOAD(&table.order[low - 1])] : NULL;
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        if (!(version & 1) && CA_LOAD(&table.version) == version)
            return p;
    }
}

static ca_granule part_granule(const ca_part *p, uintptr_t address)
{
    return ((uintptr_t)p->first * CA_PAGE + (address - p->base)) >> CA_GRANULE_SHIFT;
}

ca_granule ca_region_granule_far(uintptr_t address)
{
    const ca_part *p = &table.first;
    if (address - p->base >= (uintptr_t)p->pages * CA_PAGE)
        p = CA_LOAD_ACQUIRE(&table.far_count) ? far_below(address) : NULL;
    if (!p || address - p->base >= (uintptr_t)CA_LOAD(&p->committed) * CA_PAGE)
        return UINT64_MAX;
    return part_granule(p, address);
}

bool ca_region_has_page(ca_page page)
{
    const uint16_t *map = CA_LOAD_ACQUIRE(&table.map);
    if (page < CA_LOAD(&table.first.committed))
        return true;
    if (!map || page >= table.most)
        return false;
    const ca_part *p = part_at(CA_LOAD(&map[unit_of(page)]));
    return page - CA_LOAD(&p->first) < CA_LOAD(&p->committed);
}

bool ca_region_range(uint32_t index, ca_page *first, ca_page *end)
{
    ca_lock_take(&table.lock);
    bool there = index == 0 || (table.map && index < parts_most(table.most));
    if (there) {
        const ca_part *p = part_at(index);
        *first = p->first;
        *end = p->first + (p->pages ? CA_LOAD(&p->committed) : 0);
    }
    ca_lock_drop(&table.lock);
    return there;
}

uint32_t ca_region_range_of(ca_page page)
{
    const uint16_t *map = CA_LOAD_ACQUIRE(&table.map);
    return map ? CA_LOAD(&map[unit_of(page)]) : 0;
}

bool ca_region_contains(const void *p)
{
    uintptr_t address = (uintptr_t)p;
    if (address - table.first.base < (uintptr_t)table.first.pages * CA_PAGE)
        return true;
    const ca_part *far = CA_LOAD_ACQUIRE(&table.far_count) ? far_below(address) : NULL;
    return far && address - far->base < (uintptr_t)far->pages * CA_PAGE;
}

/* --- adding and dropping ----------------------------------------------------------------------------------- */

/* pre: locked. */
static bool table_start(void)
{
    if (table.map)
        return true;
    if (!ca_region.source->commit(ca_region.source, table.part, parts_bytes(table.most)))
        return false;
    keep_sparse(); /* windows of several parts may be one mapping */
    if (!table.numbers.nodes) {
        ca_tlsf_init(&table.numbers, (ca_tlsf_node *)(void *)ca_region.nodes.base, NULL, table.bins, table.second, NUMBER_LEVELS);
        table.numbers.scan_limit = UINT32_MAX;
    }
    uint64_t first = unit_of(table.first.pages - 1) + 1, all = unit_of(table.most);
    if (!ca_region_feed_nodes(&table.numbers, 1, &table.batches) || (all > first && !ca_tlsf_add(&table.numbers, first, all - first)))
        return false;
    CA_STORE_RELEASE(&table.map, table.order + parts_most(table.most));
    return true;
}

static ca_part *record_find(void)
{
    for (uint32_t i = 1; i < parts_most(table.most); i++)
        if (!table.part[i].pages)
            return &table.part[i];
    return NULL;
}

static void map_set(const ca_part *p, uint16_t number)
{
    for (uint64_t i = unit_of(p->first); i <= unit_of(p->first + (uint64_t)p->pages - 1); i++)
        CA_STORE(&table.map[i], number);
}

/* Writes of `order` and of a part that is in it: readers look again. */
static void order_open(void)
{
    CA_STORE(&table.version, table.version + 1);
    __atomic_thread_fence(__ATOMIC_RELEASE);
}

static void order_close(void)
{
    CA_STORE_RELEASE(&table.version, table.version + 1);
}

static void order_insert(const ca_part *p)
{
    uint32_t i = table.far_count;
    for (; i && table.part[table.order[i - 1]].base > p->base; i--)
        CA_STORE(&table.order[i], table.order[i - 1]);
    CA_STORE(&table.order[i], (uint16_t)(p - table.part));
    CA_STORE_RELEASE(&table.far_count, table.far_count + 1);
}

static void order_remove(const ca_part *p)
{
    uint32_t i = 0;
    while (&table.part[table.order[i]] != p)
        i++;
    for (; i + 1 < table.far_count; i++)
        CA_STORE(&table.order[i], table.order[i + 1]);
    CA_STORE(&table.far_count, table.far_count - 1);
}

static void part_init(ca_part *p, ca_zone *zone, uintptr_t base, ca_page first, ca_page pages)
{
    CA_STORE(&p->first, first);
    CA_STORE(&p->committed, 0);
    p->touched = 0;
    p->zone = zone;
    p->next = NULL;
    p->range = NULL;
    p->range_bytes = 0;
    p->numbers = p->outer = CA_NODE_NONE;
    windows_init(p, first, pages);
    CA_STORE(&p->base, base);
    CA_STORE(&p->pages, pages);
}

ca_part *ca_part_add(ca_zone *zone, uintptr_t base, uint64_t pages, uint64_t align)
{
    ca_part *p = NULL;
    uint64_t over = (base >> CA_PAGE_SHIFT) & (align - 1);
    ca_lock_take(&table.lock);
    if (table_start() && ca_region_feed_nodes(&table.numbers, 3, &table.batches))
        p = record_find();
    ca_node node = p ? ca_tlsf_alloc(&table.numbers, (over + pages + CA_PART_ALIGN - 1) / CA_PART_ALIGN, 1) : CA_NODE_NONE;
    if (node) {
        order_open();
        part_init(p, zone, base, (ca_page)(table.numbers.nodes[node].offset * CA_PART_ALIGN - unit_shift() + over), (ca_page)pages);
        p->numbers = node;
        map_set(p, (uint16_t)(p - table.part));
        order_insert(p);
        order_close();
    }
    ca_lock_drop(&table.lock);
    return node ? p : NULL;
}

ca_part *ca_part_add_inner(ca_zone *zone, ca_page first, ca_page pages)
{
    ca_part *p = NULL;
    ca_lock_take(&table.lock);
    if (table_start())
        p = record_find();
    if (p) {
        part_init(p, zone, ca_region.base + (uintptr_t)first * CA_PAGE, first, pages);
        map_set(p, (uint16_t)(p - table.part));
    }
    ca_lock_drop(&table.lock);
    return p;
}

/* The window reads as zero: no part shares its pages, for their numbers are this part's alone. */
static void window_clear(const ca_window *w)
{
    if (w->committed && !ca_region.source->purge(ca_region.source, w->base, w->committed))
        memset(w->base, 0, w->committed);
}

void ca_part_drop(ca_part *p)
{
    ca_lock_take(&table.lock);
    map_set(p, 0);
    if (p->numbers) {
        order_open();
        order_remove(p);
        CA_STORE(&p->committed, 0);
        order_close();
        window_clear(&p->entries);
        window_clear(&p->live);
        (void)ca_tlsf_free(&table.numbers, p->numbers);
    } else { /* neighbours have parts of its windows' pages.  Its numbers may be another inner part's next, and be taken for fresh */
        memset((char *)ca_region.live + (size_t)p->first * CA_LIVE_PAGE, 0, (size_t)p->touched * CA_LIVE_PAGE);
    }
    CA_STORE(&p->pages, 0);
    ca_lock_drop(&table.lock);
}

/* --- fork ------------------------------------------------------------------------------------------------------ */

enum { POOLS = 8 };
static ca_pool *const pools[POOLS] = {&ca_region.nodes,    &ca_region.slabs,  &ca_region.magazines, &ca_region.heaps, &ca_region.outboxes,
                                 &ca_region.contexts, &ca_region.chunks, &ca_region.zones};

void ca_parts_lock(void)
{
    ca_lock_take(&table.lock);
    for (size_t i = 0; i < POOLS; i++)
        ca_lock_take(&pools[i]->lock);
    ca_lock_take(&table.records.lock);
}

void ca_parts_unlock(void)
{
    ca_lock_drop(&table.records.lock);
    for (size_t i = POOLS; i--;)
        ca_lock_drop(&pools[i]->lock);
    ca_lock_drop(&table.lock);
}
