/* What ctxalloc's engines share: allocators for memory that is not the heap.  See ctxalloc_engines(3) and docs/engines.md.
 *
 * An engine hands out parts of a space that it never touches: a GPU buffer, a file, shared memory, index ranges.  Sizes and offsets
 * are in units of the caller's choice.  Its metadata lives in the caller's memory (_memory, _init) or the library's
 * (_create, _destroy); after that no engine calls malloc, the C library or the kernel.
 *
 * Errors are returned: 0 or a number of <errno.h> (EINVAL: not a live block, or a wrong argument; ENOMEM: no free range fits;
 * EOVERFLOW: more than the engine can count).  No engine aborts; a call that fails changes nothing.
 *
 * One thread at a time may use an instance, unless its header says otherwise.
 */
#ifndef CTXALLOC_ENGINE_H
#define CTXALLOC_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The offset of a block that could not be had. */
#define CTXALLOC_NONE UINT64_MAX

/* A block's handle. A copy of it is as good. */
typedef struct ctxalloc_block {
    uint64_t offset; /* units; CTXALLOC_NONE: the allocation failed */
    uint32_t node;   /* the engine's */
    uint32_t hint;   /* the engine's: where it will look when the block is freed, to save a wait; never needed, may be 0 */
} ctxalloc_block;

/* What iterators visit. Zeroed before the first call; any call that changes the engine ends the walk. */
typedef struct ctxalloc_range {
    uint64_t offset, size; /* units */
    uint32_t node;         /* the engine's: where the walk is; for a used range, with offset, its block's handle */
    uint32_t begun;        /* the engine's */
} ctxalloc_range;

/* How many bins a report has at most. */
#define CTXALLOC_BINS 496

#endif
