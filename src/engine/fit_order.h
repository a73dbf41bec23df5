/* All blocks by offset: a B+ tree.  A path says for each level, from the root down, which entry of which node was taken. */
#ifndef CA_ENGINE_FIT_ORDER_H
#define CA_ENGINE_FIT_ORDER_H

#include "engine/fit_types.h"

typedef struct path {
    uint32_t node[TREE_LEVELS];
    uint32_t entry[TREE_LEVELS];
    uint32_t leaf; /* the last level */
} path;

/* The last entry whose key is <= key. pre: there is one. */
CA_INLINE uint32_t node_search(const tree_node *n, unit key)
{
    uint32_t below = 0;
    for (unsigned i = 0; i < TREE_MOST; i++) /* all of them, without a branch: a few vector instructions */
        below += n->key[i] <= key;
    return below - 1;
}

/* Which of the values is wanted is known only when the keys are there; they are asked for together. */
CA_INLINE void value_prefetch(const tree_node *n)
{
    __builtin_prefetch(&n->value[0]);
    __builtin_prefetch(&n->value[TREE_MOST - 1]);
}

/* To the block that contains an offset. pre: key < UNIT_MAX. */
CA_INLINE void order_find(const fit *f, unit key, path *p)
{
    uint32_t at = f->root;
    p->leaf = f->levels - 1;
    for (uint32_t level = 0;; level++) {
        const tree_node *n = &f->nodes[at];
        value_prefetch(n);
        p->node[level] = at;
        p->entry[level] = node_search(n, key);
        if (level == p->leaf)
            return;
        at = n->value[p->entry[level]];
    }
}

/* The leaf that still has a free block where it was last, or NULL. */
CA_INLINE tree_node *order_look(const fit *f, uint32_t range, uint32_t *entry)
{
    tree_node *n = &f->nodes[f->ranges[range].leaf];
    value_prefetch(n);
    *entry = node_search(n, f->ranges[range].offset);
    return *entry < n->count && n->value[*entry] == range && n->key[*entry] == f->ranges[range].offset && n->is_leaf ? n : NULL;
}

/* The leaf with the block that begins at an offset, if the hint knows it or its neighbour, or NULL. */
CA_INLINE tree_node *hint_look(const fit *f, unit offset, uint32_t *entry)
{
    uint64_t stretch = (uint64_t)offset >> f->hint_shift;
    uint32_t at = stretch < f->hints_set ? f->hints[stretch] : 0;
    for (int i = 0; i < 2; i++) {
        tree_node *n = &f->nodes[at];
        value_prefetch(n);
        if (CA_UNLIKELY(!n->is_leaf))
            return NULL;
        *entry = node_search(n, offset);
        if (CA_LIKELY(*entry < n->count && n->key[*entry] == offset))
            return n;
        at = *entry < n->count ? n->next : n->prev;
    }
    return NULL;
}

/* A block that begins at `offset` is now in a leaf. Of hints that were never set it makes a line, so that the cost is the same always. */
CA_INLINE void hint_set(fit *f, uint64_t offset, uint32_t leaf)
{
    uint64_t stretch = offset >> f->hint_shift;
    if (CA_UNLIKELY(stretch >= f->hints_set)) {
        for (unsigned i = 0; i < HINTS_A_LINE; i++) {
            f->hints[f->hints_set++] = 0;
            KEEP_LOOP();
        }
        if (stretch >= f->hints_set)
            return;
    }
    f->hints[stretch] = leaf;
}

CA_INLINE tree_node *path_leaf(const fit *f, const path *p, uint32_t *entry)
{
    *entry = p->entry[p->leaf];
    return &f->nodes[p->node[p->leaf]];
}

CA_INLINE uint32_t node_take(fit *f)
{
    uint32_t node = f->spare_node;
    if (node)
        f->spare_node = f->nodes[node].next;
    else
        node = f->fresh_node++;
    tree_node *n = &f->nodes[node];
    for (unsigned i = 0; i < TREE_MOST; i++) {
        n->key[i] = UNIT_MAX;
        KEEP_LOOP();
    }
    n->count = n->prev = n->next = n->is_leaf = 0;
    return node;
}

CA_INLINE void node_give(fit *f, uint32_t node)
{
    f->nodes[node].next = f->spare_node;
    f->nodes[node].is_leaf = 0;
    f->spare_node = node;
}

/* pre: not full. */
CA_INLINE void entry_insert(tree_node *n, uint32_t at, unit key, uint32_t value)
{
    for (uint32_t i = n->count++; i > at; i--) {
        n->key[i] = n->key[i - 1];
        n->value[i] = n->value[i - 1];
        KEEP_LOOP();
    }
    n->key[at] = key;
    n->value[at] = value;
}

CA_INLINE void entry_remove(tree_node *n, uint32_t at)
{
    uint32_t last = --n->count;
    for (uint32_t i = at; i < last; i++) {
        n->key[i] = n->key[i + 1];
        n->value[i] = n->value[i + 1];
        KEEP_LOOP();
    }
    n->key[last] = UNIT_MAX;
}

/* The last `count` entries of `from` become the first of `to`. */
static void entries_forward(tree_node *from, tree_node *to, uint32_t count)
{
    for (uint32_t i = to->count; i-- > 0;) {
        to->key[i + count] = to->key[i];
        to->value[i + count] = to->value[i];
    }
    to->count += count;
    from->count -= count;
    for (uint32_t i = 0; i < count; i++) {
        to->key[i] = from->key[from->count + i];
        to->value[i] = from->value[from->count + i];
        from->key[from->count + i] = UNIT_MAX;
    }
}

