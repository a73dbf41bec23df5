/* Contexts: heaps with a lifetime, limits and a name.  Here is what a context is made of; who has it current is the front's affair (front/context.h).
 *
 *   long     a heap (heap/heap.h): anything can be freed and reused
 *   medium   runs of granules found in bitmaps (heap/chunked.h): what is freed is used again
 *   short    a pointer that is bumped (heap/bump.h): freeing gives nothing back, but for the last block
 *
 * A medium or short one whose owner frees much gets a heap, too (ca_context_promote): what is allocated from then on is reused as in a long one, and what lies in its engine's
 * memory stays there.
 *
 * Every context may have a further heap, its *annex*, for calls by threads that do not have it current (realloc, ctxalloc_malloc): it is a
 * heap like that of a long context, and is used under the context's lock.
 *
 * Owner: who has it current, see `holder`.  Any thread may free its blocks, and read its account.
 */
#ifndef CA_HEAP_CONTEXT_H
#define CA_HEAP_CONTEXT_H

#include "base/lock.h"
#include "heap/bump.h"
#include "heap/chunked.h"
#include "heap/engine.h"
#include "heap/heap.h"

enum { CA_CONTEXT_NAME = 32 };
enum { CA_CONTEXT_BUSY = 1 }; /* in target.context_end: malloc is to promote the context. Frees go on as before */

#define CA_HOLDER_LEFT ((uintptr_t)1)
/* Nobody ever switched to it: calls for one block, by any thread, take it by compare-and-swap (BUSY meanwhile), and so does the first switch. */
#define CA_HOLDER_NEW ((uintptr_t)2)
#define CA_HOLDER_NEW_BUSY ((uintptr_t)6)
#define CA_HOLDER_FROZEN ((uintptr_t)4) /* its memory is read-only, see front/freeze.c */
#define CA_HOLDER_SPECIAL ((uintptr_t)7)

/* [X1] holder without any of CA_HOLDER_SPECIAL: that thread's current target is the context's
 * [X2] a context's account is charged for exactly the runs and chunks that its heaps and its engine hold */
typedef struct ca_context {
    ca_target target;     /* short and medium: what is current while malloc goes to the engine; long: unused but for the kind */
    uintptr_t holder;     /* the mark of the thread that has it current; with CA_HOLDER_LEFT: of the last that had it; CA_HOLDER_NEW; 0: not live, nobody may */
    ca_target *current;   /* of this or of its heap */
    ca_heap *heap;        /* what is current: of a long one, and of a promoted one; NULL: none */
    const ca_engine *engine; /* NULL: long */
    union {
        ca_bump bump;       /* short */
        ca_chunked chunked; /* medium */
    };
    struct ca_stored *stored; /* the heap in a file */
    ca_account account;
    ca_heap *annex;       /* NULL: none yet */
    ca_run_list runs;     /* huge blocks */
    ca_lock lock;         /* guards the annex */
    uint32_t state;       /* enum ca_context_state */
    uint16_t escape;      /* as ctxalloc_options */
    bool frozen;          /* guarded by the lock */
    uint32_t flags;       /* as ctxalloc_options */
    struct ca_context *parent, *child, *next, *prev; /* the tree: guarded by its lock */
    struct ca_context *warm; /* the next one that waits for its next use */
    uint32_t callbacks;    /* records, newest first */
    uint32_t notes;        /* of a profile: its blocks there (front/profile.h) */
    void (*on_pressure)(void *context, size_t used, void *argument);
    void *argument;
    uint64_t huge_count, huge_bytes;
    struct ca_context *next_of_all;
    uint64_t grown, shrunk; /* resizes in place */
    struct ca_context *sweep; /* the child where the next look for adopted ones without blocks begins; NULL: the first. Guarded by the tree's lock */
    struct ca_save_record *saves; /* savepoints, newest first, see heap/save.h */
    char name[CA_CONTEXT_NAME];
} ca_context;

