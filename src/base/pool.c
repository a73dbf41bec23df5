#include "base/pool.h"

#include "base/os.h"

enum { COMMIT_STEP = 16 * CA_PAGE };

void ca_pool_init(ca_pool *pool, void *range, size_t bytes, size_t record, void *side, size_t side_record)
{
    size_t most = bytes / record;
    *pool = (ca_pool){.base = range, .record = (uint32_t)record, .most = (uint32_t)ca_size_min(most, UINT32_MAX), .fresh = 1,
                      .side = side, .side_record = (uint32_t)side_record};
}

/* Commits an array from the page of entry `from` to the end of entry `to`; what is committed already does not change. */
static bool array_commit(char *array, size_t from, size_t to, size_t record)
{
    size_t start = from * record / CA_PAGE * CA_PAGE;
    return ca_os_commit(array + start, ca_round_up(to * record, CA_PAGE) - start);
}

/* Makes at least one more fresh record usable. */
static bool pool_grow(ca_pool *pool)
{
    if (pool->fresh >= pool->most)
        return false;
    size_t target = ca_round_up((size_t)(pool->fresh + 1) * pool->record, COMMIT_STEP) / pool->record;
    target = ca_size_min(target, pool->most);
    if (!array_commit(pool->base, pool->committed, target, pool->record) ||
        (pool->side && !array_commit(pool->side, pool->committed, target, pool->side_record)))
        return false;
    pool->committed = (uint32_t)target;
    return true;
}

static uint32_t pool_pop(ca_pool *pool)
{
    uint32_t number = pool->free;
    if (number) {
        pool->free = *ca_pool_link(pool, number);
        return number;
    }
    if (pool->fresh >= pool->committed && !pool_grow(pool))
        return 0;
    return pool->fresh++;
}

uint32_t ca_pool_take_list(ca_pool *pool, uint32_t wanted)
{
    uint32_t first = 0;
    ca_lock_take(&pool->lock);
    for (; wanted; wanted--) {
        uint32_t number = pool_pop(pool);
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
