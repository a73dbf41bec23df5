/* The heap's layout: nodes of 32 bytes in doubly linked lists. */
#include "engine/tlsf.h"

#include "base/check.h"

typedef ca_tlsf tlsf;
typedef ca_node node_index;

enum { BINS_A_WORD = 64, BIN_NONE = CA_BIN_COUNT };

CA_INLINE uint64_t block_offset(const ca_tlsf *t, ca_node node) { return t->nodes[node].offset; }
CA_INLINE uint64_t block_size(const ca_tlsf *t, ca_node node) { return t->nodes[node].size; }
CA_INLINE ca_node block_next(const ca_tlsf *t, ca_node node) { return t->nodes[node].next; }
CA_INLINE ca_node next_of_free(const ca_tlsf *t, ca_node node) { return t->nodes[node].next; }

CA_INLINE ca_node free_or_none(const ca_tlsf *t, ca_node node)
{
    return node && !ca_tlsf_is_used(t, node) ? node : CA_NODE_NONE;
}

CA_INLINE ca_node free_before(const ca_tlsf *t, ca_node node) { return free_or_none(t, t->nodes[node].prev); }
CA_INLINE ca_node free_after(const ca_tlsf *t, ca_node node) { return free_or_none(t, t->nodes[node].next); }

/* --- spare nodes -------------------------------------------------------------------------------- */

CA_INLINE bool spare_is_none(const ca_tlsf *t) { return !t->spare; }

CA_INLINE ca_node spare_take(ca_tlsf *t)
{
    ca_node node = t->spare_list;
    CA_ASSERT(node != CA_NODE_NONE);
    t->spare_list = t->nodes[node].next_free;
    t->spare--;
    return node;
}

CA_INLINE void spare_give(ca_tlsf *t, ca_node node)
{
    ca_tlsf_node *n = &t->nodes[node];
    n->size = 0;
    n->next_free = t->spare_list;
    t->spare_list = node;
    t->spare++;
}

/* --- bins ----------------------------------------------------------------------------------------- */

CA_INLINE unsigned bin_count(const ca_tlsf *t) { return t->levels * CA_BIN_SECOND_LEVELS; }
CA_INLINE unsigned word_count(const ca_tlsf *t) { return t->words; }
CA_INLINE ca_node bin_first(const ca_tlsf *t, unsigned bin) { return t->bins[bin]; }
CA_INLINE ca_node bin_following(const ca_tlsf *t, ca_node node) { return t->nodes[node].next_free; }

CA_INLINE void bin_insert(ca_tlsf *t, ca_node node, uint64_t size)
{
    unsigned bin = ca_bin_floor(size);
    CA_ASSERT(size && bin / CA_BIN_SECOND_LEVELS < t->levels);
    ca_tlsf_node *n = &t->nodes[node];
    ca_node old = t->bins[bin];
    n->prev_free = CA_NODE_NONE;
    n->next_free = old;
    t->bins[bin] = node;
    if (old)
        t->nodes[old].prev_free = node;
    else
        t->second[bin / BINS_A_WORD] |= 1ULL << bin % BINS_A_WORD;
}

/* The first of the bin's list is `node` from now on, or none. */
CA_INLINE void bin_set_first(ca_tlsf *t, unsigned bin, ca_node node)
{
    t->bins[bin] = node;
    if (node)
        t->nodes[node].prev_free = CA_NODE_NONE;
    else
        t->second[bin / BINS_A_WORD] &= ~(1ULL << bin % BINS_A_WORD);
}

CA_INLINE void bin_remove(ca_tlsf *t, ca_node node, uint64_t size)
{
    ca_node before = t->nodes[node].prev_free, after = t->nodes[node].next_free;
    if (!before) {
        bin_set_first(t, ca_bin_floor(size), after);
        return;
    }
    t->nodes[before].next_free = after;
    if (after)
        t->nodes[after].prev_free = before;
}

CA_INLINE ca_node bin_pop(ca_tlsf *t, unsigned bin)
{
    ca_node node = t->bins[bin];
    bin_set_first(t, bin, t->nodes[node].next_free);
    return node;
}

/* --- blocks ---------------------------------------------------------------------------------------- */

CA_INLINE void block_stretch(ca_tlsf *t, ca_node node, uint64_t size, ca_node next)
{
    t->nodes[node].size = size;
    t->nodes[node].next = next;
    if (next)
        t->nodes[next].prev = node;
}

CA_INLINE void block_use(ca_tlsf *t, ca_node node, ca_node before)
{
    (void)before;
    t->nodes[node].prev_free = CA_NODE_USED;
}

