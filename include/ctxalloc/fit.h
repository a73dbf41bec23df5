/* Best fit: the smallest free range that is large enough, in O(log n).  See ctxalloc_fit(3).
 *
 * Fragments less than ctxalloc_tlsf and needs no node in the handle: a block's offset and size are its handle, 8 bytes (fit64: 16).  So
 * freeing has to look the block up, and is slower.  Blocks by offset are a B+ tree with hints to its leaves, free ranges by size digital trees (src/engine/
 * fit_types.h).  Freeing merges with both neighbours at once.  All nodes are preallocated: no call but _create and _clone gets memory.
 *
 * An allocation fails only when no free range fits (aligned: when none of size + align - 1 units does), or when max_blocks blocks
 * are live.  Nodes for free ranges come on top of max_blocks: fragmentation never uses them up.
 *
 * Cost: alloc, free, resize, grow, size, next_free, next_used (a step): O(log n) and at most one step for each bit of a size; reset, init:
 * O(1), whatever max_blocks is; free_largest: O(bits of a size); report: O(blocks); is_valid: O(blocks * log).
 * Metadata: at most 81 bytes for each of max_blocks (fit64: 106), and 8 to 10 KiB (16 to 20).
 */
#ifndef CTXALLOC_FIT_H
#define CTXALLOC_FIT_H

#include "ctxalloc/engine.h"
#include "ctxalloc/tlsf.h" /* the report */

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* size == 0: the allocation failed. */
typedef struct ctxalloc_fit_block {
    uint32_t offset, size; /* units */
} ctxalloc_fit_block;

typedef struct ctxalloc_fit64_block {
    uint64_t offset, size; /* units */
} ctxalloc_fit64_block;

/* --- fit: 8-byte handles; capacity up to 2^32 - 1 units, at most 2^30 - 1 blocks ------------------------ */

typedef struct ctxalloc_fit ctxalloc_fit;

/* In the library's memory. NULL and errno: EINVAL (max_blocks or capacity is 0), EOVERFLOW (one of them is too large), ENOMEM. */
ctxalloc_fit *ctxalloc_fit_create(uint64_t capacity, uint32_t max_blocks);
void ctxalloc_fit_destroy(ctxalloc_fit *); /* NULL: nothing */
ctxalloc_fit *ctxalloc_fit_clone(const ctxalloc_fit *); /* the handles are good for both; NULL and errno: ENOMEM */

/* In the caller's memory, aligned to 64 bytes.  _memory: how many bytes that must be; 0: max_blocks is 0 or too large.
 * _init: touches only what is used. NULL: too few bytes, not aligned, or a wrong argument. */
size_t ctxalloc_fit_memory(uint64_t capacity, uint32_t max_blocks);
ctxalloc_fit *ctxalloc_fit_init(void *memory, size_t bytes, uint64_t capacity, uint32_t max_blocks);
/* After the memory was copied, mapped or moved to another address, whole: an instance again. NULL: there is none in it. */
ctxalloc_fit *ctxalloc_fit_attach(void *memory, size_t bytes);
ctxalloc_fit *ctxalloc_fit_clone_at(const ctxalloc_fit *, void *memory, size_t bytes); /* NULL: as _init */

/* size >= 1, align >= 1: any number, not only a power of two. */
ctxalloc_fit_block ctxalloc_fit_alloc(ctxalloc_fit *, uint64_t size);
ctxalloc_fit_block ctxalloc_fit_alloc_aligned(ctxalloc_fit *, uint64_t size, uint64_t align);
/* EINVAL: not a live block of this instance, of this size. */
int ctxalloc_fit_free(ctxalloc_fit *, ctxalloc_fit_block);
/* In place; the handle becomes that of the new size. ENOMEM: what follows it is too small or in use. *available (may be NULL): the largest size possible now. */
int ctxalloc_fit_resize(ctxalloc_fit *, ctxalloc_fit_block *, uint64_t new_size, uint64_t *available);
/* The space becomes larger at its end. EOVERFLOW: too large. */
int ctxalloc_fit_grow(ctxalloc_fit *, uint64_t additional);
/* Frees all blocks. */
void ctxalloc_fit_reset(ctxalloc_fit *);

