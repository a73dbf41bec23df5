/* Every sequence of up to DEPTH operations on a heap of 16 units, each step compared with a naive model and audited.
 *
 * An operation is: allocate 1 … 16 units, or free any live block; in a second pass of less depth, resize any of them to any
 * size, and allocate at alignments 2, 3, 4 and 7.  An operation that fails changes nothing (that is compared), so
 * sequences go on only from those that succeed: the others are sequences of one less.  Two sequences that lead to the very same
 * bytes (lists, node numbers and all) with as much depth left go on alike, so the second is not followed again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/tlsf.h"

enum { SEEN_BITS = 23 };

enum { UNITS = 16, DEPTH = 8, DEPTH_RESIZE = 5, LEVELS = 3, NODES = UNITS + 3 };

typedef struct world {
    ca_tlsf tlsf;
    ca_tlsf_node nodes[NODES + 1];
    ca_node bins[LEVELS * CA_BIN_SECOND_LEVELS];
    uint64_t second[CA_TLSF_WORDS(LEVELS)];
    uint8_t owner[UNITS]; /* the model: the node that has each unit, 0: free */
} world;

static unsigned long long steps;
static uint64_t seen[1U << SEEN_BITS]; /* hashes of the states followed, open addressing; 64 bits: chances of a mix-up 1 in 10^6 */
static unsigned long long seen_count;

_Noreturn static void fail(const char *what, int depth)
{
    printf("step %llu, depth %d: %s\n", steps, depth, what);
    exit(1);
}

static void world_copy(world *to, const world *from)
{
    *to = *from;
    to->tlsf.nodes = to->nodes;
    to->tlsf.bins = to->bins;
    to->tlsf.second = to->second;
}

static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t size)
{
    for (size_t i = 0; i < size; i += 4) { /* FNV-1a, a word at a time, with a final mix */
        uint32_t word;
        memcpy(&word, (const char *)bytes + i, sizeof word);
        hash = (hash ^ word) * 0x100000001b3ULL;
        hash ^= hash >> 29;
    }
    return hash;
}

/* Whether this state was followed with this depth before. */
static bool was_seen(const world *w, int depth)
{
    uint64_t hash = hash_bytes(0xcbf29ce484222325U + (unsigned)depth, w->nodes, sizeof w->nodes);
    hash = hash_bytes(hash, w->bins, sizeof w->bins);
    hash = hash_bytes(hash, &w->tlsf.spare_list, sizeof w->tlsf.spare_list);
    hash += !hash; /* 0: an empty place */
    uint64_t at = hash >> (64 - SEEN_BITS);
    for (; seen[at]; at = (at + 1) % (1U << SEEN_BITS))
        if (seen[at] == hash)
            return true;
    if (seen_count++ > (1U << SEEN_BITS) / 8 * 7)
        fail("the table of states is too small", depth);
    seen[at] = hash;
    return false;
}

/* Free units from `at` on. */
static unsigned model_run(const world *w, unsigned at)
{
    unsigned n = 0;
    while (at + n < UNITS && !w->owner[at + n])
        n++;
    return n;
}

static unsigned model_longest(const world *w)
{
    unsigned longest = 0;
    for (unsigned i = 0; i < UNITS; i++) {
        unsigned n = model_run(w, i);
        longest = n > longest ? n : longest;
    }
    return longest;
}

static void model_set(world *w, unsigned at, unsigned size, uint8_t owner)
{
    for (unsigned i = at; i < at + size; i++)
        w->owner[i] = owner;
}

/* The free blocks of the engine are the model's free runs, no more and no fewer. */
static void audit(const world *w, int depth)
{
    int which;
    uint64_t free = 0;
    if (!ca_tlsf_is_valid(&w->tlsf, &which))
        fail("an invariant is broken", depth);
    for (unsigned i = 0; i < UNITS; i++)
        free += !w->owner[i];
    if (free != w->tlsf.free_total)
        fail("the free total differs", depth);
    unsigned runs = 0, blocks = 0;
    for (unsigned i = 0; i < UNITS; i++)
        runs += !w->owner[i] && (i == 0 || w->owner[i - 1]);
    for (unsigned bin = 0; bin < LEVELS * CA_BIN_SECOND_LEVELS; bin++)
        for (ca_node n = w->bins[bin]; n; n = w->nodes[n].next_free, blocks++) {
            unsigned at = (unsigned)w->nodes[n].offset;
            if (model_run(w, at) != w->nodes[n].size || (at && !w->owner[at - 1]))
                fail("a free block is not a whole free run", depth);
        }
    if (runs != blocks)
        fail("a free run has no block", depth);
}

