#include "heap/stored.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/print.h"
#include "heap/context.h"

static ca_stored_index *at(ca_stored *h, uint32_t page)
{
    return ca_stored_index_at(h->file.base, page);
}

static ca_stored_control *control(ca_stored *h)
{
    return ca_stored_control_of(h->file.base);
}

/* --- the lock ----------------------------------------------------------------------------------------------------- */

bool ca_stored_take(ca_stored *h)
{
    ca_stored_control *c = control(h);
    int error = pthread_mutex_lock(&c->lock);
    if (CA_LIKELY(error == 0))
        return true;
    if (error != EOWNERDEAD)
        return false;
    ca_stored_fault fault; /* who held it was killed */
    if (!ca_stored_is_valid(h->file.base, h->file.reserved, CA_STORED_LIVE, &fault)) {
        (void)pthread_mutex_unlock(&c->lock); /* not made consistent: nobody gets it any more */
        return false;
    }
    ca_stored_rebuild(h);
    if (c->newest && ca_os_file_sync(h->file.fd) != 0) { /* perhaps killed in a sync: what its slot says must be so on the disk before anything is reused */
        (void)pthread_mutex_unlock(&c->lock);
        return false;
    }
    (void)pthread_mutex_consistent(&c->lock);
    return true;
}

void ca_stored_drop(ca_stored *h)
{
    (void)pthread_mutex_unlock(&control(h)->lock);
}

/* --- the truth: each change is one store, and is noted for the next sync ---------------------------------------------- */

static void entry_touch(ca_stored *h, uint32_t page)
{
    unsigned s = ca_stored_segment(page);
    *ca_stored_dirty(h->file.base, s, (page - ca_stored_first(s)) / 512, 0) = 6;
}

static void bits_touch(ca_stored *h, uint32_t page)
{
    unsigned s = ca_stored_segment(page);
    uint32_t local = page - ca_stored_first(s);
    *ca_stored_dirty(h->file.base, s, local / 512, 1 + local / 128 % 4) = 6;
}

/* The run is there from this store on; its tails and bits are written. */
static void run_publish(ca_stored *h, uint32_t page, uint64_t entry)
{
    CA_STORE_RELEASE(ca_stored_entry(h->file.base, CA_STORED_LIVE, page), entry);
    entry_touch(h, page);
}

static void tails_write(ca_stored *h, uint32_t page, uint32_t from, uint32_t to)
{
    uint64_t *entries = ca_stored_entry(h->file.base, CA_STORED_LIVE, page);
    for (uint32_t i = from; i < to; i++) {
        CA_STORE(&entries[i], ca_stored_entry_make(page + i, CA_STORED_TAIL, 0, i));
        if ((page + i) % 512 == 0 || i == from)
            entry_touch(h, page + i);
    }
}

/* `word`: of the run that starts at `page`. */
static void bit_flip(ca_stored *h, uint32_t page, uint32_t object)
{
    uint64_t *word = ca_stored_bits(h->file.base, CA_STORED_LIVE, page) + object / 64;
    CA_STORE_RELEASE(word, *word ^ 1ULL << object % 64);
    bits_touch(h, page + object / 256);
}

/* --- what the last checkpoint holds --------------------------------------------------------------------------------- */

uint64_t ca_stored_synced(ca_stored *h, uint32_t page)
{
    unsigned copy = control(h)->newest, s = ca_stored_segment(page);
    if (!copy || page - ca_stored_first(s) >= ca_stored_roots_of(h->file.base, copy)->used[s])
        return 0;
    uint64_t e = *ca_stored_entry(h->file.base, copy, page);
    return ca_stored_is_run(e) ? e : 0;
}

/* The bits of the same slab then; NULL: there was none. */
static const uint64_t *synced_bits(ca_stored *h, uint32_t page, uint64_t entry)
{
    return ca_stored_synced(h, page) == entry ? ca_stored_bits(h->file.base, control(h)->newest, page) : NULL;
}

