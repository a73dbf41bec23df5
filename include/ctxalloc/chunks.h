/* Memory in chunks of one size, a block being some chunks in a row; bitmaps apart from the memory. See ctxalloc_chunks(3).
 *
 *     static CTXALLOC_CHUNKS_STORAGE(storage, 4096, 256);
 *     static CTXALLOC_CHUNKS_BITMAP(bitmap, 4096);
 *     static ctxalloc_chunks heap = CTXALLOC_CHUNKS_INIT(storage, bitmap, 256);
 *
 * and the heap can be used, with no call before. What does not fit together does not compile. A program without a C library can do that.
 *
 * Two bits a chunk (in use; last of its block), and a tree of summaries over them (half a bit a chunk) that knows the longest free run of
 * every part: so a full heap is known at once, and a fit is found without a linear scan.
 * Next fit: a search begins where the last one ended; within 64 chunks a gap of the exact size is preferred.
 *
 * A heap belongs to its caller; no lock, one thread at a time.  Cost: O(log chunks), and one word for each 64 chunks of the block;
 * an aligned request for which no free run of size + align - 1 is left tries CTXALLOC_CHUNKS_TRIES gaps.
 * Errors are values of <errno.h>; nothing aborts. The memory is neither read nor written, except by ctxalloc_chunks_realloc when it moves.
 */
#ifndef CTXALLOC_CHUNKS_H
#define CTXALLOC_CHUNKS_H

#include "ctxalloc/engine.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* --- sizes, all of them constant expressions --- */

#define CTXALLOC_CHUNKS_WORDS(chunks) (((chunks) + 63) / 64)
/* Summaries of level k cover 4 to the k words; the last level has one. */
#define CTXALLOC_CHUNKS_LEVEL(words, k) ((words) > (size_t)1 << 2 * ((k) - 1) ? (((words) - 1) >> 2 * (k)) + 1 : 0)
#define CTXALLOC_CHUNKS_NODES_(w)                                                                                              \
    (((w) + 3) / 4 + CTXALLOC_CHUNKS_LEVEL(w, 2) + CTXALLOC_CHUNKS_LEVEL(w, 3) + CTXALLOC_CHUNKS_LEVEL(w, 4) +                 \
     CTXALLOC_CHUNKS_LEVEL(w, 5) + CTXALLOC_CHUNKS_LEVEL(w, 6) + CTXALLOC_CHUNKS_LEVEL(w, 7) + CTXALLOC_CHUNKS_LEVEL(w, 8) +   \
     CTXALLOC_CHUNKS_LEVEL(w, 9) + CTXALLOC_CHUNKS_LEVEL(w, 10) + CTXALLOC_CHUNKS_LEVEL(w, 11) + CTXALLOC_CHUNKS_LEVEL(w, 12))
/* Elements of uint64_t that the bitmap of so many chunks has, 1 to CTXALLOC_CHUNKS_MAX. */
#define CTXALLOC_CHUNKS_MAX ((size_t)1 << 30)
#define CTXALLOC_CHUNKS_BITMAP_WORDS(chunks) \
    (2 * CTXALLOC_CHUNKS_WORDS((size_t)(chunks)) + (3 * CTXALLOC_CHUNKS_NODES_(CTXALLOC_CHUNKS_WORDS((size_t)(chunks))) + 1) / 2)

#define CTXALLOC_CHUNKS_DEFAULT_SIZE 256

/* Declare the two arrays. The storage is aligned to a page, as large alignments then waste nothing. */
#define CTXALLOC_CHUNKS_STORAGE(name, chunks, chunk_size) unsigned char name[(size_t)(chunks) * (chunk_size)] __attribute__((aligned(4096)))
#define CTXALLOC_CHUNKS_BITMAP(name, chunks) uint64_t name[CTXALLOC_CHUNKS_BITMAP_WORDS(chunks)]

/* 0, or it does not compile. */
#define CTXALLOC_CHUNKS_REQUIRE(condition) (0 * sizeof(char[(condition) ? 1 : -1]))

/* Arrays, not pointers. The bitmap is zero, as static arrays are. */
#define CTXALLOC_CHUNKS_INIT(storage, bitmap, chunk_size) CTXALLOC_CHUNKS_INIT_LOGGED(storage, bitmap, chunk_size, NULL, NULL)
/* With a function to call when memory runs out. */
#define CTXALLOC_CHUNKS_INIT_LOGGED(storage, bitmap, chunk_size, function, argument)                                        \
    {                                                                                                                       \
        (unsigned char *)(storage), (bitmap),                                                                               \
            (chunk_size) + CTXALLOC_CHUNKS_REQUIRE((chunk_size) > 0 && sizeof(storage) % (chunk_size) == 0),                \
            sizeof(storage) / (chunk_size) + CTXALLOC_CHUNKS_REQUIRE(sizeof(storage) / (chunk_size) <= CTXALLOC_CHUNKS_MAX) + \
                CTXALLOC_CHUNKS_REQUIRE(sizeof(bitmap) >= 8 * CTXALLOC_CHUNKS_BITMAP_WORDS(sizeof(storage) / (chunk_size))), \
            (function), (argument), 0, 0, 0, CTXALLOC_CHUNKS_OK, 0, {0}                                                     \
    }

/* --- types --- */

