/* Visiting live blocks.
 *
 * No lock is held while fn runs: it may allocate, and may free the block it is shown.  Blocks that are live from before the walk until after it are seen once
 * each; of those that come and go meanwhile, some.  Sizes are what may be used.  A block on its way home from another thread that freed it counts as live until it
 * arrives, as in all statistics.
 *
 * Which blocks of a heap are live is known from the live map.  With check=off there is none: then a context's caches are emptied first, by its owner, and what is
 * out of the slabs is live; other threads' heaps cannot be asked.
 */
#ifndef CA_FRONT_WALK_H
#define CA_FRONT_WALK_H

#include "heap/context.h"

/* owner: whose the block is, adoption followed; NULL: global. false: no more. */
typedef bool ca_walk_fn(const void *block, size_t size, ca_context *owner, void *argument);

/* The blocks of a context, and those it adopted. 0; EBUSY: check=off, and another thread has it current. */
int ca_walk_context(ca_context *context, ca_walk_fn *fn, void *argument);
/* All blocks of the process. Time: proportional to the memory held. 0; ENOTSUP: check=off. */
int ca_walk_all(ca_walk_fn *fn, void *argument);

#endif