/* Pages [from, from + pages) of the run at `run` are free, or held till the next sync. */
static void pages_release(ca_stored *h, uint32_t run, uint32_t from, uint32_t pages)
{
    ca_stored_control *c = control(h);
    uint64_t then = ca_stored_synced(h, run);
    uint32_t end = run + (then ? ca_stored_pages_of(then) : 0), held = end > from ? end - from : 0;
    held = held > pages ? pages : held;
    if (held) {
        at(h, from)->count = held;
        at(h, from)->next = c->held;
        c->held = from;
        c->held_pages += held;
    }
    if (pages > held)
        ca_stored_pages_give(h, from + held, pages - held);
}

static void run_free(ca_stored *h, uint32_t page, uint32_t pages)
{
    run_publish(h, page, 0);
    pages_release(h, page, page, pages);
}

/* A run that becomes visible when it is published. */
static uint32_t run_take(ca_stored *h, uint32_t pages)
{
    uint32_t page = ca_stored_pages_take(h, pages);
    if (page)
        tails_write(h, page, 1, pages);
    return page;
}

/* --- slabs ---------------------------------------------------------------------------------------------------------- */

static void room_add(ca_stored *h, unsigned class, uint32_t page)
{
    ca_stored_control *c = control(h);
    ca_stored_index *x = at(h, page);
    x->listed = 1;
    x->prev = 0;
    x->next = c->room[class];
    if (x->next)
        at(h, x->next)->prev = page;
    c->room[class] = page;
}

static void room_remove(ca_stored *h, unsigned class, uint32_t page)
{
    ca_stored_index *x = at(h, page);
    if (x->next)
        at(h, x->next)->prev = x->prev;
    if (x->prev)
        at(h, x->prev)->next = x->next;
    else
        control(h)->room[class] = x->next;
    x->listed = 0;
}

static uint32_t slab_make(ca_stored *h, unsigned class)
{
    uint32_t pages = ca_stored_slab_pages(class), page = run_take(h, pages);
    if (!page)
        return 0;
    ca_stored_index *x = at(h, page);
    memset(ca_stored_bits(h->file.base, CA_STORED_LIVE, page), 0, (size_t)pages * 32);
    for (uint32_t i = 0; i < pages; i++)
        bits_touch(h, page + i);
    x->count = x->touched = 0;
    run_publish(h, page, ca_stored_entry_make(page, CA_STORED_SLAB, class, pages));
    room_add(h, class, page);
    return page;
}

static void *object_alloc(ca_stored *h, unsigned class)
{
    uint32_t page = control(h)->room[class], objects = ca_stored_objects(class);
    if (CA_UNLIKELY(!page))
        page = slab_make(h, class);
    if (CA_UNLIKELY(!page))
        return NULL;
    uint64_t entry = *ca_stored_entry(h->file.base, CA_STORED_LIVE, page);
    const uint64_t *live = ca_stored_bits(h->file.base, CA_STORED_LIVE, page), *held = synced_bits(h, page, entry);
    uint64_t free = 0;
    uint32_t w = 0;
    for (; w * 64 < objects; w++) {
        free = ~(held ? live[w] | held[w] : live[w]);
        if (free && w * 64 + ca_bit_low(free) < objects)
            break;
    }
    CA_ASSERT(w * 64 < objects); /* it is in the list of those with room */
    uint32_t object = w * 64 + ca_bit_low(free);
    if (++at(h, page)->count == objects)
        room_remove(h, class, page);
    bit_flip(h, page, object);
    return ca_stored_at(h->file.base, page) + (size_t)object * ca_stored_class_size(class);
}

static void object_free(ca_stored *h, const ca_stored_place *o)
{
    ca_stored_control *c = control(h);
    ca_stored_index *x = at(h, o->page);
    unsigned class = ca_stored_class_of(o->entry);
    const uint64_t *held = synced_bits(h, o->page, o->entry);
    bit_flip(h, o->page, o->object);
    if (held && held[o->object / 64] >> o->object % 64 & 1) {
        if (!x->touched) {
            x->touched = c->touched;
            c->touched = o->page;
        }
        return;
    }
    x->count--;
    if (!x->listed)
        room_add(h, class, o->page);
    else if (x->count == 0 && (x->next || x->prev)) { /* another one has room */
        room_remove(h, class, o->page);
        run_free(h, o->page, ca_stored_pages_of(o->entry));
    }
}

