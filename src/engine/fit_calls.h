/* The public calls of ctxalloc/fit.h, for either width.  Before it is included: what fit_types.h needs, fit_block, FIT(name),
 * FIT_MOST_CAPACITY. */
#ifndef CA_ENGINE_FIT_CALLS_H
#define CA_ENGINE_FIT_CALLS_H

#include "engine/bin.h"
#include "engine/error.h"
#include "engine/fit_order.h"
#include "engine/fit_sizes.h"

enum { ALIGN = 64 };
#define MAGIC (0x6378666974000000ULL + sizeof(free_range))
#define MOST_BLOCKS (UINT32_MAX / 4)

static const fit_block no_block = {UNIT_MAX, 0};

/* --- memory ------------------------------------------------------------------------------------------- */

CA_INLINE uint64_t round_line(uint64_t bytes)
{
    return (bytes + ALIGN - 1) & ~(uint64_t)(ALIGN - 1);
}

/* With n live blocks there are at most n + 1 free ones; nodes of a level have at least TREE_LEAST entries, but for a root; a split
 * on each level comes before what makes it right. */
CA_INLINE uint64_t nodes_for(uint32_t max_blocks)
{
    uint64_t all = 0, level = 2 * (uint64_t)max_blocks + 1;
    do
        all += (level = level / TREE_LEAST + 1) + 1;
    while (level > 1);
    return all + 1;
}

/* Whole lines. */
CA_INLINE uint64_t hints_for(uint32_t max_blocks)
{
    return (max_blocks / BLOCKS_A_HINT / HINTS_A_LINE + 1) * HINTS_A_LINE;
}

size_t FIT(memory)(uint64_t capacity, uint32_t max_blocks)
{
    if (!max_blocks || max_blocks > MOST_BLOCKS || !capacity || capacity > FIT_MOST_CAPACITY)
        return 0;
    return (size_t)(round_line(sizeof(fit)) + round_line(nodes_for(max_blocks) * sizeof(tree_node)) +
                    round_line(((uint64_t)max_blocks + 3) * sizeof(free_range)) + hints_for(max_blocks) * sizeof(uint32_t));
}

static void parts_place(fit *f)
{
    char *at = (char *)f + round_line(sizeof *f);
    f->nodes = (tree_node *)(void *)at;
    f->ranges = (free_range *)(void *)(at + round_line(nodes_for(f->max_blocks) * sizeof(tree_node)));
    f->hints = (uint32_t *)(void *)((char *)f->ranges + round_line(((uint64_t)f->max_blocks + 3) * sizeof(free_range)));
}

/* Over the capacity. What hints there are may now be wrong, and is found to be. */
static void hints_spread(fit *f)
{
    f->hint_shift = 0;
    while ((f->capacity - 1) >> f->hint_shift >= hints_for(f->max_blocks))
        f->hint_shift++;
}

static bool memory_is_fit(const void *memory, size_t bytes, size_t needed)
{
    return memory && needed && bytes >= needed && (uintptr_t)memory % ALIGN == 0;
}

/* Files a free block by size; its entry among the blocks, likely in `leaf`, is the caller's. */
CA_INLINE void range_set(fit *f, uint32_t range, uint64_t offset, uint64_t size, uint32_t leaf)
{
    f->ranges[range].offset = (unit)offset;
    f->ranges[range].size = (unit)size;
    f->ranges[range].leaf = leaf;
    size_insert(f, range);
}

CA_INLINE uint32_t range_add(fit *f, uint64_t offset, uint64_t size, uint32_t leaf)
{
    uint32_t range = range_take(f);
    range_set(f, range, offset, size, leaf);
    return range;
}

void FIT(reset)(fit *f)
{
    f->first = 0;
    for (unsigned i = 0; i < FIT_FIRST_LEVELS; i++) {
        f->second[i] = 0;
        KEEP_LOOP();
    }
    for (unsigned i = 0; i < FIT_BINS; i++) {
        f->bins[i] = 0;
        KEEP_LOOP();
    }
    f->hints_set = 0;
    hints_spread(f);
    f->nodes[0].is_leaf = 0; /* what no hint leads to */
    f->spare_node = f->spare_range = f->live = 0;
    f->fresh_node = f->fresh_range = 1;
    f->ranges[0].size = UNIT_MAX; /* nobody, larger than all */
    f->root = node_take(f);
    f->levels = 1;
    f->free_total = f->capacity;
    f->nodes[f->root].is_leaf = 1;
    entry_insert(&f->nodes[f->root], 0, 0, range_add(f, 0, f->capacity, f->root));
}