CA_INLINE void block_follows_used(ca_tlsf *t, ca_node node)
{
    (void)t;
    (void)node;
}

/* The larger mark, or that of a much larger block: see mark_weight. */
static uint32_t mark_weighed(const ca_tlsf *t, uint32_t mark, uint64_t size, uint32_t its, uint64_t its_size)
{
    uint32_t most = mark > its ? mark : its, larger = size > its_size ? mark : its;
    bool much = size / t->mark_weight > its_size || its_size / t->mark_weight > size;
    return much && ca_mark_is_time(larger) && most != UINT32_MAX ? larger : most;
}

CA_INLINE void block_swallow(ca_tlsf *t, ca_node node, ca_node gone, uint64_t size, uint64_t its_size)
{
    if (!t->marks)
        return;
    uint32_t mark = t->marks[node], its = t->marks[gone];
    if (CA_UNLIKELY(t->mark_weight))
        t->marks[node] = mark_weighed(t, mark, size, its, its_size);
    else if (its > mark)
        t->marks[node] = its;
}

CA_INLINE ca_node block_split(ca_tlsf *t, ca_node node, uint64_t size, uint64_t rest_size)
{
    ca_node rest = spare_take(t), next = t->nodes[node].next;
    ca_tlsf_node *n = &t->nodes[node], *r = &t->nodes[rest];
    r->offset = n->offset + size;
    r->size = rest_size;
    r->prev = node;
    r->next = next;
    n->size = size;
    n->next = rest;
    if (next)
        t->nodes[next].prev = rest;
    if (t->marks)
        t->marks[rest] = t->marks[node];
    return rest;
}

#define TLSF_LAYOUT
#include "engine/tlsf_core.h"

/* --- the heap's calls ------------------------------------------------------------------------------- */

void ca_tlsf_init(ca_tlsf *t, ca_tlsf_node *nodes, uint32_t *marks, ca_node *bins, uint64_t *second, uint32_t levels)
{
    *t = (ca_tlsf){.nodes = nodes, .marks = marks, .bins = bins, .second = second, .levels = levels,
                   .words = CA_TLSF_WORDS(levels), .scan_limit = UINT32_MAX};
}

void ca_tlsf_give_nodes(ca_tlsf *t, ca_node first, uint32_t count)
{
    while (count) /* backwards, so that the lowest is used first */
        spare_give(t, first + --count);
}

ca_node ca_tlsf_add(ca_tlsf *t, uint64_t offset, uint64_t size)
{
    if (!t->spare)
        return CA_NODE_NONE;
    ca_node node = spare_take(t);
    t->nodes[node] = (ca_tlsf_node){.offset = offset, .size = size};
    if (t->marks)
        t->marks[node] = 0;
    bin_insert(t, node, size);
    t->free_total += size;
    return node;
}

ca_node ca_tlsf_add_used(ca_tlsf *t, uint64_t offset, uint64_t size, uint64_t used, uint32_t mark)
{
    if (t->spare < 2)
        return CA_NODE_NONE;
    ca_node node = spare_take(t);
    t->nodes[node] = (ca_tlsf_node){.offset = offset, .size = size};
    if (t->marks)
        t->marks[node] = mark;
    t->free_total += size - used;
    block_cut(t, node, size, used, CA_NODE_NONE);
    return node;
}

unsigned ca_tlsf_bin_from(const ca_tlsf *t, unsigned bin)
{
    return bin_search(t, bin);
}

void ca_tlsf_remove(ca_tlsf *t, ca_node node)
{
    CA_ASSERT(ca_tlsf_is_whole(t, node));
    ca_tlsf_claim(t, node);
    spare_give(t, node);
}

/* Apart, so that the frequent case below has few registers to save. */
static CA_NOINLINE ca_node alloc_rare(ca_tlsf *t, uint64_t size, uint64_t align)
{
    return block_alloc(t, size, align);
}

/* From the bin that the size itself is in: all larger ones are empty. */
static CA_NOINLINE ca_node alloc_last(ca_tlsf *t, uint64_t size)
{
    ca_node node = last_resort(t, size, size, 1);
    if (node)
        ca_tlsf_cut(t, node, size);
    return node;
}