/* --- where an address is ---------------------------------------------------------------------------------------------- */

static ca_stored_place place_of(ca_stored *h, const void *p)
{
    ca_stored_place o = {.what = CA_STORED_NOWHERE};
    char *base = h->file.base;
    uint64_t offset = (uint64_t)((const char *)p - base);
    if (offset >= h->file.reserved)
        return o;
    uint32_t page = (uint32_t)(offset / CA_PAGE);
    unsigned s = ca_stored_segment(page);
    if (page < ca_stored_data(s) || page - ca_stored_first(s) >= CA_LOAD(&ca_stored_roots_of(base, CA_STORED_LIVE)->used[s]))
        return o;
    uint64_t e = CA_LOAD(ca_stored_entry(base, CA_STORED_LIVE, page));
    if (ca_stored_kind_of(e) == CA_STORED_TAIL && ca_stored_pages_of(e) <= page - ca_stored_data(s)) {
        page -= ca_stored_pages_of(e);
        e = CA_LOAD(ca_stored_entry(base, CA_STORED_LIVE, page));
    }
    uint64_t inside = offset - (uint64_t)page * CA_PAGE;
    if (!ca_stored_is_run(e) || inside >= (uint64_t)ca_stored_pages_of(e) * CA_PAGE)
        return o;
    o.page = page;
    o.entry = e;
    o.start = ca_stored_at(base, page);
    o.size = (size_t)ca_stored_pages_of(e) * CA_PAGE;
    bool live = true;
    if (ca_stored_kind_of(e) == CA_STORED_SLAB) {
        unsigned class = ca_stored_class_of(e);
        o.size = ca_stored_class_size(class);
        o.object = (uint32_t)inside / (uint32_t)o.size;
        if (o.object >= ca_stored_objects(class))
            return o;
        o.start += (size_t)o.object * o.size;
        live = CA_LOAD(ca_stored_bits(base, CA_STORED_LIVE, page) + o.object / 64) >> o.object % 64 & 1;
    }
    o.what = !live ? CA_STORED_IS_DEAD : (const char *)p == o.start ? CA_STORED_IS_LIVE : CA_STORED_IS_INTERIOR;
    return o;
}

ca_stored_place ca_stored_inspect(ca_stored *h, const void *p)
{
    if (!ca_stored_may_write(h)) /* cannot take the lock */
        return place_of(h, p);
    if (!ca_stored_take(h))
        return (ca_stored_place){.what = CA_STORED_NOWHERE};
    ca_stored_place o = place_of(h, p);
    ca_stored_drop(h);
    return o;
}

_Noreturn static void pronounce(const ca_stored *h, const char *function, const void *p, const char *verdict)
{
    ca_print(2, "ctxalloc: %s(%x): %s (context %s)\n", function, (uint64_t)(uintptr_t)p, verdict, h->context ? h->context->name : "stored");
    abort();
}

/* Not the start of a live block. */
_Noreturn static void wrong(const ca_stored *h, const char *function, const void *p, const ca_stored_place *o)
{
    char text[64];
    if (o->what == CA_STORED_IS_INTERIOR) {
        ca_format(text, sizeof text, "interior pointer of %x", (uint64_t)(uintptr_t)o->start);
        pronounce(h, function, p, text);
    }
    if (o->what == CA_STORED_IS_DEAD)
        pronounce(h, function, p, p != o->start ? "interior pointer of a freed block" : function[0] == 'f' ? "double free" : "freed pointer");
    pronounce(h, function, p, "not a block");
}

/* Locked, with p's place. */
static ca_stored_place live_take(ca_stored *h, const void *p, const char *function)
{
    if (!ca_stored_may_write(h))
        pronounce(h, function, p, "its heap is open for reading only");
    if (!ca_stored_take(h))
        pronounce(h, function, p, "its heap was left damaged");
    ca_stored_place o = place_of(h, p);
    if (o.what != CA_STORED_IS_LIVE) {
        ca_stored_drop(h);
        wrong(h, function, p, &o);
    }
    return o;
}

/* --- blocks ---------------------------------------------------------------------------------------------------------- */