fit *FIT(init)(void *memory, size_t bytes, uint64_t capacity, uint32_t max_blocks)
{
    if (!memory_is_fit(memory, bytes, FIT(memory)(capacity, max_blocks)))
        return NULL;
    fit *f = memory;
    f->magic = MAGIC;
    f->capacity = capacity;
    f->max_blocks = max_blocks;
    parts_place(f);
    FIT(reset)(f);
    return f;
}

fit *FIT(attach)(void *memory, size_t bytes)
{
    fit *f = memory;
    if (!memory || (uintptr_t)memory % ALIGN || bytes < sizeof *f || f->magic != MAGIC ||
        !memory_is_fit(memory, bytes, FIT(memory)(f->capacity, f->max_blocks)))
        return NULL;
    parts_place(f);
    return f;
}

fit *FIT(clone_at)(const fit *f, void *memory, size_t bytes)
{
    size_t all = FIT(memory)(f->capacity, f->max_blocks);
    if (!memory_is_fit(memory, bytes, all))
        return NULL;
    const uint64_t *from = (const uint64_t *)(const void *)f;
    uint64_t *to = memory;
    for (size_t i = 0; i < all / sizeof *to; i++) {
        to[i] = from[i];
        KEEP_LOOP();
    }
    return FIT(attach)(memory, bytes);
}

/* --- allocating --------------------------------------------------------------------------------------- */

/* Units to leave out before the first multiple of `align` at or after `offset`. */
CA_INLINE uint64_t padding(uint64_t offset, uint64_t align)
{
    if (align <= 1)
        return 0;
    uint64_t over = (align & (align - 1)) == 0 ? offset & (align - 1) : offset % align;
    return over ? align - over : 0;
}

/* The best fit; where alignment spoils it, the best for size + align - 1. */
CA_INLINE uint32_t range_find(const fit *f, uint64_t size, uint64_t align)
{
    uint32_t range = size_best(f, size);
    if (align == 1 || !range)
        return range;
    uint64_t skip = padding(f->ranges[range].offset, align), padded;
    if (f->ranges[range].size >= skip && f->ranges[range].size - skip >= size)
        return range;
    return __builtin_add_overflow(size, align - 1, &padded) ? 0 : size_best(f, padded);
}

/* One more block, after the one that the path leads to and before which `offset` lies not. */
static void block_insert(fit *f, uint64_t offset, uint32_t range)
{
    path p;
    order_find(f, (unit)offset, &p);
    order_insert(f, &p, (unit)offset, range);
}

CA_INLINE fit_block take(fit *f, uint64_t size, uint64_t align)
{
    if (CA_UNLIKELY(!size || !align || f->live == f->max_blocks))
        return no_block;
    uint32_t range = range_find(f, size, align), entry;
    if (CA_UNLIKELY(!range))
        return no_block;
    uint64_t offset = f->ranges[range].offset, all = f->ranges[range].size, skip = padding(offset, align);
    uint32_t where = f->ranges[range].leaf;
    tree_node *leaf = order_look(f, range, &entry);
    size_remove(f, range);
    f->free_total -= size;
    f->live++;
    if (CA_LIKELY(leaf && !skip && leaf->count < TREE_MOST)) { /* no need to search from the root */
        hint_set(f, offset, where);
        leaf->value[entry] = 0;
        if (CA_LIKELY(all > size)) {
            range_set(f, range, offset + size, all - size, where);
            entry_insert(leaf, entry + 1, (unit)(offset + size), range);
        } else {
            range_give(f, range);
        }
        return (fit_block){(unit)offset, (unit)size};
    }
    path p;
    order_find(f, (unit)offset, &p);
    where = p.node[p.leaf];
    hint_set(f, offset + skip, where);
    if (align != 1 && skip) { /* what is left out stays free, and the block is one of its own */
        range_set(f, range, offset, skip, where);
        offset += skip;
        all -= skip;
        order_insert(f, &p, (unit)offset, 0);
        if (all > size)
            block_insert(f, offset + size, range_add(f, offset + size, all - size, where));
        return (fit_block){(unit)offset, (unit)size};
    }
    path_leaf(f, &p, &entry)->value[p.entry[p.leaf]] = 0;
    if (CA_LIKELY(all > size)) {
        range_set(f, range, offset + size, all - size, where);
        order_insert(f, &p, (unit)(offset + size), range);
    } else {
        range_give(f, range);
    }
    return (fit_block){(unit)offset, (unit)size};
}

