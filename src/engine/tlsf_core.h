/* The TLSF algorithm, over any layout of its metadata: the heap's (tlsf.c: linked lists, many ranges, nodes shared by several
 * instances) and the public engines' (tlsf_packed.h: small nodes, one range).
 *
 * Before it is included, the layout defines the types `tlsf` (with the fields of a ca_tlsf that are named here) and `node_index`
 * (0: none), and as inline functions:
 *
 *   block_offset, block_size, block_next, block_is_used   of a block
 *   next_of_free                 block_next of a free block
 *   free_before, free_after      the neighbour of a used block if it is free, else 0
 *   bin_count                    bins that there are
 *   word_count                   words of `second` to look at
 *   bin_first, bin_following     the free blocks of one bin, in any order
 *   bin_insert                   files a block of a known size as free; it is in no bin
 *   bin_remove, bin_pop          the opposite, for any block and for bin_first; the block is in no bin then, and not yet used
 *   block_split                  cuts a block that is in no bin; the rest is a block in no bin
 *   block_use                    marks a block used that is in no bin; the free block before it, or 0
 *   block_follows_used           tells the block after a used one, in use as well, what it follows
 *   block_stretch                sets a block's size and the neighbour after it
 *   block_swallow                what the caller keeps for a block that disappears into another (marks); both sizes as they are before
 *   spare_give, spare_is_none    gives a node back; whether there is none to take
 */
#ifndef CA_ENGINE_TLSF_CORE_H
#define CA_ENGINE_TLSF_CORE_H

#ifndef TLSF_LAYOUT
#include "engine/tlsf_packed.h"
#endif

/* The first non-empty bin at or after `bin`, or BIN_NONE.  A word has 64 bins, 8 powers of two: a second word is seldom looked at. */
CA_INLINE unsigned bin_search(const tlsf *t, unsigned bin)
{
    unsigned word = bin / BINS_A_WORD;
    if (CA_UNLIKELY(word >= word_count(t)))
        return BIN_NONE;
    uint64_t bits = t->second[word] >> bin % BINS_A_WORD;
    if (CA_LIKELY(bits)) {
        CA_ASSUME(bin + ca_bit_low(bits) < BIN_NONE); /* no need to ask whether one was found */
        return bin + ca_bit_low(bits);
    }
    while (++word < word_count(t)) /* 7 times at most */
        if (t->second[word])
            return word * BINS_A_WORD + ca_bit_low(t->second[word]);
    return BIN_NONE;
}

/* --- finding a block -------------------------------------------------------------------------------- */

/* Units to leave out before the first multiple of `align` at or after `offset`. */
CA_INLINE uint64_t padding(uint64_t offset, uint64_t align)
{
    if (align <= 1)
        return 0;
    uint64_t over = (align & (align - 1)) == 0 ? offset & (align - 1) : offset % align;
    return over ? align - over : 0;
}

CA_INLINE bool block_fits(const tlsf *t, node_index node, uint64_t size, uint64_t align)
{
    uint64_t skip = padding(block_offset(t, node) + t->bias, align), all = block_size(t, node);
    return all >= skip && all - skip >= size;
}

/* The one bin that a search by `searched`, rounded up, leaves out, and that may still hold a fit for size and align. */
static node_index last_resort(tlsf *t, uint64_t searched, uint64_t size, uint64_t align)
{
    unsigned bin = ca_bin_floor(searched);
    if (bin >= bin_count(t) || !t->scan_limit)
        return 0;
    t->scans++;
    uint32_t left = t->scan_limit;
    for (node_index node = bin_first(t, bin); node && left; node = bin_following(t, node), left--)
        if (block_fits(t, node, size, align))
            return node;
    return 0;
}

