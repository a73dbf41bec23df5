/* TLSF: allocation of ranges in O(1), 64-bit offsets.  See ctxalloc_tlsf(3).
 *
 * Two-level segregated fit (Masmano, Ripoll, Crespo, Real, 2004) with float bins (as in S. Aaltonen's OffsetAllocator): a size's bin is
 * known by its highest bit and the 3 after it, and a bitmap finds the first bin of which every range is large enough.  Freeing merges
 * with both neighbours at once.
 *
 * An allocation fails only when no free range fits (aligned: when none of size + align - 1 units does), or when max_blocks blocks
 * are live.  Nodes for free ranges come on top of max_blocks: fragmentation never uses them up.
 *
 * The last-resort scan.  A search looks at bins of which every range fits.  If they are all empty, one bin is left that may hold a
 * fit among ranges up to 12.5 % too small; an allocation then looks through it.  That is the one loop of alloc: as long as that bin
 * has ranges, in the worst case.  _scans counts how often it ran; _set_scan_limit bounds it, 0 turns it off (for hard real time): an
 * allocation may then fail although a range of up to 12.5 % more than its size is free, and min_capacity says what is always enough.
 *
 * Cost: alloc, free, resize, grow: O(1), 150 instructions at most without the scan (tlsf16: 205; x86-64, gcc 12), while the capacity is below 2^32; beyond, some more.  reset, init: O(bins), whatever max_blocks is.
 * free_largest: O(ranges in the largest bin).  report: O(free ranges).  is_valid: O(blocks).
 * Metadata: 52 bytes for each of max_blocks, and 6 to 38 KiB, by capacity (tlsf16: 27 bytes, and 4 to 10 KiB).
 */
#ifndef CTXALLOC_TLSF_H
#define CTXALLOC_TLSF_H

#include "ctxalloc/engine.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* Free ranges by bin. */
typedef struct ctxalloc_tlsf_report_t {
    uint64_t free_total, free_largest; /* units */
    uint64_t free_ranges;              /* their number */
    struct {
        uint64_t size;  /* the smallest that the bin takes, units */
        uint64_t count; /* free ranges in it */
    } bin[CTXALLOC_BINS];
} ctxalloc_tlsf_report_t;

/* --- tlsf: nodes of 16 bytes, and 8 more that are used beyond 2^32; capacity up to 2^64 - 2 units, at most 2^30 - 2 blocks ----------------------- */

typedef struct ctxalloc_tlsf ctxalloc_tlsf;

/* In the library's memory. NULL and errno: EINVAL (max_blocks or capacity is 0), EOVERFLOW (one of them is too large), ENOMEM. */
ctxalloc_tlsf *ctxalloc_tlsf_create(uint64_t capacity, uint32_t max_blocks);
void ctxalloc_tlsf_destroy(ctxalloc_tlsf *); /* NULL: nothing */
ctxalloc_tlsf *ctxalloc_tlsf_clone(const ctxalloc_tlsf *); /* the handles are good for both; NULL and errno: ENOMEM */

/* In the caller's memory, aligned to 64 bytes.  _memory: how many bytes that must be; 0: max_blocks is 0 or too large.
 * _init: touches only what is used. NULL: too few bytes, not aligned, or a wrong argument. */
size_t ctxalloc_tlsf_memory(uint64_t capacity, uint32_t max_blocks);
ctxalloc_tlsf *ctxalloc_tlsf_init(void *memory, size_t bytes, uint64_t capacity, uint32_t max_blocks);
/* After the memory was copied, mapped or moved to another address, whole: an instance again. NULL: there is none in it. */
ctxalloc_tlsf *ctxalloc_tlsf_attach(void *memory, size_t bytes);
ctxalloc_tlsf *ctxalloc_tlsf_clone_at(const ctxalloc_tlsf *, void *memory, size_t bytes); /* NULL: as _init */

/* size >= 1, align >= 1: any number, not only a power of two. */
ctxalloc_block ctxalloc_tlsf_alloc(ctxalloc_tlsf *, uint64_t size);
ctxalloc_block ctxalloc_tlsf_alloc_aligned(ctxalloc_tlsf *, uint64_t size, uint64_t align);
/* EINVAL: not a live block of this instance. */
int ctxalloc_tlsf_free(ctxalloc_tlsf *, ctxalloc_block);
/* In place. ENOMEM: what follows it is too small or in use. *available (may be NULL): the largest size possible now. */
int ctxalloc_tlsf_resize(ctxalloc_tlsf *, ctxalloc_block, uint64_t new_size, uint64_t *available);
/* The space becomes larger at its end. EOVERFLOW: too large. */
int ctxalloc_tlsf_grow(ctxalloc_tlsf *, uint64_t additional);
/* Frees all blocks. */
void ctxalloc_tlsf_reset(ctxalloc_tlsf *);