fit_block FIT(alloc)(fit *f, uint64_t size)
{
    return take(f, size, 1);
}

fit_block FIT(alloc_aligned)(fit *f, uint64_t size, uint64_t align)
{
    return take(f, size, align);
}

/* Where a live block is; NULL: there is none. */
CA_INLINE tree_node *block_find(const fit *f, fit_block handle, uint32_t *entry, block *after)
{
    if (CA_UNLIKELY(handle.offset >= f->capacity || !handle.size))
        return NULL;
    tree_node *leaf = hint_look(f, handle.offset, entry);
    if (CA_UNLIKELY(!leaf)) {
        path p;
        order_find(f, handle.offset, &p);
        leaf = path_leaf(f, &p, entry);
    }
    *after = block_after(f, leaf, *entry);
    return leaf->key[*entry] == handle.offset && !leaf->value[*entry] && after->offset - handle.offset == handle.size ? leaf : NULL;
}

/* The entry of the block that begins at an offset. */
static CA_NOINLINE void block_remove(fit *f, uint64_t offset)
{
    path p;
    order_find(f, (unit)offset, &p);
    order_remove(f, &p);
}

int FIT(free)(fit *f, fit_block handle)
{
    block after;
    uint32_t entry;
    tree_node *leaf = block_find(f, handle, &entry, &after);
    if (!leaf)
        return CA_EINVAL;
    block before = block_before(f, leaf, entry);
    uint64_t offset = handle.offset, size = handle.size;
    __builtin_prefetch(&f->ranges[after.range]);
    __builtin_prefetch(&f->ranges[before.range]);
    f->free_total += size;
    f->live--;
    /* What merged goes from the order: the block after, then this one; while the ranges are on their way if no other node is concerned. */
    uint32_t range = before.range ? before.range : after.range ? after.range : range_take(f);
    uint32_t gone = (after.range ? 1U : 0U) + (before.range ? 1U : 0U);
    bool in_leaf = leaf->count >= TREE_LEAST + gone && (!after.range || after.same_leaf) && (!before.range || before.same_leaf);
    if (!before.range)
        leaf->value[entry] = range;
    if (CA_LIKELY(in_leaf)) {
        if (after.range)
            entry_remove(leaf, entry + 1);
        if (before.range)
            entry_remove(leaf, entry);
    }
    if (after.range) {
        size += f->ranges[after.range].size;
        size_remove(f, after.range);
    }
    if (before.range) {
        if (after.range)
            range_give(f, after.range);
        offset = before.offset;
        size += f->ranges[range].size;
        size_remove(f, range);
    }
    range_set(f, range, offset, size, (uint32_t)(leaf - f->nodes));
    if (CA_LIKELY(in_leaf))
        return 0;
    if (after.range)
        block_remove(f, after.offset);
    if (before.range)
        block_remove(f, handle.offset);
    return 0;
}

