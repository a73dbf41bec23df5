/* The page heap: a heap's TLSF over the page numbers of its extents. */
#include <string.h>

#include "base/check.h"
#include "heap/heap.h"
#include "heap/live.h"
#include "heap/placement.h"
#include "heap/save.h"

enum {
    PURGE_LOOKS = 5,   /* free blocks that one tick looks at */
    PURGE_MOST = 4
};

/* Charged, and its live words zero. */
CA_INLINE ca_run run_take(ca_heap *heap, uint64_t least, uint64_t most)
{
    ca_zone *zone = CA_LOAD(&heap->runs.zone);
    ca_choice choice = ca_region_choose(zone, least, most);
    if (!choice.pages || !ca_account_charge(heap->account, choice.pages * CA_PAGE)) {
        ca_region_choose_nothing(zone);
        return (ca_run){0, 0, 0, false};
    }
    ca_run run = ca_region_take_chosen(zone, choice, &heap->runs);
    if (!run.pages)
        ca_account_discharge(heap->account, choice.pages * CA_PAGE);
    else
        ca_account_settle(heap->account);
    if (run.pages && CA_UNLIKELY(CA_LOAD(&ca_heap_dropped_any)) && !run.fresh)
        ca_live_reset(run.page, run.pages);
    return run;
}

/* Apart, as it is rare. */
static CA_NOINLINE ca_run run_take_least(ca_heap *heap, uint64_t pages)
{
    return run_take(heap, pages, pages);
}

/* Pages of the next extent at least: a context's begin with one chunk and double. */
static uint64_t extent_least(const ca_heap *heap)
{
    uint64_t so_far = ca_size_max(heap->extent_pages, heap->first_extent);
    return heap->target.context ? ca_size_max(CA_CHUNK, ca_size_min(so_far, CA_EXTENT_LEAST)) : CA_EXTENT_LEAST;
}

/* A new extent: a quarter of what the heap has, within limits, so that small heaps stay small. Its first `pages` are in use. */
static ca_node extent_take(ca_heap *heap, uint64_t pages)
{
    uint64_t least = extent_least(heap), wanted = ca_size_max(least, ca_size_min(heap->extent_pages / 4, CA_EXTENT_MOST));
    ca_placement_settle(heap);
    wanted = ca_size_max(wanted, pages);
    ca_run run = run_take(heap, ca_size_max(least, pages), wanted);
    if (CA_UNLIKELY(!run.pages)) {
        if (wanted > pages)
            run = run_take_least(heap, pages);
        if (!run.pages)
            return CA_NODE_NONE;
    }
    ca_node node = ca_tlsf_add_used(&heap->pages, run.page, run.pages, pages, run.mark);
    CA_ASSERT(node);
    ca_run_at(run.page >> CA_CHUNK_SHIFT)->head = node;
    CA_BUMP(&heap->extent_pages, run.pages);
    if (CA_UNLIKELY(ca_region_is_far(run.page)))
        heap->target.checked_end = heap->target.context_end = 0; /* malloc's path with checks knows the first range only */
    return node;
}

/* An aligned block has room for itself anywhere in what an extent is taken for. */
static ca_node extent_take_aligned(ca_heap *heap, uint64_t pages, uint64_t align)
{
    ca_node node = extent_take(heap, pages + align - 1);
    if (!node)
        return CA_NODE_NONE;
    (void)ca_tlsf_free(&heap->pages, node);
    return ca_tlsf_alloc(&heap->pages, pages, align);
}

static void extent_give(ca_heap *heap, ca_node node)
{
    const ca_tlsf_node *n = &heap->pages.nodes[node];
    ca_page page = (ca_page)n->offset;
    CA_STORE(&heap->extent_pages, heap->extent_pages - (ca_page)n->size);
    ca_account_discharge(heap->account, n->size * CA_PAGE);
    ca_tlsf_remove(&heap->pages, node);
    ca_region_give(page, &heap->runs);
}

static bool nodes_feed(ca_heap *heap)
{
    return ca_region_feed_nodes(&heap->pages, CA_SPARE_NODES, &heap->node_batches);
}

ca_node ca_pages_take_some(ca_heap *heap, uint64_t least, uint64_t most, uint64_t *pages)
{
    if (heap->held)
        ca_pages_let_go_for(heap, least);
    if (!nodes_feed(heap))
        return CA_NODE_NONE;
    ca_node node = CA_NODE_NONE;
    for (*pages = most; !node && *pages >= least; *pages /= 2)
        node = ca_tlsf_alloc(&heap->pages, *pages, 1);
    *pages = node ? heap->pages.nodes[node].size : most;
    if (!node)
        node = ca_pages_take(heap, most, 1);
    if (!node && most > least)
        node = ca_pages_take(heap, *pages = least, 1);
    return node;
}

ca_node ca_pages_take_more(ca_heap *heap, uint64_t pages, uint64_t align)
{
    ca_node node = CA_NODE_NONE;
    if (heap->pages.spare < CA_SPARE_NODES) {
        if (!nodes_feed(heap))
            return CA_NODE_NONE;
        node = ca_tlsf_alloc(&heap->pages, pages, align);
    }
    if (!node)
        node = CA_LIKELY(align == 1) ? extent_take(heap, pages) : extent_take_aligned(heap, pages, align);
    if (CA_UNLIKELY(!node)) { /* there is no more: in the bin of the size itself there may be one that fits */
        heap->pages.scan_limit = UINT32_MAX;
        node = ca_tlsf_alloc(&heap->pages, pages, align);
        heap->pages.scan_limit = 0;
    }
    return node;
}

