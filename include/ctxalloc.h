/* ctxalloc: a malloc replacement whose current heap can be switched, for each thread, coroutine or request.
 *
 * Preloaded or linked (-lctxalloc), the library replaces malloc and its family; nothing of this header is needed for that.  With it, a thread
 * says where malloc goes: to a *context*, a heap with a lifetime, limits and a name, that is measured, handed from thread to thread, and dropped
 * whole.  Code that knows nothing of contexts (strdup, getline, C++ new, any library) allocates from the current one, too.
 *
 *     ctxalloc_context *request = ctxalloc_create(&(ctxalloc_options){.size = sizeof(ctxalloc_options), .name = "request", .hard_limit = 1 << 20});
 *     ctxalloc_context *before = ctxalloc_switch(request);
 *     handle(...);                      // everything it allocates is the request's
 *     ctxalloc_switch(before);
 *     ctxalloc_destroy(request);        // all of it goes at once
 *
 * free and realloc are right for any pointer, in any thread, whatever is current: a block stays with its owner.
 *
 * Threads: every function may be called by any thread, except that a context may be current in one thread at a time, and that its own calls (reset,
 * destroy, mark, rollback) want it current in this thread or in none.  Handing a context from one thread to another is the program's to synchronise, as with any object.
 *
 * Bytes are size_t.  Functions that return a pointer give NULL and set errno; those that return int give 0 or an errno value.  See ctxalloc(3), ctxalloc_context(3).
 */
#ifndef CTXALLOC_H
#define CTXALLOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <ctxalloc/engine.h>
#include <ctxalloc/tlsf.h>
#include <ctxalloc/fit.h>
#include <ctxalloc/blocks.h>
#include <ctxalloc/chunks.h>
#include <ctxalloc/bump.h>
#include <ctxalloc/source.h>
#include <ctxalloc/numa.h>
#include <ctxalloc/file.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CTXALLOC_VERSION_MAJOR 0
#define CTXALLOC_VERSION_MINOR 1
#define CTXALLOC_VERSION_PATCH 0

/* The version of the library that is running, "0.1.0". Constant text, any thread. A program that finds this symbol
 * (dlsym) knows that ctxalloc is loaded. */
const char *ctxalloc_version(void);

/* --- contexts ------------------------------------------------------------------------------------------------- */

typedef struct ctxalloc_context ctxalloc_context;

/* Outside any context: where malloc goes when nothing was switched to. What it gives outlives threads and contexts. */
#define CTXALLOC_GLOBAL ((ctxalloc_context *)1)
/* This thread's own context: made when it is first switched to, destroyed when the thread ends. */
#define CTXALLOC_THREAD ((ctxalloc_context *)2)

/* How long blocks live, which chooses the engine.  All grow, all obey limits, all serve any size and alignment.
 * A medium or short context whose owner frees much all the same (some hundred blocks in one life) goes on with a full heap for what it allocates from then on, until it is reset;
 * a mark leads back to the engine. */
enum ctxalloc_lifetime {
    CTXALLOC_LONG,   /* a full heap: blocks are freed and reused one by one, as with malloc */
    CTXALLOC_MEDIUM, /* a bumped pointer that goes round: blocks are cut from runs of free granules, found in bitmaps; freed ones are used again. The memory of a short
                        context, for contexts of few blocks that come and go */
    CTXALLOC_SHORT   /* a bumped pointer: free gives back the last block only, the last block grows in place */
};

/* What becomes of blocks that are live when their context is destroyed. */
enum ctxalloc_escape {
    CTXALLOC_FREE_ALL, /* they go with it */
    CTXALLOC_REFUSE,   /* it is not destroyed: EBUSY */
    CTXALLOC_ADOPT     /* they stay, and are its parent's; without a parent, global */
};

/* Attributes of a context's memory, all of it. Not with CTXALLOC_ADOPT. */
#define CTXALLOC_PREFAULT 0x1U   /* resident before it is used, and for as long as the context is; a page fault never happens in it */
#define CTXALLOC_LOCK 0x2U       /* mlock: resident and never swapped. RLIMIT_MEMLOCK counts: what goes over it is refused, NULL and ENOMEM */
#define CTXALLOC_NODUMP 0x4U     /* not in core dumps */
#define CTXALLOC_WIPEONFORK 0x8U /* children after fork find zeroes where the blocks were; they may still free them */

