/* The region: one large reserved range of addresses, its pages handed out by a TLSF over page numbers, and the flat
 * side arrays that say what each page and granule holds.  Further *zones* do the same for other sources.
 *
 *   reservation   [ runs | marks | entries | records | live map ]  guard  [ pages 0 … ]
 *                   metadata, committed as it is needed                    user memory
 *
 * An address is ours iff address - base < committed size: one subtraction.  Where the address space is limited (RLIMIT_AS) the first
 * range is small, and further ranges continue the page numbers; they are found by ca_region_granule_far.
 *
 * A zone is a source, the parts of the page numbers that are its own (source/parts.h), and a TLSF of their free pages.  The first zone has the first range, and is what all
 * memory comes from unless somebody asks for another.  A further zone's parts are *far*, anywhere in the address space, or *inner*, runs of the first range, where malloc
 * and free keep their fast paths.
 *
 * Threads: ca_region is constant after ca_region_init, but for `granules` and `now`; the calls here lock: each zone has a lock, which is held while its source is called.
 * An entry is written by the heap that owns the page; a live word by that heap's current thread.
 */
#ifndef CA_SOURCE_REGION_H
#define CA_SOURCE_REGION_H

#include "base/base.h"
#include "base/pool.h"
#include "engine/tlsf.h"
#include "source/source.h"

/* What a page holds. tag 0: no block. */
typedef struct ca_page_entry {
    uint32_t tag;    /* heap << 10 | class << 4: see heap/class.h */
    uint32_t number; /* slab pages: the slab; the first page of a large block: its TLSF node */
} CA_ALIGNED(8) ca_page_entry;

/* Of the live map: CA_LIVE_GRANULES granules' worth, see heap/live.h. */
typedef struct ca_live_word {
    uint32_t born, died;
} ca_live_word;
enum { CA_LIVE_GRANULES = 32, CA_LIVE_PAGE = CA_PAGE / CA_GRANULE / CA_LIVE_GRANULES * sizeof(ca_live_word) /* bytes for a page */ };

/* A run in use. Chunks' numbers plus 1 link the runs of one owner; 0 ends. */
typedef struct ca_run_record {
    ca_node node; /* the region's */
    uint32_t owner;
    uint32_t next, prev;
    ca_node head; /* the holder's node of the first block in the run */
    uint32_t saved; /* the holder's, 0 in a new run: see heap/save.h */
} ca_run_record;

typedef struct ca_zone ca_zone;

/* The runs of one owner. Guarded by the lock in it, which is only taken while a zone's is held. */
typedef struct ca_run_list {
    uint32_t first; /* chunk's number plus 1, 0: none */
    uint32_t owner; /* what ca_region_owner says of them; the caller's number */
    ca_lock lock;
    ca_zone *zone;  /* where the owner takes new ones from; NULL: the first one. Atomic: it may be changed while the owner runs */
} ca_run_list;

/* Of a list: its runs, by address. */
typedef struct ca_run_span {
    ca_page page, pages;
} ca_run_span;

typedef struct ca_region_t {
    uintptr_t base;         /* address of page 0 */
    ca_granule granules;    /* of the first range, as far as it is committed: it grows */
    ca_page_entry *entries; /* one a page */
    ca_live_word *live;     /* which granules are the start of a live object */
    uintptr_t live_origin;  /* where the live word of address 0 would be: for addresses of the first range */
    const ca_source *source;
    ca_pool nodes;     /* records of CA_NODE_BATCH TLSF nodes each */
    ca_pool slabs, magazines, heaps, outboxes, contexts, chunks, zones;
    ca_run_record *runs; /* one a chunk of CA_CHUNK pages: of the run that starts there; see ca_run_at */
    ca_run_record *first_runs; /* those of the first CA_FIRST_CHUNKS, which lie with the first records: a small process has no page for them alone */
    uint32_t *marks;   /* one a TLSF node: when its pages were last used, 0: they read as zero */
    uint32_t now;      /* the time as a mark, as ca_region_tick last saw it */
} ca_region_t;

/* Nodes come in records; the first of each only links it. */
enum { CA_CHUNK = 4, CA_CHUNK_SHIFT = 2, CA_NODE_BATCH = 8, CA_NODE_BATCH_SHIFT = 3, CA_SLAB_RECORD = 128, CA_MAGAZINE_RECORD = 1024, CA_HEAP_RECORD = 2432, CA_OUTBOX_RECORD = 512, CA_CONTEXT_RECORD = 512, CA_CHUNK_RECORD = 32, CA_ZONE_RECORD = 2048,
       CA_HEAP_NUMBER_BITS = 21 /* of a tag */, CA_FIRST_CHUNKS = 64 };

CA_EXTERN ca_region_t ca_region;

CA_INLINE ca_run_record *ca_run_at(uint32_t chunk)
{
    return (chunk < CA_FIRST_CHUNKS ? ca_region.first_runs : ca_region.runs) + chunk;
}

/* A mark: the pages came here by ca_region_move, and are a mapping of their own until they are renewed; or renewing failed, and they must be committed again. */
#define CA_MARK_MOVED UINT32_MAX
/* A mark, and no time: the pages were offered to their source, which may take them when it likes (CTXALLOC_SOURCE_LAZY). */
#define CA_MARK_OFFERED (CA_MARK_TIME_LEAST - 1)

