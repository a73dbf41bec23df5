#include "front/walk.h"

#include <errno.h>

#include "front/context.h"
#include "front/full.h"
#include "heap/large.h"
#include "heap/live.h"
#include "heap/remote.h"

typedef struct walk {
    ca_walk_fn *fn;
    void *argument;
    ca_context *only; /* blocks of this one; NULL: all */
    bool ended;       /* fn said so */
} walk;

/* --- one page: nothing that is read here is trusted, for other threads may be using it ------------------------------- */

/* Whether to go on. */
static bool block_visit(walk *w, const void *p, size_t size, ca_context *owner)
{
    if (CA_UNLIKELY(ca_heap_setting.full))
        size = ca_full_peek(p, size);
    w->ended = !w->fn(p, size, owner, w->argument);
    return !w->ended;
}

static bool slab_walk(walk *w, ca_page page, uint32_t class, ca_context *owner)
{
    const char *start = ca_region_address(page);
    for (ca_granule first = ca_page_granule(page), g = first; g < first + CA_PAGE / CA_GRANULE; g += 64) {
        const ca_live_word *word = ca_live_at(g);
        for (uint64_t bits = CA_LOAD(&word->born) ^ CA_LOAD(&word->died); bits; bits &= bits - 1)
            if (!block_visit(w, start + (g - first + ca_bit_low(bits)) * CA_GRANULE, ca_classes[class].size, owner))
                return false;
    }
    return true;
}

/* check=off: what is out of the slab; its heap's caches are empty. */
static bool slab_walk_unchecked(walk *w, ca_page page, uint32_t number, ca_context *owner)
{
    const ca_slab *slab = ca_slab_at(number);
    const char *start = slab->start;
    const size_t size = ca_classes[slab->class].size;
    uint32_t objects = slab->objects;
    if (slab->page != page) /* all of it was seen at its first page */
        return true;
    for (uint32_t i = 0; i < objects; i++)
        if (!(slab->bits[i / 64] >> i % 64 & 1) && !block_visit(w, start + i * size, size, owner))
            return false;
    return true;
}

static bool large_walk(walk *w, ca_page page, ca_page_entry entry, ca_context *owner)
{
    size_t size = ca_large_size_of(page, entry.tag, entry.number);
    ca_page_entry after = ca_page_entry_read(page);
    bool live = !ca_heap_setting.check || ca_live_test(ca_page_granule(page));
    if (!live || after.tag != entry.tag || after.number != entry.number) /* it was freed meanwhile */
        return true;
    return block_visit(w, ca_region_address(page), size, owner);
}

/* Blocks of engines are not among these. */
static bool page_walk(walk *w, ca_page page)
{
    ca_page_entry entry = ca_page_entry_read(page);
    if (!entry.tag || ca_tag_is_engine(entry.tag))
        return true;
    ca_context *owner = ca_context_resolve(ca_context_of(page, entry.tag, NULL));
    if (w->only && owner != w->only)
        return true;
    uint32_t x = entry.tag & CA_TAG_CLASS_MASK;
    if (x >= CA_TAG_CACHES)
        return large_walk(w, page, entry, owner);
    if (CA_LIKELY(ca_heap_setting.check))
        return slab_walk(w, page, x >> CA_TAG_CLASS_SHIFT, owner);
    return slab_walk_unchecked(w, page, entry.number, owner);
}

/* --- a context ------------------------------------------------------------------------------------------------------- */

typedef struct engine_walk {
    walk *walk;
    ca_context *owner;
} engine_walk;

static bool engine_visit(const void *p, size_t size, void *argument)
{
    const engine_walk *e = argument;
    return block_visit(e->walk, p, size, e->owner);
}

/* A list that changes while it is followed may lead anywhere in the region, or round: page_walk asks for the owner, and there are only so many runs. */
static void runs_walk(walk *w, const ca_run_list *runs)
{
    uint64_t looks = ca_region_get_usage().committed / ((uint64_t)CA_CHUNK * CA_PAGE);
    for (ca_page first = ca_region_first_run(runs), next; first != UINT32_MAX && looks && !w->ended; first = next, looks--) {
        ca_page end = first + ca_region_run_pages(first);
        bool huge = CA_LOAD(&ca_region.entries[first].tag) == CA_TAG_HUGE;
        next = ca_region_next_run(first); /* fn may free the run's last block */
        for (ca_page page = first; page < end && ca_region_is_committed(page) && page_walk(w, page); page++)
            if (huge)
                break;
    }
}

/* What is in memory of this one alone. */
static void context_walk(walk *w, ca_context *c)
{
    const ca_engine *engine = CA_LOAD(&c->engine);
    const ca_heap *heap = CA_LOAD(&c->heap), *annex = CA_LOAD(&c->annex);
    engine_walk e = {w, ca_context_resolve(c)};
    if (engine && !engine->walk(c, engine_visit, &e))
        return;
    if (heap)
        runs_walk(w, &heap->runs);
    if (annex)
        runs_walk(w, &annex->runs);
    runs_walk(w, &c->runs);
}

static void adopted_walk(ca_context *c, void *argument)
{
    walk *w = argument;
    if (!w->ended && CA_LOAD(&c->state) == CA_CONTEXT_ADOPTED && ca_context_resolve(c) == w->only)
        context_walk(w, c);
}

int ca_walk_context(ca_context *c, ca_walk_fn *fn, void *argument)
{
    walk w = {fn, argument, c, false};
    if (CA_UNLIKELY(!ca_heap_setting.check) && !ca_context_empty_caches(c))
        return EBUSY;
    context_walk(&w, c);
    if (!w.ended && CA_LOAD(&c->child))
        ca_context_each(adopted_walk, &w);
    return 0;
}

/* --- all of them ------------------------------------------------------------------------------------------------------ */

static void engines_walk(ca_context *c, void *argument)
{
    walk *w = argument;
    uint32_t state = CA_LOAD(&c->state);
    const ca_engine *engine = CA_LOAD(&c->engine);
    engine_walk e = {w, ca_context_resolve(c)};
    if (!w->ended && engine && (state == CA_CONTEXT_LIVE || state == CA_CONTEXT_ADOPTED))
        (void)engine->walk(c, engine_visit, &e);
}

int ca_walk_all(ca_walk_fn *fn, void *argument)
{
    walk w = {fn, argument, NULL, false};
    if (!ca_heap_setting.check)
        return ENOTSUP;
    ca_page first, end;
    for (uint32_t i = 0; !w.ended && ca_region_range(i, &first, &end); i++)
        for (ca_page page = first; page < end && page_walk(&w, page); page++)
            ;
    if (!w.ended)
        ca_context_each(engines_walk, &w);
    return 0;
}
