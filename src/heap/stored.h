/* Stored heaps: in a file that is mapped, or in memory that several processes share.  What is in the file: heap/stored_format.h, which see first.
 *
 *   stored.c         blocks: allocate, free, resize, look up; roots; sync
 *   stored_pages.c   runs of pages: free ones in bins, in the index
 *   stored_open.c    opening, making, recovering, closing; the table of what is mapped
 *   stored_engine.c  as a kind of context
 *   stored_check.c   whether a file is a valid heap: reads only
 *
 * All state is in the file, also what guards it: a robust lock, that is taken over when its holder was killed; the index is made anew then.  So a heap may
 * be used by all threads of all processes that have it open, forked ones included, each at its own address.
 *
 * What was live at the last sync is not reused before the next one: freed objects and runs are *held* till then, so that a checkpoint stays true.
 *
 * Any thread, except that opening and closing a heap is for one, with no other call under way.  Cost: a lock, and O(1), except where it says so.
 * Calls that return int give 0 or an errno value.
 */
#ifndef CA_HEAP_STORED_H
#define CA_HEAP_STORED_H

#include "heap/stored_format.h"
#include "source/file.h"

enum { CA_STORED_MOST = 64, CA_STORED_WHY = 160 };

struct ca_context;
struct ca_engine;

typedef struct ca_stored {
    ca_file file;        /* base NULL: this place of the table is free */
    uint32_t flags;      /* enum ca_stored_flags */
    uint32_t process;    /* who opened it */
    uint64_t limit;      /* bytes that the file may have; 0: no limit */
    struct ca_context *context;
} ca_stored;

enum ca_stored_flags {
    CA_STORED_CREATE = 1,    /* make it where there is none */
    CA_STORED_NEW = 2,       /* fail where there is one */
    CA_STORED_READ_ONLY = 4, /* no change, not even of blocks */
    CA_STORED_SHARED = 8,    /* other processes may open it, too */
    CA_STORED_CLIENT = 16,   /* blocks may be written, all else is mapped for reading only */
    CA_STORED_RESTORE = 32,  /* take the last checkpoint whatever is live */
    CA_STORED_IN_MEMORY = 64, /* make it volatile */
    CA_STORED_IS_SYNCED = 128 /* it has it for itself, and there was no change since the last sync */
};

typedef struct ca_stored_settings {
    const char *path; /* NULL: fd */
    int fd;           /* stays the caller's; negative: new memory without a name */
    uint32_t flags;
    unsigned mode;
    uint64_t reserve, limit; /* bytes */
    void *base;       /* NULL: where the file says */
    char *why;        /* CA_STORED_WHY bytes; what went wrong */
} ca_stored_settings;

/* NULL: *error says why. A file that is refused is as it was. O(pages in use) for the first that opens it. */
ca_stored *ca_stored_open(const ca_stored_settings *settings, int *error);
/* Syncs, unmaps; gone in any case. */
int ca_stored_close(ca_stored *heap);
/* Around a fork: nobody opens. */
void ca_stored_lock_table(void);
void ca_stored_unlock_table(void);
/* A checkpoint: see docs/files.md for the order. Other calls wait meanwhile. */
int ca_stored_sync(ca_stored *heap);

/* What is mapped at p; NULL: none. Costs one load when there is no heap. */
CA_EXTERN uint32_t ca_stored_mapped; /* how many places of the table were ever used */
CA_EXTERN ca_stored ca_stored_table[CA_STORED_MOST];
ca_stored *ca_stored_search(const void *p);
CA_INLINE ca_stored *ca_stored_around(const void *p)
{
    return CA_LIKELY(CA_LOAD_ACQUIRE(&ca_stored_mapped) == 0) ? NULL : ca_stored_search(p);
}

CA_INLINE bool ca_stored_may_write(const ca_stored *heap)
{
    return !(heap->flags & (CA_STORED_READ_ONLY | CA_STORED_CLIENT));
}

/* align: a power of two; size + align <= CA_MAX_SIZE. NULL: no room. */
void *ca_stored_alloc(ca_stored *heap, size_t size, size_t align);
/* A wrong pointer ends the process; `function` is named in the message. */
void ca_stored_free(ca_stored *heap, void *p, const char *function);
/* NULL: no room, p is as it was. size: not 0, <= CA_MAX_SIZE */
void *ca_stored_realloc(ca_stored *heap, void *p, size_t size);
/* In place or not at all. pre: live */
bool ca_stored_resize(ca_stored *heap, void *p, size_t size);
size_t ca_stored_usable(ca_stored *heap, const void *p, const char *function);

