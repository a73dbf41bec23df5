/* The TLSF offset engine: allocates ranges of an abstract address space; never touches what it allocates.
 *
 * What it manages is a set of ranges [offset, offset + size) in units of the caller's choice, added and removed whole.
 * Its state is a node for each block, used or free, in an array of the caller's, plus list heads and a bitmap.
 *
 *   ca_tlsf            bitmaps say which bins hold free blocks
 *     bins[]   ──────> free blocks of one bin, doubly linked through their nodes (next_free, prev_free)
 *     nodes[]          blocks of one range, doubly linked in order of address (next, prev)
 *
 * Two uses: the heap's page numbers (these calls, many ranges, nodes shared by all heaps), and the public ctxalloc_tlsf
 * (one range, nodes of its own, smaller).  They share the algorithm, tlsf_core.h, and differ in how metadata is laid out.
 *
 * Owner: whoever holds the instance; no lock, one thread at a time.  Cost: every call is O(1) (a few dozen instructions)
 * except the last-resort scan of ca_tlsf_alloc, bounded by `scan_limit`, and ca_tlsf_is_valid.
 * No libc, no pointer arithmetic on the managed space, no system call.
 */
#ifndef CA_ENGINE_TLSF_H
#define CA_ENGINE_TLSF_H

#include "base/base.h"
#include "engine/bin.h"

typedef uint32_t ca_node; /* number of a node; CA_NODE_NONE: none */
#define CA_NODE_NONE 0U

/* A block. 32 bytes, two to a cache line. */
typedef struct ca_tlsf_node {
    uint64_t offset;
    uint64_t size; /* 0: the node is unused and in the list of spare nodes (next_free) */
    ca_node prev, next; /* neighbours by address in the same range */
    ca_node prev_free;  /* free: in the bin's list; used: CA_NODE_USED */
    ca_node next_free;
} ca_tlsf_node;

#define CA_NODE_USED UINT32_MAX /* in prev_free: the block is allocated */

/* Bitmap words for `levels` first levels of 8 bins: a word has 64 bins, so that a search seldom needs a second one. */
#define CA_TLSF_WORDS(levels) (((levels) * CA_BIN_SECOND_LEVELS + 63) / 64)

/* [T1] a bit of `second` is set iff that bin's list is not empty
 * [T2] a free block is in the list of bin ca_bin_floor(size)
 * [T3] neighbours join: offset + size == next's offset, and next's prev is this one
 * [T4] no two neighbours are both free
 * [T5] free_total == the sum of the sizes of the free blocks
 * [T6] spare == the number of nodes in the spare list */
typedef struct ca_tlsf {
    ca_tlsf_node *nodes; /* may be shared by several instances: each uses the nodes it was given */
    uint32_t *marks;     /* the caller's word for each node, or NULL: a split copies it, a merge keeps the larger, but: */
    ca_node *bins;       /* `levels` * 8 list heads */
    uint64_t *second;    /* a bit for each bin, `words` words */
    uint64_t bias;       /* added to an offset before it is aligned: where the managed space begins in what it is part of */
    uint64_t free_total; /* units */
    uint64_t scans;      /* how often the last-resort scan ran */
    ca_node spare_list;
    uint32_t spare;
    uint32_t words;      /* CA_TLSF_WORDS(levels) */
    uint32_t levels;     /* first levels in use: the largest range has a bin below levels * 8 */
    uint32_t scan_limit; /* blocks looked at by one last-resort scan; 0: never scan */
    uint32_t mark_weight; /* not 0: where a block is more than so many times as large as the other, and its mark is a time, it keeps that: otherwise what lies unused beside blocks that come
                           * and go would never grow old */
} ca_tlsf;

/* A mark may be a time, of which more is younger. */
#define CA_MARK_TIME_LEAST 3U
CA_INLINE bool ca_mark_is_time(uint32_t mark)
{
    return mark - CA_MARK_TIME_LEAST < UINT32_MAX - CA_MARK_TIME_LEAST;
}

/* bins and second must be zero. */
void ca_tlsf_init(ca_tlsf *tlsf, ca_tlsf_node *nodes, uint32_t *marks, ca_node *bins, uint64_t *second, uint32_t levels);

/* Nodes first … first + count - 1 are this instance's from now on. */
void ca_tlsf_give_nodes(ca_tlsf *tlsf, ca_node first, uint32_t count);

/* A new range, free, that joins no other. Takes 1 node. CA_NODE_NONE: no spare node. */
ca_node ca_tlsf_add(ca_tlsf *tlsf, uint64_t offset, uint64_t size);
/* The same, but its first `used` units, 1 to size, are a block in use. Both have `mark`. Takes at most 2 nodes. Returns that block's. */
ca_node ca_tlsf_add_used(ca_tlsf *tlsf, uint64_t offset, uint64_t size, uint64_t used, uint32_t mark);
/* The first bin from `bin` on that has free blocks; CA_BIN_COUNT: none. */
unsigned ca_tlsf_bin_from(const ca_tlsf *tlsf, unsigned bin);
/* Takes a range away. pre: ca_tlsf_is_whole(tlsf, node). */
void ca_tlsf_remove(ca_tlsf *tlsf, ca_node node);
/* The block is free and is all of its range. */
CA_INLINE bool ca_tlsf_is_whole(const ca_tlsf *tlsf, ca_node node)
{
    const ca_tlsf_node *n = &tlsf->nodes[node];
    return !n->prev && !n->next && n->prev_free != CA_NODE_USED;
}

/* size >= 1, align >= 1 (any number, not only powers of two). Takes at most 2 nodes.  CA_NODE_NONE: no free block fits (aligned:
 * none of size + align - 1), the scan limit was reached, or no spare node. */
ca_node ca_tlsf_alloc(ca_tlsf *tlsf, uint64_t size, uint64_t align);

/* The free block that ca_tlsf_alloc(tlsf, size, 1) would cut, but for its last resort; CA_NODE_NONE: there is none. */
ca_node ca_tlsf_find(const ca_tlsf *tlsf, uint64_t size);
/* Of the free blocks in bins no larger than that of `size` the one added last to the largest. CA_NODE_NONE: there is none. */
ca_node ca_tlsf_find_below(const ca_tlsf *tlsf, uint64_t size);

/* Merges with both neighbours at once. Returns the node of the free block that holds it now. pre: used. */
ca_node ca_tlsf_free(ca_tlsf *tlsf, ca_node node);

/* In place, to any size >= 1. false: the block after it is in use or too small, or no spare node; nothing changed.
 * *available (may be NULL): the largest size that would have been possible. pre: used. */
bool ca_tlsf_resize(ca_tlsf *tlsf, ca_node node, uint64_t size, uint64_t *available);

/* Takes a free block out of its bin, as if allocated whole. pre: free. */
void ca_tlsf_claim(ca_tlsf *tlsf, ca_node node);

/* The same, but of its first `size` units, and the rest stays free. pre: free, as large; a spare node. */
void ca_tlsf_cut(ca_tlsf *tlsf, ca_node node, uint64_t size);

CA_INLINE bool ca_tlsf_is_used(const ca_tlsf *tlsf, ca_node node)
{
    return tlsf->nodes[node].prev_free == CA_NODE_USED;
}

/* All invariants of the free blocks and their neighbours; O(blocks). *which: the number of the broken one. */
bool ca_tlsf_is_valid(const ca_tlsf *tlsf, int *which);

#endif