/* What the first bin that surely fits does not answer: alignment, and the last resort.  Any block of any bin. */
static CA_NOINLINE node_index find_rare(tlsf *t, uint64_t size, uint64_t align)
{
    if (align == 1)
        return last_resort(t, size, size, align);
    unsigned bin = bin_search(t, ca_bin_ceil(size));
    if (bin != BIN_NONE && block_fits(t, bin_first(t, bin), size, align))
        return bin_first(t, bin);
    uint64_t padded;
    if (!__builtin_add_overflow(size, align - 1, &padded)) {
        bin = bin_search(t, ca_bin_ceil(padded));
        node_index node = bin != BIN_NONE ? bin_first(t, bin) : last_resort(t, padded, size, align);
        if (node)
            return node;
    }
    return last_resort(t, size, size, align);
}

/* --- blocks ---------------------------------------------------------------------------------------- */

/* A block of `all` units that is in no bin: `size` of them are used from now on, the rest is free. before: the free block before it, or 0 */
CA_INLINE void block_cut(tlsf *t, node_index node, uint64_t all, uint64_t size, node_index before)
{
    if (CA_LIKELY(all > size)) {
        node_index rest = block_split(t, node, size, all - size);
        block_use(t, node, before);
        bin_insert(t, rest, all - size);
    } else {
        block_use(t, node, before);
        block_follows_used(t, node);
    }
}

/* A used block of `size`, or 0. pre: size, align >= 1; 2 spare nodes. */
CA_INLINE node_index block_alloc(tlsf *t, uint64_t size, uint64_t align)
{
    unsigned bin = align == 1 ? bin_search(t, ca_bin_ceil(size)) : BIN_NONE;
    node_index node, before = 0;
    if (CA_LIKELY(bin != BIN_NONE)) {
        node = bin_pop(t, bin);
    } else {
        node = find_rare(t, size, align);
        if (!node)
            return 0;
        bin_remove(t, node, block_size(t, node));
    }
    uint64_t all = block_size(t, node), skip = padding(block_offset(t, node) + t->bias, align);
    t->free_total -= size;
    if (align != 1 && skip) {
        node_index block = block_split(t, before = node, skip, all -= skip);
        bin_insert(t, node, skip);
        node = block;
    }
    block_cut(t, node, all, size, before);
    return node;
}

/* The free block that holds it now. pre: used. */
CA_INLINE node_index block_free(tlsf *t, node_index node)
{
    node_index before = free_before(t, node);
    uint64_t size = block_size(t, node);
    t->free_total += size;
    node_index after = free_after(t, node), next = block_next(t, node);
    if (after) {
        uint64_t more = block_size(t, after);
        next = next_of_free(t, after);
        bin_remove(t, after, more);
        block_swallow(t, node, after, size, more);
        spare_give(t, after);
        size += more;
    }
    if (before) {
        uint64_t more = block_size(t, before);
        bin_remove(t, before, more);
        block_swallow(t, before, node, more, size);
        spare_give(t, node);
        size += more;
        node = before;
    }
    block_stretch(t, node, size, next);
    bin_insert(t, node, size);
    return node;
}

/* In place. false: nothing changed. pre: used, size >= 1. */
CA_INLINE bool block_resize(tlsf *t, node_index node, uint64_t size, uint64_t *available)
{
    node_index after = free_after(t, node);
    uint64_t old = block_size(t, node), more = after ? block_size(t, after) : 0;
    if (available)
        *available = old + more;
    if (size == old)
        return true;
    if (size > old + more || (!after && spare_is_none(t)))
        return false;
    node_index before = free_before(t, node), next = block_next(t, node), rest = 0;
    if (after) {
        next = block_next(t, after);
        bin_remove(t, after, more);
        block_swallow(t, node, after, old, more);
        spare_give(t, after);
    }
    block_stretch(t, node, old + more, next);
    if (old + more > size)
        rest = block_split(t, node, size, old + more - size);
    block_use(t, node, before);
    if (rest)
        bin_insert(t, rest, old + more - size);
    else
        block_follows_used(t, node);
    t->free_total += old - size;
    return true;
}

#endif
