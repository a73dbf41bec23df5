/* Placement: which zone the memory of a heap comes from under a NUMA policy, and where the kernel says its pages are.
 *
 * Threads: any.  A count of what other threads change meanwhile is near, not exact.  Cost: a zone is looked up under a lock; counting asks the kernel about every page.
 */
#ifndef CA_HEAP_PLACEMENT_H
#define CA_HEAP_PLACEMENT_H

#include "heap/context.h"
#include "source/numa.h"

/* The source for a policy, as text. NULL, and *error is EINVAL (not a policy, or no such nodes), ENOMEM (too many), or 0: the process's own will do. */
const ca_source *ca_placement_source(const char *text, int *error);
/* The zone for the heaps of threads on a node, which stays; NULL: the first. node: as ca_numa_here says. */
ca_zone *ca_placement_home_slow(unsigned node);
CA_INLINE ca_zone *ca_placement_home(unsigned node)
{
    return CA_LIKELY(node >= CA_NUMA_NODES) ? NULL : ca_placement_home_slow(node);
}

/* A thread's heap that takes an extent: from now on it has a zone if there are several nodes, and nobody chose one. */
CA_INLINE void ca_placement_settle(ca_heap *heap)
{
    if (!CA_LOAD(&heap->runs.zone) && heap->target.kind == CA_TARGET_HOME)
        CA_STORE(&heap->runs.zone, ca_placement_home(ca_numa_here(false)));
}


/* Where new memory of a context comes from; NULL: the first zone. */
ca_zone *ca_placement_of(ca_context *context);
/* Changes that. zone: held by the caller, for good. */
void ca_placement_set(ca_context *context, ca_zone *zone);

/* The policy that pages of a zone are under. */
ca_numa_policy ca_placement_policy(const ca_zone *zone);

/* These add to *count; move: what is misplaced is moved first. false: the kernel does not say, *error is why. */
bool ca_placement_add_heap(ca_numa_count *count, ca_heap *heap, bool move, int *error);
/* What lies in its heaps, and its huge blocks. */
bool ca_placement_add_heaps(ca_numa_count *count, ca_context *context, bool move, int *error);
/* All that it holds. Of a short or medium one, only by who has it current. */
bool ca_placement_add_context(ca_numa_count *count, ca_context *context, bool move, int *error);
/* Its huge blocks. */
bool ca_placement_add_huge(ca_numa_count *count, ca_context *context, bool move, int *error);
/* Huge blocks outside any context, and large chunks of short contexts. */
bool ca_placement_add_global(ca_numa_count *count, bool move, int *error);

/* For fork: taken last. */
void ca_placement_lock(void);
void ca_placement_unlock(void);

#endif
