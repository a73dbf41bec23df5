#include "engine/tlsf.h"

#include "base/check.h"

/* --- spare nodes -------------------------------------------------------------------------------- */

static ca_node spare_take(ca_tlsf *tlsf)
{
    ca_node node = tlsf->spare_list;
    CA_ASSERT(node != CA_NODE_NONE);
    tlsf->spare_list = tlsf->nodes[node].next_free;
    tlsf->spare--;
    return node;
}

static void spare_give(ca_tlsf *tlsf, ca_node node)
{
    tlsf->nodes[node] = (ca_tlsf_node){.next_free = tlsf->spare_list};
    tlsf->spare_list = node;
    tlsf->spare++;
}

void ca_tlsf_give_nodes(ca_tlsf *tlsf, ca_node first, uint32_t count)
{
    while (count) /* backwards, so that the lowest is used first */
        spare_give(tlsf, first + --count);
}

void ca_tlsf_init(ca_tlsf *tlsf, ca_tlsf_node *nodes, uint32_t *marks, ca_node *bins, uint8_t *second, uint32_t levels)
{
    *tlsf = (ca_tlsf){.nodes = nodes, .marks = marks, .bins = bins, .second = second, .levels = levels,
                      .scan_limit = UINT32_MAX};
}

/* --- bins ----------------------------------------------------------------------------------------- */

static void bin_insert(ca_tlsf *tlsf, ca_node node)
{
    ca_tlsf_node *n = &tlsf->nodes[node];
    unsigned bin = ca_bin_floor(n->size);
    unsigned level = bin / CA_BIN_SECOND_LEVELS;
    CA_ASSERT(level < tlsf->levels);
    n->prev_free = CA_NODE_NONE;
    n->next_free = tlsf->bins[bin];
    if (n->next_free)
        tlsf->nodes[n->next_free].prev_free = node;
    tlsf->bins[bin] = node;
    tlsf->second[level] |= (uint8_t)(1U << bin % CA_BIN_SECOND_LEVELS);
    tlsf->first |= 1ULL << level;
    tlsf->free_total += n->size;
}

static void bin_remove(ca_tlsf *tlsf, ca_node node)
{
    ca_tlsf_node *n = &tlsf->nodes[node];
    if (n->next_free)
        tlsf->nodes[n->next_free].prev_free = n->prev_free;
    if (n->prev_free) {
        tlsf->nodes[n->prev_free].next_free = n->next_free;
    } else {
        unsigned bin = ca_bin_floor(n->size);
        unsigned level = bin / CA_BIN_SECOND_LEVELS;
        tlsf->bins[bin] = n->next_free;
        if (!n->next_free) {
            tlsf->second[level] &= (uint8_t)~(1U << bin % CA_BIN_SECOND_LEVELS);
            if (!tlsf->second[level])
                tlsf->first &= ~(1ULL << level);
        }
    }
    n->prev_free = CA_NODE_USED;
    tlsf->free_total -= n->size;
}

/* The first block of the first non-empty bin at or after `bin`. */
static ca_node bin_search(const ca_tlsf *tlsf, unsigned bin)
{
    unsigned level = bin / CA_BIN_SECOND_LEVELS;
    if (level >= tlsf->levels)
        return CA_NODE_NONE;
    unsigned second = tlsf->second[level] & (0xffU << bin % CA_BIN_SECOND_LEVELS);
    if (!second) {
        uint64_t first = tlsf->first & ~((2ULL << level) - 1);
        if (!first)
            return CA_NODE_NONE;
        level = ca_bit_low(first);
        second = tlsf->second[level];
    }
    return tlsf->bins[level * CA_BIN_SECOND_LEVELS + ca_bit_low(second)];
}

/* --- blocks ---------------------------------------------------------------------------------------- */

/* Units to leave out before the first multiple of `align` at or after `offset`. */
static uint64_t padding(uint64_t offset, uint64_t align)
{
    if (align <= 1)
        return 0;
    uint64_t over = ca_is_power_of_two(align) ? offset & (align - 1) : offset % align;
    return over ? align - over : 0;
}

