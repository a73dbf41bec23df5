/* The engine of short-lived contexts: a pointer that moves up through chunks.  A free gives nothing back, but for the last block; the last
 * block also grows in place; all goes at once.  A context that frees much gets a heap beside it (heap/context.h).
 *
 *   first piece     a third of a page, so that a context of a few blocks costs less than a page
 *   chunks          whole pages, each as large as all before it, up to 64 KiB; larger blocks get chunks of their own
 *
 * Where blocks start is out of band, as everywhere: bits of the live map, or for the first piece (which shares its words with its neighbours) two
 * words here. `born` bits are starts, `died` bits say which of them were freed; so a block ends where the next one starts.
 *
 * Owner: who has the context current; ca_bump_live, ca_bump_free, ca_bump_size and ca_bump_is_live also any other thread that holds the block.
 * Cost: ca_bump_alloc a dozen instructions, or a new chunk.
 */
#ifndef CA_HEAP_BUMP_H
#define CA_HEAP_BUMP_H

#include "heap/chunk.h"

/* Blocks that the owner frees one way (the last one) or the other (others) in a life before its context is promoted: so many take about as much longer as a heap costs. */
enum { CA_BUMP_FREES = 512 };

/* [B1] last == NULL or last < at <= end
 * [B2] every block before `at` has its born bit */
typedef struct ca_bump {
    char *at, *end;         /* the free rest of the chunk in use */
    char *last;             /* the newest block, NULL: none, or freed */
    char *floor;            /* of the newest mark in this chunk: nothing below it is taken back; NULL: none */
    char *high;             /* where blocks of the chunk in use have ended before a free or a rollback took them back; NULL: no higher than `at` */
    char *start;            /* of the chunk in use, or the piece */
    ca_start_word *words;    /* its start bits */
    char *piece;            /* the first piece, NULL: none yet */
    char *piece_end;        /* blocks in it end here, once it is not in use any more */
    uint32_t used, kept;    /* chunks in use, newest first, the current one among them; chunks that a reset left */
    uint64_t chunk_bytes;   /* in all chunks */
    uint64_t blocks;        /* handed out; less the two below: live */
    uint64_t freed;         /* by any thread */
    uint64_t own_freed;     /* by the owner, without a locked instruction; less what a rollback took, whoever freed it: only the sum of both means something */
    ca_start_word starts[CA_PIECE_WORDS]; /* of the piece */
    ca_zone *zone;          /* where chunks come from; NULL: the first, shared with other bumps */
    uint32_t marks;         /* records, newest first */
    uint32_t retreats;      /* see ca_chunk_lower */
} ca_bump;

/* In what is left of the chunk in use; NULL: ask ca_bump_alloc. */
CA_INLINE void *ca_bump_quick(ca_bump *bump, size_t size)
{
    char *p = bump->at;
    size = ca_round_up(size + (size == 0), CA_GRANULE);
    if (CA_UNLIKELY((size_t)(bump->end - p) < size))
        return NULL;
    size_t g = (size_t)(p - bump->start) / CA_GRANULE;
    ca_start_word *w = &bump->words[g / 64];
    CA_STORE(&w->born, CA_LOAD(&w->born) | 1ULL << g % 64);
    CA_STORE_RELEASE(&bump->at, p + size);
    bump->last = p;
    CA_STORE(&bump->blocks, bump->blocks + 1);
    return p;
}

/* By the owner: takes back the last block. false: p is another one, or one below a mark, or not live any more. */
CA_INLINE bool ca_bump_free_last(ca_bump *bump, void *p)
{
    if (CA_UNLIKELY(p != bump->last) || CA_UNLIKELY(!p) || CA_UNLIKELY((char *)p < bump->floor))
        return false;
    size_t g = (size_t)((char *)p - bump->start) / CA_GRANULE;
    ca_start_word *w = &bump->words[g / 64];
    if (CA_UNLIKELY(CA_LOAD(&w->died) >> g % 64 & 1)) /* by another thread */
        return false;
    if (bump->at > bump->high)
        bump->high = bump->at;
    bump->last = NULL;
    CA_STORE(&bump->blocks, bump->blocks - 1);
    ca_chunk_retreat(&bump->at, p, w, g, &bump->retreats);
    return true;
}