/* Once, before anything else here. `bytes`: address space wanted; less is taken where less is to be had. false: nothing to be had. */
bool ca_region_init(const ca_source *source, size_t bytes);

/* Before there is a second thread: what is committed from now on comes from another source, which can do with the addresses of the first one; what is committed is again. */
void ca_region_set_source(const ca_source *source);

/* The zone of a source, made if there is none: memory is reserved when it is first needed. For as long as it is held; the source must last as long. NULL: no memory.
 * A source without `reserve` has inner parts. */
ca_zone *ca_zone_hold(const ca_source *source);
/* The last one to let go of it gives all back to the source. pre: the caller has no run of it any more. */
void ca_zone_drop(ca_zone *zone);
size_t ca_zone_users(const ca_source *source);
/* Another one who has it already. */
void ca_zone_share(ca_zone *zone);
const ca_source *ca_zone_source(const ca_zone *zone); /* NULL: the first zone's */
/* The zone that a page belongs to; NULL: the first. */
ca_zone *ca_region_zone(ca_page page);

/* A run of pages out of the region: whole chunks. */
typedef struct ca_run {
    ca_page page, pages; /* pages 0: no memory */
    uint32_t mark;       /* 0: all of it reads as zero */
    bool fresh;          /* never in use before */
} ca_run;

/* At least `pages`; `align`: pages, a power of two. Committed. list NULL: of no owner. */
ca_run ca_region_take(ca_zone *zone, uint64_t pages, uint64_t align, ca_run_list *list);
/* The same in two steps, for who wants least to most pages, and asks elsewhere whether it may have them: `most`, unless what has as many was never in use, but fewer
 * pages were: those of a smaller free block, or the first of that one.  The zone stays locked until ca_region_take_chosen or ca_region_choose_nothing. pages 0: no memory. */
typedef struct ca_choice {
    ca_node node; /* the free block; CA_NODE_NONE: there is none as yet */
    uint64_t pages;
} ca_choice;
ca_choice ca_region_choose(ca_zone *zone, uint64_t least, uint64_t most);
ca_run ca_region_take_chosen(ca_zone *zone, ca_choice choice, ca_run_list *list);
void ca_region_choose_nothing(ca_zone *zone);
/* These name a run by its first page. */
void ca_region_give(ca_page page, ca_run_list *list);
ca_page ca_region_run_pages(ca_page page);
uint32_t ca_region_run_owner(ca_page page); /* 0: none */
/* Gives back all runs of the list. */
void ca_region_give_all(ca_run_list *list);
/* The same for what a context leaves: it goes without memory for now, and comes back when `bytes` (ca_region_quarantine) of later ones have gone the same way. Runs of further zones are given at once. */
void ca_region_retire(ca_page page, ca_run_list *list);
void ca_region_retire_all(ca_run_list *list);
void ca_region_quarantine(uint64_t bytes); /* once, at start; 0: off */
/* The runs of the list are in the list `to` from now on. */
void ca_region_pass(ca_run_list *list, ca_run_list *to);
/* Those that begin at `from` or above it, the first `most` by address. Returns how many. Any thread. Time: proportional to the list. */
size_t ca_region_spans(ca_run_list *list, ca_page from, ca_run_span *spans, size_t most);
bool ca_region_list_has(ca_run_list *list, ca_page page);
/* The first page of the list's first run, and of the one after; UINT32_MAX: none. The owner's thread, nobody else changing the list. */
ca_page ca_region_first_run(const ca_run_list *list);
ca_page ca_region_next_run(ca_page page);
/* In place. */
bool ca_region_resize(ca_page page, uint64_t pages);
/* Moves the memory (not the entries) of one run to another of at least its size, by page tables alone. false: copy instead, if `to` is usable still. */
bool ca_region_move(ca_page from, ca_page to, ca_page pages);
/* pre: a move to it failed. false: it has lost its memory, and the kernel has none for it; nobody may have the run. */
bool ca_region_is_usable(ca_page page);
/* Such a run: out of the list, and never handed out again. */
void ca_region_lose(ca_page page, ca_run_list *list);

/* The pages, of one run, read as zero, and cost as little as possible. */
void ca_region_clear(ca_page page, ca_page pages);

/* The current time as a mark, never 0. Cheap: changed by ca_region_tick. */
CA_INLINE uint32_t ca_region_now(void)
{
    return CA_LOAD(&ca_region.now);
}

/* Gives back to the kernel free pages that were unused for longer than `age` ms: looks at no more than `looks` free runs,
 * going round, and gives back no more than `most` (a system call each). */
