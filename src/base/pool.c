#include "base/pool.h"

#include "base/check.h"
#include "base/os.h"

enum { COMMIT_STEP = 16 * CA_PAGE, COMMIT_PART = 16, ODD_PAGES = 16, HUGE_LEAST = 1 << 20 };

void ca_store_init(ca_store *store, void *range, size_t bytes, size_t committed, void *side, uint32_t side_page)
{
    char *end = (char *)range + bytes;
    *store = (ca_store){.base = range, .low = end, .committed = end - committed, .end = end, .side = side, .side_page = side_page};
}

void ca_pool_init(ca_pool *pool, ca_store *store, uint32_t record)
{
    *pool = (ca_pool){.base = store->base, .record = record, .store = store, .pages = CA_PAGE % record ? ODD_PAGES : 1};
}

void ca_store_cut(ca_store *store, size_t bytes)
{
    CA_ASSERT(bytes <= (size_t)(store->low - store->committed));
    store->low -= bytes;
}

void ca_pool_begin(ca_pool *pool, const char *first, uint32_t count)
{
    CA_ASSERT((size_t)(first - pool->base) % pool->record == 0);
    pool->fresh = (uint32_t)((size_t)(first - pool->base) / pool->record);
    pool->end = pool->fresh + count;
}

/* Commits [from, to) of an array, whole pages; what is committed already does not change. */
static bool array_commit(char *array, size_t from, size_t to)
{
    from = from / CA_PAGE * CA_PAGE;
    return ca_os_commit(array + from, ca_round_up(to, CA_PAGE) - from);
}

/* The store is about to be large enough for a huge page of its own, which would be made whole for the little that comes next. Small processes need not say so. */
static void store_refuse_huge_pages(const ca_store *store)
{
    size_t bytes = (size_t)(store->end - store->base);
    ca_os_no_huge_pages(store->base, bytes);
    if (store->side)
        ca_os_no_huge_pages(store->side, bytes / CA_PAGE * store->side_page);
}

/* A step down: a sixteenth of what there is, so that large processes come here rarely. */
static bool store_commit(ca_store *store)
{
    size_t left = (size_t)(store->committed - store->base) - CA_PAGE;
    size_t step = ca_round_up((size_t)(store->end - store->committed) / COMMIT_PART, COMMIT_STEP);
    step = ca_size_min(ca_size_max(step, COMMIT_STEP), left);
    if (!step)
        return false;
    size_t to = (size_t)(store->committed - store->base), from = to - step, all = (size_t)(store->end - store->committed);
    if (all < HUGE_LEAST && all + step >= HUGE_LEAST)
        store_refuse_huge_pages(store);
    if (!array_commit(store->base, from, to) ||
        (store->side && !array_commit(store->side, from / CA_PAGE * store->side_page, to / CA_PAGE * store->side_page)))
        return false;
    store->committed -= step;
    return true;
}

bool ca_store_spare(ca_store *store, size_t bytes)
{
    bool done = true;
    ca_lock_take(&store->lock);
    while (done && (size_t)(store->low - store->committed) < bytes)
        done = store_commit(store);
    ca_lock_drop(&store->lock);
    return done;
}

/* pages <= ODD_PAGES. NULL: no memory. */
static char *store_take(ca_store *store, uint32_t pages)
{
    char *page = NULL;
    ca_lock_take(&store->lock);
    if ((size_t)(store->low - store->committed) >= pages * (size_t)CA_PAGE || store_commit(store)) {
        if ((size_t)(store->low - store->committed) >= pages * (size_t)CA_PAGE)
            page = store->low -= pages * (size_t)CA_PAGE;
    }
    ca_lock_drop(&store->lock);
    return page;
}

/* another: from new pages, if need be */
static uint32_t pool_pop(ca_pool *pool, bool another)
{
    uint32_t number = pool->free;
    if (number) {
        pool->free = *ca_pool_link(pool, number);
        return number;
    }
    if (pool->fresh == pool->end) {
        char *page = another ? store_take(pool->store, pool->pages) : NULL;
        if (!page)
            return 0;
        size_t from = (size_t)(page - pool->base), to = from + pool->pages * (size_t)CA_PAGE;
        pool->fresh = (uint32_t)((from + pool->record - 1) / pool->record);
        pool->end = (uint32_t)(to / pool->record);
    }
    return pool->fresh++;
}

uint32_t ca_pool_take_list(ca_pool *pool, uint32_t wanted)
{
    uint32_t first = 0;
    ca_lock_take(&pool->lock);
    for (; wanted; wanted--) {
        uint32_t number = pool_pop(pool, !first);
        if (!number)
            break;
        *ca_pool_link(pool, number) = first;
        first = number;
    }
    ca_lock_drop(&pool->lock);
    return first;
}

uint32_t ca_pool_take(ca_pool *pool)
{
    return ca_pool_take_list(pool, 1);
}

void ca_pool_give_list(ca_pool *pool, uint32_t first, uint32_t last)
{
    ca_lock_take(&pool->lock);
    *ca_pool_link(pool, last) = pool->free;
    pool->free = first;
    ca_lock_drop(&pool->lock);
}

void ca_pool_give_chain(ca_pool *pool, uint32_t *head)
{
    uint32_t first = *head, last = first;
    if (!first)
        return;
    while (*ca_pool_link(pool, last))
        last = *ca_pool_link(pool, last);
    *head = 0;
    ca_pool_give_list(pool, first, last);
}
