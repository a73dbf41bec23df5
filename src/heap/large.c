#include "heap/large.h"

#include <string.h>

#include "base/check.h"
#include "base/os.h"
#include "heap/context.h"
#include "heap/live.h"
#include "heap/placement.h"
#include "heap/remote.h"
#include "heap/save.h"

static ca_huge_usage huge;

bool ca_large_is_huge(size_t size, size_t align)
{
    return ca_pages_for(size) + align / CA_PAGE >= CA_HUGE_PAGES;
}

CA_INLINE void block_publish(ca_page page, uint32_t tag, uint32_t number)
{
    ca_page_entry_set(page, tag, number);
    if (ca_heap_setting.check)
        ca_live_set(ca_page_granule(page));
}

ca_run_list ca_huge_runs;

/* Who holds a huge block: its context, or the process. */
typedef struct holder {
    ca_context *context;
    ca_account *account;
    ca_run_list *list;
} holder;

static holder holder_of(ca_context *context)
{
    return context ? (holder){context, &context->account, &context->runs} : (holder){NULL, &ca_account_process, &ca_huge_runs};
}

static holder holder_of_run(ca_page page)
{
    uint32_t owner = ca_region_run_owner(page);
    return holder_of(owner ? ca_context_at(owner) : NULL);
}

/* Live blocks become more (sign 1) or fewer (-1). */
static void huge_count(ca_context *context, uint64_t sign, uint64_t bytes)
{
    __atomic_fetch_add(&huge.bytes, sign * bytes, __ATOMIC_RELAXED);
    __atomic_fetch_add(&huge.count, sign, __ATOMIC_RELAXED);
    if (context) {
        __atomic_fetch_add(&context->huge_count, sign, __ATOMIC_RELAXED);
        __atomic_fetch_add(&context->huge_bytes, sign * bytes, __ATOMIC_RELAXED);
    }
}

static void *huge_alloc(ca_context *context, ca_zone *zone, uint64_t pages, uint64_t align, size_t *zero)
{
    holder h = holder_of(context);
    uint64_t bytes = ca_round_up(pages, CA_CHUNK) * CA_PAGE;
    if (context && CA_UNLIKELY(CA_LOAD(&context->frozen)))
        return NULL;
    if (!ca_account_charge(h.account, bytes))
        return NULL;
    ca_run run = ca_region_take(zone, pages, align, h.list);
    if (!run.pages) {
        ca_account_discharge(h.account, bytes);
        return NULL;
    }
    ca_account_settle(h.account);
    if (CA_UNLIKELY(CA_LOAD(&ca_heap_dropped_any)))
        *ca_live_at(ca_page_granule(run.page)) = (ca_live_word){0, 0};
    huge_count(context, 1, bytes);
    block_publish(run.page, CA_TAG_HUGE, 1); /* any number: that a block was here, see heap/verdict.c */
    *zero = run.mark ? 0 : (size_t)run.pages * CA_PAGE;
    return ca_region_address(run.page);
}

void *ca_huge_alloc(ca_context *context, size_t size, size_t align)
{
    size_t zero;
    return huge_alloc(context, CA_LOAD(ca_context_zone(context)), ca_size_max(ca_pages_for(size), 1), ca_size_max(align >> CA_PAGE_SHIFT, 1), &zero);
}

/* As every slow call: now and then a look at the clock; but not in a call that took an extent, which costs as much. */
CA_INLINE void clock_look(ca_heap *heap, ca_page extents_before)
{
    if (CA_LIKELY(heap->extent_pages == extents_before) && CA_UNLIKELY(heap->slow_calls-- == 0))
        ca_heap_tick(heap);
}

/* node CA_NODE_NONE: no memory. */
CA_INLINE void *large_publish(ca_heap *heap, ca_node node, uint64_t pages)
{
    if (CA_UNLIKELY(!node))
        return NULL;
    ca_page page = (ca_page)heap->pages.nodes[node].offset;
    CA_BUMP(&heap->large_pages, (ca_page)pages);
    CA_BUMP(&heap->large_count, 1);
    block_publish(page, heap->tag | CA_TAG_LARGE, node);
    return ca_region_address(page);
}

CA_NOINLINE static void *heap_huge_alloc(ca_heap *heap, uint64_t pages, uint64_t align, size_t *zero)
{
    clock_look(heap, heap->extent_pages);
    ca_placement_settle(heap);
    return huge_alloc(heap->target.context, CA_LOAD(&heap->runs.zone), pages, align, zero);
}

void *ca_large_malloc(ca_heap *heap, size_t size)
{
    uint64_t pages = ca_pages_for(size);
    (void)ca_remote_drain(heap);
    if (CA_UNLIKELY(pages >= CA_HUGE_PAGES))
        return heap_huge_alloc(heap, pages, 1, &(size_t){0});
    ca_page extents = heap->extent_pages;
    ca_node node = ca_pages_take_held(heap, pages);
    if (CA_UNLIKELY(!node))
        node = ca_pages_take(heap, pages, 1);
    clock_look(heap, extents);
    return large_publish(heap, node, pages);
}

