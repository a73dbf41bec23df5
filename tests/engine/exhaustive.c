/* Every sequence of up to DEPTH operations on a space of 16 units, for each engine, each step compared with a map of the units.
 *
 * An operation is: allocate 1 … 16 units, or free any live block; in a second search of less depth also resize any of them to any size,
 * and allocate at alignments 2, 3, 4 and 7.
 *
 * States are walked breadth first: those that one operation leads to, those that two lead to, and so on; so the first time that a state
 * is met is the earliest, and whatever can follow a later meeting follows the first one as well.  A state is the bytes of the engine's memory
 * in canonical form (canonical.h says what that is, and why no behaviour is lost); an engine lies in memory of its own and is
 * moved by copying it, so its bytes are all of its state.  Each state is walked once: all its operations are tried, each on a fresh copy.
 * What is kept of a state is how it was reached, and a hash of 64 bits (a chance of a mix-up of 3 in 10^6 for 10 million states).
 *
 * After each step the answers are compared with the map, and the engine's audit looks at each state once, since it reads nothing that
 * another way to the same bytes could have made different.  An operation that fails leaves the very same state.
 *
 * CTXALLOC_TEST_LONG=1: the second search is as deep as the first.  Arguments: the engines to search, by name; none: all.
 */
#include <stdio.h>

#define ENGINE_SCALE 36 /* 16 units are 2^40 */
#include "tests/engine/canonical.h"
#include "tests/engine/engine.h"

enum { UNITS = 16, DEPTH = 8, DEPTH_RESIZE = 5, ROOM = 64 * 1024, LINES = 256 };

typedef struct world {
    uint64_t used; /* bits: units */
    uint64_t first; /* bits: units that begin a block */
    handle at[UNITS];
} world;

typedef enum kind { ALLOC, FREE, RESIZE } kind;

typedef struct operation {
    uint8_t kind;
    uint8_t at; /* RESIZE, FREE: the offset of the block; ALLOC: which alignment */
    uint8_t size;
} operation;

typedef struct state {
    uint64_t hash;
    uint32_t before;
    operation last; /* that led here from it */
} state;

/* A state itself. */
typedef struct snapshot {
    uint32_t state;
    world world;
    unsigned char memory[ROOM] __attribute__((aligned(64)));
} snapshot;

typedef struct subject {
    const engine *e;
    bool (*canonical)(void *, uint32_t *);
} subject;

static const engine *e;
static const subject *s;
static size_t bytes;
static unsigned char memory[ROOM] __attribute__((aligned(64))); /* where the engine is, always: so pointers to itself stay */
static snapshot path[DEPTH]; /* the states that lead to the one made last */
static uint64_t *seen; /* hashes, open addressing; 2^seen_bits */
static unsigned seen_bits;
static uint32_t seen_count;
static state *states; /* those to walk */
static uint32_t count, room;
static unsigned long long steps;