void ca_region_purge(ca_zone *zone, uint32_t age, unsigned looks, unsigned most);
/* All that is free, in all zones. */
void ca_region_purge_all(void);
/* From now on a run's memory goes back to its source as soon as it is free (decay=0). */
void ca_region_purge_at_once(bool at_once);
/* The pages of one block, free or about to be: those of a zone or of a heap. */
void ca_region_purge_block(ca_tlsf *tlsf, ca_node node);
/* Where the next look at free blocks begins: a bin, and how many of its blocks were looked at. */
typedef struct ca_purge_place {
    uint16_t bin, depth;
} ca_purge_place;
/* The same for a TLSF of pages that a heap owns. Returns how many went back. */
unsigned ca_region_purge_tlsf(ca_tlsf *tlsf, ca_purge_place *place, unsigned looks, uint32_t age, unsigned most);
/* Reads the clock; true when ca_region_now changed. */
bool ca_region_tick(void);

/* Records of nodes that a TLSF of pages has got, linked from the newest; 0: none. */
typedef struct ca_node_batches {
    uint32_t newest, oldest;
} ca_node_batches;

/* True when the TLSF has at least `spare` nodes to spare. */
bool ca_region_feed_nodes(ca_tlsf *tlsf, uint32_t spare, ca_node_batches *batches);
/* The records go back at once, or all but the newest. pre: no TLSF uses their nodes any more. */
void ca_region_drop_nodes(ca_node_batches *batches, bool keep_newest);

void *ca_region_address_far(ca_page page); /* of any page */
/* Number of the page at which the region begins in the address space, which alignments of pages count from. */
uint64_t ca_region_bias(void);
bool ca_region_has_page(ca_page page); /* a number in use: committed */
bool ca_region_is_far(ca_page page); /* not in the first range (inner parts are) */
/* The first page number of the part that the page is in: below it there may be no side arrays. */
ca_page ca_region_bottom(ca_page page);
/* Granule of an address in a further range, or UINT64_MAX: not ours. */
ca_granule ca_region_granule_far(uintptr_t address);

typedef union ca_page_word {
    ca_page_entry entry;
    uint64_t both;
} ca_page_word;

/* What pages hold: both words at once. Others may read it at any time (ca_page_entry_read). */
CA_INLINE void ca_page_entries_set(ca_page first, ca_page pages, uint32_t tag, uint32_t number)
{
    const ca_page_word word = {.entry = {tag, number}};
    uint64_t *entry = (uint64_t *)(void *)&ca_region.entries[first], *end = entry + pages;
    for (; end - entry >= 4; entry += 4) { /* four at a time: a new slab of 16 pages is a part of malloc's worst case */
        __atomic_store_n(&entry[0], word.both, __ATOMIC_RELEASE);
        __atomic_store_n(&entry[1], word.both, __ATOMIC_RELEASE);
        __atomic_store_n(&entry[2], word.both, __ATOMIC_RELEASE);
        __atomic_store_n(&entry[3], word.both, __ATOMIC_RELEASE);
    }
    for (; entry < end; entry++)
        __atomic_store_n(entry, word.both, __ATOMIC_RELEASE);
}

CA_INLINE void ca_page_entry_set(ca_page page, uint32_t tag, uint32_t number)
{
    ca_page_entries_set(page, 1, tag, number);
}

CA_INLINE ca_page_entry ca_page_entry_read(ca_page page)
{
    const ca_page_word word = {.both = __atomic_load_n((const uint64_t *)(const void *)&ca_region.entries[page], __ATOMIC_ACQUIRE)};
    return word.entry;
}

/* The pages of one range of numbers that are committed, [*first, *end): none if the two are equal. false: there are no more ranges. Any thread. */
bool ca_region_range(uint32_t index, ca_page *first, ca_page *end);
/* The index of the range that a page belongs to: of several that it lies in, the innermost. */
uint32_t ca_region_range_of(ca_page page);

/* In a range that is reserved for the region, if only reserved. */
bool ca_region_contains(const void *p);

/* The granule that an address lies in, UINT64_MAX: not of the region, or not committed yet. */
CA_INLINE ca_granule ca_region_granule(const void *p)
{
    ca_granule g = ((uintptr_t)p - ca_region.base) >> CA_GRANULE_SHIFT;
    return CA_LIKELY(g < CA_LOAD(&ca_region.granules)) ? g : ca_region_granule_far((uintptr_t)p);
}

CA_INLINE ca_page ca_granule_page(ca_granule g)
{
    return (ca_page)(g >> (CA_PAGE_SHIFT - CA_GRANULE_SHIFT));
}

CA_INLINE ca_granule ca_page_granule(ca_page page)
{
    return (ca_granule)page << (CA_PAGE_SHIFT - CA_GRANULE_SHIFT);
}

CA_INLINE void *ca_region_address(ca_page page)
{
    if (CA_UNLIKELY(ca_page_granule(page) >= CA_LOAD(&ca_region.granules)))
        return ca_region_address_far(page);
    return (void *)(ca_region.base + (uintptr_t)page * CA_PAGE);
}

/* Bytes: committed (may be resident), free in the region, in runs; of all zones. */
typedef struct ca_region_usage {
    uint64_t committed, free, given;
    uint64_t purged; /* given back to the kernel, all in all */
} ca_region_usage;
ca_region_usage ca_region_get_usage(void);
bool ca_region_is_valid(int *which);

/* Fork: all locks of this layer, in order. */
void ca_region_lock_all(void);
void ca_region_unlock_all(void);

#endif
