#include "heap/large.h"

#include "base/check.h"
#include "heap/live.h"

static ca_huge_usage huge;

bool ca_large_is_huge(size_t size, size_t align)
{
    return ca_pages_for(size) + align / CA_PAGE >= CA_HUGE_PAGES;
}

static void block_publish(ca_page page, uint32_t tag, uint32_t number)
{
    ca_region.entries[page].number = number;
    CA_STORE(&ca_region.entries[page].tag, tag);
    if (ca_heap_setting.check)
        ca_live_set(ca_page_granule(page));
}

static void *huge_alloc(uint64_t pages, uint64_t align, size_t *zero)
{
    ca_run run = ca_region_take(pages, align);
    if (!run.pages)
        return NULL;
    __atomic_fetch_add(&huge.bytes, (uint64_t)run.pages * CA_PAGE, __ATOMIC_RELAXED);
    __atomic_fetch_add(&huge.count, 1, __ATOMIC_RELAXED);
    block_publish(run.page, CA_TAG_HUGE, 1); /* any number: that a block was here, see heap/verdict.c */
    *zero = run.mark ? 0 : (size_t)run.pages * CA_PAGE;
    return ca_region_address(run.page);
}

void *ca_large_alloc(ca_heap *heap, size_t size, size_t align, size_t *zero)
{
    uint64_t pages = ca_size_max(ca_pages_for(size), 1);
    uint64_t align_pages = ca_size_max(align >> CA_PAGE_SHIFT, 1);
    if (ca_large_is_huge(size, align))
        return huge_alloc(pages, align_pages, zero);
    ca_node node = ca_pages_take(heap, pages, align_pages);
    if (!node)
        return NULL;
    ca_page page = (ca_page)heap->pages.nodes[node].offset;
    CA_BUMP(&heap->large_pages, pages);
    CA_BUMP(&heap->large_count, 1);
    block_publish(page, heap->tag | CA_TAG_LARGE, node);
    *zero = ca_region.marks[node] ? 0 : pages * CA_PAGE;
    return ca_region_address(page);
}

void ca_large_free(ca_heap *heap, ca_page page)
{
    ca_page_entry *entry = &ca_region.entries[page];
    ca_node node = entry->number;
    CA_STORE(&heap->large_pages, heap->large_pages - heap->pages.nodes[node].size);
    CA_STORE(&heap->large_count, heap->large_count - 1);
    CA_STORE(&entry->tag, 0);
    ca_pages_give(heap, node);
}

size_t ca_large_size(ca_page page)
{
    const ca_page_entry *entry = &ca_region.entries[page];
    if (CA_LOAD(&entry->tag) == CA_TAG_HUGE)
        return (size_t)ca_region_run_pages(page) * CA_PAGE;
    const ca_tlsf_node *nodes = (const ca_tlsf_node *)(const void *)ca_region.nodes.base;
    return (size_t)nodes[entry->number].size * CA_PAGE;
}

static bool huge_resize(ca_page page, size_t size)
{
    ca_page before = ca_region_run_pages(page);
    if (!ca_region_resize(page, ca_pages_for(size)))
        return false;
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
    heap->pages.marks[node] = ca_region_now(); /* of what a shrink cuts off */
    if (!ca_region_feed_nodes(&heap->pages, 1, &heap->node_batches) ||
        !ca_tlsf_resize(&heap->pages, node, pages, NULL))
        return false;
    CA_STORE(&heap->large_pages, heap->large_pages + pages - before);
    return true;
}

bool ca_huge_free(ca_page page, bool check)
{
    if (check && !ca_live_clear_shared(ca_page_granule(page)))
        return false;
    __atomic_fetch_sub(&huge.bytes, (uint64_t)ca_region_run_pages(page) * CA_PAGE, __ATOMIC_RELAXED);
    __atomic_fetch_sub(&huge.count, 1, __ATOMIC_RELAXED);
    CA_STORE(&ca_region.entries[page].tag, 0);
    ca_region_give(page);
    return true;
}

void *ca_huge_move(ca_heap *heap, ca_page page, size_t size)
{
    size_t zero;
    void *to = ca_large_is_huge(size, 1) ? ca_large_alloc(heap, size, 1, &zero) : NULL;
    if (!to)
        return NULL;
    ca_page to_page = ca_granule_page(ca_region_granule(to));
    ca_page pages = ca_region_run_pages(page), to_pages = ca_region_run_pages(to_page);
    if (!ca_region_move(page, to_page, pages < to_pages ? pages : to_pages)) {
        (void)ca_huge_free(to_page, ca_heap_setting.check);
        return NULL;
    }
    (void)ca_huge_free(page, ca_heap_setting.check);
    return to;
}

ca_huge_usage ca_huge_get_usage(void)
{
    return (ca_huge_usage){CA_LOAD(&huge.bytes), CA_LOAD(&huge.count)};
}