/* The class that serves it, CA_STORED_CLASSES: none. */
static unsigned class_for(size_t size, size_t align)
{
    size = align > CA_GRANULE ? ca_round_up(size ? size : 1, align) : size;
    if (size > CA_STORED_SMALL_MAX || align > CA_PAGE)
        return CA_STORED_CLASSES;
    unsigned class = ca_stored_class_for((uint32_t)size);
    while (class < CA_STORED_CLASSES && ca_stored_class_size(class) % align)
        class++;
    return class;
}

static void *large_alloc(ca_stored *h, size_t size, size_t align)
{
    uint64_t pages = ca_pages_for(size ? size : 1), pages_align = align > CA_PAGE ? align / CA_PAGE : 1;
    if (pages + pages_align >= 1U << 30)
        return NULL;
    /* The base is aligned to no more than a page: search with room, and align the address. */
    uint32_t page = run_take(h, (uint32_t)(pages + pages_align - 1));
    if (!page)
        return NULL;
    if (pages_align > 1) {
        uintptr_t address = (uintptr_t)ca_stored_at(h->file.base, page);
        uint32_t skip = (uint32_t)((ca_round_up(address, align) - address) / CA_PAGE), rest = (uint32_t)pages_align - 1 - skip;
        if (skip)
            ca_stored_pages_give(h, page, skip);
        page += skip;
        if (rest)
            ca_stored_pages_give(h, page + (uint32_t)pages, rest);
        tails_write(h, page, 1, (uint32_t)pages);
    }
    run_publish(h, page, ca_stored_entry_make(page, CA_STORED_LARGE, 0, (uint32_t)pages));
    return ca_stored_at(h->file.base, page);
}

/* pre: locked */
static void *block_alloc(ca_stored *h, size_t size, size_t align)
{
    ca_stored_control *c = control(h);
    unsigned class = class_for(size, align);
    void *p = class < CA_STORED_CLASSES ? object_alloc(h, class) : large_alloc(h, size, align);
    if (!p)
        return NULL;
    c->blocks++;
    c->bytes += class < CA_STORED_CLASSES ? ca_stored_class_size(class) : ca_pages_for(size ? size : 1) * CA_PAGE;
    return p;
}

static void block_free(ca_stored *h, const ca_stored_place *o)
{
    ca_stored_control *c = control(h);
    c->blocks--;
    c->bytes -= o->size;
    if (ca_stored_kind_of(o->entry) == CA_STORED_SLAB)
        object_free(h, o);
    else
        run_free(h, o->page, ca_stored_pages_of(o->entry));
}

void *ca_stored_alloc(ca_stored *h, size_t size, size_t align)
{
    if (!ca_stored_may_write(h) || !ca_stored_take(h))
        return NULL;
    void *p = block_alloc(h, size, align);
    ca_stored_drop(h);
    return p;
}

void ca_stored_free(ca_stored *h, void *p, const char *function)
{
    ca_stored_place o = live_take(h, p, function);
    block_free(h, &o);
    ca_stored_drop(h);
}

size_t ca_stored_usable(ca_stored *h, const void *p, const char *function)
{
    ca_stored_place o = ca_stored_inspect(h, p);
    if (o.what != CA_STORED_IS_LIVE)
        wrong(h, function, p, &o);
    return o.size;
}

/* pre: locked */
static bool block_resize(ca_stored *h, const ca_stored_place *o, size_t size)
{
    if (ca_stored_kind_of(o->entry) == CA_STORED_SLAB)
        return size <= o->size;
    uint64_t pages = ca_pages_for(size ? size : 1);
    uint32_t old = ca_stored_pages_of(o->entry);
    if (pages > old) {
        if (pages > UINT32_MAX || !ca_stored_pages_extend(h, o->page + old, (uint32_t)pages - old))
            return false;
        tails_write(h, o->page, old, (uint32_t)pages);
    }
    if (pages != old)
        run_publish(h, o->page, ca_stored_entry_make(o->page, CA_STORED_LARGE, 0, (uint32_t)pages));
    if (pages < old)
        pages_release(h, o->page, o->page + (uint32_t)pages, old - (uint32_t)pages);
    control(h)->bytes += (pages - old) * CA_PAGE;
    return true;
}