static bool block_fits(const ca_tlsf *tlsf, ca_node node, uint64_t size, uint64_t align)
{
    const ca_tlsf_node *n = &tlsf->nodes[node];
    uint64_t skip = padding(n->offset + tlsf->bias, align);
    return n->size >= skip && n->size - skip >= size;
}

/* Cuts a used block after `size` units; the rest becomes a used block of its own. */
static ca_node block_split(ca_tlsf *tlsf, ca_node node, uint64_t size)
{
    ca_node rest = spare_take(tlsf);
    ca_tlsf_node *n = &tlsf->nodes[node], *r = &tlsf->nodes[rest];
    *r = (ca_tlsf_node){.offset = n->offset + size, .size = n->size - size, .prev = node, .next = n->next,
                        .prev_free = CA_NODE_USED};
    if (n->next)
        tlsf->nodes[n->next].prev = rest;
    n->next = rest;
    n->size = size;
    if (tlsf->marks)
        tlsf->marks[rest] = tlsf->marks[node];
    return rest;
}

/* The neighbour after a used block disappears into it; the neighbour is in no bin. */
static void block_absorb_next(ca_tlsf *tlsf, ca_node node)
{
    ca_tlsf_node *n = &tlsf->nodes[node];
    ca_node gone = n->next;
    n->size += tlsf->nodes[gone].size;
    n->next = tlsf->nodes[gone].next;
    if (n->next)
        tlsf->nodes[n->next].prev = node;
    if (tlsf->marks && tlsf->marks[gone] > tlsf->marks[node])
        tlsf->marks[node] = tlsf->marks[gone];
    spare_give(tlsf, gone);
}

ca_node ca_tlsf_add(ca_tlsf *tlsf, uint64_t offset, uint64_t size)
{
    if (!tlsf->spare)
        return CA_NODE_NONE;
    ca_node node = spare_take(tlsf);
    tlsf->nodes[node] = (ca_tlsf_node){.offset = offset, .size = size};
    if (tlsf->marks)
        tlsf->marks[node] = 0;
    bin_insert(tlsf, node);
    return node;
}

bool ca_tlsf_is_whole(const ca_tlsf *tlsf, ca_node node)
{
    const ca_tlsf_node *n = &tlsf->nodes[node];
    return !n->prev && !n->next && n->prev_free != CA_NODE_USED;
}

void ca_tlsf_remove(ca_tlsf *tlsf, ca_node node)
{
    CA_ASSERT(ca_tlsf_is_whole(tlsf, node));
    bin_remove(tlsf, node);
    spare_give(tlsf, node);
}

/* The one bin that a search by `searched`, rounded up, leaves out, and that may still hold a fit for size and align. */
static ca_node last_resort(ca_tlsf *tlsf, uint64_t searched, uint64_t size, uint64_t align)
{
    unsigned bin = ca_bin_floor(searched);
    if (bin / CA_BIN_SECOND_LEVELS >= tlsf->levels || !tlsf->scan_limit)
        return CA_NODE_NONE;
    tlsf->scans++;
    uint32_t left = tlsf->scan_limit;
    for (ca_node node = tlsf->bins[bin]; node && left; node = tlsf->nodes[node].next_free, left--)
        if (block_fits(tlsf, node, size, align))
            return node;
    return CA_NODE_NONE;
}

static ca_node find(ca_tlsf *tlsf, uint64_t size, uint64_t align)
{
    ca_node node = bin_search(tlsf, ca_bin_ceil(size));
    if (node && (align == 1 || block_fits(tlsf, node, size, align)))
        return node;
    if (align > 1) {
        uint64_t padded;
        if (__builtin_add_overflow(size, align - 1, &padded))
            return CA_NODE_NONE;
        node = bin_search(tlsf, ca_bin_ceil(padded));
        if (!node)
            node = last_resort(tlsf, padded, size, align);
        if (node)
            return node;
    }
    return last_resort(tlsf, size, size, align);
}

ca_node ca_tlsf_alloc(ca_tlsf *tlsf, uint64_t size, uint64_t align)
{
    if (tlsf->spare < 2)
        return CA_NODE_NONE;
    ca_node node = find(tlsf, size, align);
    if (!node)
        return CA_NODE_NONE;
    bin_remove(tlsf, node);
    uint64_t skip = padding(tlsf->nodes[node].offset + tlsf->bias, align);
    if (skip) {
        ca_node block = block_split(tlsf, node, skip);
        bin_insert(tlsf, node);
        node = block;
    }
    if (tlsf->nodes[node].size > size)
        bin_insert(tlsf, block_split(tlsf, node, size));
    return node;
}