uint64_t ctxalloc_fit_size(const ctxalloc_fit *, ctxalloc_fit_block); /* 0: not a live block */
uint64_t ctxalloc_fit_capacity(const ctxalloc_fit *);
uint64_t ctxalloc_fit_free_total(const ctxalloc_fit *);
uint64_t ctxalloc_fit_free_largest(const ctxalloc_fit *); /* exact */
uint32_t ctxalloc_fit_live(const ctxalloc_fit *); /* blocks */
uint32_t ctxalloc_fit_max_blocks(const ctxalloc_fit *);
bool ctxalloc_fit_empty(const ctxalloc_fit *);
void ctxalloc_fit_report(const ctxalloc_fit *, ctxalloc_tlsf_report_t *);

/* By offset. false: there is no other. */
bool ctxalloc_fit_next_free(const ctxalloc_fit *, ctxalloc_range *);
bool ctxalloc_fit_next_used(const ctxalloc_fit *, ctxalloc_range *);

/* The smallest capacity that surely holds one block of this size. CTXALLOC_NONE: none. */
uint64_t ctxalloc_fit_min_capacity(uint64_t size);

/* All invariants. *which (may be NULL): the number of the broken one (src/engine/fit_types.h), 0: none. */
bool ctxalloc_fit_is_valid(const ctxalloc_fit *, int *which);


/* --- fit64: 16-byte handles; capacity up to 2^64 - 2 units ---------------------------------------------- */

/* The same calls. */
typedef struct ctxalloc_fit64 ctxalloc_fit64;

ctxalloc_fit64 *ctxalloc_fit64_create(uint64_t capacity, uint32_t max_blocks);
void ctxalloc_fit64_destroy(ctxalloc_fit64 *);
ctxalloc_fit64 *ctxalloc_fit64_clone(const ctxalloc_fit64 *);

size_t ctxalloc_fit64_memory(uint64_t capacity, uint32_t max_blocks);
ctxalloc_fit64 *ctxalloc_fit64_init(void *memory, size_t bytes, uint64_t capacity, uint32_t max_blocks);
ctxalloc_fit64 *ctxalloc_fit64_attach(void *memory, size_t bytes);
ctxalloc_fit64 *ctxalloc_fit64_clone_at(const ctxalloc_fit64 *, void *memory, size_t bytes);

ctxalloc_fit64_block ctxalloc_fit64_alloc(ctxalloc_fit64 *, uint64_t size);
ctxalloc_fit64_block ctxalloc_fit64_alloc_aligned(ctxalloc_fit64 *, uint64_t size, uint64_t align);
int ctxalloc_fit64_free(ctxalloc_fit64 *, ctxalloc_fit64_block);
int ctxalloc_fit64_resize(ctxalloc_fit64 *, ctxalloc_fit64_block *, uint64_t new_size, uint64_t *available);
int ctxalloc_fit64_grow(ctxalloc_fit64 *, uint64_t additional);
void ctxalloc_fit64_reset(ctxalloc_fit64 *);

uint64_t ctxalloc_fit64_size(const ctxalloc_fit64 *, ctxalloc_fit64_block);
uint64_t ctxalloc_fit64_capacity(const ctxalloc_fit64 *);
uint64_t ctxalloc_fit64_free_total(const ctxalloc_fit64 *);
uint64_t ctxalloc_fit64_free_largest(const ctxalloc_fit64 *);
uint32_t ctxalloc_fit64_live(const ctxalloc_fit64 *);
uint32_t ctxalloc_fit64_max_blocks(const ctxalloc_fit64 *);
bool ctxalloc_fit64_empty(const ctxalloc_fit64 *);
void ctxalloc_fit64_report(const ctxalloc_fit64 *, ctxalloc_tlsf_report_t *);

bool ctxalloc_fit64_next_free(const ctxalloc_fit64 *, ctxalloc_range *);
bool ctxalloc_fit64_next_used(const ctxalloc_fit64 *, ctxalloc_range *);

uint64_t ctxalloc_fit64_min_capacity(uint64_t size);

bool ctxalloc_fit64_is_valid(const ctxalloc_fit64 *, int *which);


#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
