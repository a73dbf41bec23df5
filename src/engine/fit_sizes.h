/* Free ranges by size: insert, remove, the smallest that is large enough; at most one step for each bit of a size. */
#ifndef CA_ENGINE_FIT_SIZES_H
#define CA_ENGINE_FIT_SIZES_H

#include "engine/fit_types.h"

CA_INLINE uint32_t range_take(fit *f)
{
    uint32_t range = f->spare_range;
    if (!range)
        return f->fresh_range++;
    f->spare_range = f->ranges[range].parent;
    return range;
}

CA_INLINE void range_give(fit *f, uint32_t range)
{
    f->ranges[range].parent = f->spare_range;
    f->ranges[range].size = 0;
    f->spare_range = range;
}

static void size_insert(fit *f, uint32_t range)
{
    free_range *r = &f->ranges[range];
    unsigned bin = fit_bin(r->size), open = fit_open_bits(bin);
    r->prev = r->next = range;
    r->child[0] = r->child[1] = 0;
    r->parent = 0;
    uint32_t at = f->bins[bin];
    if (!at) {
        f->bins[bin] = range;
        f->second[bin / FIT_SECOND_LEVELS] |= 1ULL << bin % FIT_SECOND_LEVELS;
        f->first |= 1ULL << bin / FIT_SECOND_LEVELS;
        return;
    }
    for (;;) {
        free_range *n = &f->ranges[at];
        if (n->size == r->size) {
            r->parent = NOT_IN_TREE;
            r->prev = at;
            r->next = n->next;
            f->ranges[n->next].prev = range;
            n->next = range;
            return;
        }
        uint32_t *child = &n->child[(uint64_t)r->size >> --open & 1]; /* sizes differ in some open bit: there is one left */
        if (!*child) {
            *child = range;
            r->parent = at;
            return;
        }
        at = *child;
    }
}

/* Whatever points to a node of the tree points to `by` instead (0: to nothing). */
static void tree_replace(fit *f, unsigned bin, uint32_t range, uint32_t by)
{
    uint32_t parent = f->ranges[range].parent;
    if (!parent)
        f->bins[bin] = by;
    else
        f->ranges[parent].child[f->ranges[parent].child[1] == range] = by;
    if (by)
        f->ranges[by].parent = parent;
}

static void children_move(fit *f, uint32_t from, uint32_t to)
{
    for (int side = 0; side < 2; side++) {
        uint32_t child = f->ranges[from].child[side];
        f->ranges[to].child[side] = child;
        if (child)
            f->ranges[child].parent = to;
    }
}

static void size_remove(fit *f, uint32_t range)
{
    free_range *r = &f->ranges[range];
    unsigned bin = fit_bin(r->size);
    uint32_t other = r->next;
    if (other != range) {
        f->ranges[other].prev = r->prev;
        f->ranges[r->prev].next = other;
        if (r->parent == NOT_IN_TREE)
            return;
    } else { /* any leaf below it may take its place: it has all the bits that lead there */
        other = 0;
        for (uint32_t at = r->child[0] ? r->child[0] : r->child[1]; at;
             at = f->ranges[at].child[0] ? f->ranges[at].child[0] : f->ranges[at].child[1])
            other = at;
        if (other)
            tree_replace(f, bin, other, 0);
    }
    if (other)
        children_move(f, range, other);
    tree_replace(f, bin, range, other);
    if (!f->bins[bin] && !(f->second[bin / FIT_SECOND_LEVELS] &= ~(1ULL << bin % FIT_SECOND_LEVELS)))
        f->first &= ~(1ULL << bin / FIT_SECOND_LEVELS);
}

/* The smallest range of a subtree: where there is a left child, it is in it or the node itself. */
static uint32_t smallest(const fit *f, uint32_t at)
{
    uint32_t best = at;
    while (at) {
        const free_range *n = &f->ranges[at];
        if (n->size < f->ranges[best].size)
            best = at;
        at = n->child[0] ? n->child[0] : n->child[1];
    }
    return best;
}

/* The smallest of the bin that is >= size, or 0. */
static uint32_t smallest_from(const fit *f, unsigned bin, uint64_t size)
{
    uint32_t best = 0, larger = 0; /* larger: the last subtree passed by of which all are larger */
    unsigned open = fit_open_bits(bin);
    for (uint32_t at = f->bins[bin]; at;) {
        const free_range *n = &f->ranges[at];
        if (n->size >= size && (!best || n->size < f->ranges[best].size)) {
            best = at;
            if (n->size == size)
                return best;
        }
        if (!open)
            break;
        bool right = size >> --open & 1;
        if (!right && n->child[1])
            larger = n->child[1];
        at = n->child[right];
    }
    larger = smallest(f, larger);
    return larger && (!best || f->ranges[larger].size < f->ranges[best].size) ? larger : best;
}

/* The best fit for size >= 1, or 0: one that is in a ring but not in the tree where there is one, since that is least to undo. */
static uint32_t size_best(const fit *f, uint64_t size)
{
    if (CA_UNLIKELY((unit)size != size)) /* a request or its alignment is beyond all offsets: no bin is */
        return 0;
    unsigned bin = fit_bin(size), level = bin / FIT_SECOND_LEVELS;
    uint32_t best = smallest_from(f, bin, size);
    if (!best) {
        uint64_t bits = f->second[level] & (~1ULL << bin % FIT_SECOND_LEVELS);
        if (!bits) {
            uint64_t levels = f->first & (~1ULL << level);
            if (!levels)
                return 0;
            level = ca_bit_low(levels);
            bits = f->second[level];
        }
        best = smallest(f, f->bins[level * FIT_SECOND_LEVELS + ca_bit_low(bits)]);
    }
    return f->ranges[best].next;
}

/* The largest size, 0: none. */
static uint64_t size_largest(const fit *f)
{
    if (!f->first)
        return 0;
    unsigned level = ca_bit_high(f->first);
    uint64_t most = 0;
    for (uint32_t at = f->bins[level * FIT_SECOND_LEVELS + ca_bit_high(f->second[level])]; at;
         at = f->ranges[at].child[1] ? f->ranges[at].child[1] : f->ranges[at].child[0])
        most = f->ranges[at].size > most ? f->ranges[at].size : most;
    return most;
}

#endif
