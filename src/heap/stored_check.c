#include "heap/stored.h"

#include <errno.h>
#include <string.h>

#include "base/print.h"

const char *ca_stored_fault_text(int which)
{
    static const char *const texts[] = {"",
                                        "its header or state is damaged",
                                        "its table of pages is damaged",
                                        "an entry of its table of pages is damaged",
                                        "a slab's bits are damaged",
                                        "its roots are damaged",
                                        "it is shorter than it should be",
                                        "its last checkpoint is damaged"};
    return which > 0 && which <= 7 ? texts[which] : "";
}

static bool fails(ca_stored_fault *f, int which, uint32_t page)
{
    f->which = which;
    f->page = page;
    return false;
}

/* --- header, slots -------------------------------------------------------------------------------------------------- */

uint64_t ca_stored_header_check(const ca_stored_header *h) { return ca_stored_hash(h, offsetof(ca_stored_header, check), 1); }
uint64_t ca_stored_state_check(const ca_stored_state *s) { return ca_stored_hash(&s->open, sizeof *s - sizeof s->check, 2); }
uint64_t ca_stored_slot_check(const ca_stored_slot *s) { return ca_stored_hash(&s->sequence, sizeof *s - sizeof s->check, 3); }

int ca_stored_header_judge(const ca_stored_header *h, char *why)
{
    if (memcmp(h->magic, CA_STORED_MAGIC, sizeof h->magic) != 0) {
        ca_format(why, CA_STORED_WHY, "not a ctxalloc heap");
        return EILSEQ;
    }
    if (h->order == 0x04030201) {
        ca_format(why, CA_STORED_WHY, "made on a machine of the other byte order");
        return ENOTSUP;
    }
    if (h->version > CA_STORED_VERSION) {
        ca_format(why, CA_STORED_WHY, "version %u of the format; this library knows %u", h->version, CA_STORED_VERSION);
        return ENOTSUP;
    }
    if (h->order != 0x01020304 || h->check != ca_stored_header_check(h) || h->version == 0) {
        ca_format(why, CA_STORED_WHY, "its header is damaged");
        return EUCLEAN;
    }
    if (h->page != CA_PAGE) {
        ca_format(why, CA_STORED_WHY, "made with pages of %u bytes", h->page);
        return ENOTSUP;
    }
    return 0;
}

ca_stored_slot *ca_stored_slot_at(char *base, unsigned copy)
{
    return (ca_stored_slot *)(void *)(ca_stored_at(base, CA_STORED_PAGE_STATE) + (uint64_t)copy * 512);
}

unsigned ca_stored_newest(char *base, uint64_t *sequence)
{
    unsigned newest = 0;
    *sequence = 0;
    for (unsigned copy = CA_STORED_A; copy <= CA_STORED_B; copy++) {
        const ca_stored_slot *slot = ca_stored_slot_at(base, copy);
        if (slot->check == ca_stored_slot_check(slot) && slot->sequence > *sequence) {
            *sequence = slot->sequence;
            newest = copy;
        }
    }
    return newest;
}

uint32_t ca_stored_entry_pages(uint32_t used) { return (uint32_t)(((uint64_t)used + 511) / 512); }
uint32_t ca_stored_bit_pages(uint32_t used) { return (uint32_t)(((uint64_t)used + 127) / 128); }

uint64_t ca_stored_copy_sum(char *base, unsigned copy)
{
    const ca_stored_roots *roots = ca_stored_roots_of(base, copy);
    uint64_t sum = ca_stored_hash(roots, CA_PAGE, 0);
    for (unsigned s = 0; s < CA_STORED_SEGMENTS; s++) {
        uint32_t entries = ca_stored_copy_start(s, copy), bits = entries + ca_stored_pages(s) / 512, live = ca_stored_copy_start(s, CA_STORED_LIVE);
        for (uint32_t i = 0; i < ca_stored_entry_pages(roots->used[s]); i++)
            sum ^= ca_stored_hash(ca_stored_at(base, entries + i), CA_PAGE, live + i);
        for (uint32_t i = 0; i < ca_stored_bit_pages(roots->used[s]); i++)
            sum ^= ca_stored_hash(ca_stored_at(base, bits + i), CA_PAGE, live + ca_stored_pages(s) / 512 + i);
    }
    return sum;
}

/* --- the truth -------------------------------------------------------------------------------------------------------- */

static bool tails_are_right(const uint64_t *entries, uint32_t page, uint32_t pages)
{
    for (uint32_t i = 1; i < pages; i++)
        if (entries[i] != ca_stored_entry_make(page + i, CA_STORED_TAIL, 0, i))
            return false;
    return true;
}

