/* The model of live blocks: where each is, and what was written into it.
 *
 * Blocks are kept in order of address, so a new one is compared with its two neighbours and all are disjoint.  Each holds a pattern
 * made from its seed: all of a block up to FULL bytes; of a larger one the first and last FULL / 2 bytes and a word at the start of
 * some 64 pages, so that blocks of many MiB stay cheap, and runs of pages that were mixed up are still seen.
 */
#ifndef CA_FUZZ_BLOCKS_H
#define CA_FUZZ_BLOCKS_H

#include "base/base.h"

enum { BLOCKS_MOST = 4096, BLOCKS_FULL = 512 };
#define BLOCKS_BYTES ((size_t)64 << 20) /* in all live blocks */

typedef struct block {
    unsigned char *start;
    size_t room; /* bytes that may be used: the pattern goes to the end of them */
    uint64_t seed;
} block;

typedef struct blocks {
    block *at; /* BLOCKS_MOST */
    unsigned count;
    unsigned latest; /* index of the one added last, while nothing else changed */
    size_t bytes;
    uint64_t seed; /* of the next */
} blocks;

void blocks_init(blocks *b);
bool blocks_has_room(const blocks *b, size_t size);
/* A new block of the allocator: checks that it is apart from all others, and fills it. */
void blocks_add(blocks *b, void *start, size_t room);
/* Checks the pattern. */
void block_check(const block *one);
/* Checks the block and forgets it; returns its address. */
void *blocks_take(blocks *b, unsigned index);
/* After realloc: the old pattern is expected in the first `kept` bytes at the new place, and a new one is written. */
void blocks_replace(blocks *b, unsigned index, void *start, size_t room, size_t kept);
void blocks_check_all(const blocks *b);

/* The first `size` bytes are zero: all of a small block, every page of a large one. */
void block_check_zero(const void *start, size_t size);

#endif