bool ca_stored_resize(ca_stored *h, void *p, size_t size)
{
    ca_stored_place o = live_take(h, p, "ctxalloc_resize");
    bool done = size <= CA_MAX_SIZE && block_resize(h, &o, size);
    ca_stored_drop(h);
    return done;
}

void *ca_stored_realloc(ca_stored *h, void *p, size_t size)
{
    ca_stored_place o = live_take(h, p, "realloc");
    bool small = ca_stored_kind_of(o.entry) == CA_STORED_SLAB;
    bool stays = (small ? size > o.size / 2 || o.size <= 64 : size > CA_STORED_SMALL_MAX) && block_resize(h, &o, size);
    void *to = stays ? p : block_alloc(h, size, CA_GRANULE);
    ca_stored_drop(h);
    if (stays)
        return p;
    if (!to)
        return size <= o.size ? p : NULL; /* shrinking never fails */
    memcpy(to, p, o.size < size ? o.size : size);
    ca_stored_free(h, p, "realloc");
    return to;
}

/* --- roots ---------------------------------------------------------------------------------------------------------------- */

static ca_stored_root *root_find(ca_stored *h, const char *name)
{
    ca_stored_roots *roots = ca_stored_roots_of(h->file.base, CA_STORED_LIVE);
    for (unsigned i = 0; i < CA_STORED_ROOTS; i++)
        if (CA_LOAD(&roots->roots[i].offset) && !strncmp(roots->roots[i].name, name, CA_STORED_NAME))
            return &roots->roots[i];
    return NULL;
}

static ca_stored_root *root_new(ca_stored *h, const char *name)
{
    ca_stored_roots *roots = ca_stored_roots_of(h->file.base, CA_STORED_LIVE);
    for (unsigned i = 0; i < CA_STORED_ROOTS; i++)
        if (!roots->roots[i].offset) {
            memset(roots->roots[i].name, 0, CA_STORED_NAME);
            memcpy(roots->roots[i].name, name, strlen(name));
            return &roots->roots[i];
        }
    return NULL;
}

int ca_stored_root_set(ca_stored *h, const char *name, uint64_t offset)
{
    if (!name[0] || strlen(name) >= CA_STORED_NAME)
        return EINVAL;
    if (!ca_stored_may_write(h))
        return EROFS;
    if (!ca_stored_take(h))
        return EUCLEAN;
    int error = 0;
    ca_stored_root *r = root_find(h, name);
    if (offset && place_of(h, h->file.base + offset).what != CA_STORED_IS_LIVE)
        error = EINVAL;
    else if (!r && offset)
        r = root_new(h, name);
    if (!error && !r && offset)
        error = ENOSPC;
    if (!error && r)
        CA_STORE_RELEASE(&r->offset, offset);
    ca_stored_drop(h);
    return error;
}

uint64_t ca_stored_root_get(ca_stored *h, const char *name)
{
    bool lock = ca_stored_may_write(h);
    if (lock && !ca_stored_take(h))
        return 0;
    const ca_stored_root *r = root_find(h, name);
    uint64_t offset = r ? CA_LOAD(&r->offset) : 0;
    if (lock)
        ca_stored_drop(h);
    return offset;
}

/* --- sync ------------------------------------------------------------------------------------------------------------------- */

/* One metadata page; `place` is that of the live one. known: the copy has it in its sum. */
static void page_copy(ca_stored *h, uint32_t to, uint32_t place, bool known, uint64_t *sum)
{
    char *copy = ca_stored_at(h->file.base, to);
    if (known)
        *sum ^= ca_stored_hash(copy, CA_PAGE, place);
    memcpy(copy, ca_stored_at(h->file.base, place), CA_PAGE);
    *sum ^= ca_stored_hash(copy, CA_PAGE, place);
}

