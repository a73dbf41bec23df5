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
    for (ca_granule first = ca_page_granule(page), g = first; g < first + CA_PAGE / CA_GRANULE; g += CA_LIVE_GRANULES) {
        const ca_live_word *word = ca_live_at(g);
        for (uint32_t bits = CA_LOAD(&word->born) ^ CA_LOAD(&word->died); bits; bits &= bits - 1)
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
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    ca_page_entry after = ca_page_entry_read(page);
    bool live = !ca_heap_setting.check || ca_live_test(ca_page_granule(page));
    if (!live || after.tag != entry.tag || after.number != entry.number) /* it was freed meanwhile */
        return true;
    return block_visit(w, ca_region_address(page), size, owner);
}

typedef struct area_visit {
    walk *walk;
    ca_context *owner;
} area_visit;

static bool engine_visit(const void *p, size_t size, void *argument)
{
    const area_visit *v = argument;
    return block_visit(v->walk, p, size, v->owner);
}

/* A context's number, read from a record that the page's entry names: it is one if that still holds, for the record was what it was until then. */
static ca_context *context_read(const uint32_t *number, ca_page page, ca_page_entry entry)
{
    uint32_t n = CA_LOAD_ACQUIRE(number);
    ca_page_entry now = ca_page_entry_read(page);
    return n && now.tag == entry.tag && now.number == entry.number && ca_pool_has(&ca_region.contexts, n) ? ca_context_at(n) : NULL;
}

/* One chunk, or 0: the piece of the context, if it lies where it should. */
static bool area_walk(walk *w, ca_context *c, uint32_t chunk, const char *start)
{
    ca_area area;
    const ca_engine *engine = c ? CA_LOAD(&c->engine) : NULL;
    area_visit v = {w, ca_context_resolve(c)};
    if (!engine || (w->only && v.owner != w->only) || !engine->area(c, chunk, &area) || area.start != start)
        return true;
    return ca_area_walk(&area, engine_visit, &v);
}

static bool engine_page_walk(walk *w, ca_page page, ca_page_entry entry)
{
    const char *start = ca_region_address(page);
    if (entry.tag == CA_TAG_BUMP) /* a chunk is walked at its first page */
        return CA_LOAD(&ca_chunk_at(entry.number)->page) != page || area_walk(w, context_read(&ca_chunk_at(entry.number)->context, page, entry), entry.number, start);
    for (unsigned i = 0; i < CA_PIECES; i++)
        if (!area_walk(w, context_read(ca_piece_owner(entry.number, i), page, entry), 0, start + i * (size_t)CA_PIECE_BYTES))
            return false;
    return true;
}

static bool page_walk(walk *w, ca_page page)
{
    ca_page_entry entry = ca_page_entry_read(page);
    if (!entry.tag)
        return true;
    if (ca_tag_is_engine(entry.tag))
        return engine_page_walk(w, page, entry);
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

/* A list that changes while it is followed may lead anywhere in the region, or round: page_walk asks for the owner, and there are only so many runs. */
static void runs_walk(walk *w, const ca_run_list *runs)
{
    uint64_t looks = ca_region_get_usage().committed / ((uint64_t)CA_CHUNK * CA_PAGE);
    for (ca_page first = ca_region_first_run(runs), next; first != UINT32_MAX && looks && !w->ended; first = next, looks--) {
        ca_page end = first + ca_region_run_pages(first);
        bool huge = CA_LOAD(&ca_region.entries[first].tag) == CA_TAG_HUGE;
        next = ca_region_next_run(first); /* fn may free the run's last block */
        for (ca_page page = first; page < end && ca_region_has_page(page) && page_walk(w, page); page++)
            if (huge)
                break;
    }
}

/* What is in memory of this one alone. */
static void context_walk(walk *w, ca_context *c)
{
    const ca_engine *engine = CA_LOAD(&c->engine);
    const ca_heap *heap = CA_LOAD_ACQUIRE(&c->heap), *annex = CA_LOAD_ACQUIRE(&c->annex);
    area_visit v = {w, ca_context_resolve(c)};
    if (engine && !engine->walk(c, engine_visit, &v))
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

static void region_walk(walk *w)
{
    ca_page first, end;
    for (uint32_t i = 0; !w->ended && ca_region_range(i, &first, &end); i++)
        for (ca_page page = first; page < end && !w->ended; page++)
            if (CA_LOAD(&ca_region.entries[page].tag) && ca_region_range_of(page) == i) /* ranges may lie in others */
                (void)page_walk(w, page);
}

/* A context that another thread is just using has lists that cannot be followed: every page is asked whose it is. */
int ca_walk_context(ca_context *c, ca_walk_fn *fn, void *argument)
{
    walk w = {fn, argument, c, false};
    if (CA_UNLIKELY(!ca_heap_setting.check) && !ca_context_empty_caches(c))
        return EBUSY;
    if (CA_UNLIKELY(ca_context_is_elsewhere(c))) {
        region_walk(&w);
        return 0;
    }
    context_walk(&w, c);
    if (!w.ended && CA_LOAD(&c->child))
        ca_context_each(adopted_walk, &w);
    return 0;
}

/* --- all of them ------------------------------------------------------------------------------------------------------ */

int ca_walk_all(ca_walk_fn *fn, void *argument)
{
    walk w = {fn, argument, NULL, false};
    if (!ca_heap_setting.check)
        return ENOTSUP;
    region_walk(&w);
    return 0;
}
