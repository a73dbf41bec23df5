#include "heap/context.h"

#include <string.h>

#include "base/check.h"
#include "heap/large.h"
#include "heap/remote.h"

ca_context *ca_context_of(ca_page page, uint32_t tag, const void *p)
{
    if (tag >> CA_TAG_HEAP_SHIFT)
        return ca_heap_at(tag >> CA_TAG_HEAP_SHIFT)->target.context;
    uint32_t owner = tag == CA_TAG_HUGE ? ca_region_run_owner(page) : ca_bump_owner(page, tag, p);
    return owner ? ca_context_at(owner) : NULL;
}

ca_context *ca_context_resolve(ca_context *context)
{
    while (context && context->state == CA_CONTEXT_ADOPTED)
        context = context->parent;
    return context;
}

/* --- making ------------------------------------------------------------------------------------------------ */

static void target_init(ca_context *c, uint32_t kind)
{
    c->target = (ca_target){.kind = kind, .free_tag = ca_target_none.free_tag, .context = c};
}

ca_context *ca_context_new(uint32_t kind)
{
    uint32_t number = ca_pool_take(&ca_region.contexts);
    if (!number)
        return NULL;
    ca_context *c = ca_context_at(number);
    memset(c, 0, sizeof *c);
    target_init(c, kind);
    c->account.parent = &ca_account_process;
    c->runs.owner = number;
    if (kind == CA_TARGET_LONG) {
        c->heap = ca_heap_create_for(c, &c->account, number);
        if (!c->heap) {
            ca_pool_give_list(&ca_region.contexts, number, number);
            return NULL;
        }
    }
    c->current = c->heap ? &c->heap->target : &c->target;
    c->holder = CA_HOLDER_NOBODY;
    return c;
}

/* --- use by threads that do not have it --------------------------------------------------------------------- */

ca_heap *ca_context_annex_take(ca_context *c)
{
    ca_lock_take(&c->lock);
    if (!c->annex)
        c->annex = ca_heap_create_for(c, &c->account, ca_context_number(c));
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

void ca_context_drop(ca_context *c, bool keep)
{
    uint32_t dead = CA_DEAD | ca_context_number(c);
    if (c->heap)
        ca_heap_drop(c->heap, dead, keep);
    else
        ca_bump_drop(&c->bump, &c->account, dead, keep);
    if (c->huge_count)
        ca_huge_drop(c, dead);
    if (c->annex) {
        ca_heap_drop(c->annex, dead, false);
        ca_heap_retire(c->annex);
        c->annex = NULL;
    }
}

void ca_context_retire(ca_context *c)
{
    uint32_t number = ca_context_number(c);
    if (c->heap) {
        ca_heap_drop(c->heap, CA_DEAD | number, false);
        ca_heap_retire(c->heap);
    } else {
        ca_bump_retire(&c->bump, &c->account, CA_DEAD | number);
    }
    CA_ASSERT(c->account.used == 0);
    c->heap = NULL;
    ca_pool_give_list(&ca_region.contexts, number, number);
}

/* --- numbers ---------------------------------------------------------------------------------------------------- */

void ca_context_count(ca_context *c, uint64_t *blocks, uint64_t *bytes)
{
    ca_heap_usage u;
    memset(&u, 0, sizeof u);
    if (c->heap)
        ca_heap_add_usage(c->heap, &u);
    if (CA_LOAD(&c->annex))
        ca_heap_add_usage(c->annex, &u);
    *blocks = u.small_count + u.large_count + CA_LOAD(&c->huge_count);
    *bytes = u.small_bytes + u.large_bytes;
    if (!c->heap) {
        *blocks += CA_LOAD(&c->bump.blocks) - CA_LOAD(&c->bump.freed);
        *bytes += ca_bump_bytes(&c->bump);
    }
    if (CA_LOAD(&c->huge_count))
        for (ca_page page = ca_region_first_run(&c->runs); page != UINT32_MAX; page = ca_region_next_run(page))
            *bytes += (uint64_t)ca_region_run_pages(page) * CA_PAGE;
}