/* had: pages of the segment that were in use when the copy was last made. */
static void segment_copy(ca_stored *h, unsigned s, unsigned copy, uint32_t had, uint64_t *sum)
{
    char *base = h->file.base;
    uint32_t used = ca_stored_roots_of(base, CA_STORED_LIVE)->used[s], split = ca_stored_pages(s) / 512;
    uint32_t to = ca_stored_copy_start(s, copy), live = ca_stored_copy_start(s, CA_STORED_LIVE);
    uint8_t bit = (uint8_t)(1U << copy);
    for (uint32_t j = 0; j < ca_stored_entry_pages(used); j++)
        for (uint32_t part = 0; part < 5; part++) {
            uint32_t k = j * 4 + part - 1, i = part ? split + k : j;
            bool known = part ? k < ca_stored_bit_pages(had) : j < ca_stored_entry_pages(had);
            if (part && k >= ca_stored_bit_pages(used))
                break;
            uint8_t *dirty = ca_stored_dirty(base, s, j, part);
            if (!known || *dirty & bit)
                page_copy(h, to + i, live + i, known, sum);
            *dirty &= (uint8_t)~bit;
        }
}

/* What differs goes to the copy. */
static void checkpoint_copy(ca_stored *h, unsigned copy)
{
    ca_stored_control *c = control(h);
    ca_stored_roots *from = ca_stored_roots_of(h->file.base, CA_STORED_LIVE), *to = ca_stored_roots_of(h->file.base, copy);
    bool whole = c->whole[copy];
    uint32_t had[CA_STORED_SEGMENTS];
    c->whole[copy] = 1; /* whoever finds this half done does all of it again */
    for (unsigned s = 0; s < CA_STORED_SEGMENTS; s++)
        had[s] = whole ? 0 : to->used[s];
    uint64_t sum = whole ? 0 : c->sums[copy] ^ ca_stored_hash(to, CA_PAGE, 0);
    memcpy(to, from, CA_PAGE);
    sum ^= ca_stored_hash(to, CA_PAGE, 0);
    for (unsigned s = 0; s < CA_STORED_SEGMENTS; s++)
        segment_copy(h, s, copy, had[s], &sum);
    c->sums[copy] = sum;
}

/* Slabs that are empty but for what is held go before the checkpoint is taken, so that it does not hold them again. */
static void touched_free_empty(ca_stored *h)
{
    ca_stored_control *c = control(h);
    uint32_t kept = CA_STORED_END;
    for (uint32_t page = c->touched, next; page != CA_STORED_END; page = next) {
        ca_stored_index *x = at(h, page);
        uint64_t e = *ca_stored_entry(h->file.base, CA_STORED_LIVE, page);
        const uint64_t *live = ca_stored_bits(h->file.base, CA_STORED_LIVE, page);
        uint64_t any = 0;
        next = x->touched;
        for (uint32_t w = 0; w < ca_stored_pages_of(e) * 4; w++)
            any |= live[w];
        if (any) {
            x->touched = kept;
            kept = page;
            continue;
        }
        if (x->listed)
            room_remove(h, ca_stored_class_of(e), page);
        x->touched = 0;
        run_free(h, page, ca_stored_pages_of(e));
    }
    c->touched = kept;
}

/* What was held for the last checkpoint may be used. */
static void held_release(ca_stored *h)
{
    ca_stored_control *c = control(h);
    uint32_t page = c->held;
    c->held = 0;
    c->held_pages = 0;
    for (uint32_t next; page; page = next) {
        next = at(h, page)->next;
        ca_stored_pages_give(h, page, at(h, page)->count);
    }
    page = c->touched;
    c->touched = CA_STORED_END;
    for (uint32_t next; page != CA_STORED_END; page = next) {
        ca_stored_index *x = at(h, page);
        uint64_t e = *ca_stored_entry(h->file.base, CA_STORED_LIVE, page);
        const uint64_t *live = ca_stored_bits(h->file.base, CA_STORED_LIVE, page);
        next = x->touched;
        x->touched = 0;
        x->count = 0;
        for (uint32_t w = 0; w < ca_stored_pages_of(e) * 4; w++)
            x->count += ca_bit_count(live[w]);
        if (!x->listed && x->count < ca_stored_objects(ca_stored_class_of(e)))
            room_add(h, ca_stored_class_of(e), page);
    }
}