static bool bits_are_right(const uint64_t *bits, unsigned class, ca_stored_fault *f)
{
    uint32_t objects = ca_stored_objects(class), words = ca_stored_slab_pages(class) * 4, live = 0;
    for (uint32_t w = 0; w < words; w++) {
        uint64_t over = w * 64 >= objects ? UINT64_MAX : objects - w * 64 >= 64 ? 0 : UINT64_MAX << (objects - w * 64);
        if (bits[w] & over)
            return false;
        live += ca_bit_count(bits[w]);
    }
    f->blocks += live;
    f->bytes += (uint64_t)live * ca_stored_class_size(class);
    return true;
}

static bool run_is_valid(char *base, unsigned copy, uint32_t page, uint32_t end, ca_stored_fault *f)
{
    const uint64_t *entries = ca_stored_entry(base, copy, page);
    unsigned kind = ca_stored_kind_of(*entries), class = ca_stored_class_of(*entries);
    uint32_t pages = ca_stored_pages_of(*entries);
    if (pages == 0 || pages > end - page || class >= CA_STORED_CLASSES || (kind == CA_STORED_SLAB && pages != ca_stored_slab_pages(class)))
        return fails(f, 2, page);
    if (!tails_are_right(entries, page, pages))
        return fails(f, 2, page);
    f->runs++;
    if (kind == CA_STORED_SLAB)
        return bits_are_right(ca_stored_bits(base, copy, page), class, f) || fails(f, 4, page);
    f->blocks++;
    f->bytes += (uint64_t)pages * CA_PAGE;
    return true;
}

static bool segment_is_valid(char *base, unsigned copy, unsigned s, uint32_t used, ca_stored_fault *f)
{
    uint32_t end = ca_stored_first(s) + used;
    for (uint32_t page = ca_stored_data(s); page < end;) {
        uint64_t e = *ca_stored_entry(base, copy, page);
        unsigned kind = ca_stored_kind_of(e);
        if (e && e != ca_stored_entry_make(page, kind, ca_stored_class_of(e), ca_stored_pages_of(e)))
            return fails(f, 3, page);
        if (kind > CA_STORED_TAIL)
            return fails(f, 2, page);
        if (!ca_stored_is_run(e)) {
            f->free_pages++;
            page++;
            continue;
        }
        if (!run_is_valid(base, copy, page, end, f))
            return false;
        page += ca_stored_pages_of(e);
    }
    return true;
}

static bool root_is_live(char *base, unsigned copy, const ca_stored_roots *roots, uint64_t offset)
{
    uint64_t number = offset / CA_PAGE;
    if (number >= 1U << 31)
        return false;
    uint32_t page = (uint32_t)number;
    unsigned s = ca_stored_segment(page);
    if (page < ca_stored_data(s) || page - ca_stored_first(s) >= roots->used[s])
        return false;
    uint64_t e = *ca_stored_entry(base, copy, page);
    if (ca_stored_kind_of(e) == CA_STORED_TAIL) {
        if (ca_stored_pages_of(e) > page - ca_stored_data(s))
            return false;
        page -= ca_stored_pages_of(e);
        e = *ca_stored_entry(base, copy, page);
    }
    uint64_t in_run = offset - (uint64_t)page * CA_PAGE;
    if (!ca_stored_is_run(e) || in_run >= (uint64_t)ca_stored_pages_of(e) * CA_PAGE)
        return false;
    if (ca_stored_kind_of(e) == CA_STORED_LARGE)
        return in_run == 0;
    uint32_t size = ca_stored_class_size(ca_stored_class_of(e)), object = (uint32_t)(in_run / size);
    return in_run % size == 0 && object < ca_stored_objects(ca_stored_class_of(e)) &&
           ca_stored_bits(base, copy, page)[object / 64] >> object % 64 & 1;
}

static bool roots_are_valid(char *base, unsigned copy, const ca_stored_roots *roots, ca_stored_fault *f)
{
    for (unsigned i = 0; i < CA_STORED_ROOTS; i++) {
        const ca_stored_root *r = &roots->roots[i];
        if (!r->offset)
            continue;
        if (!r->name[0] || !memchr(r->name, 0, sizeof r->name))
            return fails(f, 5, CA_STORED_PAGE_ROOTS + copy);
        for (unsigned j = 0; j < i; j++)
            if (roots->roots[j].offset && !strcmp(roots->roots[j].name, r->name))
                return fails(f, 5, CA_STORED_PAGE_ROOTS + copy);
        f->roots++;
        f->dangling += !root_is_live(base, copy, roots, r->offset);
    }
    return true;
}