uint64_t ctxalloc_tlsf_size(const ctxalloc_tlsf *, ctxalloc_block); /* 0: not a live block */
uint64_t ctxalloc_tlsf_capacity(const ctxalloc_tlsf *);
uint64_t ctxalloc_tlsf_free_total(const ctxalloc_tlsf *);
uint64_t ctxalloc_tlsf_free_largest(const ctxalloc_tlsf *); /* exact */
uint32_t ctxalloc_tlsf_live(const ctxalloc_tlsf *); /* blocks */
uint32_t ctxalloc_tlsf_max_blocks(const ctxalloc_tlsf *);
bool ctxalloc_tlsf_empty(const ctxalloc_tlsf *);
void ctxalloc_tlsf_report(const ctxalloc_tlsf *, ctxalloc_tlsf_report_t *);

/* By offset. false: there is no other. */
bool ctxalloc_tlsf_next_free(const ctxalloc_tlsf *, ctxalloc_range *);
bool ctxalloc_tlsf_next_used(const ctxalloc_tlsf *, ctxalloc_range *);

uint64_t ctxalloc_tlsf_scans(const ctxalloc_tlsf *); /* last-resort scans so far */
void ctxalloc_tlsf_set_scan_limit(ctxalloc_tlsf *, uint32_t ranges); /* 0: never scan; UINT32_MAX: no limit, as at first */

/* The smallest capacity that surely holds one block of this size, without a scan too. CTXALLOC_NONE: none. */
uint64_t ctxalloc_tlsf_min_capacity(uint64_t size);

/* All invariants. *which (may be NULL): the number of the broken one (src/engine/tlsf_packed.h), 0: none. */
bool ctxalloc_tlsf_is_valid(const ctxalloc_tlsf *, int *which);

/* --- tlsf16: 12-byte nodes; capacity up to 2^32 - 1 units, at most 32,766 blocks ------------------------ */

/* The same calls. */
typedef struct ctxalloc_tlsf16 ctxalloc_tlsf16;

ctxalloc_tlsf16 *ctxalloc_tlsf16_create(uint64_t capacity, uint32_t max_blocks);
void ctxalloc_tlsf16_destroy(ctxalloc_tlsf16 *);
ctxalloc_tlsf16 *ctxalloc_tlsf16_clone(const ctxalloc_tlsf16 *);

size_t ctxalloc_tlsf16_memory(uint64_t capacity, uint32_t max_blocks);
ctxalloc_tlsf16 *ctxalloc_tlsf16_init(void *memory, size_t bytes, uint64_t capacity, uint32_t max_blocks);
ctxalloc_tlsf16 *ctxalloc_tlsf16_attach(void *memory, size_t bytes);
ctxalloc_tlsf16 *ctxalloc_tlsf16_clone_at(const ctxalloc_tlsf16 *, void *memory, size_t bytes);

ctxalloc_block ctxalloc_tlsf16_alloc(ctxalloc_tlsf16 *, uint64_t size);
ctxalloc_block ctxalloc_tlsf16_alloc_aligned(ctxalloc_tlsf16 *, uint64_t size, uint64_t align);
int ctxalloc_tlsf16_free(ctxalloc_tlsf16 *, ctxalloc_block);
int ctxalloc_tlsf16_resize(ctxalloc_tlsf16 *, ctxalloc_block, uint64_t new_size, uint64_t *available);
int ctxalloc_tlsf16_grow(ctxalloc_tlsf16 *, uint64_t additional);
void ctxalloc_tlsf16_reset(ctxalloc_tlsf16 *);

uint64_t ctxalloc_tlsf16_size(const ctxalloc_tlsf16 *, ctxalloc_block);
uint64_t ctxalloc_tlsf16_capacity(const ctxalloc_tlsf16 *);
uint64_t ctxalloc_tlsf16_free_total(const ctxalloc_tlsf16 *);
uint64_t ctxalloc_tlsf16_free_largest(const ctxalloc_tlsf16 *);
uint32_t ctxalloc_tlsf16_live(const ctxalloc_tlsf16 *);
uint32_t ctxalloc_tlsf16_max_blocks(const ctxalloc_tlsf16 *);
bool ctxalloc_tlsf16_empty(const ctxalloc_tlsf16 *);
void ctxalloc_tlsf16_report(const ctxalloc_tlsf16 *, ctxalloc_tlsf_report_t *);

bool ctxalloc_tlsf16_next_free(const ctxalloc_tlsf16 *, ctxalloc_range *);
bool ctxalloc_tlsf16_next_used(const ctxalloc_tlsf16 *, ctxalloc_range *);

uint64_t ctxalloc_tlsf16_scans(const ctxalloc_tlsf16 *);
void ctxalloc_tlsf16_set_scan_limit(ctxalloc_tlsf16 *, uint32_t ranges);

uint64_t ctxalloc_tlsf16_min_capacity(uint64_t size);

bool ctxalloc_tlsf16_is_valid(const ctxalloc_tlsf16 *, int *which);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
