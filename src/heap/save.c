#include "heap/save.h"

#include <string.h>

#include "base/check.h"
#include "heap/large.h"
#include "heap/live.h"
#include "heap/remote.h"

enum { NODES = CA_NODE_BATCH - 1 }; /* of a batch */

/* At the start of its run; sections follow, each a head with a count and then as many records as it says. */
typedef struct ca_save_record {
    struct ca_save_record *older;
    uint64_t number;   /* never used twice */
    uint64_t bytes;    /* charged */
    uint32_t depth;    /* 1: the oldest */
    ca_page page;
    uint32_t has_annex;
} record; /* struct ca_save_record of heap/context.h */

/* A run of the heap, followed by the entries and the live words of its pages; or of a huge block. */
typedef struct saved_run {
    ca_page page, pages;
} saved_run;

typedef struct saved_slab {
    uint32_t number;
    ca_slab slab;
} saved_slab;

typedef struct saved_batch {
    uint32_t number;
    ca_tlsf_node nodes[NODES];
    uint32_t marks[NODES];
} saved_batch;

/* A stretch of pages, followed by their bytes, if they are not zero. */
typedef struct saved_pages {
    ca_page page;
    ca_page pages; /* 0: the end */
    uint32_t zero;
} saved_pages;

static size_t live_bytes(ca_page pages)
{
    return (size_t)pages * CA_LIVE_PAGE;
}

/* --- a stream ---------------------------------------------------------------------------------------------------------- */

/* base NULL: only counts. */
typedef struct stream {
    char *base;
    size_t at;
} stream;

static void *reserve(stream *s, size_t bytes)
{
    void *p = s->base ? s->base + s->at : NULL;
    s->at += ca_round_up(bytes, 8);
    return p;
}

static void put(stream *s, const void *from, size_t bytes)
{
    void *to = reserve(s, bytes);
    if (to)
        memcpy(to, from, bytes);
}

/* pre: base */
static void get(stream *s, void *to, size_t bytes)
{
    memcpy(to, s->base + s->at, bytes);
    s->at += ca_round_up(bytes, 8);
}

/* A count that is known later. */
static void count_set(const stream *s, size_t at, uint64_t count)
{
    if (s->base)
        memcpy(s->base + at, &count, sizeof count);
}

/* --- what a heap has ------------------------------------------------------------------------------------------------------- */

typedef void visitor(ca_heap *heap, const ca_tlsf_node *node, bool used, void *argument);

/* The blocks of all its runs' pages, in no order but that of addresses in each. */
static void nodes_each(ca_heap *heap, visitor *fn, void *argument)
{
    for (ca_page run = ca_region_first_run(&heap->runs); run != UINT32_MAX; run = ca_region_next_run(run))
        for (ca_node n = ca_run_at(run >> CA_CHUNK_SHIFT)->head; n; n = heap->pages.nodes[n].next)
            fn(heap, &heap->pages.nodes[n], ca_tlsf_is_used(&heap->pages, n), argument);
}

/* The slab that a block is; 0: it is none. */
static uint32_t slab_of(const ca_heap *heap, const ca_tlsf_node *node, bool used)
{
    const ca_page_entry *e = &ca_region.entries[node->offset];
    return used && (e->tag ^ heap->tag) < CA_TAG_CACHES ? e->number : 0;
}

/* --- saving ------------------------------------------------------------------------------------------------------------------ */

static bool page_is_zero(ca_page page)
{
    const uint64_t *words = ca_region_address(page);
    uint64_t any = 0;
    for (size_t i = 0; i < CA_PAGE / sizeof *words && !any; i += 8)
        any = words[i] | words[i + 1] | words[i + 2] | words[i + 3] | words[i + 4] | words[i + 5] | words[i + 6] | words[i + 7];
    return !any;
}

static void pages_save(stream *s, ca_page page, ca_page pages)
{
    for (ca_page end = page + pages; page < end;) {
        ca_page first = page;
        bool zero = page_is_zero(page);
        while (++page < end && page_is_zero(page) == zero)
            ;
        saved_pages stretch = {first, page - first, zero};
        put(s, &stretch, sizeof stretch);
        if (!zero)
            put(s, ca_region_address(first), (size_t)stretch.pages * CA_PAGE);
    }
}

