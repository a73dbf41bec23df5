/* Lock-free blocks of one size, or slots without memory. See ctxalloc_blocks(3).
 *
 * A pool has `count` blocks of `block_size` bytes, numbered from 0. What is free is a stack, linked through a table of 8 bytes a
 * block that lies apart from the blocks: their memory is never touched. Everything is relative to the pool's own address, so a
 * pool may lie in memory that several processes map at different places.
 *
 * Threads: every call that is not marked exclusive may be made by any thread or process at any time, also in a signal handler.
 * Lock-free: whoever is stopped or killed in the middle of a call hinders nobody. Killed there, it loses at most the block of
 * that call (and those in its cache); ctxalloc_blocks_recover finds them again.
 *
 * ABA: the head of the stack carries, beside the index, a tag that counts the blocks put back. The tag has the 64 bits that
 * indices below max_count leave over, 44 for a million blocks, and never less than 24. Only a thread that stands still inside one call
 * while a multiple of 2^tag blocks is put back, to the last one, could be misled.
 *
 * Cost: O(1) and a bounded number of instructions alone, two compare-and-swaps for a free and one for an allocation; under
 * contention a call may repeat its swap, whenever another call succeeded, after a pause that doubles each time, up to some
 * microseconds. With a cache: one swap for the two.
 *
 * Errors are values of <errno.h>; nothing aborts. After R. K. Treiber, "Systems programming: coping with parallelism", 1986.
 */
#ifndef CTXALLOC_BLOCKS_H
#define CTXALLOC_BLOCKS_H

#include "ctxalloc/engine.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

#define CTXALLOC_BLOCKS_MAX ((uint64_t)1 << 40) /* max_count is below this */

typedef struct ctxalloc_blocks ctxalloc_blocks;

/* Bytes for a pool that may grow to max_count blocks: its state, the table and, unless block_size is 0, the blocks.
 * 0: max_count is 0 or CTXALLOC_BLOCKS_MAX or more, or the sum does not fit. */
size_t ctxalloc_blocks_memory(size_t block_size, uint64_t max_count);

/* A pool in the caller's memory, aligned to 64; it is the same address. The first block is aligned to 64, the others follow without gaps.
 * Writes the whole table: 8 bytes a block, of max_count. Block size 0: slots, without memory.
 * NULL: mem is NULL or misaligned, count > max_count, or bytes < ctxalloc_blocks_memory(block_size, max_count). */
ctxalloc_blocks *ctxalloc_blocks_init(void *mem, size_t bytes, size_t block_size, uint64_t count, uint64_t max_count);
/* The same for memory that is all zero (from mmap, calloc, a static array): writes 192 bytes, so that what a pool may grow to costs
 * address space only. */
ctxalloc_blocks *ctxalloc_blocks_init_zeroed(void *mem, size_t bytes, size_t block_size, uint64_t count, uint64_t max_count);
/* The same with the blocks in storage of the caller's, which is never touched: mem holds ctxalloc_blocks_memory(0, max_count).
 * NULL also if block_size is 0 or storage_bytes < block_size * max_count. */
ctxalloc_blocks *ctxalloc_blocks_init_over(void *mem, size_t bytes, void *storage, size_t storage_bytes, size_t block_size,
                                           uint64_t count, uint64_t max_count);

/* A pool in memory of the library's; `growable` reserves address space for max_count blocks, touched as they are used.
 * NULL and errno: EINVAL, or ENOMEM if there is not so much memory. Destroy is exclusive; it takes NULL too. */
ctxalloc_blocks *ctxalloc_blocks_create(size_t block_size, uint64_t count);
ctxalloc_blocks *ctxalloc_blocks_create_growable(size_t block_size, uint64_t count, uint64_t max_count);
void ctxalloc_blocks_destroy(ctxalloc_blocks *);

