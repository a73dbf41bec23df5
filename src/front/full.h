/* check=full: what is found beyond wrong frees, at the price of a slower malloc.
 *
 *   block    [ the program's `size` bytes | canary bytes | trailer: size (48 bits) and number of the stack that allocated it (16), disguised ]
 *
 * - the canary and the trailer are looked at when the block is freed, resized or measured: a write past the end
 * - freed blocks are filled with poison, wait in a quarantine, and are looked at when they leave it and when they are handed out again: a write after free
 * - the live bit goes at the call, atomically, whoever frees: two frees by two threads are told apart from each other at once
 * - free_sized and C++'s sized delete compare the size
 * - a context that is destroyed with live blocks says so (front/context.c)
 *
 * All fast paths are off in this mode (see target_init in heap/heap.c). Any thread. One lock around the quarantine.
 */
#ifndef CA_FRONT_FULL_H
#define CA_FRONT_FULL_H

#include "heap/heap.h"

enum { CA_FULL_TRAILER = 16 }; /* bytes more that a block takes at least */

/* A raw block of `usable` bytes becomes one of `size`. fresh: what it holds was not handed out before its context dropped it. Returns p. */
void *ca_full_dress(void *p, size_t usable, size_t size, bool look);
/* Whether ca_full_dress also notes who allocates (option trace). */
CA_EXTERN bool ca_full_traces;
/* The size it was made with, of a block that may just be freed by others: nothing is complained of. */
size_t ca_full_peek(const void *p, size_t usable);
/* The number of the stack that allocated it, see front/stack.h; 0: unknown. */
uint32_t ca_full_stack(const void *p, size_t usable);
/* The size it was made with; ends the process if its end was written over. */
size_t ca_full_size(const void *p, size_t usable, const char *function);
/* The block is dead from now on. Returns another that has waited long enough, to be given back now, and then ca_full_given; NULL: none. */
void *ca_full_bury(void *p, size_t usable);
/* One after the other, all that wait, each to be given back in the same way. NULL: none is left. */
void *ca_full_exhume(void);
void ca_full_given(void);
/* Waits until nobody has any that is not given back: it may lie in a context that is to go. pre: the caller has none, and no lock */
void ca_full_settle(void);
/* In the child: nobody else is left who could give back. */
void ca_full_after_fork(void);

void ca_full_lock(void);
void ca_full_unlock(void);

#endif
