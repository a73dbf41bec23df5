/* Fuzz target: the TLSF engine against a model that cannot be wrong in the same way.
 *
 * The model is a map of SPACE units: which range each belongs to, which block has it (0: free), and its mark.  It knows nothing of
 * bins or nodes, finds free runs by looking at every unit, and so says exactly what may succeed.  After each step the engine's own
 * audit runs, and all nodes of used blocks and their neighbours are compared with the map.
 *
 * A unit of the map is `scale` units of the engine, from 1 to 2^40, and the map starts at `base`: so all bin sizes are reached.
 * Alignments count from the engine's bias, another multiple of the scale.
 */
#include <string.h>

#include "engine/tlsf.h"
#include "fuzz/fuzz.h"

enum { SPACE = 768, NODES = 256, LEVELS = CA_BIN_FIRST_LEVELS };

typedef struct unit {
    uint16_t range; /* 0: outside */
    uint16_t block; /* the block's node; 0: free */
    uint32_t mark;
} unit;

static unit map[SPACE];
static uint64_t scale, base;
static unsigned ranges, used[NODES], used_count, given; /* given: nodes the engine has */

static ca_tlsf tlsf;
static ca_tlsf_node nodes[NODES];
static uint32_t marks[NODES];
static ca_node bins[LEVELS * CA_BIN_SECOND_LEVELS];
static uint64_t second[CA_TLSF_WORDS(LEVELS)];

/* --- the model ------------------------------------------------------------------------------------------ */

static uint64_t offset_of(unsigned at)
{
    return base + at * scale;
}

/* The end of the units from `at` on that have the same range and block. */
static unsigned run_end(unsigned at)
{
    unsigned end = at;
    while (end < SPACE && map[end].range == map[at].range && map[end].block == map[at].block)
        end++;
    return end;
}

static unsigned run_start(unsigned at)
{
    unsigned start = at;
    while (start && map[start - 1].range == map[at].range && map[start - 1].block == map[at].block)
        start--;
    return start;
}

static bool is_free(unsigned at)
{
    return at < SPACE && map[at].range && !map[at].block;
}

static unsigned longest_free(void)
{
    unsigned longest = 0;
    for (unsigned at = 0, end; at < SPACE; at = end) {
        end = run_end(at);
        if (is_free(at) && end - at > longest)
            longest = end - at;
    }
    return longest;
}

/* Units of the map that a node covers. */
static unsigned node_start(ca_node node, unsigned *end)
{
    const ca_tlsf_node *n = &nodes[node];
    FUZZ_CHECK(n->offset >= base && (n->offset - base) % scale == 0 && n->size % scale == 0 && n->size, "node %u", node);
    uint64_t start = (n->offset - base) / scale;
    FUZZ_CHECK(start < SPACE && n->size / scale <= SPACE - start, "node %u is outside", node);
    *end = (unsigned)(start + n->size / scale);
    return (unsigned)start;
}

/* All units of a merged block get the largest mark of any. */
static void marks_join(unsigned start, unsigned end)
{
    uint32_t most = 0;
    for (unsigned i = start; i < end; i++)
        most = map[i].mark > most ? map[i].mark : most;
    for (unsigned i = start; i < end; i++)
        map[i].mark = most;
}

/* The node on one side of a used block: none at the range's end, else what the map says. */
static void neighbour_check(ca_node neighbour, bool inside, unsigned start, unsigned end)
{
    FUZZ_CHECK((neighbour != CA_NODE_NONE) == inside, "neighbour %u", neighbour);
    if (!inside)
        return;
    unsigned its_end, its_start = node_start(neighbour, &its_end);
    FUZZ_CHECK(its_start == start && its_end == end, "neighbour %u is [%u, %u), not [%u, %u)", neighbour, its_start, its_end, start, end);
    FUZZ_CHECK(ca_tlsf_is_used(&tlsf, neighbour) == !is_free(start), "neighbour %u", neighbour);
    FUZZ_CHECK(!map[start].block || map[start].block == neighbour, "neighbour %u", neighbour);
    FUZZ_CHECK(marks[neighbour] == map[start].mark, "mark of %u: %u, not %u", neighbour, marks[neighbour], map[start].mark);
}

