/* The engine of medium-lived contexts: blocks are cut from runs of free granules, which are found in bitmaps, and freed ones are used again.
 *
 *   malloc   cut from the start of the run in use                       free   set the block's died bit
 *              └ the next run that is long enough: from the cursor on
 *                  └ a new chunk; above CA_CHUNKED_MOST a huge block
 *
 * The bitmaps are those of the live map (heap/live.h), 64-bit words, or for the first piece words in the context's own record.  A born bit is a boundary: where a block
 * starts, live or dead; its died bit says that it is dead.  Dead neighbours need no merging: a search goes by the next *live* boundary, 64 granules at a step, so
 * that any neighbours make one run.  A free by another thread is that same bit, set atomically, and a note in `remote` that there is something to find.
 *
 * Sizes are rounded up to multiples of the unit: 16 bytes, or what the context's block size hint makes it, so that what one block leaves fits the next.
 *
 * Owner: who has the context current; free, size and is_live also any thread that holds the block, start and was_block any.
 * Cost: malloc a dozen instructions, or a search (at most CA_CHUNKED_LOOKS chunks, 64 words each or fewer, before a new chunk is taken); free one atomic operation, two more from another thread,
 * none for the block cut last, which the run in use gets back.
 */
#ifndef CA_HEAP_CHUNKED_H
#define CA_HEAP_CHUNKED_H

#include "heap/chunk.h"

enum {
    CA_CHUNKED_MOST = 32768, /* bytes of a block; larger ones, and those of more than a page's alignment, are huge */
    CA_CHUNKED_UNIT_MOST = 4096,
    CA_CHUNKED_LOOKS = 16,
    CA_CHUNKED_FREES = 256 /* as CA_BUMP_FREES */
};

/* [K1] every granule below an area's highest block, but for the run in use, belongs to a block whose boundary is set: born, and if dead, died
 * [K2] in [at, end) no bit is set, except that at `at` there may be a dead boundary
 * [K3] a died bit is set only where the born bit is, or while one of them changes
 * [K4] no dead run of an area is longer than its `state` (or piece_most) says, but for what `remote` tells of
 * [K5] a live block that starts at `last` ends at `at` */
typedef struct ca_chunked {
    char *at, *end;       /* the run in use; NULL: none */
    char *last;           /* the newest block cut from it, which ends at `at`; NULL: none, or taken back */
    char *start;          /* of the area (chunk or piece) it lies in, or the last one did */
    ca_start_word *words;  /* that area's */
    char *piece;          /* the first piece, NULL: none */
    char *piece_high;     /* no block in it was ever higher */
    uint32_t piece_most;  /* granules, as a chunk's state */
    uint32_t current;     /* the chunk of the run in use; 0: the piece */
    uint32_t chunks;      /* all of them, newest first */
    uint32_t chunk_count;
    uint32_t cursor;      /* area where the next search begins */
    uint32_t note_area;   /* where a stretch was noted last, see run_note: area and places; UINT32_MAX: none */
    uint16_t note_from, note_to;
    uint16_t cursor_place; /* granule where the next search begins */
    uint16_t own_freed;   /* by the owner, but for last ones: modulo 65536 */
    uint32_t failed;      /* granules: a search for as many found nothing, and nothing was freed since */
    uint32_t unit;        /* bytes, a multiple of CA_GRANULE */
    uint32_t area_bytes;  /* of the area that begins at `start`; 0: it is gone */
    uint32_t retreats;    /* see ca_chunk_lower */
    uint64_t chunk_bytes; /* in all chunks */
    uint64_t blocks;      /* handed out, less what the owner freed; less `freed`: live */
    uint64_t freed;       /* by other threads */
    uint64_t remote;      /* bits: in areas whose number modulo 64 is the bit's, others have freed since the last search */
    ca_zone *zone;        /* where chunks come from; NULL: the first, shared with other contexts */
    ca_start_word words_of_piece[CA_PIECE_WORDS];
} ca_chunked;

CA_INLINE size_t ca_chunked_round(const ca_chunked *h, size_t size)
{
    return CA_LIKELY(size <= h->unit) ? h->unit : h->unit == CA_GRANULE ? ca_round_up(size, CA_GRANULE) : (size + h->unit - 1) / h->unit * h->unit;
}

