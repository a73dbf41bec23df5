/* Contexts as threads see them: which one is current, how they come and go.
 *
 * A thread has a context by putting its own mark (the address of its ca_current) into `holder`.  That takes two plain stores a switch: programs that hand a
 * context from thread to thread synchronise themselves, and those that do not are found out, at the latest when one of the two switches away.
 *
 * Any thread; a context's own calls (reset, destroy, mark) while no other thread has it.
 */
#ifndef CA_FRONT_CONTEXT_H
#define CA_FRONT_CONTEXT_H

#include "front/front.h"
#include "heap/context.h"

typedef struct ca_context_settings {
    const char *name; /* NULL: none */
    ca_context *parent;
    uint32_t kind;    /* enum ca_target_kind */
    size_t block_size; /* of most blocks, 0: not known */
    size_t soft, hard;
    void (*on_pressure)(void *context, size_t used, void *argument);
    void *argument;
    uint32_t escape, flags;
    struct ca_stored *stored; /* CA_TARGET_STORED */
    const ca_source *source; /* NULL: the process's */
} ca_context_settings;

/* What to do with blocks that are live when their context is destroyed; as enum ctxalloc_escape. */
enum ca_escape { CA_ESCAPE_FREE, CA_ESCAPE_REFUSE, CA_ESCAPE_ADOPT };

/* NULL: no memory, or a parent's limit. */
ca_context *ca_context_create(const ca_context_settings *settings);
/* The same for a short or long one with nothing else to it, out of those that wait in the thread for their next use; NULL: there is none. */
ca_context *ca_context_renew(uint32_t kind, const char *name, size_t soft, size_t hard, void (*on_pressure)(void *context, size_t used, void *argument), void *argument);
/* 0, or an errno value: EBUSY when another thread has it or one below it, or a policy refuses. */
int ca_context_destroy(ca_context *context);
/* Its memory is read-only until it thaws; nothing is allocated meanwhile. 0, EBUSY: it is current somewhere; ENOTSUP: a kind that has no heap, or check=full; ENOMEM. */
int ca_context_freeze(ca_context *context);
/* Of any context; false: the kernel refused, and it is frozen still. */
bool ca_context_thaw(ca_context *context);
/* All blocks cease to be; EBUSY when another thread has it. Contexts below are destroyed. */
int ca_context_reset(ca_context *context);

/* The owner, in whose thread it is current: malloc takes from a heap of its own from now on, if there are no marks, and there is memory. pre: short or medium */
void ca_context_promote(ca_context *context);
/* Malloc goes to the engine's memory again, until the context is busy anew. The owner. pre: short or medium */
void ca_context_demote(ca_context *context);
/* To the other of the two; false: there is no other, or marks forbid it. The owner. */
bool ca_context_change_part(ca_context *context);

/* Savepoints: 0, or EINVAL (not a long context; no such savepoint), EBUSY, ENOMEM. */
int ca_context_save(ca_context *context, uint64_t *number);
int ca_context_restore(ca_context *context, uint64_t number);
int ca_context_save_drop(ca_context *context, uint64_t number);

/* NULL: no context is current. */
ca_context *ca_context_current(void);
/* The thread's own, made on first use. NULL: no memory. */
ca_context *ca_context_own(void);
/* false: another thread has it, or it is not live. NULL: no context, allocate from the thread's heap. */
bool ca_context_switch(ca_context *to);
/* The first switch to it. */
bool ca_context_take_new(ca_context *context);
_Noreturn void ca_context_in_two_threads(const ca_context *context);
ca_target *ca_context_home(void);

CA_INLINE uintptr_t ca_context_mark(void)
{
    return (uintptr_t)&ca_current;
}

/* For one call, whatever is current; any thread. NULL: no memory. owner NULL: the thread's heap.  size + align <= CA_MAX_SIZE.
 * A context that nobody switched to yet is used itself, others are served from their annex. */
void *ca_context_malloc(ca_context *owner, size_t size, size_t align);
/* Another thread has it current, or is making a call with it. */
bool ca_context_is_elsewhere(const ca_context *context);
/* For a walk without the live map: what its heaps' caches hold goes back to the slabs. false: another thread has it. */
bool ca_context_empty_caches(ca_context *context);
/* Live blocks and their bytes, with those adopted from contexts below. */
void ca_context_count_all(ca_context *context, uint64_t *blocks, uint64_t *bytes);

/* Tells those whose soft limit was crossed. Called where no heap is half-way through something. */
void ca_context_press(ca_context *context);
CA_INLINE void ca_context_tell(ca_context *context)
{
    if (CA_LIKELY(!CA_LOAD(&ca_account_pressed_any)))
        return;
    for (const ca_account *a = &context->account; a; a = a->parent)
        if (CA_UNLIKELY(CA_LOAD(&a->pressed))) {
            ca_context_press(context);
            return;
        }
}

/* The last block of an adopted short context was freed: its memory and the record go. */
void ca_context_freed_last(ca_context *context);

/* fn(argument) runs at the next reset or destruction (when: bits of enum ca_callback_when), the newest first. false: no memory. */
enum ca_callback_when { CA_ON_RESET = 1, CA_ON_DESTROY = 2 };
bool ca_context_callback(ca_context *context, uint32_t when, void (*fn)(void *argument), void *argument);

/* The thread ends: what it has current is anybody's, what waited for its next use goes. home: the thread's heap. */
void ca_context_thread_end(ca_heap *home);
/* Fork: the locks; and in the child, what threads that are gone had is lost. */
void ca_context_lock_all(void);
void ca_context_unlock_all(void);
void ca_context_after_fork(void);

#endif