/* By the owner, in the chunk or piece in use, after ca_bump_free_last: a last block below a mark stays where it is. false: not done; ask ca_bump_free, which knows more. */
CA_INLINE bool ca_bump_free_quick(ca_bump *bump, void *p)
{
    size_t offset = (uintptr_t)p - (uintptr_t)bump->start;
    if (CA_UNLIKELY(offset >= (uintptr_t)bump->at - (uintptr_t)bump->start) || CA_UNLIKELY(offset % CA_GRANULE))
        return false;
    ca_start_word *w = &bump->words[offset / CA_GRANULE / 64];
    uint64_t bit = 1ULL << offset / CA_GRANULE % 64;
    if (CA_UNLIKELY(!(CA_LOAD(&w->born) & ~CA_LOAD(&w->died) & bit)) || CA_UNLIKELY(__atomic_fetch_or(&w->died, bit, __ATOMIC_ACQ_REL) & bit))
        return false;
    CA_STORE_RELEASE(&bump->own_freed, bump->own_freed + 1);
    return true;
}

/* After a free that was not of the last block: enough for the context to be promoted? Gaps before aligned blocks count, too, so that the count may step over one number. */
CA_INLINE bool ca_bump_freed_many(const ca_bump *bump)
{
    return bump->own_freed % CA_BUMP_FREES >= CA_BUMP_FREES - 2;
}

/* 16-byte aligned, or more: `align` is a power of two. NULL: no memory, or the account refuses. */
void *ca_bump_alloc(ca_bump *bump, ca_account *account, uint32_t context, size_t size, size_t align);
/* As ca_bump_free_quick, in any chunk; never the last block. context: the number of the bump's. */
bool ca_bump_free_own(ca_bump *bump, uint32_t context, const void *p);
/* In place: the last block to any size that its chunk has room for, others to what they have. `size` <= CA_MAX_SIZE. */
bool ca_bump_resize(ca_bump *bump, void *p, size_t size);
/* false: it was not live. mine: the caller is the owner. */
bool ca_bump_free(ca_bump *bump, void *p, bool mine);
bool ca_bump_is_live(const ca_bump *bump, const void *p);
/* The start of the block that p lies in, live or not; NULL: none. */
const void *ca_bump_start(const ca_bump *bump, const void *p);
/* Bytes of the block that starts at p. */
size_t ca_bump_size(const ca_bump *bump, const void *p);
/* The chunk of that number, 0: the piece, as it is seen from any thread. false: nothing in it is live, as far as can be known. */
bool ca_bump_area(const ca_bump *bump, uint32_t number, ca_area *a);
/* Calls fn for the live blocks until it says false; whether it never did. Any thread: exact while the owner neither allocates nor frees, and harmless always. */
bool ca_bump_walk(const ca_bump *bump, ca_area_fn *fn, void *argument);
/* Live blocks. Acquire: 0, and what others did with their blocks came before. */
CA_INLINE uint64_t ca_bump_live(const ca_bump *bump)
{
    uint64_t freed = CA_LOAD_ACQUIRE(&bump->freed);
    return CA_LOAD(&bump->blocks) - freed - CA_LOAD_ACQUIRE(&bump->own_freed);
}

/* Bytes that live blocks may use. Time: proportional to the memory. */
uint64_t ca_bump_live_bytes(const ca_bump *bump);
/* Frees all, where the piece is all there is. */
CA_INLINE void ca_bump_restart(ca_bump *bump)
{
    CA_STORE(&bump->at, bump->piece);
    bump->last = bump->high = bump->floor = NULL;
    CA_STORE(&bump->blocks, 0);
    CA_STORE(&bump->freed, 0);
    CA_STORE(&bump->own_freed, 0);
    CA_STORE(&bump->retreats, 0);
    bump->starts[0] = bump->starts[1] = (ca_start_word){0, 0};
}

/* Frees all. keep: the chunks stay for what comes next; otherwise they go back, but for the piece. */
void ca_bump_drop(ca_bump *bump, ca_account *account, uint32_t dead, bool keep);
/* Chunks that a reset left go back. */
void ca_bump_trim(ca_bump *bump, ca_account *account, uint32_t dead);
/* The piece goes, too. pre: dropped, not kept. */
void ca_bump_retire(ca_bump *bump, ca_account *account, uint32_t dead);
/* To here, and back: all that was allocated since is freed.  The number of the mark, 0: no memory.  A mark takes a record until the bump is dropped or rolled
 * back to an older one. */
uint64_t ca_bump_mark(ca_bump *bump);
/* false: there is no such mark, or not any more. */
bool ca_bump_rollback(ca_bump *bump, uint64_t mark);
/* p is where a block was that a free or rollback took back. */
bool ca_bump_was_block(const ca_bump *bump, const void *p);

#endif