/* Whether it succeeded; then the model has it too. */
static bool step_alloc(world *w, unsigned size, unsigned align, int depth)
{
    unsigned longest = model_longest(w);
    ca_node node = ca_tlsf_alloc(&w->tlsf, size, align);
    steps++;
    if (!node) {
        if (longest >= size + align - 1)
            fail("there was room", depth);
        audit(w, depth);
        return false;
    }
    const ca_tlsf_node *n = &w->nodes[node];
    if (n->size != size || n->offset % align || n->offset + size > UNITS || model_run(w, (unsigned)n->offset) < size)
        fail("a wrong block", depth);
    model_set(w, (unsigned)n->offset, size, (uint8_t)node);
    audit(w, depth);
    return true;
}

static void step_free(world *w, unsigned at, int depth)
{
    ca_node node = w->owner[at];
    if (w->nodes[node].offset != at)
        fail("a block has moved", depth);
    model_set(w, at, (unsigned)w->nodes[node].size, 0);
    (void)ca_tlsf_free(&w->tlsf, node);
    steps++;
    audit(w, depth);
}

static bool step_resize(world *w, unsigned at, unsigned size, int depth)
{
    ca_node node = w->owner[at];
    unsigned before = (unsigned)w->nodes[node].size, most = before + model_run(w, at + before);
    uint64_t available;
    bool done = ca_tlsf_resize(&w->tlsf, node, size, &available);
    steps++;
    if (done != (size <= most) || available != most || w->nodes[node].size != (done ? size : before))
        fail("resize differs", depth);
    model_set(w, at, before, 0);
    model_set(w, at, done ? size : before, (uint8_t)node);
    audit(w, depth);
    return done && size != before;
}

static bool starts_block(const world *w, unsigned i)
{
    return w->owner[i] && (i == 0 || w->owner[i - 1] != w->owner[i]);
}

static void explore(const world *from, int depth, int most, bool resizes)
{
    static const unsigned aligns[] = {1, 2, 3, 4, 7};
    world w;
    if (depth == most || was_seen(from, depth))
        return;
    for (unsigned a = 0; a < (resizes ? 5 : 1); a++)
        for (unsigned size = 1; size <= UNITS; size++) {
            world_copy(&w, from);
            if (!step_alloc(&w, size, aligns[a], depth)) {
                if (a == 0)
                    break; /* and so are all larger sizes: the model has no run for them either */
                continue;
            }
            explore(&w, depth + 1, most, resizes);
        }
    for (unsigned i = 0; i < UNITS; i++) {
        if (!starts_block(from, i))
            continue;
        world_copy(&w, from);
        step_free(&w, i, depth);
        explore(&w, depth + 1, most, resizes);
        for (unsigned size = 1; resizes && size <= UNITS; size++) {
            world_copy(&w, from);
            if (step_resize(&w, i, size, depth))
                explore(&w, depth + 1, most, resizes);
        }
    }
}

int main(void)
{
    world w = {.owner = {0}};
    ca_tlsf_init(&w.tlsf, w.nodes, NULL, w.bins, w.second, LEVELS);
    ca_tlsf_give_nodes(&w.tlsf, 1, NODES);
    if (!ca_tlsf_add(&w.tlsf, 0, UNITS))
        fail("no range", 0);
    explore(&w, 0, DEPTH, false);
    printf("alloc and free, depth %d: %llu steps from %llu states\n", DEPTH, steps, seen_count);
    unsigned long long before = steps;
    memset(seen, 0, sizeof seen);
    seen_count = 0;
    explore(&w, 0, DEPTH_RESIZE, true);
    printf("with resize and alignment, depth %d: %llu steps from %llu states\n", DEPTH_RESIZE, steps - before,
           seen_count);
    return 0;
}
