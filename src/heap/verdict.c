#include "heap/verdict.h"

#include <stdlib.h>

#include "base/print.h"
#include "heap/context.h"
#include "heap/large.h"
#include "heap/live.h"

static const char *owner_name(const void *p)
{
    ca_page page = ca_granule_page(ca_region_granule(p));
    uint32_t tag = ca_region_granule(p) == UINT64_MAX ? 0 : CA_LOAD(&ca_region.entries[page].tag);
    const ca_context *c = tag ? ca_context_resolve(ca_context_of(page, tag, p)) : NULL;
    return !c ? "global" : c->name[0] ? c->name : "without a name";
}

_Noreturn static void pronounce(const char *function, const void *p, const char *verdict)
{
    ca_print(2, "ctxalloc: %s(%x): %s (context %s)\n", function, (uint64_t)(uintptr_t)p, verdict, owner_name(p));
    abort();
}

/* The blocks of this page went with their context. */
_Noreturn static void pronounce_dropped(const char *function, const void *p, uint32_t context)
{
    const ca_context *c = ca_context_at(context);
    const char *name = c->state != CA_CONTEXT_FREE ? "(now reused)" : c->name[0] ? c->name : "without a name";
    ca_print(2, "ctxalloc: %s(%x): freed context %s\n", function, (uint64_t)(uintptr_t)p, name);
    abort();
}

_Noreturn static void pronounce_interior(const char *function, const void *p, const void *object)
{
    char verdict[64];
    ca_format(verdict, sizeof verdict, "interior pointer of %x", (uint64_t)(uintptr_t)object);
    pronounce(function, p, verdict);
}

_Noreturn static void pronounce_dead(const char *function, const void *p)
{
    pronounce(function, p, function[0] == 'f' ? "double free" : "freed pointer");
}

/* The large block that covers the page, or NULL. */
static const void *large_around(ca_page page)
{
    const ca_page bottom = ca_region_bottom(page);
    for (ca_page first = page;; first--) {
        uint32_t tag = CA_LOAD(&ca_region.entries[first].tag), class = tag & CA_TAG_CLASS_MASK;
        if (tag) {
            bool large = class == CA_TAG_LARGE || class == CA_TAG_HUGE;
            bool covers = large && page - first < ca_large_size(first) / CA_PAGE;
            return covers ? ca_region_address(first) : NULL;
        }
        if (first == bottom)
            return NULL;
    }
}

const void *ca_verdict_start(const void *p, ca_granule g)
{
    ca_page page = ca_granule_page(g);
    const ca_page_entry *entry = &ca_region.entries[page];
    uint32_t tag = CA_LOAD(&entry->tag), class = tag & CA_TAG_CLASS_MASK;
    if (tag && class < CA_TAG_CACHES) {
        const ca_slab *slab = ca_slab_at(entry->number);
        size_t size = ca_classes[slab->class].size, index = (size_t)((const char *)p - slab->start) / size;
        return index < slab->objects ? slab->start + index * size : NULL;
    }
    if (ca_tag_is_engine(tag)) {
        const ca_context *c = ca_context_of(page, tag, p);
        return c && c->engine ? c->engine->start(c, p) : NULL;
    }
    return large_around(page);
}

void ca_verdict_text(const char *function, const void *p, const char *text)
{
    pronounce(function, p, text);
}

void ca_verdict_misaligned(const char *function, const void *p)
{
    pronounce(function, p, "misaligned pointer");
}

void ca_verdict(const char *function, const void *p, ca_granule g)
{
    ca_page page = ca_granule_page(g);
    const ca_page_entry *entry = &ca_region.entries[page];
    uint32_t tag = CA_LOAD(&entry->tag), class = tag & CA_TAG_CLASS_MASK;
    if (tag && class < CA_TAG_CACHES) {
        const ca_slab *slab = ca_slab_at(entry->number);
        if (ca_slab_index(slab, p) != UINT32_MAX)
            pronounce_dead(function, p);
        const void *start = ca_verdict_start(p, g);
        if (!start) /* the rest after the last object */
            pronounce(function, p, "never allocated");
        pronounce_interior(function, p, start);
    }
    if (ca_tag_is_engine(tag)) {
        ca_context *c = ca_context_of(page, tag, p);
        if (c && c->state == CA_CONTEXT_FREE)
            pronounce_dropped(function, p, ca_context_number(c));
        const void *start = ca_verdict_start(p, g);
        if (start && start != p && c && c->engine && c->engine->is_live(c, start))
            pronounce_interior(function, p, start);
        if (start || (c && c->engine && c->engine->was_block(c, p)))
            pronounce_dead(function, p);
        pronounce(function, p, "never allocated");
    }
    const void *around = large_around(page); /* first: of a large block's pages only the first says so, the others may say what was there before */
    if (around && around != p)
        pronounce_interior(function, p, around);
    if (!tag && entry->number & CA_DEAD)
        pronounce_dropped(function, p, entry->number & ~CA_DEAD);
    /* A page that held a block keeps its number, see slab_release and ca_large_free. */
    if (around || entry->number)
        pronounce_dead(function, p);
    pronounce(function, p, "never allocated");
}

void ca_verdict_unused(const char *function, const void *p)
{
    pronounce(function, p, "never allocated");
}