/* The copy that is not the newest is made equal to what is live and flushed, together with the blocks; only then its slot says so. */
static int checkpoint(ca_stored *h)
{
    ca_stored_control *c = control(h);
    unsigned copy = c->newest == CA_STORED_A ? CA_STORED_B : CA_STORED_A;
    int error = c->doubt ? ca_os_file_sync(h->file.fd) : 0;
    if (error)
        return error;
    c->doubt = 0;
    touched_free_empty(h);
    checkpoint_copy(h, copy);
    error = ca_os_file_sync(h->file.fd);
    if (error)
        return error;
    ca_stored_slot *slot = ca_stored_slot_at(h->file.base, copy);
    ca_stored_slot made = {.sequence = c->sequence + 1, .sum = c->sums[copy]};
    made.check = ca_stored_slot_check(&made);
    *slot = made;
    error = ca_os_file_sync(h->file.fd);
    if (error) { /* the slot may be on the disk or not: it is taken back before its copy is written again */
        slot->check = ~made.check;
        c->doubt = 1;
        return error;
    }
    c->whole[copy] = 0;
    c->sequence++;
    c->newest = copy;
    held_release(h);
    return 0;
}

int ca_stored_sync(ca_stored *h)
{
    if (!ca_stored_may_write(h))
        return EROFS;
    if (((ca_stored_header *)(void *)h->file.base)->flags & CA_STORED_VOLATILE)
        return 0;
    if (!ca_stored_take(h))
        return EUCLEAN;
    int error = checkpoint(h);
    ca_stored_drop(h);
    return error;
}

/* --- numbers, walking ------------------------------------------------------------------------------------------------------ */

ca_stored_usage ca_stored_get_usage(ca_stored *h)
{
    ca_stored_usage u = {0, 0, 0, 0};
    const ca_stored_control *c = control(h);
    u.blocks = CA_LOAD(&c->blocks);
    u.bytes = CA_LOAD(&c->bytes);
    u.held_pages = CA_LOAD(&c->held_pages);
    for (unsigned s = 0; s < CA_STORED_SEGMENTS; s++)
        u.pages += CA_LOAD(&ca_stored_roots_of(h->file.base, CA_STORED_LIVE)->used[s]);
    return u;
}

static bool run_walk(ca_stored *h, uint32_t page, uint64_t e, bool (*fn)(const void *block, size_t size, void *argument), void *argument)
{
    char *start = ca_stored_at(h->file.base, page);
    if (ca_stored_kind_of(e) == CA_STORED_LARGE)
        return fn(start, (size_t)ca_stored_pages_of(e) * CA_PAGE, argument);
    const uint64_t *live = ca_stored_bits(h->file.base, CA_STORED_LIVE, page);
    size_t size = ca_stored_class_size(ca_stored_class_of(e));
    for (uint32_t w = 0; w < ca_stored_pages_of(e) * 4; w++)
        for (uint64_t bits = live[w]; bits; bits &= bits - 1)
            if (!fn(start + ((size_t)w * 64 + ca_bit_low(bits)) * size, size, argument))
                return false;
    return true;
}

bool ca_stored_walk(ca_stored *h, bool (*fn)(const void *block, size_t size, void *argument), void *argument)
{
    bool lock = ca_stored_may_write(h), on = true;
    if (lock && !ca_stored_take(h))
        return false;
    for (unsigned s = 0; s < CA_STORED_SEGMENTS && on; s++) {
        uint32_t end = ca_stored_first(s) + ca_stored_roots_of(h->file.base, CA_STORED_LIVE)->used[s];
        for (uint32_t page = ca_stored_data(s); page < end && on;) {
            uint64_t e = *ca_stored_entry(h->file.base, CA_STORED_LIVE, page);
            on = !ca_stored_is_run(e) || run_walk(h, page, e, fn, argument);
            page += ca_stored_is_run(e) ? ca_stored_pages_of(e) : 1;
        }
    }
    if (lock)
        ca_stored_drop(h);
    return on;
}

/* --- index and control from the truth ---------------------------------------------------------------------------------------- */

/* Where the next run of the checkpoint is, looking from a page on. */
typedef struct cursor {
    uint32_t next, start, end; /* [start, end): the run; next: where to look on */
} cursor;