#define CHECK(condition)                                                                             \
    do {                                                                                             \
        if (!(condition)) {                                                                          \
            printf("%s, step %llu, line %d: %s\n", e->name, steps, __LINE__, #condition);            \
            exit(1);                                                                                 \
        }                                                                                            \
    } while (0)

/* --- one operation ------------------------------------------------------------------------------------------ */

static const unsigned aligns[] = {1, 2, 3, 4, 7};
enum { ALIGNS = sizeof aligns / sizeof *aligns };

static uint64_t mask(uint64_t offset, uint64_t size)
{
    return ((1ULL << size) - 1) << offset;
}

static uint64_t free_run(const world *w, uint64_t at)
{
    uint64_t end = at;
    while (end < UNITS && !(w->used >> end & 1))
        end++;
    return end - at;
}

static uint64_t longest(const world *w)
{
    uint64_t most = 0;
    for (uint64_t left = ~w->used & mask(0, UNITS); left; left &= left >> 1) /* each run loses one unit */
        most++;
    return most;
}

/* All that is asked of an engine but its audit. */
static void compare(const world *w)
{
    uint64_t free_units = UNITS - (uint64_t)__builtin_popcountll(w->used);
    CHECK(e->free_total(memory) == free_units && e->live(memory) == (unsigned)__builtin_popcountll(w->first));
    CHECK(e->free_largest(memory) == longest(w));
}

static bool step_alloc(world *w, uint64_t size, uint64_t align)
{
    handle h;
    bool done = e->alloc(memory, size, align, &h);
    CHECK(done || longest(w) < engine_padded(e, size, align));
    if (done) {
        CHECK(h.offset % align == 0 && h.offset + size <= UNITS && !(w->used & mask(h.offset, size)));
        w->used |= mask(h.offset, size);
        w->first |= 1ULL << h.offset;
        w->at[h.offset] = h;
    }
    return done;
}

static bool step_free(world *w, unsigned at)
{
    handle h = w->at[at];
    CHECK(e->free(memory, h) == 0);
    w->used &= ~mask(at, h.size);
    w->first &= ~(1ULL << at);
    CHECK(e->free(memory, h) == 22);
    return true;
}

static bool step_resize(world *w, unsigned at, uint64_t size)
{
    handle *h = &w->at[at];
    uint64_t old = h->size, most = old + free_run(w, at + old), available;
    int error = e->resize(memory, h, size, &available);
    CHECK(error == (size > most ? 12 : 0) && available == most && e->size(memory, *h) == (error ? old : size));
    w->used &= ~mask(at, old);
    w->used |= mask(at, h->size);
    return !error;
}

/* Whether it succeeded. */
static bool step(world *w, operation o)
{
    bool done;
    steps++;
    if (o.kind == ALLOC)
        done = step_alloc(w, o.size, aligns[o.at]);
    else
        done = o.kind == FREE ? step_free(w, o.at) : step_resize(w, o.at, o.size);
    compare(w);
    return done;
}

/* --- states ------------------------------------------------------------------------------------------------- */

/* The handles get the new names; a hint, which is never trusted, says nothing. */
static void world_rename(world *w)
{
    uint32_t name[CANONICAL_MOST];
    CHECK(s->canonical(memory, name));
    for (uint64_t left = w->first; left; left &= left - 1) {
        handle *h = &w->at[__builtin_ctzll(left)];
        h->node = e->may_round ? name[h->node] : 0;
        h->hint = CANONICAL_RUBBISH;
    }
}

static uint64_t word_hash(size_t place, uint64_t word)
{
    uint64_t hash = (word ^ (place + 1) * 0x9e3779b97f4a7c15U) * 0xbf58476d1ce4e5b9U;
    hash = (hash ^ hash >> 29) * 0x94d049bb133111ebU;
    return hash ^ hash >> 32;
}

/* The hash of what memory has, less that of what it had: a hash is a sum over all words. */
static uint64_t memory_difference(const unsigned char *had)
{
    uint64_t difference = 0;
    for (size_t i = 0; i < bytes; i += LINES) {
        if (memcmp(memory + i, had + i, LINES) == 0)
            continue;
        for (size_t k = i; k < i + LINES; k += sizeof(uint64_t)) {
            uint64_t now = *(const uint64_t *)(const void *)(memory + k), before = *(const uint64_t *)(const void *)(had + k);
            if (now != before)
                difference += word_hash(k, now) - word_hash(k, before);
        }
    }
    return difference;
}

/* Of the state in memory, of which this is the hash; audits it if not. */
static bool was_seen(uint64_t hash)
{
    int which;
    hash += !hash;
    uint64_t at = hash >> (64 - seen_bits);
    for (; seen[at]; at = (at + 1) % (1U << seen_bits))
        if (seen[at] == hash)
            return true;
    CHECK(seen_count++ < (1U << seen_bits) / 8 * 7);
    seen[at] = hash;
    CHECK(e->is_valid(memory, &which));
    return false;
}

/* A state is made by repeating what led to it, from where its path leaves that of the one made before. */
static const snapshot *state_make(uint32_t number, int depth)
{
    snapshot *now = &path[depth];
    if (depth && now->state != number) {
        const snapshot *before = state_make(states[number].before, depth - 1);
        memcpy(memory, before->memory, bytes);
        now->world = before->world;
        CHECK(step(&now->world, states[number].last));
        world_rename(&now->world);
        now->state = number;
        memcpy(now->memory, memory, bytes);
    }
    return now;
}

/* pre: the memory is that of `from`, and it is so afterwards. */
static void try(const snapshot *from, bool is_last, operation o)
{
    world w = from->world;
    bool done = step(&w, o);
    world_rename(&w);
    uint64_t difference = memory_difference(from->memory), hash = states[from->state].hash + difference;
    CHECK(done || !difference);
    if (difference && !was_seen(hash) && !is_last) {
        CHECK(count < room);
        states[count++] = (state){hash, from->state, o};
    }
    if (difference)
        memcpy(memory, from->memory, bytes);
}

static void explore(uint32_t number, int depth, bool is_last, bool more)
{
    const snapshot *from = state_make(number, depth);
    memcpy(memory, from->memory, bytes);
    for (unsigned align = 0; align < (more ? ALIGNS : 1); align++)
        for (unsigned size = 1; size <= UNITS; size++)
            try(from, is_last, (operation){ALLOC, (uint8_t)align, (uint8_t)size});
    for (uint64_t left = from->world.first; left; left &= left - 1) {
        uint8_t at = (uint8_t)__builtin_ctzll(left);
        try(from, is_last, (operation){FREE, at, 0});
        for (unsigned size = 1; more && size <= UNITS; size++)
            try(from, is_last, (operation){RESIZE, at, (uint8_t)size});
    }
}

static void run(int depth_wanted, bool more)
{
    uint32_t begin = 0;
    bytes = e->memory(UNITS, UNITS);
    CHECK(bytes && bytes + LINES <= ROOM);
    memset(memory, CANONICAL_RUBBISH & 0xff, sizeof memory);
    CHECK(e->init(memory, bytes, UNITS, UNITS) == (void *)memory);
    bytes = (bytes + LINES - 1) / LINES * LINES;
    memset(path, 0, sizeof path);
    memset(seen, 0, sizeof *seen << seen_bits);
    steps = seen_count = 0;
    world_rename(&path[0].world);
    memcpy(path[0].memory, memory, bytes);
    states[0] = (state){1, 0, {0, 0, 0}};
    (void)was_seen(states[0].hash);
    count = 1;
    for (int depth = 0; depth < depth_wanted; depth++)
        for (uint32_t end = count; begin < end; begin++)
            explore(begin, depth, depth + 1 == depth_wanted, more);
    printf("%s%s, depth %d: %llu steps, %u states, %u of them walked\n", e->name, more ? " with resize and alignment" : "", depth_wanted, steps,
           seen_count, count);
}

static bool is_wanted(const char *name, int count_wanted, char **wanted)
{
    for (int i = 0; i < count_wanted; i++)
        if (strcmp(wanted[i], name) == 0)
            return true;
    return !count_wanted;
}

int main(int arguments, char **argument)
{
    static const subject subjects[] = {
        {&engines[0], canonical_tlsf},  {&engines[1], canonical_tlsf16}, {&engines[2], canonical_fit},
        {&engines[3], canonical_fit64}, {&tlsf_scaled, canonical_tlsf},
    };
    const char *set = getenv("CTXALLOC_TEST_LONG");
    bool is_long = set && *set == '1';
    bool any = false;
    setvbuf(stdout, NULL, _IOLBF, 0);
    seen_bits = is_long ? 25 : 21;
    room = 1U << (seen_bits - 2);
    seen = malloc(sizeof *seen << seen_bits);
    states = malloc(sizeof *states * room);
    if (!seen || !states)
        return 99;
    for (s = subjects; s < subjects + sizeof subjects / sizeof *subjects; s++) {
        e = s->e;
        if (!is_wanted(e->name, arguments - 1, argument + 1))
            continue;
        any = true;
        run(DEPTH, false);
        run(is_long ? DEPTH : DEPTH_RESIZE, true);
    }
    free(states);
    free(seen);
    if (!any)
        printf("%s: no such engine\n", argument[1]);
    return !any;
}
