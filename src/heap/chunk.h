/* The memory of contexts that are no full heap: chunks of whole pages, and pieces, three to a page.
 *
 *   piece    the first a context gets, so that one of a few blocks costs less than a page. Its live words are shared with its neighbours: the context has its own
 *   chunk    up to CA_CHUNK_MOST from a heap that all these contexts share; larger ones are runs of the region
 *
 * Where blocks start is out of band, as everywhere, in the words of the live map: born bits are starts, died bits say which were freed.
 *
 * A chunk belongs to one context, whose owner calls this; any thread may ask whose a page is.  Cost: a lock around a TLSF, or the region's.
 */
#ifndef CA_HEAP_CHUNK_H
#define CA_HEAP_CHUNK_H

#include "heap/account.h"
#include "heap/class.h"
#include "heap/live.h"

enum { CA_PIECES = 3, CA_PIECE_BYTES = 1360, CA_PIECE_WORDS = 2, /* of a page */
       CA_CHUNK_MOST = 16 * CA_PAGE };

/* 32 bytes, like a page of pieces and a mark. */
typedef struct ca_chunk {
    uint32_t next;
    uint32_t context;
    ca_page page, pages;
    ca_node node;         /* of the common heap; CA_NODE_NONE: a run of the region's */
    uint32_t state;       /* the engine's: short: 1: kept for later, nothing in it is live; medium: no dead run in it is longer, in granules */
    char *used_end;       /* short: blocks end here, once the chunk is not the current one any more; medium: none was ever higher */
} ca_chunk;
_Static_assert(sizeof(ca_chunk) == CA_CHUNK_RECORD, "a chunk is one record");

/* Which of 64 granules are starts of blocks, and which of those were freed. A chunk's lie where the live map has its place, and fill it as that does. */
typedef struct ca_start_word {
    uint64_t born, died;
} ca_start_word;
_Static_assert(CA_PAGE / CA_GRANULE / 64 * sizeof(ca_start_word) == CA_LIVE_PAGE, "a page's words fill its place in the live map");

CA_INLINE ca_start_word *ca_start_at(ca_granule g)
{
    return (ca_start_word *)(void *)ca_region.live + g / 64;
}

CA_INLINE ca_chunk *ca_chunk_at(uint32_t number)
{
    return ca_pool_at(&ca_region.chunks, number);
}

CA_INLINE char *ca_chunk_start(const ca_chunk *c)
{
    return ca_region_address(c->page);
}

CA_INLINE size_t ca_chunk_bytes(const ca_chunk *c)
{
    return (size_t)c->pages * CA_PAGE;
}

/* The number of the chunk that p lies in. pre: its page's tag is CA_TAG_BUMP */
CA_INLINE uint32_t ca_chunk_of(const void *p)
{
    return CA_LOAD(&ca_region.entries[ca_granule_page(ca_region_granule(p))].number);
}

/* Contexts whose memory comes from the zone share pages from now on, as those of the first zone (NULL) do: the zone is one of many threads' heaps, and is never
 * dropped.  Of other zones each context has whole runs of its own. */
void ca_chunk_share(ca_zone *zone);
bool ca_chunk_is_shared(const ca_zone *zone);
/* Those chunks that are runs of the region. */
CA_EXTERN ca_run_list ca_chunk_runs;

/* A chunk, its live words zero, charged to the account. zone: NULL: the first. bytes: whole pages. 0: no memory, or the account refuses. */
uint32_t ca_chunk_take(ca_zone *zone, ca_account *account, uint32_t context, uint64_t bytes);
/* `dead`: what the entries of its pages hold from now on. */
void ca_chunk_give(ca_account *account, uint32_t number, uint32_t dead);
/* The same for each of a context's in the list that begins with `first`; 0: none. */
void ca_chunk_give_list(ca_account *account, uint32_t first, uint32_t dead);
/* Each in the list that begins with `number`; the owner. */
void ca_chunk_each(uint32_t number, void (*fn)(void *start, size_t bytes, void *argument), void *argument);
/* All its live words zero again. */
void ca_chunk_clear(const ca_chunk *c);

/* CA_PIECE_BYTES, 16-byte aligned. NULL: no memory, the account refuses, or memory of the zone is not shared. */
char *ca_piece_take(const ca_zone *zone, ca_account *account, uint32_t context);
void ca_piece_give(ca_account *account, char *piece, uint32_t dead);

/* The number of the context that a page with CA_TAG_BUMP or CA_TAG_NEST belongs to, at p; 0: none. */
uint32_t ca_chunk_owner(ca_page page, uint32_t tag, const void *p);

/* Blocks cease to be: first `at`, where blocks end, moves down to p, and the count goes up; then their start bits may go. Who asks from another thread for the size of the block before
 * them reads `at` first, and looks again when the count is another one afterwards: it may have seen the old `at` and no bit.  Whoever sees that a bit is gone sees the new count, too, and
 * whoever had that count before sees the new `at`. */
CA_INLINE void ca_chunk_lower(char **at, char *p, uint32_t *retreats)
{
    CA_STORE_RELEASE(at, p);
    CA_STORE_RELEASE(retreats, *retreats + 1);
}

/* That, and the start bit of the only one, which is p: `granule` modulo 64. */
CA_INLINE void ca_chunk_retreat(char **at, char *p, ca_start_word *w, size_t granule, uint32_t *retreats)
{
    ca_chunk_lower(at, p, retreats);
    CA_STORE_RELEASE(&w->born, CA_LOAD(&w->born) & ~(1ULL << granule % 64));
}

/* --- looking at them, from any thread: nothing that is read is trusted, for the owner may be using it, or be gone --- */

/* What blocks can lie in: a chunk or a piece. */
typedef struct ca_area {
    const char *start;
    const char *end;           /* a block that reaches across ends here; outside the area or NULL: there is no such place */
    const ca_start_word *words;
    uint32_t granules;
} ca_area;

enum { CA_CHUNKS_MOST = 1 << 28 }; /* a walk along a list that is not one any more ends */

/* The chunk's; `end` is not set. false: there is no such chunk. Records are never unmapped. */
bool ca_area_of_chunk(uint32_t number, ca_area *a);
/* Calls fn for each live block until it says false; whether it never did. */
typedef bool ca_area_fn(const void *block, size_t size, void *argument);
bool ca_area_walk(const ca_area *a, ca_area_fn *fn, void *argument);
/* Where the number of the context is that has the piece of that index (below CA_PIECES) of a page with CA_TAG_NEST and the entry's number; 0: none. */
const uint32_t *ca_piece_owner(uint32_t number, unsigned index);

/* Fork: the lock of this file. */
void ca_chunk_lock(void);
void ca_chunk_unlock(void);

#endif
