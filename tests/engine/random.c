/* Random operations on every engine, against a model that cannot be wrong in the same way: a map of all units.
 *
 * random [OPERATIONS]     how many for each engine; by default 2 million, with CTXALLOC_TEST_LONG=1 100 million
 *
 * The map says for each unit which block has it.  After every operation: what was given lies in free units and inside the space, is
 * aligned, and as large as asked for; a failure is right (no run of free units was large enough); and the counts agree.  Every
 * so often, all of the engine: its own audit, both iterators against the map, the report, the largest range.
 */
#include <stdio.h>

#define ENGINE_SCALE 21 /* spaces of more than 2,048 units have offsets of more than 32 bits; many grow to that */
#include "tests/engine/engine.h"

enum { MOST_UNITS = 6000, MOST_BLOCKS = 400 };

typedef struct world {
    const engine *e;
    void *it;
    uint16_t owner[MOST_UNITS]; /* block + 1, 0: free */
    uint64_t units, free_units, max_blocks, live;
    handle block[MOST_BLOCKS];
    bool is_live[MOST_BLOCKS];
    uint64_t random, step;
} world;

#define CHECK(condition)                                                                                                  \
    do {                                                                                                                  \
        if (!(condition)) {                                                                                               \
            printf("%s, step %llu, line %d: %s\n", w->e->name, (unsigned long long)w->step, __LINE__, #condition);         \
            exit(1);                                                                                                      \
        }                                                                                                                 \
    } while (0)

static uint64_t below(world *w, uint64_t bound)
{
    return engine_random(&w->random) % bound;
}

static uint64_t free_run(const world *w, uint64_t at)
{
    uint64_t end = at;
    while (end < w->units && !w->owner[end])
        end++;
    return end - at;
}

static uint64_t longest(const world *w)
{
    uint64_t most = 0, run;
    for (uint64_t at = 0; at < w->units; at += run ? run : 1) {
        run = free_run(w, at);
        most = run > most ? run : most;
    }
    return most;
}

static void owner_set(world *w, uint64_t at, uint64_t size, unsigned owner)
{
    for (uint64_t i = at; i < at + size; i++)
        w->owner[i] = (uint16_t)owner;
}

static void step_alloc(world *w, unsigned slot, uint64_t size, uint64_t align)
{
    uint64_t padded = engine_padded(w->e, size, align);
    handle h;
    if (!w->e->alloc(w->it, size, align, &h)) {
        CHECK(!size || w->live == w->max_blocks || longest(w) < padded);
        return;
    }
    CHECK(size && w->live < w->max_blocks);
    CHECK(h.offset < w->units && size <= w->units - h.offset && (!align || h.offset % align == 0));
    for (uint64_t i = h.offset; i < h.offset + size; i++)
        CHECK(!w->owner[i]);
    CHECK(w->e->size(w->it, h) == size);
    owner_set(w, h.offset, size, slot + 1);
    w->block[slot] = h;
    w->is_live[slot] = true;
    w->live++;
    w->free_units -= size;
}

static void step_free(world *w, unsigned slot)
{
    handle h = w->block[slot];
    CHECK(w->e->free(w->it, h) == 0);
    owner_set(w, h.offset, h.size, 0);
    w->is_live[slot] = false;
    w->live--;
    w->free_units += h.size;
    CHECK(w->e->free(w->it, h) == 22); /* EINVAL, always; nothing changed, the counts will say */
}

static void step_resize(world *w, unsigned slot, uint64_t size)
{
    handle *h = &w->block[slot];
    uint64_t old = h->size, most = old + free_run(w, h->offset + old), available = 0;
    int error = w->e->resize(w->it, h, size, &available);
    CHECK(error == (!size ? 22 : size > most ? 12 : 0));
    CHECK(!size || available == most);
    CHECK(h->size == (error ? old : size) && w->e->size(w->it, *h) == h->size);
    owner_set(w, h->offset, old, 0);
    owner_set(w, h->offset, h->size, slot + 1);
    w->free_units += old - h->size;
}

/* A handle that is not a live block's. */
static void step_wrong(world *w, unsigned slot)
{
    handle h = w->block[slot];
    switch (below(w, 5)) {
    case 0:
        h.offset += 1 + below(w, 3);
        break;
    case 1:
        h.offset = w->units + below(w, 3);
        break;
    case 2:
        h.offset = CTXALLOC_NONE;
        break;
    case 3: /* another node, or another size */
        h.node += 1 + (uint32_t)below(w, 2 * MOST_BLOCKS);
        h.size++;
        break;
    default:
        h = (handle){(uint32_t)engine_random(&w->random) | w->units, 1 + below(w, 100), (uint32_t)engine_random(&w->random), 7};
        h.offset |= 0x10000; /* outside */
    }
    if (h.offset < w->units && w->owner[h.offset]) { /* by chance it is: best fit's handles are offset and size alone */
        const handle *other = &w->block[w->owner[h.offset] - 1];
        if (other->offset == h.offset && other->size == h.size && (!h.node || other->node == h.node))
            return;
    }
    CHECK(w->e->free(w->it, h) == 22);
    CHECK(w->e->resize(w->it, &h, 1, NULL) == 22);
    CHECK(w->e->size(w->it, h) == 0);
}

static void step_grow(world *w, uint64_t more)
{
    if (more > MOST_UNITS - w->units)
        return;
    CHECK(w->e->grow(w->it, more) == 0);
    w->units += more;
    w->free_units += more;
}

static void compare_all(world *w)
{
    int which = -1;
    CHECK(w->e->is_valid(w->it, &which) && which == 0);
    CHECK(w->e->free_largest(w->it) == longest(w));
    ctxalloc_range range = {0, 0, 0, 0};
    uint64_t free_ranges = 0;
    for (uint64_t at = 0; at < w->units;) { /* each run of free units is one range */
        uint64_t run = free_run(w, at);
        if (run) {
            CHECK(w->e->next_free(w->it, &range) && range.offset == at && range.size == run);
            free_ranges++;
        }
        at += run ? run : 1;
    }
    CHECK(!w->e->next_free(w->it, &range));
    range = (ctxalloc_range){0, 0, 0, 0};
    for (uint64_t at = 0; at < w->units;) {
        if (!w->owner[at]) {
            at++;
            continue;
        }
        const handle *h = &w->block[w->owner[at] - 1];
        CHECK(w->e->next_used(w->it, &range) && range.offset == at && range.size == h->size && h->offset == at);
        CHECK(w->e->size(w->it, (handle){range.offset, range.size, range.node, 0}) == h->size);
        at += h->size;
    }
    CHECK(!w->e->next_used(w->it, &range));
    static ctxalloc_tlsf_report_t report;
    uint64_t ranges = 0;
    w->e->report(w->it, &report);
    for (unsigned bin = 0; bin < CTXALLOC_BINS; bin++)
        ranges += report.bin[bin].count;
    CHECK(ranges == free_ranges && report.free_ranges == free_ranges && report.free_total == w->free_units);
    CHECK(report.free_largest == longest(w));
}

/* Goes on with a clone; what it was cloned from is thrown away, and so must share nothing with it. */
static void step_clone(world *w)
{
    void *copy = w->e->clone(w->it);
    CHECK(copy);
    w->e->reset(w->it);
    w->e->destroy(w->it);
    w->it = copy;
}

static void begin(world *w, const engine *e, uint64_t seed)
{
    memset(w, 0, sizeof *w);
    w->e = e;
    w->random = seed * 0x9e3779b97f4a7c15u + 1;
    w->units = w->free_units = 1 + below(w, MOST_UNITS / 2);
    w->max_blocks = 1 + below(w, MOST_BLOCKS);
    w->it = e->create(w->units, (uint32_t)w->max_blocks);
    CHECK(w->it);
}

static uint64_t random_size(world *w)
{
    uint64_t bits = below(w, 12);
    return below(w, 8) ? 1 + below(w, 1ULL << bits % 8) : below(w, (1ULL << bits) + 1);
}

static void step(world *w)
{
    unsigned slot = (unsigned)below(w, MOST_BLOCKS), what = (unsigned)below(w, 100);
    w->step++;
    if (w->is_live[slot] && what < 55)
        step_free(w, slot);
    else if (w->is_live[slot] && what < 80)
        step_resize(w, slot, random_size(w));
    else if (w->is_live[slot])
        step_wrong(w, slot);
    else if (what < 96)
        step_alloc(w, slot, random_size(w), what < 40 ? 0 : what < 50 ? 1ULL << below(w, 8) : what < 60 ? 1 + below(w, 100) : 1);
    else if (what == 97)
        step_grow(w, below(w, 50));
    else if (what == 98 && below(w, 200) == 0)
        step_clone(w);
    else if (what == 99 && below(w, 2000) == 0) {
        w->e->reset(w->it);
        memset(w->owner, 0, sizeof w->owner);
        memset(w->is_live, 0, sizeof w->is_live);
        w->live = 0;
        w->free_units = w->units;
    }
    CHECK(w->e->free_total(w->it) == w->free_units && w->e->live(w->it) == w->live);
    CHECK(w->e->empty(w->it) == !w->live && w->e->capacity(w->it) == w->units);
}

int main(int argc, char **argv)
{
    static world world_;
    world *w = &world_;
    const char *more = getenv("CTXALLOC_TEST_LONG");
    uint64_t operations = argc > 1 ? strtoull(argv[1], NULL, 10) : more && *more == '1' ? 100000000 : 2000000;
    for (unsigned i = 0; i <= ENGINES; i++) {
        const engine *e = i < ENGINES ? &engines[i] : &tlsf_scaled;
        uint64_t done = 0, worlds = 0;
        while (done < operations) {
            begin(w, e, ++worlds);
            uint64_t steps = 2000 + below(w, 50000), look = 1 + below(w, 2000);
            for (; w->step < steps && done < operations; done++) {
                step(w);
                if (w->step % look == 0)
                    compare_all(w);
            }
            compare_all(w);
            w->e->destroy(w->it);
        }
        printf("%s: %llu operations in %llu worlds\n", e->name, (unsigned long long)done, (unsigned long long)worlds);
    }
    return 0;
}
