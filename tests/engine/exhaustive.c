/* Every sequence of up to DEPTH operations on a space of 16 units, for each engine, each step compared with a map of the units.
 *
 * An operation is: allocate 1 … 16 units, or free any live block; in a second pass of less depth also resize any of them to any size,
 * and allocate at alignments 2, 3, 4 and 7.  An operation that fails changes nothing (that is compared), so sequences go on only from
 * those that succeed.  Two sequences that lead to the very same bytes of metadata, with as much depth left, go on alike: the second is
 * not followed again.  An engine lies in memory of its own and is moved by copying it: its bytes are all of its state.
 */
#include <stdio.h>

#define ENGINE_SCALE 36 /* 16 units are 2^40 */
#include "tests/engine/engine.h"

enum { UNITS = 16, DEPTH = 8, DEPTH_RESIZE = 4, SEEN_BITS = 23, ROOM = 64 * 1024 };

typedef struct world {
    void *it;
    uint64_t used; /* bits: units */
    uint64_t first; /* bits: units that begin a block */
    handle at[UNITS];
} world;

static const engine *e;
static size_t bytes;
static unsigned char memory[DEPTH + 2][ROOM] __attribute__((aligned(64)));
static uint64_t seen[1U << SEEN_BITS]; /* hashes, open addressing; 64 bits: chances of a mix-up 1 in 10^6 */
static unsigned long long steps, seen_count;

#define CHECK(condition)                                                                             \
    do {                                                                                             \
        if (!(condition)) {                                                                          \
            printf("%s, step %llu, line %d: %s\n", e->name, steps, __LINE__, #condition);            \
            exit(1);                                                                                 \
        }                                                                                            \
    } while (0)

static uint64_t mask(uint64_t offset, uint64_t size)
{
    return ((1ULL << size) - 1) << offset;
}

static uint64_t free_run(const world *w, uint64_t at)
{
    return (uint64_t)__builtin_ctzll((w->used | 1ULL << UNITS) >> at);
}

static uint64_t longest(const world *w)
{
    uint64_t units = ~w->used & mask(0, UNITS), most = 0;
    for (; units; units &= units << 1) /* every run loses a unit */
        most++;
    return most;
}

static inline uint64_t hash_next(uint64_t hash, const char *at, uint64_t it)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
    word -= word - it < bytes ? it : 0; /* a pointer to itself */
    hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
    return hash ^ hash >> 29;
}

static bool was_seen(const world *w, int depth)
{
    uint64_t basis = 0xcbf29ce484222325U + (unsigned)depth, it = (uintptr_t)w->it;
    uint64_t a = basis, b = basis + 1, c = basis + 2, d = basis + 3; /* side by side: in one chain, multiplications would be most of this test's time */
    const char *from = w->it;
    for (size_t i = 0; i < bytes; i += 4 * sizeof(uint64_t)) {
        a = hash_next(a, from + i, it);
        b = hash_next(b, from + i + 8, it);
        c = hash_next(c, from + i + 16, it);
        d = hash_next(d, from + i + 24, it);
    }
    uint64_t hash = ((a * 3 + b) * 5 + c) * 7 + d;
    hash += !hash;
    uint64_t at = hash >> (64 - SEEN_BITS);
    for (; seen[at]; at = (at + 1) % (1U << SEEN_BITS))
        if (seen[at] == hash)
            return true;
    CHECK(seen_count++ < (1U << SEEN_BITS) / 8 * 7);
    seen[at] = hash;
    return false;
}

static void audit(const world *w)
{
    int which;
    CHECK(e->is_valid(w->it, &which));
    uint64_t free_units = UNITS - (uint64_t)__builtin_popcountll(w->used);
    CHECK(e->free_total(w->it) == free_units && e->live(w->it) == (unsigned)__builtin_popcountll(w->first));
    CHECK(e->free_largest(w->it) == longest(w));
}

static void world_copy(world *to, const world *from, int depth)
{
    *to = *from;
    memcpy(memory[depth + 1], from->it, bytes);
    CHECK((to->it = e->attach(memory[depth + 1], bytes)));
}

static bool step_alloc(world *w, uint64_t size, uint64_t align)
{
    handle h;
    bool done = e->alloc(w->it, size, align, &h);
    steps++;
    CHECK(done || longest(w) < engine_padded(e, size, align));
    if (done) {
        CHECK(h.offset % align == 0 && h.offset + size <= UNITS && !(w->used & mask(h.offset, size)));
        w->used |= mask(h.offset, size);
        w->first |= 1ULL << h.offset;
        w->at[h.offset] = h;
    }
    audit(w);
    return done;
}

static void step_free(world *w, unsigned at)
{
    handle h = w->at[at];
    steps++;
    CHECK(e->free(w->it, h) == 0);
    w->used &= ~mask(at, h.size);
    w->first &= ~(1ULL << at);
    CHECK(e->free(w->it, h) == 22);
    audit(w);
}

static bool step_resize(world *w, unsigned at, uint64_t size)
{
    handle *h = &w->at[at];
    uint64_t old = h->size, most = old + free_run(w, at + old), available;
    int error = e->resize(w->it, h, size, &available);
    steps++;
    CHECK(error == (size > most ? 12 : 0) && available == most && e->size(w->it, *h) == (error ? old : size));
    w->used &= ~mask(at, old);
    w->used |= mask(at, h->size);
    audit(w);
    return !error && size != old;
}

static void explore(const world *from, int depth, int most, bool more)
{
    static const unsigned aligns[] = {1, 2, 3, 4, 7};
    world w;
    if (depth == most || was_seen(from, depth))
        return;
    for (unsigned a = 0; a < (more ? 5 : 1); a++)
        for (uint64_t size = 1; size <= UNITS; size++) {
            world_copy(&w, from, depth);
            if (step_alloc(&w, size, aligns[a]))
                explore(&w, depth + 1, most, more);
            else if (a == 0)
                break; /* and so are all larger sizes */
        }
    for (unsigned at = 0; at < UNITS; at++) {
        if (!(from->first >> at & 1))
            continue;
        world_copy(&w, from, depth);
        step_free(&w, at);
        explore(&w, depth + 1, most, more);
        for (uint64_t size = 1; more && size <= UNITS; size++) {
            world_copy(&w, from, depth);
            if (step_resize(&w, at, size))
                explore(&w, depth + 1, most, more);
        }
    }
}

static void run(int depth, bool more)
{
    world w = {0};
    memset(seen, 0, sizeof seen);
    memset(memory, 0, sizeof memory);
    steps = seen_count = 0;
    w.it = e->init(memory[0], bytes, UNITS, UNITS);
    CHECK(w.it);
    explore(&w, 0, depth, more);
    printf("%s%s, depth %d: %llu steps from %llu states\n", e->name, more ? " with resize and alignment" : "", depth, steps, seen_count);
}

int main(void)
{
    for (unsigned i = 0; i <= ENGINES; i++) {
        e = i < ENGINES ? &engines[i] : &tlsf_scaled;
        bytes = e->memory(UNITS, UNITS);
        CHECK(bytes && bytes <= ROOM && bytes % 32 == 0);
        run(DEPTH, false);
        run(DEPTH_RESIZE, true);
    }
    return 0;
}