/* The first `count` entries of `from` become the last of `to`. */
static void entries_back(tree_node *from, tree_node *to, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        to->key[to->count + i] = from->key[i];
        to->value[to->count + i] = from->value[i];
    }
    to->count += count;
    from->count -= count;
    for (uint32_t i = 0; i < from->count; i++) {
        from->key[i] = from->key[i + count];
        from->value[i] = from->value[i + count];
    }
    for (uint32_t i = from->count; i < from->count + count; i++)
        from->key[i] = UNIT_MAX;
}

/* A full node gives its upper half to a new one after it. */
static uint32_t node_split(fit *f, uint32_t node)
{
    uint32_t half = node_take(f);
    tree_node *n = &f->nodes[node], *h = &f->nodes[half];
    entries_forward(n, h, TREE_MOST / 2);
    h->is_leaf = n->is_leaf;
    h->prev = node;
    h->next = n->next;
    if (n->next)
        f->nodes[n->next].prev = half;
    n->next = half;
    return half;
}

/* After the entry that the path leads to. The path is spent. */
static CA_NOINLINE void order_insert_full(fit *f, const path *p, unit key, uint32_t value)
{
    for (uint32_t level = p->leaf;; level--) {
        uint32_t node = p->node[level], at = p->entry[level] + 1;
        if (f->nodes[node].count < TREE_MOST) {
            entry_insert(&f->nodes[node], at, key, value);
            return;
        }
        uint32_t half = node_split(f, node);
        if (at > TREE_MOST / 2)
            entry_insert(&f->nodes[half], at - TREE_MOST / 2, key, value);
        else
            entry_insert(&f->nodes[node], at, key, value);
        key = f->nodes[half].key[0];
        value = half;
        if (level)
            continue;
        uint32_t root = node_take(f);
        entry_insert(&f->nodes[root], 0, 0, node);
        entry_insert(&f->nodes[root], 1, key, half);
        f->root = root;
        f->levels++;
        return;
    }
}

CA_INLINE void order_insert(fit *f, const path *p, unit key, uint32_t value)
{
    uint32_t entry;
    tree_node *leaf = path_leaf(f, p, &entry);
    if (CA_LIKELY(leaf->count < TREE_MOST))
        entry_insert(leaf, entry + 1, key, value);
    else
        order_insert_full(f, p, key, value);
}

/* Nodes with too few entries, from the leaf up: they merge with a neighbour or get some of its entries. */
static CA_NOINLINE void order_refill(fit *f, const path *p)
{
    for (uint32_t level = p->leaf; level && f->nodes[p->node[level]].count < TREE_LEAST; level--) {
        tree_node *parent = &f->nodes[p->node[level - 1]];
        uint32_t at = p->entry[level - 1], right = at ? at : 1; /* the entry of the right one of the two */
        uint32_t left_node = parent->value[right - 1], right_node = parent->value[right];
        tree_node *l = &f->nodes[left_node], *r = &f->nodes[right_node];
        uint32_t all = l->count + r->count;
        if (all > TREE_MOST) {
            if (l->count < all / 2)
                entries_back(r, l, all / 2 - l->count);
            else
                entries_forward(l, r, l->count - all / 2);
            parent->key[right] = r->key[0];
            return;
        }
        entries_back(r, l, r->count);
        l->next = r->next;
        if (r->next)
            f->nodes[r->next].prev = left_node;
        node_give(f, right_node);
        entry_remove(parent, right);
    }
    if (f->levels > 1 && f->nodes[f->root].count == 1) {
        uint32_t gone = f->root;
        f->root = f->nodes[gone].value[0];
        f->levels--;
        node_give(f, gone);
    }
}

/* The leaf begins with another key: so do the nodes above it of which it is the first. */
static CA_NOINLINE void first_changed(fit *f, const path *p)
{
    unit key = f->nodes[p->node[p->leaf]].key[0];
    for (uint32_t level = p->leaf; level-- > 0;) {
        f->nodes[p->node[level]].key[p->entry[level]] = key;
        if (p->entry[level])
            return;
    }
}

/* The entry that the path leads to. The path is spent. */
CA_INLINE void order_remove(fit *f, const path *p)
{
    uint32_t entry;
    tree_node *leaf = path_leaf(f, p, &entry);
    entry_remove(leaf, entry);
    if (CA_UNLIKELY(!entry))
        first_changed(f, p);
    if (CA_UNLIKELY(leaf->count < TREE_LEAST))
        order_refill(f, p);
}

/* A block as the tree has it. */
typedef struct block {
    uint64_t offset;
    uint32_t range; /* 0: used */
    bool is;        /* there is one */
    bool same_leaf;
} block;

CA_INLINE block block_after(const fit *f, const tree_node *leaf, uint32_t entry)
{
    if (CA_LIKELY(++entry < leaf->count))
        return (block){leaf->key[entry], leaf->value[entry], true, true};
    if (!leaf->next)
        return (block){f->capacity, 0, false, false};
    leaf = &f->nodes[leaf->next];
    return (block){leaf->key[0], leaf->value[0], true, false};
}

CA_INLINE block block_before(const fit *f, const tree_node *leaf, uint32_t entry)
{
    if (CA_LIKELY(entry > 0))
        return (block){leaf->key[entry - 1], leaf->value[entry - 1], true, true};
    if (!leaf->prev)
        return (block){0, 0, false, false};
    leaf = &f->nodes[leaf->prev];
    return (block){leaf->key[leaf->count - 1], leaf->value[leaf->count - 1], true, false};
}

#endif
