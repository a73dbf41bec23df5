/* What ctxalloc_run leaves on the stack (context.c), for the ways out of it that end in the compiler's unwinder (unwind.c). */
#ifndef CA_RUN_H
#define CA_RUN_H

#include <pthread.h>

#include "front/context.h"

typedef struct ca_run_frame {
    uintptr_t mark; /* ca_run_mark of its address while it has something to restore */
    ca_context *before;
    bool done, listed;
    struct _pthread_cleanup_buffer buffer;
} ca_run_frame;

/* A word that no other place of a stack holds. */
CA_INLINE uintptr_t ca_run_mark(const ca_run_frame *f)
{
    return (uintptr_t)f ^ 0xb5ad4eceda1ce2a9;
}

/* Restores what was current before; nothing when that is done already. */
void ca_run_leave(ca_run_frame *f);

/* The end of the calling thread's own stack, when `p` is on it; otherwise 0. */
uintptr_t ca_run_stack_end(const void *p);

#endif
