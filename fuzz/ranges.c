/* Fuzz target for the public range engines: every operation against a map of the units.  One program for each engine is built of it, with
 * FUZZ_ENGINE its number in tests/engine/engine.h.
 *
 * A unit of the map is `scale` units of the engine, so that all sizes of bins are reached.  The map says for each unit which block has it,
 * finds free runs by looking, and so knows exactly what may succeed.
 */
#include "fuzz/fuzz.h"
#include "tests/engine/engine.h"

enum { UNITS = 512, BLOCKS = 40 };

static const engine *e = &engines[FUZZ_ENGINE];
static void *it;
static uint64_t scale;
static unsigned units, live, most;
static uint8_t owner[UNITS]; /* block + 1 */
static handle block[BLOCKS];

static unsigned free_run(unsigned at)
{
    unsigned end = at;
    while (end < units && !owner[end])
        end++;
    return end - at;
}

static unsigned longest(void)
{
    unsigned longest = 0;
    for (unsigned at = 0, run; at < units; at += run ? run : 1)
        longest = (run = free_run(at)) > longest ? run : longest;
    return longest;
}

static void owner_set(unsigned at, unsigned count, unsigned who)
{
    memset(owner + at, (int)who, count);
}

static void alloc(unsigned slot, unsigned count, unsigned align)
{
    handle h;
    bool done = e->alloc(it, count * scale, align * scale, &h);
    uint64_t enough = count * scale + (align ? align * scale - 1 : 0); /* of which a fit is promised */
    FUZZ_CHECK(done ? live < most && count : !count || live == most || longest() * scale < enough, "alloc %u, %u: %d", count, align, done);
    if (!done)
        return;
    unsigned at = (unsigned)(h.offset / scale);
    FUZZ_CHECK(h.offset % scale == 0 && at < units && count <= free_run(at) && (!align || at % align == 0), "alloc %u, %u at %u", count,
               align, at);
    owner_set(at, count, slot + 1);
    block[slot] = h;
    live++;
}

static void release(unsigned slot)
{
    handle h = block[slot];
    FUZZ_CHECK(e->free(it, h) == 0, "free");
    FUZZ_CHECK(e->free(it, h) == 22, "free again");
    owner_set((unsigned)(h.offset / scale), (unsigned)(h.size / scale), 0);
    block[slot].size = 0;
    live--;
}

static void resize(unsigned slot, unsigned count)
{
    handle *h = &block[slot];
    unsigned at = (unsigned)(h->offset / scale), old = (unsigned)(h->size / scale), room = old + free_run(at + old);
    uint64_t available = 0;
    int error = e->resize(it, h, count * scale, &available);
    FUZZ_CHECK(error == (!count ? 22 : count > room ? 12 : 0) && (!count || available == room * scale), "resize %u to %u of %u: %d", old, count,
               room, error);
    owner_set(at, old, 0);
    owner_set(at, (unsigned)(h->size / scale), slot + 1);
}

/* Any handle: either it is a live block's, or it is refused. */
static void wrong(fuzz_input *in, unsigned slot)
{
    handle h = block[slot];
    h.offset += (fuzz_byte(in) - 128ULL) * scale;
    h.node ^= fuzz_byte(in) % 8;
    h.hint = (uint32_t)fuzz_eight(in);
    h.size = fuzz_byte(in) * scale;
    if (h.offset > e->most_capacity)
        h.offset = e->most_capacity; /* what the narrow handle can say */
    for (unsigned i = 0; i < BLOCKS; i++)
        if (block[i].size && block[i].offset == h.offset && (e->may_round ? block[i].node == h.node : block[i].size == h.size))
            return;
    FUZZ_CHECK(e->free(it, h) == 22 && e->size(it, h) == 0, "a wrong handle");
}

static void compare(void)
{
    int which;
    FUZZ_CHECK(e->is_valid(it, &which), "[%d]", which);
    uint64_t free_units = 0;
    ctxalloc_range range = {0, 0, 0, 0};
    for (unsigned at = 0, run; at < units; at += run ? run : 1)
        if ((run = free_run(at))) {
            FUZZ_CHECK(e->next_free(it, &range) && range.offset == at * scale && range.size == run * scale, "free run at %u", at);
            free_units += run;
        }
    FUZZ_CHECK(!e->next_free(it, &range), "one range too many");
    FUZZ_CHECK(e->free_total(it) == free_units * scale && e->free_largest(it) == longest() * scale && e->live(it) == live, "counts");
    for (unsigned i = 0; i < BLOCKS; i++)
        FUZZ_CHECK(!block[i].size || e->size(it, block[i]) == block[i].size, "block %u", i);
}

static void step(fuzz_input *in)
{
    unsigned op = fuzz_byte(in), slot = fuzz_byte(in) % BLOCKS;
    bool is_live = block[slot].size;
    switch (op % 8) {
    case 0:
    case 1:
        if (!is_live)
            alloc(slot, fuzz_byte(in) % 64, 0);
        break;
    case 2:
        if (!is_live)
            alloc(slot, fuzz_byte(in), 1 + fuzz_byte(in) % 40);
        break;
    case 3:
    case 4:
        if (is_live)
            release(slot);
        break;
    case 5:
        if (is_live)
            resize(slot, fuzz_byte(in));
        break;
    case 6:
        if (op / 8 % 4 == 0 && units < UNITS) {
            unsigned more = fuzz_byte(in) % (UNITS - units + 1);
            FUZZ_CHECK(e->grow(it, more * scale) == 0, "grow by %u", more);
            units += more;
        } else if (op / 8 % 4 == 1) {
            void *copy = e->clone(it);
            e->destroy(it);
            it = copy;
        } else if (op / 8 == 2) {
            e->reset(it);
            memset(owner, 0, sizeof owner);
            memset(block, 0, sizeof block);
            live = 0;
        }
        break;
    default:
        wrong(in, slot);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input in = {data, data + size};
    static const uint8_t shift[] = {0, 4, 12, 20};
    memset(owner, 0, sizeof owner);
    memset(block, 0, sizeof block);
    live = 0;
    scale = (1ULL << shift[fuzz_byte(&in) % 4]) + fuzz_byte(&in) % 3;
    units = 1 + fuzz_two(&in) % UNITS;
    most = 1 + fuzz_byte(&in) % BLOCKS;
    it = e->create(units * scale, most);
    FUZZ_CHECK(it, "create");
    for (unsigned steps = 0; fuzz_more(&in) && steps < 400; steps++) {
        step(&in);
        compare();
    }
    e->destroy(it);
    return 0;
}