static void compare(void)
{
    int which;
    FUZZ_CHECK(ca_tlsf_is_valid(&tlsf, &which), "[T%d]", which);
    uint64_t free_units = 0;
    unsigned blocks = 0;
    for (unsigned at = 0, end; at < SPACE; at = end) {
        end = run_end(at);
        blocks += map[at].range != 0;
        if (is_free(at))
            free_units += end - at;
        if (!map[at].block)
            continue;
        ca_node node = map[at].block;
        unsigned node_end, start = node_start(node, &node_end);
        FUZZ_CHECK(start == at && node_end == end, "block %u is [%u, %u), not [%u, %u)", node, start, node_end, at, end);
        FUZZ_CHECK(ca_tlsf_is_used(&tlsf, node), "block %u", node);
        FUZZ_CHECK(marks[node] == map[at].mark, "mark of %u", node);
        bool before = at && map[at - 1].range == map[at].range, after = end < SPACE && map[end].range == map[at].range;
        neighbour_check(nodes[node].prev, before, before ? run_start(at - 1) : 0, at);
        neighbour_check(nodes[node].next, after, end, after ? run_end(end) : 0);
    }
    FUZZ_CHECK(tlsf.free_total == free_units * scale, "%llu free", (unsigned long long)tlsf.free_total);
    FUZZ_CHECK(tlsf.spare == given - blocks, "%u spare, %u given, %u blocks", tlsf.spare, given, blocks);
}

/* --- operations ------------------------------------------------------------------------------------------- */

static void used_add(ca_node node)
{
    used[used_count++] = node;
}

static void give_nodes(unsigned count)
{
    if (count > NODES - 1 - given)
        count = NODES - 1 - given;
    ca_tlsf_give_nodes(&tlsf, given + 1, count);
    given += count;
}

/* A range at the first unit from `at` on that is outside, as far as it can reach up to `wanted`. */
static void add(unsigned at, unsigned wanted)
{
    while (at < SPACE && map[at].range)
        at++;
    unsigned end = at;
    while (end < SPACE && end - at < wanted && !map[end].range)
        end++;
    if (end == at || ranges == UINT16_MAX)
        return;
    bool possible = tlsf.spare > 0;
    ca_node node = ca_tlsf_add(&tlsf, offset_of(at), (end - at) * scale);
    FUZZ_CHECK((node != CA_NODE_NONE) == possible, "add with %u spare", tlsf.spare);
    if (!node)
        return;
    ranges++;
    for (unsigned i = at; i < end; i++)
        map[i] = (unit){.range = (uint16_t)ranges};
    FUZZ_CHECK(ca_tlsf_is_whole(&tlsf, node), "a new range");
}

/* The free block that starts at a unit. */
static ca_node free_node(unsigned start)
{
    for (ca_node node = 1; node <= given; node++)
        if (nodes[node].size && nodes[node].offset == offset_of(start) && !ca_tlsf_is_used(&tlsf, node))
            return node;
    FUZZ_CHECK(false, "no free block at %u", start);
}

static bool free_run_at(unsigned at, unsigned *start, unsigned *end)
{
    while (at < SPACE && !is_free(at))
        at++;
    if (at == SPACE)
        return false;
    *start = run_start(at);
    *end = run_end(at);
    return true;
}

static void remove_range(unsigned at)
{
    unsigned start, end;
    if (!free_run_at(at, &start, &end))
        return;
    bool whole = (!start || map[start - 1].range != map[start].range) && (end == SPACE || map[end].range != map[start].range);
    ca_node node = free_node(start);
    FUZZ_CHECK(ca_tlsf_is_whole(&tlsf, node) == whole, "free block at %u", start);
    if (!whole)
        return;
    ca_tlsf_remove(&tlsf, node);
    memset(&map[start], 0, (end - start) * sizeof map[0]);
}

static void claim(unsigned at)
{
    unsigned start, end;
    if (!free_run_at(at, &start, &end))
        return;
    ca_node node = free_node(start);
    ca_tlsf_claim(&tlsf, node);
    for (unsigned i = start; i < end; i++)
        map[i].block = (uint16_t)node;
    used_add(node);
}

static void alloc(uint64_t size, uint64_t align)
{
    uint64_t padded, longest = longest_free() * scale, certain;
    if (__builtin_add_overflow(size, align - 1, &padded) || __builtin_add_overflow(padded, padded / 8 + 1, &certain))
        padded = certain = UINT64_MAX;
    /* With a limited scan, a run is found for certain only if all of its bin is large enough. */
    bool must = tlsf.spare >= 2 && longest >= (tlsf.scan_limit == UINT32_MAX ? padded : certain);
    bool may = tlsf.spare >= 2 && longest >= size;
    ca_node node = ca_tlsf_alloc(&tlsf, size, align);
    FUZZ_CHECK(node ? may : !must, "alloc(%llu, %llu) is %u, longest free run %llu", (unsigned long long)size,
               (unsigned long long)align, node, (unsigned long long)longest);
    if (!node)
        return;
    FUZZ_CHECK(nodes[node].size == size && (nodes[node].offset + tlsf.bias) % align == 0, "alloc(%llu, %llu)", (unsigned long long)size,
               (unsigned long long)align);
    unsigned end, start = node_start(node, &end);
    for (unsigned i = start; i < end; i++) {
        FUZZ_CHECK(is_free(i) && map[i].range == map[start].range, "unit %u of [%u, %u) was not free", i, start, end);
        map[i].block = (uint16_t)node;
    }
    used_add(node);
}

