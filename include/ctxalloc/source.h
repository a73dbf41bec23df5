/* Sources: where the memory of contexts comes from.
 *
 * A source is a table of functions and a pointer.  ctxalloc_options.source says which one a context's memory comes from, all of it; NULL: the
 * process's own.  Contexts with the same source (the same address) share what it reserves.  A source must outlive the contexts on it.
 *
 * The library keeps no bookkeeping in memory that a source gives: sizes, free lists and marks lie elsewhere, in memory of its own.  So a
 * source may give memory that is slow, shared, or read-only at times.
 */
#ifndef CTXALLOC_SOURCE_H
#define CTXALLOC_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ctxalloc_source ctxalloc_source;

/* The contract.  Addresses and sizes are multiples of 4 KiB and lie in one reservation, unless a function says otherwise.
 *
 * Threads: functions may be called by any thread, and for different contexts' ranges at the same time.  The library holds a lock of the source's
 * contexts meanwhile: a function must not call malloc while one of these contexts is current (ctxalloc_malloc(CTXALLOC_GLOBAL, …) is fine), and must
 * not create, reset or destroy contexts.  Functions keep errno.
 *
 * Failure: a function that gives NULL or false has changed nothing.  The library then does without, or says ENOMEM. */
struct ctxalloc_source {
    size_t size;    /* sizeof(ctxalloc_source): lets the struct grow */
    void *context;  /* the source's own */
    unsigned flags; /* CTXALLOC_SOURCE_… */

    /* A range of addresses for the library to hand out: at least `least` bytes; *bytes: how many are wanted, and on return how many there are.  Any address;
     * the library uses whole 16 KiB of it, aligned to 16 KiB.  Not memory that this library's malloc gave, which is taken for no memory.  NULL: none to be had.
     * It need not be usable before it is committed.
     * The function itself may be NULL: the source's memory is cut out of the process's own range, where malloc and free are fastest; it is readable and writable
     * then before it is committed, and `commit` sets on it what the source is for. */
    void *(*reserve)(const ctxalloc_source *source, size_t least, size_t *bytes);
    /* [p, p + bytes) becomes readable and writable, and reads as zero where it is committed for the first time.  NULL: memory is usable as reserved.
     * Called again for the same memory after `move` to it or `renew` of it has failed. */
    bool (*commit)(const ctxalloc_source *source, void *p, size_t bytes);
    /* [p, p + bytes), committed, reads as zero from now on and costs as little as possible.  false, or NULL: it may keep its bytes. */
    bool (*purge)(const ctxalloc_source *source, void *p, size_t bytes);
    /* The whole of a reservation goes back, address and size as `reserve` gave them.  NULL: nothing to do. */
    void (*release)(const ctxalloc_source *source, void *p, size_t bytes);
    /* May be NULL.  The pages of `from` go to `to` (both committed, apart), whose own are dropped; `from` reads as zero then. */
    bool (*move)(const ctxalloc_source *source, void *from, void *to, size_t bytes);
    /* With `move` only: as purge, and what moving has split apart is one mapping again. */
    bool (*renew)(const ctxalloc_source *source, void *p, size_t bytes);
};

/* Committing costs memory at once (it is locked, say, or prefaulted): no more is committed than is used. Otherwise it is done in steps of 1 to 64 MiB. */
#define CTXALLOC_SOURCE_EXACT 1U
/* Every context has reservations of its own, which go back when it is destroyed. */
#define CTXALLOC_SOURCE_PRIVATE 2U
/* What is reserved need not read as zero. */
#define CTXALLOC_SOURCE_DIRTY 4U
/* `reserve` is called once for each context (once for all that share it): when that is full, there is no more. */
#define CTXALLOC_SOURCE_ONCE 8U
/* `purge` takes effect later, if at all, and gives false: it is not asked again for the same memory before that was in use once more. */
#define CTXALLOC_SOURCE_LAZY 16U

/* How many contexts are on the source. 0: it may go, or change. Any thread. Cost: proportional to the sources in use. */
size_t ctxalloc_source_users(const ctxalloc_source *source);

/* --- sources that ship --------------------------------------------------------------------------------------------------------
 *
 * Each is a struct of the caller's that starts with the table: &s.source is what to put into ctxalloc_options.source.  The functions that set one up
 * give 0 or an errno value, make no system call, and allocate nothing.  The struct must stay where it is, and unchanged, while contexts are on it; there is nothing to
 * release afterwards, but for arenas.  EINVAL: the address is NULL, or a setting is out of range. */

/* mmap: private (or shared) anonymous memory of the kernel, with settings. */
#define CTXALLOC_MMAP_SHARED 0x1U        /* MAP_SHARED: children after fork have the same memory, not a copy */
#define CTXALLOC_MMAP_CHARGED 0x2U       /* without MAP_NORESERVE: commits that the kernel could not back fail, as the machine's overcommit policy says */
#define CTXALLOC_MMAP_HINT_ONLY 0x4U     /* at `hint` or not at all; so there is one reservation only */
#define CTXALLOC_MMAP_EXECUTABLE 0x8U    /* may be executed, too */
#define CTXALLOC_MMAP_HUGE 0x10U         /* transparent huge pages by advice; not with NOT_HUGE */
#define CTXALLOC_MMAP_NOT_HUGE 0x20U
#define CTXALLOC_MMAP_PREFAULT 0x40U     /* resident when handed out, and never purged */
#define CTXALLOC_MMAP_LOCK 0x80U         /* mlock: resident, never swapped, never purged; RLIMIT_MEMLOCK counts */
#define CTXALLOC_MMAP_NODUMP 0x100U      /* not in core dumps */
#define CTXALLOC_MMAP_DONTFORK 0x200U    /* children after fork do not have it: touching it there is a fault; freeing is not */
#define CTXALLOC_MMAP_WIPEONFORK 0x400U  /* children after fork find zeroes; not with SHARED */
#define CTXALLOC_MMAP_LAZY_PURGE 0x800U  /* MADV_FREE: the kernel takes pages when it needs them; until then they count as resident. Not with SHARED */