static void pages_end(stream *s)
{
    saved_pages end = {0, 0, 0};
    put(s, &end, sizeof end);
}

typedef struct slab_writer {
    stream *s;
    uint64_t count;
} slab_writer;

static void slab_save(ca_heap *heap, const ca_tlsf_node *node, bool used, void *argument)
{
    slab_writer *w = argument;
    saved_slab slab = {.number = slab_of(heap, node, used)};
    if (!slab.number)
        return;
    slab.slab = *ca_slab_at(slab.number);
    put(w->s, &slab, sizeof slab);
    w->count++;
}

static void block_save(ca_heap *heap, const ca_tlsf_node *node, bool used, void *s)
{
    (void)heap;
    if (used)
        pages_save(s, (ca_page)node->offset, (ca_page)node->size);
}

/* pre: flushed */
static void heap_save(stream *s, ca_heap *heap)
{
    put(s, heap, sizeof *heap);
    size_t at = s->at;
    uint64_t runs = 0, batches = 0;
    (void)reserve(s, sizeof runs);
    for (ca_page run = ca_region_first_run(&heap->runs); run != UINT32_MAX; run = ca_region_next_run(run), runs++) {
        saved_run r = {run, ca_region_run_pages(run)};
        put(s, &r, sizeof r);
        put(s, &ca_region.entries[run], r.pages * sizeof(ca_page_entry));
        put(s, ca_live_at(ca_page_granule(run)), live_bytes(r.pages));
    }
    count_set(s, at, runs);
    slab_writer w = {s, 0};
    at = s->at;
    (void)reserve(s, sizeof w.count);
    nodes_each(heap, slab_save, &w);
    count_set(s, at, w.count);
    at = s->at;
    (void)reserve(s, sizeof batches);
    for (uint32_t b = heap->node_batches.newest; b; b = *ca_pool_link(&ca_region.nodes, b), batches++) {
        saved_batch batch = {.number = b};
        ca_node first = (b << CA_NODE_BATCH_SHIFT) + 1;
        memcpy(batch.nodes, &heap->pages.nodes[first], sizeof batch.nodes);
        memcpy(batch.marks, &ca_region.marks[first], sizeof batch.marks);
        put(s, &batch, sizeof batch);
    }
    count_set(s, at, batches);
    nodes_each(heap, block_save, s);
    pages_end(s);
}

static bool huge_is_live(ca_page page)
{
    return CA_LOAD(&ca_region.entries[page].tag) == CA_TAG_HUGE;
}

static void huge_save(stream *s, const ca_context *c)
{
    size_t at = s->at;
    uint64_t count = 0;
    (void)reserve(s, sizeof count);
    for (ca_page run = ca_region_first_run(&c->runs); run != UINT32_MAX; run = ca_region_next_run(run))
        if (huge_is_live(run)) {
            saved_run r = {run, ca_region_run_pages(run)};
            put(s, &r, sizeof r);
            count++;
        }
    count_set(s, at, count);
    for (ca_page run = ca_region_first_run(&c->runs); run != UINT32_MAX; run = ca_region_next_run(run))
        if (huge_is_live(run))
            pages_save(s, run, ca_region_run_pages(run));
    pages_end(s);
}

static void all_save(stream *s, const ca_context *c, const record *r)
{
    put(s, r, sizeof *r);
    heap_save(s, c->heap);
    if (r->has_annex)
        heap_save(s, c->annex);
    huge_save(s, c);
}

static void runs_pin(const ca_run_list *list, uint32_t depth)
{
    for (ca_page run = ca_region_first_run(list); run != UINT32_MAX; run = ca_region_next_run(run)) {
        ca_run_record *r = ca_run_at(run >> CA_CHUNK_SHIFT);
        r->saved = r->saved ? r->saved : depth;
    }
}

static void each_list_pin(const ca_context *c, uint32_t depth)
{
    runs_pin(&c->heap->runs, depth);
    if (c->annex)
        runs_pin(&c->annex->runs, depth);
    runs_pin(&c->runs, depth);
}

static record *newest(const ca_context *c)
{
    return c->saves;
}