static void release(unsigned index, uint32_t mark)
{
    unsigned end, start = node_start(used[index], &end);
    marks[used[index]] = mark;
    for (unsigned i = start; i < end; i++) {
        map[i].block = 0;
        map[i].mark = mark;
    }
    marks_join(run_start(start), run_end(start));
    ca_node node = ca_tlsf_free(&tlsf, used[index]);
    used[index] = used[--used_count];
    FUZZ_CHECK(nodes[node].offset == offset_of(run_start(start)) && !ca_tlsf_is_used(&tlsf, node), "free gives node %u", node);
    FUZZ_CHECK(marks[node] == map[start].mark, "mark of %u", node);
}

static void resize(ca_node node, unsigned wanted)
{
    unsigned end, start = node_start(node, &end);
    bool next_free = is_free(end) && map[end].range == map[start].range;
    unsigned most_end = next_free ? run_end(end) : end;
    bool possible = wanted == end - start || (wanted <= most_end - start && (next_free || tlsf.spare));
    uint64_t available = 0;
    bool done = ca_tlsf_resize(&tlsf, node, wanted * scale, &available);
    FUZZ_CHECK(done == possible, "[%u, %u) to %u units, possible to %u", start, end, wanted, most_end - start);
    FUZZ_CHECK(available == (most_end - start) * scale, "%llu available", (unsigned long long)available);
    if (!done || wanted == end - start)
        return;
    marks_join(start, most_end);
    for (unsigned i = start; i < most_end; i++)
        map[i].block = i - start < wanted ? (uint16_t)node : 0;
}

static void step(fuzz_input *in)
{
    unsigned op = fuzz_byte(in), a = fuzz_byte(in);
    switch (op % 16) {
    case 0:
    case 1:
        alloc((a % 64 + 1) * scale, 1);
        break;
    case 2:
        alloc((a * 4 + 1) * scale, 1);
        break;
    case 3:
    case 4:
        alloc((a % 32 + 1) * scale, (fuzz_byte(in) + 1) * scale);
        break;
    case 5:
        alloc((a + 1) * scale, scale << op / 16);
        break;
    case 6: /* far too much, or too well aligned; with unit 0 possible at offset 0 */
        alloc(a % 2 ? scale : fuzz_eight(in) | 1ULL << 62, 1ULL << (63 - a / 2 % 4));
        break;
    case 7:
    case 8:
    case 9:
        if (used_count)
            release(a % used_count, fuzz_byte(in));
        break;
    case 10:
        if (used_count)
            resize(used[a % used_count], fuzz_byte(in) % 128 + 1);
        break;
    case 11:
        if (used_count) /* by little */
            resize(used[a % used_count], (unsigned)(nodes[used[a % used_count]].size / scale) + op / 16 % 3);
        break;
    case 12:
        add(fuzz_two(in) % SPACE, a * 2 + 1);
        break;
    case 13:
        remove_range(fuzz_two(in) % SPACE);
        break;
    case 14:
        claim(fuzz_two(in) % SPACE);
        break;
    default:
        if (op / 16 % 4 == 0)
            tlsf.scan_limit = a % 4 ? a % 4 - 1 : UINT32_MAX;
        else
            give_nodes(a % 16);
    }
}

static void finish(void)
{
    while (used_count)
        release(used_count - 1, 0);
    compare();
    unsigned start, end;
    while (free_run_at(0, &start, &end))
        remove_range(start);
    FUZZ_CHECK(tlsf.spare == given && !tlsf.free_total, "%u of %u nodes are left", tlsf.spare, given);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input in = {data, data + size};
    static const uint8_t shift[] = {0, 0, 4, 12, 40};
    unsigned how = fuzz_byte(&in);
    scale = (1ULL << shift[how % 5]) + (how / 5 % 4 == 3 ? 2 : 0);
    base = how / 20 % 3 == 2 ? scale << 14 : how / 20 % 3 * scale;
    memset(map, 0, sizeof map);
    memset(nodes, 0, sizeof nodes);
    memset(bins, 0, sizeof bins);
    memset(second, 0, sizeof second);
    used_count = given = ranges = 0;
    /* As few levels as the largest range needs: a search past the last one must find nothing. */
    ca_tlsf_init(&tlsf, nodes, marks, bins, second, ca_bin_floor(SPACE * scale) / CA_BIN_SECOND_LEVELS + 1);
    tlsf.bias = how / 60 * 5 * scale;
    give_nodes(fuzz_byte(&in));
    add(fuzz_byte(&in), fuzz_two(&in) % SPACE + 1);
    compare();
    for (unsigned steps = 0; fuzz_more(&in) && steps < 1000; steps++) {
        step(&in);
        compare();
    }
    finish();
    return 0;
}