/* Why the last call that failed did. */
typedef enum ctxalloc_chunks_error_t {
    CTXALLOC_CHUNKS_OK,
    CTXALLOC_CHUNKS_BAD_STORAGE,  /* NULL, no chunk, too many, or not a whole number of them */
    CTXALLOC_CHUNKS_BAD_BITMAP,   /* NULL, misaligned or too small */
    CTXALLOC_CHUNKS_BAD_REQUEST,  /* alignment no power of two, or not possible in this storage; not a live block */
    CTXALLOC_CHUNKS_OUT_OF_MEMORY /* no free run is long enough */
} ctxalloc_chunks_error_t;

typedef struct ctxalloc_chunks ctxalloc_chunks;

/* usage: percent. May not call the heap but to ask. */
typedef void ctxalloc_chunks_log(const ctxalloc_chunks *, size_t size, size_t align, unsigned usage, void *argument);

enum { CTXALLOC_CHUNKS_LEVELS = 12, CTXALLOC_CHUNKS_TRIES = 64 };

struct ctxalloc_chunks {
    unsigned char *storage;
    uint64_t *bitmap;
    size_t chunk_size; /* bytes, any number >= 1 */
    size_t chunks;
    ctxalloc_chunks_log *log; /* or NULL */
    void *argument;
    size_t used;              /* chunks */
    size_t cursor;            /* the word of 64 chunks where the next search starts */
    unsigned levels;          /* of summaries; 0: not used yet */
    ctxalloc_chunks_error_t error;
    uint32_t shift;           /* chunk_size == 1 << shift, or UINT32_MAX; set with levels */
    uint32_t level[CTXALLOC_CHUNKS_LEVELS]; /* where each level's summaries start */
};

/* --- making one at run time --- */

/* Over arrays of the caller's; clears the bitmap. `bytes` is a whole number of chunks. EINVAL: see ctxalloc_chunks_error. */
int ctxalloc_chunks_over(ctxalloc_chunks *, void *storage, size_t bytes, uint64_t *bitmap, size_t bitmap_bytes, size_t chunk_size);

/* State, bitmap and storage in one piece; 0: no such heap is possible. mem is aligned to 64, and so is the storage. NULL: mem is NULL or
 * misaligned, or bytes < ctxalloc_chunks_memory(chunks, chunk_size). */
size_t ctxalloc_chunks_memory(size_t chunks, size_t chunk_size);
ctxalloc_chunks *ctxalloc_chunks_init(void *mem, size_t bytes, size_t chunks, size_t chunk_size);

/* In memory of the library's. NULL and errno: EINVAL, ENOMEM. Destroy takes NULL too. */
ctxalloc_chunks *ctxalloc_chunks_create(size_t chunks, size_t chunk_size);
void ctxalloc_chunks_destroy(ctxalloc_chunks *);

void ctxalloc_chunks_set_log(ctxalloc_chunks *heap, ctxalloc_chunks_log *log, void *argument);

/* --- blocks --- */

/* A size of 0 counts as 1. align: a power of two. NULL: see ctxalloc_chunks_error. */
void *ctxalloc_chunks_alloc(ctxalloc_chunks *, size_t size, size_t align);
/* The same; *got: bytes that may be used, whole chunks. */
void *ctxalloc_chunks_alloc_at_least(ctxalloc_chunks *, size_t size, size_t align, size_t *got);
/* EINVAL: p is NULL, outside, not the start of a block, or the block is free already; nothing has changed. */
int ctxalloc_chunks_free(ctxalloc_chunks *, void *p);
/* In place. *available (may be NULL): the largest size possible. ENOMEM: more than that. EINVAL as for free. */
int ctxalloc_chunks_resize(ctxalloc_chunks *, void *p, size_t size, size_t *available);
/* In place if possible: within its chunks a mere look, into free chunks behind it, or if it shrinks; otherwise moves. A block at an address that
 * `align` does not divide moves always. NULL: the block is as it was. p == NULL: allocates. */
void *ctxalloc_chunks_realloc(ctxalloc_chunks *, void *p, size_t size, size_t align);
/* Frees everything. */
void ctxalloc_chunks_reset(ctxalloc_chunks *);

/* --- questions --- */

/* Bytes that may be used, 0: not the start of a live block. */
size_t ctxalloc_chunks_size(const ctxalloc_chunks *, const void *p);
/* The live block after p (NULL: the first) in order of address, and its bytes; NULL: none. */
void *ctxalloc_chunks_next(const ctxalloc_chunks *, const void *p, size_t *bytes);
size_t ctxalloc_chunks_capacity(const ctxalloc_chunks *);   /* bytes */
size_t ctxalloc_chunks_used(const ctxalloc_chunks *);       /* bytes of chunks in use */
size_t ctxalloc_chunks_largest(const ctxalloc_chunks *);    /* the longest free run, bytes, exactly; O(1) */
unsigned ctxalloc_chunks_usage(const ctxalloc_chunks *);    /* percent; 0 only if empty, 100 only if full */
size_t ctxalloc_chunks_chunk_size(const ctxalloc_chunks *);
size_t ctxalloc_chunks_min_alignment(const ctxalloc_chunks *); /* that every block has: by storage and chunk size */
bool ctxalloc_chunks_empty(const ctxalloc_chunks *);
void *ctxalloc_chunks_range(const ctxalloc_chunks *, size_t *bytes); /* its start */
bool ctxalloc_chunks_contains(const ctxalloc_chunks *, const void *p);
/* Of the last call that failed; a call that succeeds leaves it. */
ctxalloc_chunks_error_t ctxalloc_chunks_error(const ctxalloc_chunks *);
const char *ctxalloc_chunks_error_text(ctxalloc_chunks_error_t);
/* which: the number of the broken invariant, see src/engine/chunks.c. O(chunks). */
bool ctxalloc_chunks_is_valid(const ctxalloc_chunks *, int *which);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
