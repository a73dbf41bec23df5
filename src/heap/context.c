#include "heap/context.h"

#include <string.h>

#include "base/check.h"
#include "heap/large.h"
#include "heap/remote.h"
#include "heap/save.h"

enum { RECORDS_RESTING = 1024 };

ca_context *ca_context_of(ca_page page, uint32_t tag, const void *p)
{
    if (tag >> CA_TAG_HEAP_SHIFT)
        return ca_heap_at(tag >> CA_TAG_HEAP_SHIFT)->target.context;
    uint32_t owner = tag == CA_TAG_HUGE ? ca_region_run_owner(page) : ca_engine_owner(page, tag, p);
    return owner ? ca_context_at(owner) : NULL;
}

ca_context *ca_context_resolve(ca_context *context)
{
    while (context && CA_LOAD(&context->state) == CA_CONTEXT_ADOPTED)
        context = CA_LOAD(&context->parent);
    return context;
}

/* --- making ------------------------------------------------------------------------------------------------ */

/* Of an engine's target. */
static size_t context_end(uint32_t kind)
{
    bool quick = (kind == CA_TARGET_SHORT || kind == CA_TARGET_MEDIUM) && !ca_heap_setting.slow && CA_LOAD(&ca_heap_setting.trusted_end) > CA_FAST_MAX;
    return quick ? CA_CHUNK_MOST : 0;
}

static void target_init(ca_context *c, uint32_t kind)
{
    c->target = (ca_target){.kind = kind, .free_tag = ca_target_none.free_tag, .context_end = context_end(kind), .context = c};
}

static ca_context *all;