ca_node ca_tlsf_free(ca_tlsf *tlsf, ca_node node)
{
    CA_ASSERT(ca_tlsf_is_used(tlsf, node));
    ca_tlsf_node *n = &tlsf->nodes[node];
    if (n->prev && !ca_tlsf_is_used(tlsf, n->prev)) {
        node = n->prev;
        bin_remove(tlsf, node);
        block_absorb_next(tlsf, node);
        n = &tlsf->nodes[node];
    }
    if (n->next && !ca_tlsf_is_used(tlsf, n->next)) {
        bin_remove(tlsf, n->next);
        block_absorb_next(tlsf, node);
    }
    bin_insert(tlsf, node);
    return node;
}

bool ca_tlsf_resize(ca_tlsf *tlsf, ca_node node, uint64_t size, uint64_t *available)
{
    CA_ASSERT(ca_tlsf_is_used(tlsf, node));
    ca_tlsf_node *n = &tlsf->nodes[node];
    bool next_is_free = n->next && !ca_tlsf_is_used(tlsf, n->next);
    uint64_t most = n->size + (next_is_free ? tlsf->nodes[n->next].size : 0);
    if (available)
        *available = most;
    if (size == n->size)
        return true;
    if (size > most || (!next_is_free && !tlsf->spare))
        return false;
    if (next_is_free) {
        bin_remove(tlsf, n->next);
        block_absorb_next(tlsf, node);
    }
    if (n->size > size)
        bin_insert(tlsf, block_split(tlsf, node, size));
    return true;
}

void ca_tlsf_claim(ca_tlsf *tlsf, ca_node node)
{
    bin_remove(tlsf, node);
}

/* --- audit ------------------------------------------------------------------------------------------ */

/* The number of the first invariant that a free block breaks, 0: none. */
static int block_audit(const ca_tlsf *tlsf, ca_node node, unsigned bin)
{
    const ca_tlsf_node *n = &tlsf->nodes[node];
    if (!n->size || ca_bin_floor(n->size) != bin)
        return 2;
    if (n->next_free && tlsf->nodes[n->next_free].prev_free != node)
        return 2;
    if (n->next) {
        const ca_tlsf_node *next = &tlsf->nodes[n->next];
        if (next->prev != node || n->offset + n->size != next->offset)
            return 3;
        if (next->prev_free != CA_NODE_USED)
            return 4;
    }
    if (n->prev) {
        const ca_tlsf_node *prev = &tlsf->nodes[n->prev];
        if (prev->next != node || prev->offset + prev->size != n->offset)
            return 3;
        if (prev->prev_free != CA_NODE_USED)
            return 4;
    }
    return 0;
}

bool ca_tlsf_is_valid(const ca_tlsf *tlsf, int *which)
{
    uint64_t total = 0;
    *which = 0;
    for (unsigned bin = 0; bin < tlsf->levels * CA_BIN_SECOND_LEVELS && !*which; bin++) {
        unsigned level = bin / CA_BIN_SECOND_LEVELS;
        bool marked = tlsf->second[level] >> bin % CA_BIN_SECOND_LEVELS & 1;
        if (marked != (tlsf->bins[bin] != CA_NODE_NONE) || (tlsf->first >> level & 1) != (tlsf->second[level] != 0))
            *which = 1;
        for (ca_node node = tlsf->bins[bin]; node && !*which; node = tlsf->nodes[node].next_free) {
            *which = block_audit(tlsf, node, bin);
            total += tlsf->nodes[node].size;
        }
    }
    if (!*which && total != tlsf->free_total)
        *which = 5;
    uint32_t spare = 0;
    for (ca_node node = *which ? CA_NODE_NONE : tlsf->spare_list; node && spare <= tlsf->spare; spare++)
        node = tlsf->nodes[node].next_free;
    if (!*which && spare != tlsf->spare)
        *which = 6;
    return !*which;
}