/* Zero everything but `size` for the defaults. */
typedef struct ctxalloc_options {
    size_t size;                  /* sizeof(ctxalloc_options): lets the struct grow */
    const char *name;             /* for messages and reports, the first 31 bytes are kept; NULL: none */
    ctxalloc_context *parent;     /* limits and destruction nest; NULL or CTXALLOC_GLOBAL: none */
    enum ctxalloc_lifetime lifetime;
    size_t block_size;            /* hint, bytes; CTXALLOC_MEDIUM rounds sizes up to multiples of it, so that one block fits where another was; above 4096 ignored; 0: none */
    size_t soft_limit;            /* bytes held; 0: none. on_pressure is called each time they are gone over */
    size_t hard_limit;            /* bytes held; 0: none. Requests that would go over it: NULL and ENOMEM */
    void (*on_pressure)(ctxalloc_context *context, size_t used, void *arg); /* may free and allocate; called by the thread that crosses the limit */
    void *arg;
    enum ctxalloc_escape escape;
    unsigned flags;               /* CTXALLOC_PREFAULT and the like */
    const ctxalloc_source *source; /* where all its memory comes from, see ctxalloc/source.h; NULL: the process's own. Not with flags, nor with CTXALLOC_ADOPT */
    const char *numa;             /* from which nodes its memory comes, see ctxalloc/numa.h; NULL: as this thread's. Not with source or flags */
} ctxalloc_options;

/* A context, not current anywhere. NULL: the defaults. Errors: EINVAL (a field is out of range), ENOMEM (no memory, or a parent's hard limit).
 * Cost: some ten ns when the thread destroyed one of the kind before, a few hundred otherwise. */
ctxalloc_context *ctxalloc_create(const ctxalloc_options *options);

/* From now on, malloc in this thread goes to `to`. Returns what was current before: a context, or CTXALLOC_GLOBAL. NULL and EBUSY: another thread has it
 * current; EINVAL: NULL was passed; ENOMEM: the thread's own could not be made. Nothing changed then.  Cost: about 2 ns. */
ctxalloc_context *ctxalloc_switch(ctxalloc_context *to);

/* What malloc goes to: a context, or CTXALLOC_GLOBAL. Never CTXALLOC_THREAD, but that context's own pointer. */
ctxalloc_context *ctxalloc_current(void);

/* Calls fn(arg) with `context` current, and returns what it returns.  What was current before is restored on every way out: return, C++ exception, longjmp,
 * pthread_exit, cancellation. (longjmp out of a coroutine's stack is not seen; out of the thread's own stack it is.)  NULL with errno EBUSY,
 * EINVAL or ENOMEM when it cannot be switched to: fn is not called then. */
void *ctxalloc_run(ctxalloc_context *context, void *(*fn)(void *), void *arg);

/* All blocks cease to be, contexts below are destroyed, reset callbacks run; the memory is kept for what comes next. 0; EBUSY: another thread has it, or one below
 * it, current; EINVAL: not a context. */
int ctxalloc_reset(ctxalloc_context *context);

/* Contexts below it first, then callbacks, the newest first, then the blocks, as `escape` says. If it is current in this thread, the thread goes to CTXALLOC_GLOBAL.
 * 0; EBUSY: another thread has it (or one below) current, or blocks are live under CTXALLOC_REFUSE: nothing changed then; EINVAL: not a context.
 * Cost: proportional to extents (up to 4 MiB each), and to pages by 8 bytes each, not to blocks. */
int ctxalloc_destroy(ctxalloc_context *context);

/* freeze true: the context's memory is read-only from now on, and a store to one of its blocks a fault; false: writable again.  Meanwhile it cannot be switched to, nothing is
 * allocated in it (NULL; EPERM from ctxalloc_* functions, ENOMEM from realloc), no savepoint is made, gone back to or dropped (EBUSY), and blocks are not resized; they
 * may be freed, as no bookkeeping lies in them.  Reset and destroy make it writable first.  0 (also if it was so already); EBUSY: it is current in a thread; ENOTSUP: no
 * long-lived context, or check=full; ENOMEM: the kernel refused (too many mappings): nothing changed, or, when not even that could be undone, it is frozen and may be
 * thawed later; EINVAL: not a context, or a thread's own.  Cost: a system call for each extent and huge block. */
int ctxalloc_freeze(ctxalloc_context *context, bool freeze);

/* The context that a block belongs to, CTXALLOC_GLOBAL: outside any. NULL: not from here.  p: any address inside the block. Any thread that holds it. */
ctxalloc_context *ctxalloc_owner(const void *p);

