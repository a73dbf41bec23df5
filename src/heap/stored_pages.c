/* Runs of free pages: two-level segregated fit as in engine/tlsf_core.h, with a page's number in place of a node: no nodes to run out of, and
 * neighbours are found in the index. */
#include "heap/stored.h"

#include <string.h>

enum { SCAN = 16, GROW_LEAST = 16, GROW_MOST = 16384 }; /* blocks looked at in one bin; pages */

static ca_stored_index *at(ca_stored *h, uint32_t page)
{
    return ca_stored_index_at(h->file.base, page);
}

static ca_stored_control *control(ca_stored *h)
{
    return ca_stored_control_of(h->file.base);
}

static uint32_t segment_end(ca_stored *h, unsigned s)
{
    return ca_stored_first(s) + ca_stored_roots_of(h->file.base, CA_STORED_LIVE)->used[s];
}

/* --- bins ------------------------------------------------------------------------------------------------------- */

static void run_insert(ca_stored *h, uint32_t page, uint32_t pages)
{
    ca_stored_control *c = control(h);
    unsigned bin = ca_bin_floor(pages);
    ca_stored_index *x = at(h, page);
    x->free = at(h, page + pages - 1)->free = pages;
    x->prev = 0;
    x->next = c->bins[bin];
    if (x->next)
        at(h, x->next)->prev = page;
    c->bins[bin] = page;
    c->bin_words[bin / 64] |= 1ULL << bin % 64;
}

static void run_remove(ca_stored *h, uint32_t page)
{
    ca_stored_control *c = control(h);
    ca_stored_index *x = at(h, page);
    uint32_t pages = x->free;
    unsigned bin = ca_bin_floor(pages);
    if (x->next)
        at(h, x->next)->prev = x->prev;
    if (x->prev)
        at(h, x->prev)->next = x->next;
    else
        c->bins[bin] = x->next;
    if (!c->bins[bin])
        c->bin_words[bin / 64] &= ~(1ULL << bin % 64);
    x->free = at(h, page + pages - 1)->free = 0;
}

/* A free run that has room for it, still in its bin; 0: none. */
static uint32_t run_find(ca_stored *h, uint32_t pages)
{
    const ca_stored_control *c = control(h);
    for (unsigned bin = ca_bin_ceil(pages); bin < CA_STORED_BINS; bin = (bin / 64 + 1) * 64) {
        uint64_t bits = c->bin_words[bin / 64] >> bin % 64;
        if (bits)
            return c->bins[bin + ca_bit_low(bits)];
    }
    uint32_t page = c->bins[ca_bin_floor(pages)]; /* some of the bin below may do */
    for (unsigned i = 0; page && i < SCAN; i++, page = at(h, page)->next)
        if (at(h, page)->free >= pages)
            return page;
    return 0;
}

/* --- growing ------------------------------------------------------------------------------------------------------ */

/* The part of an array with `unit` bytes a page that pages [from, to) of the segment take. */
static bool array_back(ca_stored *h, uint32_t start, uint32_t unit, uint32_t from, uint32_t to)
{
    uint64_t first = (uint64_t)from * unit / CA_PAGE, end = ((uint64_t)to * unit + CA_PAGE - 1) / CA_PAGE;
    return ca_file_back(&h->file, start + first, end - first) == 0;
}

/* Pages of the segment get storage, and so does what describes them. */
static bool segment_back(ca_stored *h, unsigned s, uint32_t from, uint32_t to, bool is_volatile)
{
    uint32_t known = from == ca_stored_data(s) - ca_stored_first(s) ? 0 : from; /* the first time: from the segment's start */
    if (!array_back(h, ca_stored_index_start(s), sizeof(ca_stored_index), known, to))
        return false;
    for (unsigned copy = CA_STORED_LIVE; copy <= (is_volatile ? CA_STORED_LIVE : CA_STORED_B); copy++) {
        uint32_t entries = ca_stored_copy_start(s, copy);
        if (!array_back(h, entries, 8, known, to) || !array_back(h, entries + ca_stored_pages(s) / 512, 32, known, to))
            return false;
    }
    return ca_file_back(&h->file, (uint64_t)ca_stored_first(s) + from, to - from) == 0;
}

