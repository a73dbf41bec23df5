/* The best-fit engine's invariants (fit_types.h), all of them. */
#ifndef CA_ENGINE_FIT_AUDIT_H
#define CA_ENGINE_FIT_AUDIT_H

#include "engine/fit_order.h"
#include "engine/fit_sizes.h"

typedef struct audit {
    uint64_t free_total, used, free, nodes;
    uint64_t end;     /* of the block before, so far */
    bool last_free, begun;
    uint32_t last_leaf;
} audit;

/* One block, in order. */
static int block_audit(const fit *f, audit *a, uint64_t offset, uint64_t end, uint32_t range)
{
    if ((!a->begun && offset) || end <= offset || (a->begun && offset != a->end))
        return 3;
    a->begun = true;
    a->end = end;
    if (!range) {
        a->used++;
        a->last_free = false;
        return 0;
    }
    if (a->last_free)
        return 4;
    if (range >= f->fresh_range || f->ranges[range].offset != offset || f->ranges[range].size != end - offset)
        return 2;
    a->last_free = true;
    a->free++;
    a->free_total += end - offset;
    return 0;
}

/* Every key of a level is above the one before; on the leaves, blocks.  Walks one level by the links, which the levels above must
 * agree with. */
static int leaf_audit(const fit *f, audit *a, uint32_t node)
{
    const tree_node *n = &f->nodes[node];
    if (n->prev != a->last_leaf)
        return 6;
    a->last_leaf = node;
    for (uint32_t i = 0; i < n->count; i++) {
        uint64_t end = i + 1 < n->count ? n->key[i + 1] : n->next ? f->nodes[n->next].key[0] : f->capacity;
        int broken = block_audit(f, a, n->key[i], end, n->value[i]);
        if (broken)
            return broken;
    }
    return 0;
}

static int node_audit(const fit *f, uint32_t node, uint32_t level)
{
    if (!node || node >= f->fresh_node)
        return 6;
    const tree_node *n = &f->nodes[node];
    if (n->count > TREE_MOST || n->count < (node == f->root ? 1 : TREE_LEAST) || (node == f->root && level && n->count < 2))
        return 6;
    for (uint32_t i = 0; i < TREE_MOST; i++)
        if (i < n->count ? (i && n->key[i] <= n->key[i - 1]) : n->key[i] != UNIT_MAX)
            return 6;
    return 0;
}

/* Depth first, with a stack, since a recursion of unknown depth is none of an engine's. */
static int order_audit(const fit *f, audit *a)
{
    uint32_t node[TREE_LEVELS], entry[TREE_LEVELS], depth = 0;
    if (f->levels > TREE_LEVELS)
        return 6;
    node[0] = f->root;
    entry[0] = 0;
    for (;;) {
        uint32_t level = f->levels - 1 - depth;
        int broken = entry[depth] ? 0 : node_audit(f, node[depth], level);
        if (broken)
            return broken;
        if (!entry[depth])
            a->nodes++;
        if (!level && (broken = leaf_audit(f, a, node[depth])))
            return broken;
        if (level && entry[depth] < f->nodes[node[depth]].count) {
            const tree_node *n = &f->nodes[node[depth]];
            uint32_t i = entry[depth]++, child = n->value[i];
            if (child >= f->fresh_node || f->nodes[child].key[0] != n->key[i])
                return 6;
            node[++depth] = child;
            entry[depth] = 0;
            continue;
        }
        if (!depth--)
            break;
    }
    return f->nodes[a->last_leaf].next ? 6 : 0;
}

/* The free ranges of one bin: how many; UINT64_MAX: [F2] is broken. */
static uint64_t bin_audit(const fit *f, unsigned bin)
{
    uint64_t count = 0;
    uint32_t at = f->bins[bin], from = 0;
    while (at) { /* depth first by the parents */
        const free_range *n = &f->ranges[at];
        if (from == n->parent) {
            if (at >= f->fresh_range || fit_bin(n->size) != bin)
                return UINT64_MAX;
            uint32_t ring = at;
            do {
                if (f->ranges[f->ranges[ring].next].prev != ring || f->ranges[ring].size != n->size || ++count > f->fresh_range)
                    return UINT64_MAX;
                ring = f->ranges[ring].next;
            } while (ring != at);
            if (smallest_from(f, bin, n->size) != at) /* the bits of its size lead to it */
                return UINT64_MAX;
        }
        uint32_t to = n->parent;
        if (from == n->parent && n->child[0])
            to = n->child[0];
        else if (from != n->child[1] && n->child[1])
            to = n->child[1];
        from = at;
        at = to;
    }
    return count;
}

static int fit_audit(const fit *f)
{
    audit a;
    a.free_total = a.used = a.free = a.nodes = a.end = a.last_leaf = 0;
    a.last_free = a.begun = false;
    int broken = order_audit(f, &a);
    if (broken)
        return broken;
    if (a.end != f->capacity)
        return 3;
    if (a.free_total != f->free_total || a.used != f->live)
        return 5;
    uint64_t filed = 0;
    for (unsigned bin = 0; bin < FIT_BINS; bin++) {
        unsigned level = bin / FIT_SECOND_LEVELS;
        if ((f->second[level] >> bin % FIT_SECOND_LEVELS & 1) != (f->bins[bin] != 0) || (f->first >> level & 1) != (f->second[level] != 0))
            return 1;
        uint64_t count = bin_audit(f, bin);
        if (count == UINT64_MAX)
            return 2;
        filed += count;
    }
    if (filed != a.free)
        return 2;
    for (uint32_t i = 0; i < f->hints_set; i++)
        if (f->hints[i] >= f->fresh_node)
            return 7;
    uint64_t nodes = a.nodes + 1, ranges = a.free + 1;
    for (uint32_t node = f->spare_node; node && nodes <= f->fresh_node; node = f->nodes[node].next)
        nodes++;
    for (uint32_t range = f->spare_range; range && ranges <= f->fresh_range; range = f->ranges[range].parent)
        ranges++;
    return nodes != f->fresh_node || ranges != f->fresh_range ? 6 : 0;
}

#endif
