/* The front: which heap this thread allocates from, and malloc and free behind their fast paths.
 *
 *   malloc ── ca_fast_malloc        loaded magazine of the current heap (front/fast.h)
 *               └ ca_front_malloc   attach the thread · medium sizes · refill: depot, inbox, slabs, pages, region
 *   free ──── ca_fast_free          loaded magazine, if the page is the current heap's
 *               └ ca_fast_free_second   what short and medium contexts cut last, or have in the chunk in use · other threads' objects, where some wait already
 *                   └ ca_fast_free_third    the rest of such contexts' blocks
 *                       └ ca_front_free     NULL · large · huge · other heaps' · wrong pointers · other allocators'
 *
 * Any thread, any time: before constructors, after the thread's own teardown, in the child after fork.  errno is neither set
 * nor changed here.
 */
#ifndef CA_FRONT_FRONT_H
#define CA_FRONT_FRONT_H

#include "heap/heap.h"

/* NULL: no memory, or the size is above CA_MAX_SIZE. */
void *ca_front_malloc(size_t size);
void *ca_front_calloc(size_t size);
/* align: a power of two. */
void *ca_front_memalign(size_t align, size_t size);
/* As ca_front_memalign, but outside any context. */
void *ca_front_memalign_global(size_t align, size_t size);

/* How a pointer was found to be. */
enum ca_found { CA_OURS, CA_FOREIGN };

/* CA_FOREIGN: not of the region, nothing done (NULL counts as ours). A wrong pointer of ours ends the process. `function` is
 * named in the message. */
enum ca_found ca_front_free(void *p, const char *function);
/* The same, and with check=full the size is compared. */
enum ca_found ca_front_free_sized(void *p, size_t size, const char *function);
/* check=full: all blocks in the quarantine go back. */
void ca_front_exhume(void);
/* As ca_context_malloc. */
void *ca_front_malloc_for(struct ca_context *owner, size_t size, size_t align);
/* What ca_front_malloc gives without the clothes of check=full. */
void *ca_front_plain(size_t align, size_t size);
/* As realloc with p != NULL and size != 0: *result NULL: no memory, the block is as it was. */
__attribute__((nonnull)) enum ca_found ca_front_realloc(void *p, size_t size, void **result);
/* Bytes that may be used. */
enum ca_found ca_front_usable(const void *p, size_t *size, const char *function);

/* In place or not at all. p: a live block of ours. */
bool ca_front_resize(void *p, size_t size);

/* What an address is, without ending anything. Exact with checks. */
enum ca_what { CA_IS_FOREIGN, CA_IS_LIVE, CA_IS_INTERIOR, CA_IS_DEAD };
typedef struct ca_inspection {
    enum ca_what what;
    const void *start; /* LIVE, INTERIOR */
    size_t size;
    struct ca_context *owner; /* NULL: none, global */
} ca_inspection;
ca_inspection ca_front_inspect(const void *p);
/* Whose page it is, if anybody's. */
bool ca_front_page_owner(const void *p, struct ca_context **owner);

/* What ca_front_malloc(size) gives room for. */
size_t ca_front_good_size(size_t size);
/* Gives unused memory back to the kernel; whether there was any. */
bool ca_front_trim(void);

/* check=full with the option trace: the number of the stack that allocated a live block; 0: unknown. */
uint32_t ca_front_stack_of(const void *p);
/* Frees of pointers that are not ours, which went to the next allocator. */
CA_EXTERN uint64_t ca_front_foreign;

/* --- threads and start (front/thread.c) --- */

/* The heap that malloc takes from in this thread: its own, or the context it switched to. */
CA_EXTERN __thread ca_target *ca_current __attribute__((tls_model("initial-exec")));

/* The thread's own heap. NULL: none yet, or not any more. */
CA_EXTERN __thread ca_heap *ca_home __attribute__((tls_model("initial-exec")));
/* The same, attached on first use. NULL: there is no memory, or the thread has passed its teardown. */
ca_heap *ca_thread_home(void);
/* A heap for one call of a thread that has passed its teardown; to be given back by ca_thread_return. */
ca_heap *ca_thread_borrow(void);
void ca_thread_return(ca_heap *heap);

#endif