/* All that others freed arrives, and nothing lies in caches. */
static void settle(ca_heap *heap)
{
    (void)ca_remote_drain(heap);
    ca_heap_flush(heap);
}

static uint64_t save(ca_context *c)
{
    static uint64_t made;
    stream s = {NULL, 0};
    record r = {.older = newest(c), .depth = newest(c) ? newest(c)->depth + 1 : 1, .has_annex = c->annex != NULL};
    settle(c->heap);
    if (c->annex)
        settle(c->annex);
    all_save(&s, c, &r);
    uint64_t pages = ca_round_up(s.at, (size_t)CA_CHUNK * CA_PAGE) / CA_PAGE;
    r.bytes = pages * CA_PAGE;
    bool charged = ca_account_charge(&c->account, r.bytes);
    ca_run run = {0, 0, 0, false};
    if (charged)
        run = ca_region_take(NULL, pages, 1, NULL);
    if (!run.pages) {
        if (charged)
            ca_account_discharge(&c->account, r.bytes);
        ca_account_end_request(&c->account, false);
        return 0;
    }
    ca_account_settle(&c->account);
    r.page = run.page;
    r.number = __atomic_add_fetch(&made, 1, __ATOMIC_RELAXED);
    s = (stream){ca_region_address(run.page), 0};
    all_save(&s, c, &r);
    CA_ASSERT(s.at <= r.bytes);
    c->saves = ca_region_address(run.page);
    each_list_pin(c, r.depth);
    return r.number;
}

uint64_t ca_save(ca_context *c)
{
    bool locked = c->annex && ca_context_annex_take(c);
    uint64_t number = save(c);
    if (locked)
        ca_context_annex_drop(c);
    return number;
}

/* --- restoring ------------------------------------------------------------------------------------------------------------------- */

static void pages_restore(stream *s)
{
    saved_pages stretch;
    for (get(s, &stretch, sizeof stretch); stretch.pages; get(s, &stretch, sizeof stretch)) {
        if (!stretch.zero) {
            get(s, ca_region_address(stretch.page), (size_t)stretch.pages * CA_PAGE);
            continue;
        }
        for (ca_page page = stretch.page; page < stretch.page + stretch.pages; page++)
            if (!page_is_zero(page))
                memset(ca_region_address(page), 0, CA_PAGE);
    }
}

static void slab_unmark(ca_heap *heap, const ca_tlsf_node *node, bool used, void *unused)
{
    (void)unused;
    uint32_t number = slab_of(heap, node, used);
    if (number)
        ca_slab_at(number)->saved = 0;
}

static void slab_spare(ca_heap *heap, const ca_tlsf_node *node, bool used, void *spare)
{
    uint32_t number = slab_of(heap, node, used), *list = spare;
    if (!number || ca_slab_at(number)->saved)
        return;
    *ca_pool_link(&ca_region.slabs, number) = *list;
    *list = number;
}

/* The heap has all the records that it had, in use or spare, and maybe more: what it does not need for the saved slabs is spare from now on. */
static void slabs_restore(stream *s, ca_heap *heap)
{
    uint64_t count;
    uint32_t spare = 0;
    saved_slab slab;
    get(s, &count, sizeof count);
    nodes_each(heap, slab_unmark, NULL);
    for (uint32_t n = heap->spare_slabs; n; n = *ca_pool_link(&ca_region.slabs, n))
        ca_slab_at(n)->saved = 0;
    stream again = *s;
    for (uint64_t i = 0; i < count; i++) {
        get(&again, &slab, sizeof slab);
        ca_slab_at(slab.number)->saved = 1;
    }
    nodes_each(heap, slab_spare, &spare);
    for (uint32_t n = heap->spare_slabs, next; n; n = next) {
        next = *ca_pool_link(&ca_region.slabs, n);
        if (ca_slab_at(n)->saved)
            continue;
        *ca_pool_link(&ca_region.slabs, n) = spare;
        spare = n;
    }
    for (uint64_t i = 0; i < count; i++) {
        get(s, &slab, sizeof slab);
        *ca_slab_at(slab.number) = slab.slab;
    }
    heap->spare_slabs = spare;
}