static void enlist(ca_context *c)
{
    c->next_of_all = CA_LOAD(&all);
    while (!__atomic_compare_exchange_n(&all, &c->next_of_all, c, true, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
        ;
}

void ca_context_each(void (*fn)(ca_context *c, void *argument), void *argument)
{
    for (ca_context *c = CA_LOAD_ACQUIRE(&all); c; c = c->next_of_all)
        fn(c, argument);
}

ca_context *ca_context_new(uint32_t kind, ca_zone *zone)
{
    uint32_t number = ca_pool_take(&ca_region.contexts);
    if (!number)
        return NULL;
    ca_context *c = ca_context_at(number);
    ca_context *next = c->next_of_all;
    bool known = c->runs.owner != 0;
    memset(c, 0, sizeof *c);
    c->next_of_all = next;
    c->runs.owner = number;
    c->runs.zone = zone;
    *(kind == CA_TARGET_MEDIUM ? &c->chunked.zone : &c->bump.zone) = zone;
    if (!known)
        enlist(c);
    target_init(c, kind);
    c->account.parent = &ca_account_process;
    c->engine = ca_engine_of(kind);
    if (!c->engine) {
        c->heap = ca_heap_create_for(c, &c->account, number, zone);
        if (!c->heap) {
            ca_pool_give_list(&ca_region.contexts, number, number);
            return NULL;
        }
    }
    c->current = c->heap ? &c->heap->target : &c->target;
    return c;
}

void ca_context_use_engine(ca_context *c)
{
    c->target.context_end = context_end(c->target.kind);
    c->current = &c->target;
}

void ca_context_use_heap(ca_context *c)
{
    ca_lock_take(&c->lock); /* others may be changing the zone */
    if (!c->heap)
        CA_STORE_RELEASE(&c->heap, ca_heap_create_for(c, &c->account, ca_context_number(c), CA_LOAD(ca_context_zone(c))));
    ca_lock_drop(&c->lock);
    if (c->heap)
        c->current = &c->heap->target;
}

/* --- use by threads that do not have it --------------------------------------------------------------------- */

ca_heap *ca_context_annex_take(ca_context *c)
{
    ca_lock_take(&c->lock);
    if (CA_UNLIKELY(c->frozen)) {
        ca_lock_drop(&c->lock);
        return NULL;
    }
    if (!c->annex)
        c->annex = ca_heap_create_for(c, &c->account, ca_context_number(c), CA_LOAD(ca_context_zone(c)));
    if (c->annex)
        return c->annex;
    ca_lock_drop(&c->lock);
    return NULL;
}

void ca_context_annex_drop(ca_context *c)
{
    ca_lock_drop(&c->lock);
}

/* --- dropping ------------------------------------------------------------------------------------------------- */

/* Who finds it in the context finds it before its record is another's. */
static ca_heap *heap_take(ca_context *c, ca_heap **place)
{
    ca_lock_take(&c->lock);
    ca_heap *heap = *place;
    CA_STORE(place, NULL);
    ca_lock_drop(&c->lock);
    return heap;
}

static void heap_end(ca_context *c, ca_heap **place, uint32_t dead)
{
    if (CA_LIKELY(!*place))
        return;
    ca_heap *heap = heap_take(c, place);
    ca_heap_drop(heap, dead, false);
    ca_heap_retire(heap);
}

void ca_context_drop(ca_context *c, bool keep)
{
    uint32_t dead = CA_DEAD | ca_context_number(c);
    if (CA_UNLIKELY(c->saves != NULL))
        ca_save_drop_all(c);
    if (c->engine) {
        c->engine->drop(c, dead, keep);
        ca_context_use_engine(c);
        heap_end(c, &c->heap, dead);
    } else {
        ca_heap_drop(c->heap, dead, keep);
    }
    if (c->huge_count)
        ca_huge_drop(c, dead);
    heap_end(c, &c->annex, dead);
}

/* With a quarantine, records rest, too, so that a late free is told the name. Returns the one that has rested longest, 0: none yet. */
static uint32_t record_rest(uint32_t number)
{
    static uint32_t resting[RECORDS_RESTING], next;
    uint32_t at = __atomic_fetch_add(&next, 1, __ATOMIC_RELAXED) % RECORDS_RESTING;
    return __atomic_exchange_n(&resting[at], number, __ATOMIC_RELAXED);
}

void ca_context_retire(ca_context *c)
{
    uint32_t number = ca_context_number(c);
    if (c->engine)
        c->engine->retire(c, CA_DEAD | number);
    heap_end(c, &c->heap, CA_DEAD | number);
    CA_ASSERT(c->account.used == 0);
    if (c->runs.zone)
        ca_zone_drop(c->runs.zone);
    c->runs.zone = NULL;
    if (CA_UNLIKELY(ca_heap_setting.quarantine))
        number = record_rest(number);
    if (number)
        ca_pool_give_list(&ca_region.contexts, number, number);
}

static void heap_globalize(ca_context *c, ca_heap **place)
{
    if (!*place)
        return;
    ca_heap *heap = heap_take(c, place);
    __atomic_fetch_sub(&c->account.used, (uint64_t)heap->extent_pages * CA_PAGE, __ATOMIC_RELAXED);
    ca_heap_globalize(heap);
}

void ca_context_globalize(ca_context *c)
{
    uint32_t number = ca_context_number(c);
    __atomic_fetch_sub(&c->account.used, CA_LOAD(&c->huge_bytes), __ATOMIC_RELAXED); /* here and below: it is in the process's account anyway */
    ca_huge_disown(c);
    heap_globalize(c, &c->annex);
    heap_globalize(c, &c->heap);
    if (c->engine)
        return;
    CA_STORE_RELEASE(&c->state, CA_CONTEXT_FREE);
    ca_pool_give_list(&ca_region.contexts, number, number);
}

/* --- numbers ---------------------------------------------------------------------------------------------------- */

bool ca_context_has(ca_context *c, ca_page page, const void *p)
{
    uint32_t tag = CA_LOAD(&ca_region.entries[page].tag);
    if (tag && ca_context_resolve(ca_context_of(page, tag, p)) == c)
        return true;
    if (ca_tag_is_engine(tag))
        return false;
    ca_heap *heap = CA_LOAD_ACQUIRE(&c->heap), *annex = CA_LOAD_ACQUIRE(&c->annex);
    return ca_region_list_has(&c->runs, page) || (heap && ca_region_list_has(&heap->runs, page)) || (annex && ca_region_list_has(&annex->runs, page));
}

void ca_context_count(ca_context *c, uint64_t *blocks, uint64_t *bytes)
{
    ca_heap_usage u;
    memset(&u, 0, sizeof u);
    const ca_heap *heap = CA_LOAD_ACQUIRE(&c->heap), *annex = CA_LOAD_ACQUIRE(&c->annex); /* others may be destroying it */
    const ca_engine *engine = CA_LOAD(&c->engine);
    if (heap)
        ca_heap_add_usage(heap, &u);
    if (annex)
        ca_heap_add_usage(annex, &u);
    *blocks = u.small_count + u.large_count + CA_LOAD(&c->huge_count);
    *bytes = u.small_bytes + u.large_bytes + CA_LOAD(&c->huge_bytes);
    if (engine) {
        uint64_t more, more_bytes;
        engine->count(c, &more, &more_bytes);
        *blocks += more;
        *bytes += more_bytes;
    }
}