/* What lies there may be from before a recovery. */
static void segment_clear(ca_stored *h, unsigned s, uint32_t from, uint32_t to)
{
    char *base = h->file.base;
    uint32_t first = ca_stored_first(s), known = from == ca_stored_data(s) - first ? 0 : from;
    memset(ca_stored_entry(base, CA_STORED_LIVE, first + known), 0, (uint64_t)(to - known) * 8);
    memset(at(h, first + known), 0, (uint64_t)(to - known) * sizeof(ca_stored_index));
    for (uint32_t j = known / 512; j < ca_stored_entry_pages(to); j++)
        for (unsigned part = 0; part < 5 && j * 5 + part < to; part++)
            *ca_stored_dirty(base, s, j, part) = 6;
}

static bool segment_grow(ca_stored *h, unsigned s, uint32_t need, uint32_t step)
{
    ca_stored_roots *roots = ca_stored_roots_of(h->file.base, CA_STORED_LIVE);
    uint32_t arrays = ca_stored_data(s) - ca_stored_first(s), used = roots->used[s] ? roots->used[s] : arrays;
    uint32_t room = ca_stored_pages(s) - used;
    bool is_volatile = ((ca_stored_header *)(void *)h->file.base)->flags & CA_STORED_VOLATILE;
    step = step > room ? room : step;
    if (h->limit && ((uint64_t)ca_stored_first(s) + used + step) * CA_PAGE > h->limit)
        step = need;
    if (h->limit && ((uint64_t)ca_stored_first(s) + used + step) * CA_PAGE > h->limit)
        return false;
    if (!segment_back(h, s, used, used + step, is_volatile)) {
        if (step == need || !segment_back(h, s, used, used + need, is_volatile))
            return false;
        step = need;
    }
    segment_clear(h, s, used, used + step);
    CA_STORE_RELEASE(&roots->used[s], used + step);
    ca_stored_pages_give(h, ca_stored_first(s) + used, step);
    return true;
}

/* A free run of so many pages comes to be, at the end of a segment. */
static bool heap_grow(ca_stored *h, uint32_t pages)
{
    uint64_t all = 0;
    for (unsigned s = 0; s < CA_STORED_SEGMENTS; s++)
        all += ca_stored_roots_of(h->file.base, CA_STORED_LIVE)->used[s];
    uint32_t usual = (uint32_t)ca_size_max(GROW_LEAST, ca_size_min(GROW_MOST, all / 8));
    for (unsigned s = 0; s < CA_STORED_SEGMENTS; s++) {
        uint32_t end = segment_end(h, s), data = ca_stored_data(s);
        uint32_t at_end = end > data ? at(h, end - 1)->free : 0, start = end > data ? end : data;
        uint64_t room = ca_stored_first(s) + (uint64_t)ca_stored_pages(s) - start;
        if (room + at_end < pages || room == 0)
            continue;
        uint32_t need = pages > at_end ? pages - at_end : 1;
        if (segment_grow(h, s, need, need > usual ? need : usual))
            return true;
    }
    return false;
}

/* --- calls --------------------------------------------------------------------------------------------------------- */

void ca_stored_pages_give(ca_stored *h, uint32_t page, uint32_t pages)
{
    unsigned s = ca_stored_segment(page);
    uint32_t before = page > ca_stored_data(s) ? at(h, page - 1)->free : 0;
    uint32_t after = page + pages < segment_end(h, s) ? at(h, page + pages)->free : 0;
    if (before)
        run_remove(h, page - before);
    if (after)
        run_remove(h, page + pages);
    run_insert(h, page - before, before + pages + after);
}

uint32_t ca_stored_pages_take(ca_stored *h, uint32_t pages)
{
    uint32_t page = run_find(h, pages);
    if (!page && heap_grow(h, pages))
        page = run_find(h, pages);
    if (!page)
        return 0;
    uint32_t all = at(h, page)->free;
    run_remove(h, page);
    if (all > pages)
        run_insert(h, page + pages, all - pages);
    return page;
}

bool ca_stored_pages_extend(ca_stored *h, uint32_t end, uint32_t more)
{
    uint32_t free = end < segment_end(h, ca_stored_segment(end - 1)) ? at(h, end)->free : 0;
    if (free < more)
        return false;
    run_remove(h, end);
    if (free > more)
        run_insert(h, end + more, free - more);
    return true;
}