static void block_kill(ca_heap *heap, const ca_tlsf_node *node, bool used, void *unused)
{
    (void)unused;
    if (!used)
        return;
    ca_page first = (ca_page)node->offset, pages = slab_of(heap, node, true) ? (ca_page)node->size : 1;
    for (ca_page i = first; i < first + pages; i++)
        CA_STORE(&ca_region.entries[i].tag, 0); /* the numbers stay, see heap/verdict.c */
}

/* check=full: who gets these pages next takes it that they read as zero, or as poison. */
static void run_wash(ca_page run)
{
    if (CA_UNLIKELY(ca_heap_setting.full))
        ca_region_clear(run, ca_region_run_pages(run));
}

/* What came after the savepoint goes back. pre: no blocks are in it */
static void runs_give(ca_heap *heap, uint32_t depth)
{
    for (ca_page run = ca_region_first_run(&heap->runs), next; run != UINT32_MAX; run = next) {
        const ca_run_record *r = ca_run_at(run >> CA_CHUNK_SHIFT);
        next = ca_region_next_run(run);
        if (r->saved && r->saved <= depth)
            continue;
        CA_STORE(&ca_heap_dropped_any, true);
        ca_account_discharge(heap->account, (uint64_t)ca_region_run_pages(run) * CA_PAGE);
        run_wash(run);
        ca_region_give(run, &heap->runs);
    }
}

#define PUT_BACK(field) memcpy(&heap->field, saved + offsetof(ca_heap, field), sizeof heap->field)

/* What is not put back: who has the heap, what others may be writing to, and the lists of records, of which it may have got more. */
static void record_restore(ca_heap *heap, const char *saved)
{
    PUT_BACK(caches);
    PUT_BACK(class_bins);
    PUT_BACK(slabs);
    PUT_BACK(habits);
    PUT_BACK(page_bins);
    PUT_BACK(page_second);
    PUT_BACK(pages);
    PUT_BACK(extent_pages);
    PUT_BACK(large_pages);
    PUT_BACK(large_count);
}

/* Batches that came since are at the front of the list. */
static void batches_restore(stream *s, ca_heap *heap)
{
    uint64_t count;
    uint32_t oldest_new = heap->node_batches.newest;
    get(s, &count, sizeof count);
    for (uint64_t i = 0; i < count; i++) {
        saved_batch batch;
        get(s, &batch, sizeof batch);
        ca_node first = (batch.number << CA_NODE_BATCH_SHIFT) + 1;
        memcpy(&heap->pages.nodes[first], batch.nodes, sizeof batch.nodes);
        memcpy(&ca_region.marks[first], batch.marks, sizeof batch.marks);
        if (!i)
            for (; oldest_new != batch.number; oldest_new = *ca_pool_link(&ca_region.nodes, oldest_new))
                ca_tlsf_give_nodes(&heap->pages, (oldest_new << CA_NODE_BATCH_SHIFT) + 1, NODES);
    }
    for (; !count && oldest_new; oldest_new = *ca_pool_link(&ca_region.nodes, oldest_new))
        ca_tlsf_give_nodes(&heap->pages, (oldest_new << CA_NODE_BATCH_SHIFT) + 1, NODES);
}

/* Who knows what was written there since. */
static void free_soil(ca_heap *heap, const ca_tlsf_node *node, bool used, void *unused)
{
    (void)unused;
    if (used)
        return;
    if (CA_UNLIKELY(ca_heap_setting.full)) /* what is handed out again reads as zero, or as poison */
        memset(ca_region_address((ca_page)node->offset), 0, (size_t)node->size * CA_PAGE);
    ca_region.marks[node - heap->pages.nodes] = ca_region_now();
}