void *ca_large_alloc(ca_heap *heap, size_t size, size_t align, size_t *zero)
{
    uint64_t pages = ca_size_max(ca_pages_for(size), 1), align_pages = ca_size_max(align >> CA_PAGE_SHIFT, 1);
    (void)ca_remote_drain(heap);
    if (ca_large_is_huge(size, align))
        return heap_huge_alloc(heap, pages, align_pages, zero);
    ca_page extents = heap->extent_pages;
    ca_node node = align_pages == 1 ? ca_pages_take_held(heap, pages) : CA_NODE_NONE;
    if (!node)
        node = ca_pages_take(heap, pages, align_pages);
    clock_look(heap, extents);
    *zero = node && !ca_region.marks[node] ? pages * CA_PAGE : 0;
    return large_publish(heap, node, pages);
}

static CA_NOINLINE void free_after_held(ca_heap *heap, ca_page page)
{
    ca_pages_let_go(heap);
    ca_large_free(heap, page);
}

void ca_large_free(ca_heap *heap, ca_page page)
{
    if (CA_UNLIKELY(heap->held)) { /* a call of its own: nothing is to be saved here then */
        free_after_held(heap, page);
        return;
    }
    ca_page_entry *entry = &ca_region.entries[page];
    ca_node node = entry->number;
    CA_STORE(&heap->large_pages, heap->large_pages - (ca_page)heap->pages.nodes[node].size);
    CA_STORE(&heap->large_count, heap->large_count - 1);
    CA_STORE(&entry->tag, 0);
    ca_pages_hold(heap, node);
}

size_t ca_large_size(ca_page page)
{
    const ca_page_entry *entry = &ca_region.entries[page];
    return ca_large_size_of(page, CA_LOAD(&entry->tag), entry->number);
}

size_t ca_large_size_of(ca_page page, uint32_t tag, uint32_t number)
{
    if (tag == CA_TAG_HUGE)
        return (size_t)ca_region_run_pages(page) * CA_PAGE;
    const ca_tlsf_node *nodes = (const ca_tlsf_node *)(const void *)ca_region.nodes.base;
    return (size_t)nodes[number].size * CA_PAGE;
}

static bool huge_resize(ca_page page, size_t size)
{
    ca_page before = ca_region_run_pages(page), after = (ca_page)ca_round_up(ca_pages_for(size), CA_CHUNK);
    holder h = holder_of_run(page);
    ca_account *account = h.account;
    if (after < before && ca_save_pins(page))
        return true; /* it may be wanted back whole */
    if (h.context && CA_UNLIKELY(CA_LOAD(&h.context->frozen)))
        return false;
    if (after > before && !ca_account_charge(account, (uint64_t)(after - before) * CA_PAGE))
        return false;
    if (!ca_region_resize(page, ca_pages_for(size))) {
        if (after > before)
            ca_account_discharge(account, (uint64_t)(after - before) * CA_PAGE);
        return false;
    }
    if (after < before)
        ca_account_discharge(account, (uint64_t)(before - after) * CA_PAGE);
    else
        ca_account_settle(account);
    if (h.context)
        __atomic_fetch_add(&h.context->huge_bytes, ((uint64_t)after - before) * CA_PAGE, __ATOMIC_RELAXED);
    __atomic_fetch_add(&huge.bytes, ((uint64_t)ca_region_run_pages(page) - before) * CA_PAGE, __ATOMIC_RELAXED);
    return true;
}

bool ca_large_resize(ca_heap *heap, ca_page page, size_t size)
{
    const ca_page_entry *entry = &ca_region.entries[page];
    if (CA_LOAD(&entry->tag) == CA_TAG_HUGE)
        return huge_resize(page, size);
    ca_node node = entry->number;
    uint64_t before = heap->pages.nodes[node].size, pages = ca_pages_for(size);
    if (pages == before)
        return true;
    if (heap->held)
        ca_pages_let_go(heap); /* it may lie behind the block */
    heap->pages.marks[node] = pages < before ? ca_region_now() : 0; /* of what a shrink cuts off; what a growth leaves keeps its own */
    if (!ca_region_feed_nodes(&heap->pages, 1, &heap->node_batches) ||
        !ca_tlsf_resize(&heap->pages, node, pages, NULL))
        return false;
    if (CA_UNLIKELY(ca_heap_setting.decay == 0) && pages < before)
        ca_region_purge_block(&heap->pages, heap->pages.nodes[node].next); /* what was cut off */
    CA_STORE(&heap->large_pages, heap->large_pages + (ca_page)(pages - before));
    return true;
}