/* In the run in use; NULL: ask ca_chunked_alloc. */
CA_INLINE void *ca_chunked_quick(ca_chunked *h, size_t size)
{
    char *p = h->at;
    size = ca_chunked_round(h, size);
    if (CA_UNLIKELY((size_t)(h->end - p) < size))
        return NULL;
    size_t g = (size_t)(p - h->start) / CA_GRANULE;
    ca_start_word *w = &h->words[g / 64];
    CA_STORE(&w->born, CA_LOAD(&w->born) | 1ULL << g % 64);
    if (CA_UNLIKELY(CA_LOAD(&w->died) >> g % 64 & 1)) /* others may be setting bits beside it */
        __atomic_fetch_and(&w->died, ~(1ULL << g % 64), __ATOMIC_RELAXED);
    CA_STORE_RELEASE(&h->at, p + size);
    h->last = p;
    CA_STORE(&h->blocks, h->blocks + 1);
    return p;
}

/* No block of the area was ever higher than its mark, which others read. */
CA_INLINE void ca_chunked_high_raise(ca_chunked *h, uint32_t number, char *end)
{
    char **high = number ? &ca_chunk_at(number)->used_end : &h->piece_high;
    if (end > *high)
        CA_STORE(high, end);
}

/* By the owner: the block cut last is part of the run in use again, as if it had not been cut. false: p is another one, or not live any more. */
CA_INLINE bool ca_chunked_free_last(ca_chunked *h, const void *p)
{
    if (CA_UNLIKELY(p != h->last) || CA_UNLIKELY(!p))
        return false;
    size_t g = (size_t)((const char *)p - h->start) / CA_GRANULE;
    ca_start_word *w = &h->words[g / 64];
    if (CA_UNLIKELY(CA_LOAD(&w->died) >> g % 64 & 1)) /* by another thread */
        return false;
    ca_chunked_high_raise(h, h->current, h->at);
    char *at = h->last;
    h->last = NULL;
    CA_STORE(&h->blocks, h->blocks - 1);
    ca_chunk_retreat(&h->at, at, w, g, &h->retreats);
    return true;
}

/* By the owner, in the area of the run in use. false: not done; ask ca_chunked_free, which knows more. */
CA_INLINE bool ca_chunked_free_quick(ca_chunked *h, const void *p)
{
    if (p == h->last)
        return ca_chunked_free_last(h, p);
    size_t offset = (uintptr_t)p - (uintptr_t)h->start;
    if (offset >= h->area_bytes || offset % CA_GRANULE)
        return false;
    ca_start_word *w = &h->words[offset / CA_GRANULE / 64];
    uint64_t bit = 1ULL << offset / CA_GRANULE % 64;
    if (!(CA_LOAD(&w->born) & ~CA_LOAD(&w->died) & bit) || __atomic_fetch_or(&w->died, bit, __ATOMIC_ACQ_REL) & bit)
        return false;
    *(h->current ? &ca_chunk_at(h->current)->state : &h->piece_most) = UINT32_MAX;
    h->failed = UINT32_MAX;
    CA_STORE(&h->blocks, h->blocks - 1);
    h->own_freed++;
    return true;
}

/* That, and the same in any chunk. context: the number of the heap's. Not inline: beside the code of short contexts it makes theirs slower. */
bool ca_chunked_free_own(ca_chunked *h, uint32_t context, void *p);

/* What sizes are rounded up to: block_size is a hint, 0: none. */
void ca_chunked_set_unit(ca_chunked *h, size_t block_size);
/* NULL: no memory, or the account refuses. size <= CA_CHUNKED_MOST, align <= CA_PAGE. */
void *ca_chunked_alloc(ca_chunked *h, ca_account *account, uint32_t context, size_t size, size_t align);
/* false: it was not live. mine: the caller is the owner. */
bool ca_chunked_free(ca_chunked *h, void *p, bool mine);
/* In place: into free granules behind it, or giving up its own. */
bool ca_chunked_resize(ca_chunked *h, void *p, size_t size);
size_t ca_chunked_size(const ca_chunked *h, const void *p);
bool ca_chunked_is_live(const ca_chunked *h, const void *p);
const void *ca_chunked_start(const ca_chunked *h, const void *p);
bool ca_chunked_was_block(const ca_chunked *h, const void *p);
/* Chunks without a live block go back. */
void ca_chunked_trim(ca_chunked *h, ca_account *account);
/* As in heap/bump.h. */
bool ca_chunked_area(const ca_chunked *h, uint32_t number, ca_area *a);
bool ca_chunked_walk(const ca_chunked *h, ca_area_fn *fn, void *argument);

/* As in heap/bump.h. */
void ca_chunked_drop(ca_chunked *h, ca_account *account, uint32_t dead, bool keep);
void ca_chunked_retire(ca_chunked *h, ca_account *account, uint32_t dead);

/* [K1] … [K5]; the owner, no other thread freeing. */
bool ca_chunked_is_valid(const ca_chunked *h, int *which);

#endif