static void heap_restore(stream *s, ca_heap *heap, uint32_t depth)
{
    uint64_t runs;
    ca_heap_drop_caches(heap);
    const char *saved = s->base + s->at;
    (void)reserve(s, sizeof *heap);
    get(s, &runs, sizeof runs);
    stream runs_at = *s;
    for (uint64_t i = 0; i < runs; i++) {
        saved_run r;
        get(s, &r, sizeof r);
        (void)reserve(s, r.pages * sizeof(ca_page_entry));
        (void)reserve(s, live_bytes(r.pages));
    }
    slabs_restore(s, heap);
    nodes_each(heap, block_kill, NULL);
    __atomic_thread_fence(__ATOMIC_RELEASE); /* who walks along finds no page of now with a node of then, or the other way */
    runs_give(heap, depth);
    record_restore(heap, saved);
    batches_restore(s, heap);
    for (uint64_t i = 0; i < runs; i++) {
        saved_run r;
        get(&runs_at, &r, sizeof r);
        get(&runs_at, &ca_region.entries[r.page], r.pages * sizeof(ca_page_entry));
        get(&runs_at, ca_live_at(ca_page_granule(r.page)), live_bytes(r.pages));
    }
    nodes_each(heap, free_soil, NULL);
    pages_restore(s);
    __atomic_store_n(&heap->generation, heap->generation + 1, __ATOMIC_RELEASE);
    (void)ca_remote_drain(heap); /* all of it is void now */
}

static void huge_restore(stream *s, ca_context *c, uint32_t depth)
{
    for (ca_page run = ca_region_first_run(&c->runs), next; run != UINT32_MAX; run = next) {
        const ca_run_record *r = ca_run_at(run >> CA_CHUNK_SHIFT);
        bool stays = r->saved && r->saved <= depth;
        next = ca_region_next_run(run);
        if (huge_is_live(run))
            ca_huge_kill(c, run);
        if (!stays) {
            run_wash(run);
            ca_huge_give(c, run);
        }
    }
    uint64_t count;
    get(s, &count, sizeof count);
    for (uint64_t i = 0; i < count; i++) {
        saved_run r;
        get(s, &r, sizeof r);
        ca_huge_revive(c, r.page, r.pages);
    }
    pages_restore(s);
}

/* What was freed while it was pinned goes. pre: no savepoint is left */
static void unpin(ca_context *c)
{
    ca_heap *heaps[] = {c->heap, c->annex};
    for (int i = 0; i < 2; i++)
        for (ca_page run = heaps[i] ? ca_region_first_run(&heaps[i]->runs) : UINT32_MAX; run != UINT32_MAX; run = ca_region_next_run(run))
            ca_run_at(run >> CA_CHUNK_SHIFT)->saved = 0;
    for (ca_page run = ca_region_first_run(&c->runs), next; run != UINT32_MAX; run = next) {
        next = ca_region_next_run(run);
        ca_run_at(run >> CA_CHUNK_SHIFT)->saved = 0;
        if (!huge_is_live(run)) {
            run_wash(run);
            ca_huge_give(c, run);
        }
    }
}

static void record_give(ca_context *c, const record *r)
{
    uint64_t bytes = r->bytes;
    ca_page page = r->page;
    run_wash(page);
    ca_region_give(page, NULL);
    ca_account_discharge(&c->account, bytes);
}

static record **find(ca_context *c, uint64_t number)
{
    record **link = &c->saves;
    while (*link && (*link)->number != number)
        link = &(*link)->older;
    return link;
}

bool ca_save_restore(ca_context *c, uint64_t number)
{
    const record *r = *find(c, number);
    if (!r)
        return false;
    while (newest(c) != r) {
        const record *younger = newest(c);
        c->saves = younger->older;
        record_give(c, younger);
    }
    stream s = {(char *)(uintptr_t)r, 0};
    (void)reserve(&s, sizeof *r);
    if (c->annex && !r->has_annex) {
        ca_heap_drop(c->annex, 1, false);
        ca_heap_retire(c->annex);
        c->annex = NULL;
    }
    bool locked = c->annex && ca_context_annex_take(c);
    heap_restore(&s, c->heap, r->depth);
    if (c->annex)
        heap_restore(&s, c->annex, r->depth);
    huge_restore(&s, c, r->depth);
    if (locked)
        ca_context_annex_drop(c);
    return true;
}

bool ca_save_drop(ca_context *c, uint64_t number)
{
    record **link = find(c, number), *r = *link;
    if (!r)
        return false;
    *link = r->older;
    record_give(c, r);
    if (!c->saves)
        unpin(c);
    return true;
}

void ca_save_drop_all(ca_context *c)
{
    while (c->saves)
        (void)ca_save_drop(c, newest(c)->number);
}