/* [page, *end): all covered by a run of the checkpoint, or not at all. */
static bool cursor_covers(ca_stored *h, cursor *k, uint32_t page, uint32_t limit, uint32_t *end)
{
    while (k->end <= page && k->next < limit) {
        uint64_t e = ca_stored_synced(h, k->next);
        if (e) {
            k->start = k->next;
            k->end = k->next + ca_stored_pages_of(e);
            k->next = k->end;
        } else {
            k->next++;
        }
    }
    bool ahead = k->end > page;
    bool covers = ahead && k->start <= page;
    uint32_t until = covers ? k->end : ahead ? k->start : limit;
    *end = until < limit ? until : limit;
    return covers;
}

static void slab_count(ca_stored *h, uint32_t page, uint64_t e)
{
    ca_stored_control *c = control(h);
    ca_stored_index *x = at(h, page);
    const uint64_t *live = ca_stored_bits(h->file.base, CA_STORED_LIVE, page), *held = synced_bits(h, page, e);
    uint32_t count = 0, class = ca_stored_class_of(e);
    for (uint32_t w = 0; w < ca_stored_pages_of(e) * 4; w++) {
        count += ca_bit_count(live[w]);
        x->count += ca_bit_count(held ? live[w] | held[w] : live[w]);
    }
    c->blocks += count;
    c->bytes += (uint64_t)count * ca_stored_class_size(class);
    if (x->count != count) {
        x->touched = c->touched;
        c->touched = page;
    }
    if (x->count < ca_stored_objects(class))
        room_add(h, class, page);
}

/* Free pages between two runs: those that the checkpoint covers are held. */
static void gap_sort(ca_stored *h, cursor *k, uint32_t page, uint32_t limit)
{
    ca_stored_control *c = control(h);
    while (page < limit) {
        uint32_t end;
        if (cursor_covers(h, k, page, limit, &end)) {
            at(h, page)->count = end - page;
            at(h, page)->next = c->held;
            c->held = page;
            c->held_pages += end - page;
        } else {
            ca_stored_pages_give(h, page, end - page);
        }
        page = end;
    }
}

static void segment_rebuild(ca_stored *h, unsigned s, uint32_t used)
{
    ca_stored_control *c = control(h);
    uint32_t end = ca_stored_first(s) + used, page = ca_stored_data(s), gap = page;
    cursor k = {.next = page};
    for (; page < end;) {
        uint64_t e = *ca_stored_entry(h->file.base, CA_STORED_LIVE, page);
        if (!ca_stored_is_run(e)) {
            page++;
            continue;
        }
        gap_sort(h, &k, gap, page);
        if (ca_stored_kind_of(e) == CA_STORED_SLAB) {
            slab_count(h, page, e);
        } else {
            c->blocks++;
            c->bytes += (uint64_t)ca_stored_pages_of(e) * CA_PAGE;
        }
        page += ca_stored_pages_of(e);
        gap = page;
    }
    gap_sort(h, &k, gap, end);
}

/* A checkpoint that was damaged since holds nothing, and is not the newest: the next sync writes another. */
static unsigned checkpoint_of(ca_stored *h, uint64_t *sequence)
{
    ca_stored_fault fault;
    uint64_t bytes;
    return ca_os_file_size(h->file.fd, &bytes) == 0 ? ca_stored_checkpoint(h->file.base, bytes, &fault, sequence) : 0;
}

void ca_stored_rebuild(ca_stored *h)
{
    char *base = h->file.base;
    ca_stored_control *c = control(h);
    memset(&c->ready, 0, sizeof *c - offsetof(ca_stored_control, ready));
    c->touched = CA_STORED_END;
    c->whole[CA_STORED_A] = c->whole[CA_STORED_B] = 1;
    if (!(((ca_stored_header *)(void *)base)->flags & CA_STORED_VOLATILE))
        c->newest = checkpoint_of(h, &c->sequence);
    const ca_stored_roots *roots = ca_stored_roots_of(base, CA_STORED_LIVE);
    for (unsigned s = 0; s < CA_STORED_SEGMENTS; s++)
        if (roots->used[s]) {
            memset(at(h, ca_stored_first(s)), 0, (uint64_t)roots->used[s] * sizeof(ca_stored_index));
            segment_rebuild(h, s, roots->used[s]);
        }
    CA_STORE_RELEASE(&c->ready, 1);
}