_Static_assert(sizeof(ca_context) <= CA_CONTEXT_RECORD, "a context is one record");

enum ca_context_state {
    CA_CONTEXT_FREE,
    CA_CONTEXT_LIVE,
    CA_CONTEXT_ADOPTED, /* destroyed, its blocks are the parent's now */
    CA_CONTEXT_LOST     /* after fork: a thread that is gone had it */
};

CA_INLINE ca_context *ca_context_at(uint32_t number)
{
    return ca_pool_at(&ca_region.contexts, number);
}

CA_INLINE uint32_t ca_context_number(const ca_context *context)
{
    return (uint32_t)((size_t)((const char *)context - ca_region.contexts.base) / CA_CONTEXT_RECORD);
}

/* Where new memory comes from; NULL: the first zone. Atomic. */
CA_INLINE ca_zone **ca_context_zone(ca_context *context)
{
    ca_heap *heap = CA_LOAD(&context->heap);
    if (!context->engine && heap) /* else it has been retired */
        return &heap->runs.zone;
    return context->target.kind == CA_TARGET_MEDIUM ? &context->chunked.zone : &context->bump.zone;
}

/* In the entries of pages whose blocks went with their context: this flag and the context's number. */
#define CA_DEAD 0x80000000U

enum { CA_CONTEXT_OWN = 1 << 30 }; /* a flag: a thread's own */

/* The context that a block with this entry belongs to; NULL: none, a thread's heap. pre: tag != 0 */
ca_context *ca_context_of(ca_page page, uint32_t tag, const void *p);
/* While nobody ever switched to it: the context for one call. false: it is in use, or was switched to. */
CA_INLINE bool ca_context_try(ca_context *context)
{
    uintptr_t fresh = CA_HOLDER_NEW;
    return CA_LOAD(&context->holder) == CA_HOLDER_NEW &&
           __atomic_compare_exchange_n(&context->holder, &fresh, CA_HOLDER_NEW_BUSY, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

CA_INLINE void ca_context_done(ca_context *context)
{
    CA_STORE_RELEASE(&context->holder, CA_HOLDER_NEW);
}

/* Follows adoption: who answers for the context's blocks now. NULL: nobody, they are global. */
ca_context *ca_context_resolve(ca_context *context);

/* Empty, of a kind of ca_target, under the process's account. zone: held by the caller, the context's from now on; NULL: the first one. NULL: no memory. */
ca_context *ca_context_new(uint32_t kind, ca_zone *zone);
CA_INLINE bool ca_context_has_marks(const ca_context *context)
{
    return context->target.kind == CA_TARGET_SHORT && context->bump.marks != 0;
}

/* What malloc goes to in a context with an engine, from now on: the engine, or a heap, which is made if there is none (no memory: the engine it stays).
 * The owner, whose target becomes context->current. */
void ca_context_use_engine(ca_context *context);
void ca_context_use_heap(ca_context *context);
/* All blocks cease to be. keep: memory stays for what comes next, where that is cheap. The owner's target becomes context->current. */
void ca_context_drop(ca_context *context, bool keep);
/* What is left goes, the record too. pre: dropped */
void ca_context_retire(ca_context *context);

/* The annex, locked; NULL: no memory, or frozen; not locked. Any thread. */
ca_heap *ca_context_annex_take(ca_context *context);
void ca_context_annex_drop(ca_context *context);

/* Calls fn for every record that was ever a context. */
void ca_context_each(void (*fn)(ca_context *context, void *argument), void *argument);
/* The address lies in memory of the context. */
bool ca_context_has(ca_context *context, ca_page page, const void *p);
/* What lives is global from now on, the record goes or, for a short context, waits for its last block to be freed. pre: adopted, no parent */
void ca_context_globalize(ca_context *context);

/* Live blocks, and the bytes they may use. Exact while nobody allocates or frees. */
void ca_context_count(ca_context *context, uint64_t *blocks, uint64_t *bytes);

#endif
