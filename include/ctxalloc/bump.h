/* Bump allocation: blocks one after another from a range of memory, given back all together, or from a mark on. See ctxalloc_bump(3).
 *
 * There is no state for a block, so none can be checked but the last one: that one grows and shrinks in place, and can be freed. Freeing
 * an earlier one is allowed and does nothing. The memory itself is neither read nor written, except by ctxalloc_bump_realloc when it moves.
 *
 * A bump belongs to its caller; no lock, one thread at a time.  Cost: O(1); an allocation is a dozen instructions.
 * Errors are values of <errno.h>; nothing aborts. An alignment is any number >= 1, and concerns the address. A size of 0 counts as 1.
 */
#ifndef CTXALLOC_BUMP_H
#define CTXALLOC_BUMP_H

#include "ctxalloc/engine.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* start <= last <= at <= end. The next block starts at `at` or after it; last == at: no block can be changed. */
typedef struct ctxalloc_bump {
    unsigned char *at, *end;
    unsigned char *last;
    unsigned char *start;
} ctxalloc_bump;

/* A place to come back to. */
typedef struct ctxalloc_bump_mark {
    size_t at, last; /* bytes from the start */
} ctxalloc_bump_mark;

/* Ready at compile time: static unsigned char memory[4096]; static ctxalloc_bump bump = CTXALLOC_BUMP_INIT(memory); */
#define CTXALLOC_BUMP_INIT(array) \
    { (unsigned char *)(array), (unsigned char *)(array) + sizeof(array), (unsigned char *)(array), (unsigned char *)(array) }

/* Over memory of the caller's, with the state apart. EINVAL: memory is NULL, or wraps round. */
int ctxalloc_bump_over(ctxalloc_bump *, void *memory, size_t bytes);

/* The state and the memory in one piece: bytes for a capacity (0: too large), and a bump there. The capacity is what is left beside
 * the state. NULL: mem is NULL or not aligned to 16, or bytes < ctxalloc_bump_memory(0). */
size_t ctxalloc_bump_memory(size_t capacity);
ctxalloc_bump *ctxalloc_bump_init(void *mem, size_t bytes);

/* In memory of the library's. NULL and errno: ENOMEM. Destroy takes NULL too. */
ctxalloc_bump *ctxalloc_bump_create(size_t capacity);
void ctxalloc_bump_destroy(ctxalloc_bump *);

/* NULL: not so much left, or align is 0. */
void *ctxalloc_bump_alloc(ctxalloc_bump *, size_t size, size_t align);
/* The same, and *got is what may be used: here never more than was asked for, but for size 0. */
void *ctxalloc_bump_alloc_at_least(ctxalloc_bump *, size_t size, size_t align, size_t *got);

/* The last block's memory comes back; an earlier block's does not, which is 0 too. EINVAL: p is NULL, outside what is in use (so a
 * second free of the last block), or inside the last block. */
int ctxalloc_bump_free(ctxalloc_bump *, void *p);

/* The last block, in place. *available (may be NULL): the largest size possible, 0 for an earlier block. ENOMEM: more than that. EINVAL as
 * for free. */
int ctxalloc_bump_resize(ctxalloc_bump *, void *p, size_t size, size_t *available);

/* As C's realloc, with the block's old size, which for the last block is known and not looked at. In place: the last block, and an
 * earlier one that shrinks, if its address has the alignment already. Otherwise moves: then the old block is lost until a release.
 * NULL: no room, or p is wrong as for free; nothing has changed. p == NULL: allocates. */
void *ctxalloc_bump_realloc(ctxalloc_bump *, void *p, size_t old_size, size_t new_size, size_t align);

/* All blocks allocated since the mark are gone; the block that was last then is last again. EINVAL: the mark lies after what is in use, as after
 * a release to an earlier one. (A mark that has become old and lies before again is taken for good.) */
ctxalloc_bump_mark ctxalloc_bump_get_mark(const ctxalloc_bump *);
int ctxalloc_bump_release(ctxalloc_bump *, ctxalloc_bump_mark);
void ctxalloc_bump_reset(ctxalloc_bump *); /* releases everything */

/* The caller has so much more memory, right after the range. EOVERFLOW: past the end of the address space. */
int ctxalloc_bump_grow(ctxalloc_bump *, size_t additional);

size_t ctxalloc_bump_capacity(const ctxalloc_bump *);
size_t ctxalloc_bump_used(const ctxalloc_bump *);                    /* with what alignment skipped */
size_t ctxalloc_bump_largest(const ctxalloc_bump *, size_t align);   /* the largest size that would succeed now, exactly; 0: none */
size_t ctxalloc_bump_size(const ctxalloc_bump *, const void *p);     /* of the last block; 0: not known */
bool ctxalloc_bump_empty(const ctxalloc_bump *);
void *ctxalloc_bump_range(const ctxalloc_bump *, size_t *bytes);     /* its start */
bool ctxalloc_bump_contains(const ctxalloc_bump *, const void *p);   /* in the range, used or not */
bool ctxalloc_bump_is_valid(const ctxalloc_bump *, int *which);      /* 1: the order of the four addresses */

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