/* Its mark says since when. */
static void block_give(ca_heap *heap, ca_node node)
{
    ca_tlsf *tlsf = &heap->pages;
    if (CA_UNLIKELY(ca_heap_setting.decay == 0)) /* before it is merged, so that a page goes back once */
        ca_region_purge_block(tlsf, node);
    node = ca_tlsf_free(tlsf, node);
    /* An empty extent goes back, unless it is what the next block will likely need. */
    if (ca_tlsf_is_whole(tlsf, node) && tlsf->free_total >= 2 * tlsf->nodes[node].size && !ca_save_pins((ca_page)tlsf->nodes[node].offset))
        extent_give(heap, node);
}

void ca_pages_let_go(ca_heap *heap)
{
    ca_node node = heap->held;
    heap->held = CA_NODE_NONE;
    block_give(heap, node);
}

/* 0: no block, or used. */
static uint64_t free_size(const ca_tlsf *tlsf, ca_node node)
{
    return node && !ca_tlsf_is_used(tlsf, node) ? tlsf->nodes[node].size : 0;
}

void ca_pages_let_go_for(ca_heap *heap, uint64_t pages)
{
    const ca_tlsf_node *n = &heap->pages.nodes[heap->held];
    if (n->size + free_size(&heap->pages, n->prev) + free_size(&heap->pages, n->next) >= pages)
        ca_pages_let_go(heap);
}

void ca_pages_give(ca_heap *heap, ca_node node)
{
    if (heap->held)
        ca_pages_let_go(heap);
    heap->pages.marks[node] = ca_region_now();
    block_give(heap, node);
}

void ca_pages_purge(ca_heap *heap)
{
    (void)ca_region_purge_tlsf(&heap->pages, &(ca_purge_place){0, 0}, UINT32_MAX, 0, UINT32_MAX);
}

void ca_pages_trim(ca_heap *heap)
{
    ca_tlsf *tlsf = &heap->pages;
    if (heap->held)
        ca_pages_let_go(heap);
    for (unsigned bin = 0; bin < CA_HEAP_LEVELS * CA_BIN_SECOND_LEVELS; bin++)
        for (ca_node node = tlsf->bins[bin], next; node; node = next) {
            next = tlsf->nodes[node].next_free;
            if (ca_tlsf_is_whole(tlsf, node) && !ca_save_pins((ca_page)tlsf->nodes[node].offset))
                extent_give(heap, node);
        }
    ca_pages_purge(heap);
}

bool ca_pages_are_few(const ca_heap *heap)
{
    return heap->extent_pages && heap->extent_pages <= CA_EXTENT_LEAST && ca_region_next_run(ca_region_first_run(&heap->runs)) == UINT32_MAX;
}

/* All nodes but those of one batch go back, and are spare; all bins are empty. */
void ca_pages_drop(ca_heap *heap)
{
    ca_tlsf *tlsf = &heap->pages;
    ca_region_retire_all(&heap->runs);
    ca_account_discharge(heap->account, (uint64_t)heap->extent_pages * CA_PAGE);
    heap->first_extent = (uint8_t)ca_size_min(heap->extent_pages, CA_EXTENT_LEAST);
    CA_STORE(&heap->extent_pages, 0);
    memset(heap->page_bins, 0, sizeof heap->page_bins);
    memset(heap->page_second, 0, sizeof heap->page_second);
    tlsf->free_total = 0;
    tlsf->spare_list = CA_NODE_NONE;
    tlsf->spare = 0;
    ca_region_drop_nodes(&heap->node_batches, true);
    if (heap->node_batches.newest)
        ca_tlsf_give_nodes(tlsf, (heap->node_batches.newest << CA_NODE_BATCH_SHIFT) + 1, CA_NODE_BATCH - 1);
}

/* One thing at a time, so that no tick costs as much as all. */
void ca_heap_tick(ca_heap *heap)
{
    heap->slow_calls = CA_TICK_CALLS;
    if (!ca_region_tick())
        return;
    ca_zone *zone = CA_LOAD(&heap->runs.zone);
    switch (heap->tick_turn++) {
    case 0:
        if (heap->held) { /* what waits for its decay is looked at */
            ca_pages_let_go(heap);
            return;
        }
        heap->tick_turn++;
        /* fall through */
    case 1:
        (void)ca_region_purge_tlsf(&heap->pages, &heap->purged_to, PURGE_LOOKS, ca_heap_setting.decay, PURGE_MOST);
        return;
    default:
        heap->tick_turn = 0;
        ca_region_purge(zone, ca_heap_setting.decay, PURGE_LOOKS, PURGE_MOST);
        if (CA_UNLIKELY(zone != NULL)) /* it may be nobody's by now */
            ca_region_purge(NULL, ca_heap_setting.decay, PURGE_LOOKS, PURGE_MOST);
    }
}