/* A block. NULL: at one moment during the call all blocks were in use (or in caches), or the pool is of slots. */
void *ctxalloc_blocks_alloc(ctxalloc_blocks *);
/* 0, or EINVAL: p is NULL, outside the blocks, not the start of one, one past the last, or not allocated. Then nothing has changed. Of two
 * frees of one block at the same time exactly one succeeds, and the other may be told so a moment before the block can be had again. */
int ctxalloc_blocks_free(ctxalloc_blocks *, void *p);
/* Also EINVAL if `bytes` is not the block size. */
int ctxalloc_blocks_free_sized(ctxalloc_blocks *, void *p, size_t bytes);

/* The same by index, with or without memory. CTXALLOC_NONE: no block is free. */
uint64_t ctxalloc_blocks_alloc_index(ctxalloc_blocks *);
int ctxalloc_blocks_free_index(ctxalloc_blocks *, uint64_t index);

/* Index and address of a block, allocated or not. CTXALLOC_NONE: not the start of a block. NULL: slots, or index >= count. */
uint64_t ctxalloc_blocks_index(const ctxalloc_blocks *, const void *p);
void *ctxalloc_blocks_address(const ctxalloc_blocks *, uint64_t index);

/* More blocks, at once for all threads. ENOMEM: more than max_count. EOVERFLOW: not even a number. */
int ctxalloc_blocks_grow(ctxalloc_blocks *, uint64_t additional);

size_t ctxalloc_blocks_block_size(const ctxalloc_blocks *);
uint64_t ctxalloc_blocks_count(const ctxalloc_blocks *);
uint64_t ctxalloc_blocks_max_count(const ctxalloc_blocks *);
/* Allocated now. False for a block in a cache. */
bool ctxalloc_blocks_is_live(const ctxalloc_blocks *, uint64_t index);
/* How many are: O(count), and exact only while nobody else makes calls. */
uint64_t ctxalloc_blocks_live(const ctxalloc_blocks *);
/* Whether p lies in a block of the pool, its start or not. */
bool ctxalloc_blocks_contains(const ctxalloc_blocks *, const void *p);

/* Exclusive: nobody else may be in a call. O(count). */
void ctxalloc_blocks_reset(ctxalloc_blocks *);           /* frees all; caches in use must be initialised anew */
uint64_t ctxalloc_blocks_recover(ctxalloc_blocks *);     /* frees what is neither live nor free (killed threads, their caches): how many */
bool ctxalloc_blocks_is_valid(const ctxalloc_blocks *, int *which); /* which: the number of the broken invariant, see src/engine/blocks.c */

/* --- a cache: for one thread at a time, in its own memory ---------------------------------------------------
 * Keeps up to `limit` free blocks, so that most calls touch nothing that other threads write. A block may be freed through another
 * cache, or none. Flush before the thread ends. An allocation fails when the pool has no free block, whatever other caches hold. */
enum { CTXALLOC_BLOCKS_CACHE_LIMIT = 62 };
typedef struct ctxalloc_blocks_cache {
    ctxalloc_blocks *pool;
    uint32_t used, limit; /* 1 <= limit <= CTXALLOC_BLOCKS_CACHE_LIMIT */
    uint64_t index[CTXALLOC_BLOCKS_CACHE_LIMIT];
} ctxalloc_blocks_cache;

/* EINVAL: the limit is 0 or too large. */
int ctxalloc_blocks_cache_init(ctxalloc_blocks_cache *, ctxalloc_blocks *, uint32_t limit);
void *ctxalloc_blocks_cache_alloc(ctxalloc_blocks_cache *);
int ctxalloc_blocks_cache_free(ctxalloc_blocks_cache *, void *p);
uint64_t ctxalloc_blocks_cache_alloc_index(ctxalloc_blocks_cache *);
int ctxalloc_blocks_cache_free_index(ctxalloc_blocks_cache *, uint64_t index);
void ctxalloc_blocks_cache_flush(ctxalloc_blocks_cache *);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