/* The name it was given, "" if none; "global" for CTXALLOC_GLOBAL. */
const char *ctxalloc_name(const ctxalloc_context *context);

/* fn(arg) is called once, when the context is next reset or destroyed / destroyed; the newest first. Its blocks are still there then.  0, EINVAL or ENOMEM. */
int ctxalloc_on_reset(ctxalloc_context *context, void (*fn)(void *arg), void *arg);
int ctxalloc_on_destroy(ctxalloc_context *context, void (*fn)(void *arg), void *arg);

/* --- numbers --------------------------------------------------------------------------------------------------- */

typedef struct ctxalloc_usage_t {
    uint64_t live_blocks; /* handed out and not freed (frees by other threads count once they arrive) */
    uint64_t live_bytes;  /* that these blocks may use: malloc_usable_size */
    uint64_t held_bytes;  /* of memory, handed out by the source: what the limits limit; contexts below included */
    uint64_t peak_bytes;  /* most that was ever held */
    uint64_t soft_limit, hard_limit;
    uint64_t refusals;    /* requests that the hard limit did not let through */
    uint64_t grown, shrunk; /* blocks resized in place */
} ctxalloc_usage_t;

/* Any thread; exact while nobody allocates. false: not a context. CTXALLOC_GLOBAL: the process's numbers. */
bool ctxalloc_usage(ctxalloc_context *context, ctxalloc_usage_t *usage);
/* after - before, field by field (limits: after's); what went down is a large number that int64_t reads as negative. */
ctxalloc_usage_t ctxalloc_usage_difference(const ctxalloc_usage_t *after, const ctxalloc_usage_t *before);
/* ctxalloc_run, and by how much the context's numbers changed meanwhile. */
void *ctxalloc_measure(ctxalloc_context *context, void *(*fn)(void *), void *arg, ctxalloc_usage_t *change);

/* Limits can be changed at any time; what is held already stays. 0: none. EINVAL: not a context. */
int ctxalloc_set_limits(ctxalloc_context *context, size_t soft, size_t hard);

/* --- blocks of a context that need not be current ----------------------------------------------------------------- */

/* As malloc, calloc, aligned_alloc, whatever is current; free() and realloc() as ever. CTXALLOC_GLOBAL pins a block outside any context.
 * Any thread, also while another one has the context current: such blocks come from a part of the context that a lock guards. */
void *ctxalloc_malloc(ctxalloc_context *context, size_t size);
void *ctxalloc_calloc(ctxalloc_context *context, size_t count, size_t size);
void *ctxalloc_memalign(ctxalloc_context *context, size_t align, size_t size);
/* As realloc; a new block (p NULL) is the context's, others stay with their owner. */
void *ctxalloc_realloc(ctxalloc_context *context, void *p, size_t size);
char *ctxalloc_strdup(ctxalloc_context *context, const char *text);

/* malloc in the current context, and how much may be used in fact (CA17). */
void *ctxalloc_malloc_excess(size_t size, size_t *usable);
/* Resizes in place or not at all: 0, or ENOMEM and the block is as it was. EINVAL: not a live block of ours. */
int ctxalloc_resize(void *p, size_t size);
/* As realloc, with an alignment (a power of two) that the new place will have. EINVAL in errno: not a power of two. */
void *ctxalloc_realloc_aligned(void *p, size_t align, size_t size);

/* Whether the address lies in memory of the context, in blocks or free; of CTXALLOC_GLOBAL: in a block. */
bool ctxalloc_contains(ctxalloc_context *context, const void *p);

/* What an address is. */
enum ctxalloc_verdict { CTXALLOC_FOREIGN, CTXALLOC_LIVE, CTXALLOC_INTERIOR, CTXALLOC_DEAD };
typedef struct ctxalloc_verdict_t {
    enum ctxalloc_verdict verdict;
    const void *block;       /* LIVE, INTERIOR: the block's start */
    size_t size;             /* LIVE, INTERIOR: bytes that may be used */
    ctxalloc_context *owner; /* as ctxalloc_owner */
} ctxalloc_verdict_t;
/* Exact with check=on (the default); with check=off a freed block of a page in use counts as live. Any thread. */
enum ctxalloc_verdict ctxalloc_inspect(const void *p, ctxalloc_verdict_t *verdict);

/* --- marks ---------------------------------------------------------------------------------------------------------- */