ca_node ca_tlsf_alloc(ca_tlsf *t, uint64_t size, uint64_t align)
{
    if (CA_UNLIKELY(t->spare < 2))
        return CA_NODE_NONE;
    unsigned bin = ca_bin_floor(size);
    if (CA_UNLIKELY(align != 1) || CA_UNLIKELY(bin >= bin_count(t)))
        return alloc_rare(t, size, align);
    /* A look at one block of the bin that need not fit: what was freed comes back to who asks for the same, and a larger block stays whole. */
    ca_node node = bin_first(t, bin);
    if (!node || t->nodes[node].size < size) {
        bin = bin_search(t, bin + 1);
        if (CA_UNLIKELY(bin == BIN_NONE))
            return t->scan_limit ? alloc_last(t, size) : CA_NODE_NONE;
        node = bin_first(t, bin);
    }
    bin_set_first(t, bin, t->nodes[node].next_free);
    t->free_total -= size;
    block_cut(t, node, t->nodes[node].size, size, CA_NODE_NONE);
    return node;
}

ca_node ca_tlsf_find(const ca_tlsf *t, uint64_t size)
{
    unsigned bin = ca_bin_floor(size);
    if (CA_UNLIKELY(bin >= bin_count(t)))
        return CA_NODE_NONE;
    ca_node node = bin_first(t, bin);
    if (node && t->nodes[node].size >= size)
        return node;
    bin = bin_search(t, bin + 1);
    return bin == BIN_NONE ? CA_NODE_NONE : bin_first(t, bin);
}

ca_node ca_tlsf_find_below(const ca_tlsf *t, uint64_t size)
{
    unsigned bin = ca_bin_floor(size);
    if (bin >= bin_count(t))
        bin = bin_count(t) - 1;
    unsigned word = bin / BINS_A_WORD;
    uint64_t bits = t->second[word] & UINT64_MAX >> (BINS_A_WORD - 1 - bin % BINS_A_WORD);
    while (!bits && word)
        bits = t->second[--word];
    return bits ? bin_first(t, word * BINS_A_WORD + ca_bit_high(bits)) : CA_NODE_NONE;
}

ca_node ca_tlsf_free(ca_tlsf *t, ca_node node)
{
    CA_ASSERT(ca_tlsf_is_used(t, node));
    return block_free(t, node);
}

bool ca_tlsf_resize(ca_tlsf *t, ca_node node, uint64_t size, uint64_t *available)
{
    CA_ASSERT(ca_tlsf_is_used(t, node));
    return block_resize(t, node, size, available);
}

void ca_tlsf_claim(ca_tlsf *t, ca_node node)
{
    uint64_t size = t->nodes[node].size;
    bin_remove(t, node, size);
    block_use(t, node, CA_NODE_NONE);
    t->free_total -= size;
}

void ca_tlsf_cut(ca_tlsf *t, ca_node node, uint64_t size)
{
    uint64_t all = t->nodes[node].size;
    bin_remove(t, node, all);
    t->free_total -= size;
    block_cut(t, node, all, size, CA_NODE_NONE);
}

/* --- audit ------------------------------------------------------------------------------------------ */

/* The number of the first invariant that a free block breaks, 0: none. */
static int block_audit(const ca_tlsf *t, ca_node node, unsigned bin)
{
    const ca_tlsf_node *n = &t->nodes[node];
    if (!n->size || ca_bin_floor(n->size) != bin)
        return 2;
    if (n->next_free && t->nodes[n->next_free].prev_free != node)
        return 2;
    if (n->next) {
        const ca_tlsf_node *next = &t->nodes[n->next];
        if (next->prev != node || n->offset + n->size != next->offset)
            return 3;
        if (next->prev_free != CA_NODE_USED)
            return 4;
    }
    if (n->prev) {
        const ca_tlsf_node *prev = &t->nodes[n->prev];
        if (prev->next != node || prev->offset + prev->size != n->offset)
            return 3;
        if (prev->prev_free != CA_NODE_USED)
            return 4;
    }
    return 0;
}

bool ca_tlsf_is_valid(const ca_tlsf *t, int *which)
{
    uint64_t total = 0;
    *which = 0;
    for (unsigned bin = 0; bin < t->levels * CA_BIN_SECOND_LEVELS && !*which; bin++) {
        uint64_t word = t->second[bin / BINS_A_WORD];
        bool marked = word >> bin % BINS_A_WORD & 1;
        if (marked != (t->bins[bin] != CA_NODE_NONE))
            *which = 1;
        for (ca_node node = t->bins[bin]; node && !*which; node = t->nodes[node].next_free) {
            *which = block_audit(t, node, bin);
            total += t->nodes[node].size;
        }
    }
    if (!*which && total != t->free_total)
        *which = 5;
    uint32_t spare = 0;
    for (ca_node node = *which ? CA_NODE_NONE : t->spare_list; node && spare <= t->spare; spare++)
        node = t->nodes[node].next_free;
    if (!*which && spare != t->spare)
        *which = 6;
    return !*which;
}