typedef struct ctxalloc_mmap_settings {
    size_t size;      /* sizeof(ctxalloc_mmap_settings) */
    unsigned flags;   /* CTXALLOC_MMAP_… */
    void *hint;       /* where the first reservation should begin, a multiple of 4 KiB; NULL: anywhere. HINT_ONLY needs one */
    size_t reserve;   /* bytes to reserve at once, a multiple of 4 KiB; 0: 64 MiB, later half of what there is */
    size_t guard;     /* bytes without access before and after each reservation, a multiple of 4 KiB */
    const char *name; /* in /proc/PID/maps, as [anon:name]: up to 80 printable characters without \ ` $ [ ]. NULL: none. Kept by address */
} ctxalloc_mmap_settings;

typedef struct ctxalloc_mmap_source {
    ctxalloc_source source;
    ctxalloc_mmap_settings settings;
    size_t unheeded; /* how often the kernel did not take a name or advice on huge pages: carried on without. Everything else it refuses is an error */
} ctxalloc_mmap_source;

/* settings NULL: none. */
int ctxalloc_source_mmap(ctxalloc_mmap_source *source, const ctxalloc_mmap_settings *settings);

/* Huge pages that the administrator has set apart (hugetlbfs): page_shift 21 (2 MiB) or 30 (1 GiB).  Where there are none left, plain memory with advice for transparent
 * huge pages. Memory of hugetlbfs is resident as soon as it is reserved, and is not purged: it goes back when the last context on the source is destroyed. */
typedef struct ctxalloc_huge_source {
    ctxalloc_source source;
    unsigned page_shift;
    size_t huge_bytes, plain_bytes; /* reserved now: of hugetlbfs, and instead of it */
    size_t fallbacks;               /* reservations that had to do with plain memory, ever */
    uint32_t ranges;                /* the library's */
} ctxalloc_huge_source;
int ctxalloc_source_hugepage(ctxalloc_huge_source *source, unsigned page_shift);

/* The caller's memory, `bytes` at p, readable and writable.  Contexts on it live wholly there: when it is full they are out of memory, and once the first one was made neither
 * the source nor, while no other context grows, the system is asked for anything.  Whole aligned 16 KiB of it are used.  Its bytes need not be zero; it is left as it is.
 * EINVAL: the memory is this library's own, of its malloc. */
typedef struct ctxalloc_user_source {
    ctxalloc_source source;
    void *memory;
    size_t bytes;
    unsigned taken;
} ctxalloc_user_source;
int ctxalloc_source_user(ctxalloc_user_source *source, void *p, size_t bytes);

/* An arena: blocks of one size out of another source, recycled.  As a source, it gives each context one block, and no more: heaps of a fixed size.  Blocks can also be taken
 * directly.  The library's bookkeeping of blocks is in its own memory.  Any thread. */
typedef struct ctxalloc_arena_settings {
    size_t size;                  /* sizeof(ctxalloc_arena_settings) */
    const ctxalloc_source *from;  /* where blocks come from, with `reserve`; NULL: the kernel. Must outlive the arena */
    size_t block_bytes;           /* a multiple of 4 KiB */
    size_t most;                  /* blocks; 0: no limit but memory */
    /* Called for each block that is handed out, before anybody else has it: `first`: never handed out before, and zero. false: it is not handed out. May be NULL. */
    bool (*prepare)(void *block, size_t bytes, bool first, void *arg);
    void *arg;
} ctxalloc_arena_settings;

typedef struct ctxalloc_arena {
    ctxalloc_source source;
    ctxalloc_arena_settings settings;
    uint64_t opaque[26];
} ctxalloc_arena;
int ctxalloc_source_arena(ctxalloc_arena *arena, const ctxalloc_arena_settings *settings);
/* A block, committed. What was written to it before it was given back may still be there. NULL and ENOMEM, or ENOSPC: `most` are out. */
void *ctxalloc_arena_take(ctxalloc_arena *arena);
/* EINVAL: not a block of the arena, or not out. */
int ctxalloc_arena_give(ctxalloc_arena *arena, void *block);
/* Blocks that are out. Any thread. */
size_t ctxalloc_arena_out(const ctxalloc_arena *arena);
/* All memory goes back to where it came from. EBUSY: blocks are out. */
int ctxalloc_arena_end(ctxalloc_arena *arena);

/* Stacks for coroutines: from an arena, with a page without access below each, so that an overflow is a fault and not a bug.  Recycled: a stack costs a lock and no system call
 * after its first use. */
typedef struct ctxalloc_stacks {
    ctxalloc_arena arena;
    size_t bytes; /* of each stack */
} ctxalloc_stacks;
/* stack_bytes: that can be used, rounded up to 4 KiB. from: as in ctxalloc_arena_settings. most: stacks at once; 0: no limit but memory. */
int ctxalloc_stacks_start(ctxalloc_stacks *stacks, size_t stack_bytes, const ctxalloc_source *from, size_t most);
/* The lowest address of the stack; it ends stacks->bytes above. NULL and ENOMEM or ENOSPC. */
void *ctxalloc_stack_take(ctxalloc_stacks *stacks);
int ctxalloc_stack_give(ctxalloc_stacks *stacks, void *stack);
int ctxalloc_stacks_end(ctxalloc_stacks *stacks);

#ifdef __cplusplus
}
#endif

#endif