int FIT(resize)(fit *f, fit_block *handle, uint64_t new_size, uint64_t *available)
{
    block after;
    uint32_t entry;
    tree_node *leaf = new_size ? block_find(f, *handle, &entry, &after) : NULL;
    if (!leaf)
        return CA_EINVAL;
    uint64_t old = handle->size, most = old + (after.range ? f->ranges[after.range].size : 0), end = handle->offset + most;
    if (available)
        *available = most;
    if (new_size > most)
        return CA_ENOMEM;
    if (new_size == old)
        return 0;
    if (after.range) {
        size_remove(f, after.range);
        range_give(f, after.range);
        block_remove(f, after.offset);
    }
    uint64_t at = handle->offset + new_size;
    if (at < end)
        block_insert(f, at, range_add(f, at, end - at, (uint32_t)(leaf - f->nodes)));
    f->free_total += old - new_size;
    handle->size = (unit)new_size;
    return 0;
}

int FIT(grow)(fit *f, uint64_t additional)
{
    if (additional > FIT_MOST_CAPACITY - f->capacity)
        return CA_EOVERFLOW;
    if (!additional)
        return 0;
    path p;
    uint32_t entry;
    order_find(f, (unit)(f->capacity - 1), &p);
    uint32_t range = path_leaf(f, &p, &entry)->value[p.entry[p.leaf]];
    if (range) {
        uint64_t offset = f->ranges[range].offset, size = f->ranges[range].size;
        size_remove(f, range);
        range_set(f, range, offset, size + additional, p.node[p.leaf]);
    } else {
        order_insert(f, &p, (unit)f->capacity, range_add(f, f->capacity, additional, p.node[p.leaf]));
    }
    f->capacity += additional;
    hints_spread(f);
    f->free_total += additional;
    return 0;
}

/* --- questions ---------------------------------------------------------------------------------------- */

uint64_t FIT(size)(const fit *f, fit_block handle)
{
    block after;
    uint32_t entry;
    return block_find(f, handle, &entry, &after) ? handle.size : 0;
}

uint64_t FIT(capacity)(const fit *f) { return f->capacity; }
uint64_t FIT(free_total)(const fit *f) { return f->free_total; }
uint64_t FIT(free_largest)(const fit *f) { return size_largest(f); }
uint32_t FIT(live)(const fit *f) { return f->live; }
uint32_t FIT(max_blocks)(const fit *f) { return f->max_blocks; }
bool FIT(empty)(const fit *f) { return !f->live; }

uint64_t FIT(min_capacity)(uint64_t size)
{
    return size <= FIT_MOST_CAPACITY ? size : CTXALLOC_NONE;
}

/* The next block by offset that is used, or free. */
static bool visit(const fit *f, ctxalloc_range *range, bool used)
{
    uint64_t at = range->begun ? range->offset + range->size : 0;
    range->begun = 1;
    while (at < f->capacity) {
        path p;
        uint32_t entry;
        order_find(f, (unit)at, &p);
        const tree_node *leaf = path_leaf(f, &p, &entry);
        uint64_t end = block_after(f, leaf, entry).offset;
        bool found = !leaf->value[entry] == used;
        range->offset = leaf->key[entry];
        range->size = end - range->offset;
        if (found)
            return true;
        at = end;
    }
    return false;
}

bool FIT(next_free)(const fit *f, ctxalloc_range *range) { return visit(f, range, false); }
bool FIT(next_used)(const fit *f, ctxalloc_range *range) { return visit(f, range, true); }

void FIT(report)(const fit *f, ctxalloc_tlsf_report_t *report)
{
    report->free_total = f->free_total;
    report->free_largest = size_largest(f);
    report->free_ranges = 0;
    for (unsigned bin = 0; bin < CA_BIN_COUNT; bin++) {
        report->bin[bin].size = ca_bin_size(bin);
        report->bin[bin].count = 0;
    }
    uint32_t leaf = f->root;
    for (uint32_t level = 1; level < f->levels; level++)
        leaf = f->nodes[leaf].value[0];
    for (; leaf; leaf = f->nodes[leaf].next)
        for (uint32_t i = 0; i < f->nodes[leaf].count; i++)
            if (f->nodes[leaf].value[i]) {
                report->bin[ca_bin_floor(f->ranges[f->nodes[leaf].value[i]].size)].count++;
                report->free_ranges++;
            }
}

#include "engine/fit_audit.h"

bool FIT(is_valid)(const fit *f, int *which)
{
    int broken = fit_audit(f);
    if (which)
        *which = broken;
    return !broken;
}

#endif
