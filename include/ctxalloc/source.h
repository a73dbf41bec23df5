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
     * the library uses whole 64 KiB of it, aligned to 64 KiB.  NULL: none to be had.
     * It need not be usable before it is committed.
     * The function itself may be NULL: the source's memory is cut out of the process's own range, where malloc and free are fastest; it is readable and writable
     * then before it is committed, and `commit` sets on it what the source is for. */
    void *(*reserve)(const ctxalloc_source *source, size_t least, size_t *bytes);
    /* [p, p + bytes) becomes readable and writable, and reads as zero where it is committed for the first time.  NULL: memory is usable as reserved. */
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

#ifdef __cplusplus
}
#endif

#endif