void ca_huge_kill(ca_context *context, ca_page page)
{
    huge_count(context, (uint64_t)-1, (uint64_t)ca_region_run_pages(page) * CA_PAGE);
    CA_STORE(&ca_region.entries[page].tag, 0);
    if (ca_heap_setting.check && ca_live_test(ca_page_granule(page)))
        (void)ca_live_clear_shared(ca_page_granule(page));
}

void ca_huge_give(ca_context *context, ca_page page)
{
    uint64_t bytes = (uint64_t)ca_region_run_pages(page) * CA_PAGE;
    ca_region_give(page, &context->runs);
    ca_account_discharge(&context->account, bytes);
}

void ca_huge_revive(ca_context *context, ca_page page, ca_page pages)
{
    ca_page now = ca_region_run_pages(page);
    if (now > pages && ca_region_resize(page, pages)) /* otherwise it stays larger */
        ca_account_discharge(&context->account, (uint64_t)(now - pages) * CA_PAGE);
    huge_count(context, 1, (uint64_t)ca_region_run_pages(page) * CA_PAGE);
    block_publish(page, CA_TAG_HUGE, 1);
}

bool ca_huge_free(ca_page page, bool check)
{
    if (check && !ca_live_clear_shared(ca_page_granule(page)))
        return false;
    holder h = holder_of_run(page);
    uint64_t bytes = (uint64_t)ca_region_run_pages(page) * CA_PAGE;
    if (CA_UNLIKELY(h.context && ca_save_pins(page))) {
        ca_huge_kill(h.context, page);
        return true;
    }
    if (h.context && CA_UNLIKELY(CA_LOAD(&h.context->frozen)) && !ca_os_protect(ca_region_address(page), bytes, CA_OS_READ_WRITE))
        return true; /* nobody may have it as it is: it goes when the context does */
    huge_count(h.context, (uint64_t)-1, bytes);
    CA_STORE(&ca_region.entries[page].tag, 0);
    if (CA_UNLIKELY(ca_heap_setting.full))
        ca_region_clear(page, ca_region_run_pages(page));
    ca_region_give(page, h.list);
    ca_account_discharge(h.account, bytes);
    return true;
}

/* Memory that was lost when pages were to be moved there: no block any more, and nobody's run again. */
static void huge_lose(ca_page page)
{
    holder h = holder_of_run(page);
    uint64_t bytes = (uint64_t)ca_region_run_pages(page) * CA_PAGE;
    if (ca_heap_setting.check)
        (void)ca_live_clear_shared(ca_page_granule(page));
    huge_count(h.context, (uint64_t)-1, bytes);
    CA_STORE(&ca_region.entries[page].tag, 0);
    ca_region_lose(page, h.list);
    ca_account_discharge(h.account, bytes);
}

void *ca_huge_move(ca_page page, size_t size)
{
    size_t zero;
    uint32_t owner = ca_region_run_owner(page);
    void *to = ca_large_is_huge(size, 1) ? huge_alloc(owner ? ca_context_at(owner) : NULL, ca_region_zone(page), ca_pages_for(size), 1, &zero) : NULL;
    if (!to)
        return NULL;
    ca_page to_page = ca_granule_page(ca_region_granule(to));
    ca_page pages = ca_region_run_pages(page), to_pages = ca_region_run_pages(to_page);
    if (!ca_region_move(page, to_page, pages < to_pages ? pages : to_pages)) {
        if (CA_LIKELY(ca_region_is_usable(to_page)))
            (void)ca_huge_free(to_page, ca_heap_setting.check);
        else
            huge_lose(to_page);
        return NULL;
    }
    (void)ca_huge_free(page, ca_heap_setting.check);
    return to;
}

void ca_huge_drop(ca_context *context, uint32_t dead)
{
    uint64_t bytes = 0;
    for (ca_page page = ca_region_first_run(&context->runs); page != UINT32_MAX; page = ca_region_next_run(page)) {
        bytes += (uint64_t)ca_region_run_pages(page) * CA_PAGE;
        ca_page_entry_set(page, 0, dead);
        *ca_live_at(ca_page_granule(page)) = (ca_live_word){0, 0};
        if (CA_UNLIKELY(ca_heap_setting.full))
            ca_region_clear(page, ca_region_run_pages(page));
    }
    __atomic_fetch_sub(&huge.bytes, bytes, __ATOMIC_RELAXED);
    __atomic_fetch_sub(&huge.count, context->huge_count, __ATOMIC_RELAXED);
    context->huge_count = context->huge_bytes = 0;
    ca_region_retire_all(&context->runs);
    ca_account_discharge(&context->account, bytes);
}

void ca_huge_disown(ca_context *context)
{
    ca_region_pass(&context->runs, &ca_huge_runs);
    context->huge_count = context->huge_bytes = 0;
}

ca_huge_usage ca_huge_get_usage(void)
{
    return (ca_huge_usage){CA_LOAD(&huge.bytes), CA_LOAD(&huge.count)};
}