enum ca_stored_what { CA_STORED_NOWHERE, CA_STORED_IS_LIVE, CA_STORED_IS_INTERIOR, CA_STORED_IS_DEAD };
typedef struct ca_stored_place {
    enum ca_stored_what what;
    uint32_t page;   /* the run's first */
    uint64_t entry;  /* its entry */
    uint32_t object; /* of a slab */
    char *start;     /* LIVE, INTERIOR, DEAD: of the object */
    size_t size;
} ca_stored_place;
ca_stored_place ca_stored_inspect(ca_stored *heap, const void *p);

/* offset 0: no root of this name any more. EINVAL: name too long or empty, or not a live block; ENOSPC: too many names. */
int ca_stored_root_set(ca_stored *heap, const char *name, uint64_t offset);
uint64_t ca_stored_root_get(ca_stored *heap, const char *name); /* 0: none */
/* fn for each live block, by address, until it says false, and whether it never did; it may call nothing of the heap. O(pages). */
bool ca_stored_walk(ca_stored *heap, bool (*fn)(const void *block, size_t size, void *argument), void *argument);

typedef struct ca_stored_usage {
    uint64_t blocks, bytes, pages, held_pages;
} ca_stored_usage;
ca_stored_usage ca_stored_get_usage(ca_stored *heap);

CA_EXTERN const struct ca_engine ca_stored_engine;

/* --- between the parts -------------------------------------------------------------------------------------------- */

/* false: who held it left it broken beyond repair. */
bool ca_stored_take(ca_stored *heap);
void ca_stored_drop(ca_stored *heap);

/* The free pages. pre: locked */
uint32_t ca_stored_pages_take(ca_stored *heap, uint32_t pages);              /* 0: none; pages < 2^30 */
bool ca_stored_pages_extend(ca_stored *heap, uint32_t end, uint32_t more);     /* the pages right behind a run */
void ca_stored_pages_give(ca_stored *heap, uint32_t page, uint32_t pages);

/* Makes index and control out of the truth. pre: locked or alone; ca_stored_is_valid */
void ca_stored_rebuild(ca_stored *heap);
/* The first page's entry in the newest checkpoint if it was a run then; else 0. */
uint64_t ca_stored_synced(ca_stored *heap, uint32_t page);

/* The number of the copy of the newest checkpoint with a right slot, 0: none. */
unsigned ca_stored_newest(char *base, uint64_t *sequence);
ca_stored_slot *ca_stored_slot_at(char *base, unsigned copy);
uint64_t ca_stored_slot_check(const ca_stored_slot *slot);
uint64_t ca_stored_state_check(const ca_stored_state *state);
uint64_t ca_stored_header_check(const ca_stored_header *header);
uint64_t ca_stored_copy_sum(char *base, unsigned copy);
/* Metadata pages of a segment that are in use: of entries and of bits. */
uint32_t ca_stored_entry_pages(uint32_t used);
uint32_t ca_stored_bit_pages(uint32_t used);
CA_INLINE ca_stored_state *ca_stored_state_of(char *base)
{
    return (ca_stored_state *)(void *)ca_stored_at(base, CA_STORED_PAGE_STATE);
}

/* --- checks ---------------------------------------------------------------------------------------------------------- */

typedef struct ca_stored_fault {
    int which;      /* number of the broken invariant, [F1] to [F7]; 0: none */
    uint32_t page;  /* where */
    uint64_t runs, blocks, bytes, free_pages, roots, dangling; /* dangling: roots that are no live block */
} ca_stored_fault;

/* One of the three copies, in a file of so many bytes that is mapped at base. Reads nothing outside it. O(pages in use). */
bool ca_stored_is_valid(char *base, uint64_t bytes, unsigned copy, ca_stored_fault *fault);
/* The copy that the last checkpoint is in, looked at with suspicion. 0: none, or damaged. */
unsigned ca_stored_checkpoint(char *base, uint64_t bytes, ca_stored_fault *fault, uint64_t *sequence);
/* Of a header that was read: 0, EILSEQ: not a heap; ENOTSUP: a version, byte order or page size that is not ours; EUCLEAN: damaged. */
int ca_stored_header_judge(const ca_stored_header *header, char *why);
const char *ca_stored_fault_text(int which);

typedef struct ca_stored_report {
    uint64_t bytes;
    bool in_memory, was_open; /* not closed: its process was killed, or power was lost */
    bool recover;             /* the last checkpoint would be taken */
    ca_stored_fault live, checkpoint;
    uint64_t sequence;        /* of the checkpoint */
} ca_stored_report;
/* Looks at a file that no process writes; changes nothing. 0: it was looked at, see the report; else an errno value, and why. */
int ca_stored_check_file(const char *path, ca_stored_report *report, char *why);
/* Index and control against the truth; for tests. pre: locked or alone. *which: 0, or what is wrong, from 11 on. */
bool ca_stored_index_is_valid(ca_stored *heap, int *which);

#endif
