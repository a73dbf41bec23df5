/* The best-fit engine's metadata.
 *
 *   leaves   all blocks in order of offset: a B+ tree (Bayer and McCreight, 1972) of wide nodes.  A block's size is the distance to the
 *            next one's offset.
 *   hints    for each stretch of offsets the leaf that last had a new block of it, so that a free seldom searches from the root: it waits
 *            for one line of a small table and then for the leaf.  A hint is never trusted.
 *   ranges   the free blocks once more, by size: for each bin of engine/fit_bins.h a digital tree over the bits of the size that the bin
 *            leaves open, with a list of those of equal size (as in D. Lea's malloc).  A bitmap of two levels finds the next bin.
 *
 * Before it is included: unit, fit, fit_struct, UNIT_MAX. */
#ifndef CA_ENGINE_FIT_TYPES_H
#define CA_ENGINE_FIT_TYPES_H

#ifndef FIT
#include "engine/fit32.h"
#endif
#include "base/base.h"
#include "engine/fit_bins.h"

/* In a loop: it stays one, and does not become a call of memset or memcpy, which a freestanding program may lack. */
#define KEEP_LOOP() __asm__ volatile("")

enum {
    TREE_MOST = sizeof(unit) == 4 ? 28 : 20, /* entries of a node: so many fill 4 cache lines */
    TREE_LEAST = sizeof(unit) == 4 ? 12 : 9, /* but the root */
    TREE_LEVELS = 12, /* 9^11 > 2^32 */
    BLOCKS_A_HINT = 2, /* of max_blocks */
    HINTS_A_LINE = CA_LINE / sizeof(uint32_t)
};

/* A node of the B+ tree. An entry of an inner node: a child, and the child's first key.  A search reads the count and the keys, which are
 * 2 lines, or 3, and then one of the values. */
typedef struct CA_ALIGNED(CA_LINE) tree_node {
    uint32_t count;
    uint32_t prev, next;       /* leaves: in order; 0: none. spare: next */
    uint32_t is_leaf;          /* and in use */
    unit key[TREE_MOST];       /* ascending; UNIT_MAX past the end, so that a search need not stop there */
    uint32_t value[TREE_MOST]; /* leaf: the free range, 0: used; inner: the child */
} tree_node;

_Static_assert(sizeof(tree_node) == 4 * CA_LINE, "4 cache lines");

/* A free block in its bin. */
typedef struct free_range {
    unit offset, size;
    uint32_t prev, next;  /* others of the same size: a ring */
    uint32_t child[2];    /* in the tree: by the next bit of the size */
    uint32_t parent;      /* in the tree; 0: the root; NOT_IN_TREE: only in a ring. spare: the next */
    uint32_t leaf;        /* where its block was in the order last; it may have moved */
} free_range;

#define NOT_IN_TREE UINT32_MAX

/* [F1] a bit of `second` is set iff that bin has a range, one of `first` iff a bit of that word is
 * [F2] a free block's range is in bin fit_bin(size), in the subtree that the bits of its size lead to; all of a ring have one size
 * [F3] blocks ascend from 0; the last ends at the capacity
 * [F4] no two neighbours are both free
 * [F5] free_total == the sum of the sizes of the free blocks; live == the number of used ones
 * [F6] every node of the tree but the root has TREE_LEAST to TREE_MOST entries, all leaves lie equally deep; no node or range is lost
 * [F7] a hint is a node that was taken once, or 0; those from hints_set on are not set yet */
struct fit_struct {
    tree_node *nodes;
    free_range *ranges;
    uint64_t magic;
    uint64_t capacity, free_total; /* units */
    uint32_t max_blocks, live;
    uint32_t root, levels;         /* levels: 1: the root is a leaf */
    uint32_t spare_node, fresh_node, spare_range, fresh_range;
    uint32_t *hints;               /* leaves */
    uint32_t hint_shift;           /* a stretch has 2^hint_shift units */
    uint32_t hints_set;            /* hints; it grows as offsets are used, so that init and reset need not write them all */
    uint64_t first, second[FIT_FIRST_LEVELS];
    uint32_t bins[FIT_BINS];       /* roots */
};

#endif