/* A point to go back to; contexts with CTXALLOC_SHORT only. */
typedef struct ctxalloc_mark_t {
    uint64_t opaque[6];
} ctxalloc_mark_t;
/* A mark takes 32 bytes until the context is reset or rolled back to an older one. EINVAL: not such a context. ENOMEM. */
int ctxalloc_mark(ctxalloc_context *context, ctxalloc_mark_t *mark);
/* Frees what was allocated since. Marks nest; a mark is void after a reset or after a rollback to an older one. EINVAL: void, or not of this context. */
int ctxalloc_rollback(ctxalloc_context *context, const ctxalloc_mark_t *mark);

/* --- reports -------------------------------------------------------------------------------------------------------- */

enum ctxalloc_format { CTXALLOC_TEXT, CTXALLOC_JSON };
/* Writes the statistics of the process to a descriptor: CTXALLOC_TEXT for people, CTXALLOC_JSON with every size class, heap and context (docs/reports.md). Bytes.
 * Numbers are exact while nobody allocates or frees.  Any thread, any time; allocates nothing, keeps errno.  0; EINVAL: no such format; EIO: some of it
 * could not be written.  Cost: proportional to heaps and contexts, and for contexts with CTXALLOC_SHORT to the memory they hold; a page of output takes one system call. */
int ctxalloc_stats(int fd, enum ctxalloc_format format);

/* Calls fn(block, size, owner, arg) for every live block of the context and those it adopted, in no order, until fn returns false. CTXALLOC_GLOBAL: for every live block
 * of the process, whoever owns it (owner CTXALLOC_GLOBAL: outside any context). size: bytes that may be used.
 * Any thread. No lock is held: fn may call anything, may free the block it is shown, but must not reset or destroy the context.  Blocks that live throughout are shown once
 * each; of those that are allocated or freed meanwhile, some.  Blocks that another thread freed count as live until they arrive, as in ctxalloc_usage.
 * 0; EINVAL: not a context, or no fn.  With check=off: ENOTSUP for CTXALLOC_GLOBAL, EBUSY when another thread has the context current.  ENOMEM: the thread's own could
 * not be made. Cost: proportional to the memory held (of the context, or of the process). */
int ctxalloc_walk(ctxalloc_context *context, bool (*fn)(const void *block, size_t size, ctxalloc_context *owner, void *arg), void *arg);

/* Writes the heap profile (option profile) taken so far, as gperftools' text, which pprof, google-pprof and jeprof read. The file is made, or emptied if it is there;
 * a symbolic link is not followed (ELOOP).  Any thread; allocates nothing.  0; ENOTSUP: no profile is taken; EINVAL: no path; EIO: some of it could not be written; or what open(2) says. */
int ctxalloc_profile_dump(const char *path);
/* --- savepoints ----------------------------------------------------------------------------------------------------- */

/* How all of a context is at one moment: which blocks live, their sizes, and the bytes in them; contexts with CTXALLOC_LONG only. */
typedef struct ctxalloc_savepoint_t {
    uint64_t opaque[4];
} ctxalloc_savepoint_t;
/* The three want what reset wants: the context current in this thread or in none (EBUSY otherwise), and no other thread allocating, freeing, resizing or writing its blocks.
 *
 * A savepoint is a copy, which counts against the context's limits until it is dropped: all pages in use that are not zero, and about 100 bytes for each. While there are savepoints, pages that
 * they know stay the context's though blocks in them are freed. Time: proportional to the memory in use.
 * EINVAL: not such a context. ENOMEM: no memory, or a hard limit; nothing changed. */
int ctxalloc_save(ctxalloc_context *context, ctxalloc_savepoint_t *savepoint);
/* Everything is as it was: blocks from since are gone, blocks freed since live again, at their places, with what they held. Frees on their way from other threads are void.  What is
 * not put back: contexts below, callbacks, limits, the blocks of others.  The savepoint stays, to be gone back to again; younger ones are void.
 * Needs no memory. EINVAL: the savepoint is void, was dropped, or is not of this context; nothing changed. */
int ctxalloc_restore(ctxalloc_context *context, const ctxalloc_savepoint_t *savepoint);
/* It can not be gone back to any more, its copy goes. Older and younger ones stay. A reset or the context's end drops all. EINVAL as before. */
int ctxalloc_savepoint_drop(ctxalloc_context *context, const ctxalloc_savepoint_t *savepoint);

#ifdef __cplusplus
}
#endif

#endif