bool ca_stored_is_valid(char *base, uint64_t bytes, unsigned copy, ca_stored_fault *f)
{
    memset(f, 0, sizeof *f);
    if (bytes < (uint64_t)CA_STORED_HEAD * CA_PAGE)
        return fails(f, 6, 0);
    const ca_stored_roots *roots = ca_stored_roots_of(base, copy);
    for (unsigned s = 0; s < CA_STORED_SEGMENTS; s++) {
        uint32_t used = roots->used[s], arrays = ca_stored_data(s) - ca_stored_first(s);
        if (s == 0 ? used < arrays : used && used < arrays)
            return fails(f, 2, ca_stored_first(s));
        if (used > ca_stored_pages(s))
            return fails(f, 2, ca_stored_first(s));
        if (used && ((uint64_t)ca_stored_first(s) + used) * CA_PAGE > bytes)
            return fails(f, 6, ca_stored_first(s));
    }
    for (unsigned s = 0; s < CA_STORED_SEGMENTS; s++)
        if (!segment_is_valid(base, copy, s, roots->used[s], f))
            return false;
    return roots_are_valid(base, copy, roots, f);
}

unsigned ca_stored_checkpoint(char *base, uint64_t bytes, ca_stored_fault *fault, uint64_t *sequence)
{
    unsigned copy = ca_stored_newest(base, sequence);
    *fault = (ca_stored_fault){.which = 7};
    if (!copy || !ca_stored_is_valid(base, bytes, copy, fault))
        return 0;
    if (ca_stored_copy_sum(base, copy) == ca_stored_slot_at(base, copy)->sum)
        return copy;
    fault->which = 7;
    return 0;
}

/* --- index and control ----------------------------------------------------------------------------------------------- */

static bool free_run_is_listed(char *base, uint32_t page)
{
    const ca_stored_control *c = ca_stored_control_of(base);
    uint32_t pages = ca_stored_index_at(base, page)->free;
    unsigned bin = ca_bin_floor(pages);
    for (uint32_t p = c->bins[bin]; p; p = ca_stored_index_at(base, p)->next)
        if (p == page)
            return c->bin_words[bin / 64] >> bin % 64 & 1;
    return false;
}

/* Pages of a run of the truth at a page, 0: none starts there. */
static uint32_t run_at(ca_stored *h, uint32_t page, bool *slab)
{
    uint64_t e = *ca_stored_entry(h->file.base, CA_STORED_LIVE, page);
    *slab = ca_stored_kind_of(e) == CA_STORED_SLAB;
    return ca_stored_is_run(e) ? ca_stored_pages_of(e) : 0;
}

static bool slab_index_is_valid(ca_stored *h, uint32_t page)
{
    char *base = h->file.base;
    const ca_stored_control *c = ca_stored_control_of(base);
    uint64_t e = *ca_stored_entry(base, CA_STORED_LIVE, page);
    unsigned class = ca_stored_class_of(e);
    const uint64_t *live = ca_stored_bits(base, CA_STORED_LIVE, page);
    const uint64_t *held = ca_stored_synced(h, page) == e ? ca_stored_bits(base, c->newest, page) : live;
    const ca_stored_index *x = ca_stored_index_at(base, page);
    uint32_t count = 0;
    for (uint32_t w = 0; w < ca_stored_slab_pages(class) * 4; w++)
        count += ca_bit_count(live[w] | held[w]);
    bool found = false;
    for (uint32_t p = c->room[class]; p && !found; p = ca_stored_index_at(base, p)->next)
        found = p == page;
    return x->count == count && found == (count < ca_stored_objects(class)) && x->listed == found;
}

bool ca_stored_index_is_valid(ca_stored *h, int *which)
{
    char *base = h->file.base;
    const ca_stored_control *c = ca_stored_control_of(base);
    uint64_t held = 0, gaps = 0;
    for (uint32_t p = c->held; p; p = ca_stored_index_at(base, p)->next)
        held += ca_stored_index_at(base, p)->count;
    *which = 11;
    if (held != c->held_pages)
        return false;
    for (unsigned s = 0; s < CA_STORED_SEGMENTS; s++) {
        uint32_t end = ca_stored_first(s) + ca_stored_roots_of(base, CA_STORED_LIVE)->used[s];
        for (uint32_t page = ca_stored_data(s); page < end;) {
            bool slab;
            uint32_t run = run_at(h, page, &slab), free = ca_stored_index_at(base, page)->free;
            *which = 12;
            if (slab && !slab_index_is_valid(h, page))
                return false;
            *which = 13;
            if (run && free)
                return false;
            *which = 14;
            if (free && (!free_run_is_listed(base, page) || ca_stored_index_at(base, page + free - 1)->free != free))
                return false;
            gaps += !run && !free;
            page += run ? run : free ? free : 1;
        }
    }
    *which = 15;
    if (gaps != held)
        return false;
    *which = 0;
    return true;
}
