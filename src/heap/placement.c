#include "heap/placement.h"

#include <errno.h>

#include "heap/large.h"

enum { SPANS = 64 };

static ca_zone *homes[CA_NUMA_NODES]; /* by node; written once */

ca_numa_policy ca_placement_policy(const ca_zone *zone)
{
    ca_numa_policy policy;
    return ca_numa_source_policy(ca_zone_source(zone), &policy) ? policy : (ca_numa_policy){CA_NUMA_DEFAULT, {{0}}};
}

ca_zone *ca_placement_zone(ca_numa_policy *policy, int *error)
{
    *error = EINVAL;
    if (policy->mode == CA_NUMA_DEFAULT || policy->mode == CA_NUMA_OFF || !ca_numa_resolve(policy, ca_numa_here_now()))
        return NULL;
    *error = 0;
    if (ca_numa_look() == 1)
        return NULL;
    *error = ENOMEM;
    ca_numa_asked();
    const ca_source *source = ca_numa_source(policy);
    return source ? ca_zone_hold(source) : NULL;
}

ca_zone *ca_placement_home(unsigned node)
{
    if (CA_LIKELY(node >= CA_NUMA_NODES))
        return NULL;
    ca_zone *zone = __atomic_load_n(&homes[node], __ATOMIC_ACQUIRE);
    if (zone)
        return zone;
    ca_numa_policy policy = {CA_NUMA_LOCAL, {{0}}};
    if (!ca_numa_resolve(&policy, node))
        return NULL;
    const ca_source *source = ca_numa_home_source(&policy);
    zone = source ? ca_zone_hold(source) : NULL; /* two threads at once get the same one */
    if (zone)
        __atomic_store_n(&homes[node], zone, __ATOMIC_RELEASE);
    return zone;
}

void ca_placement_settle(ca_heap *heap)
{
    if (!heap->runs.zone && heap->target.kind == CA_TARGET_HOME)
        ca_run_list_set_zone(&heap->runs, ca_placement_home(ca_numa_here(false)));
}

static bool runs_add(ca_numa_count *count, ca_run_list *list, bool move, int *error)
{
    ca_run_span spans[SPANS];
    ca_page after = 0;
    const ca_zone *zone = ca_run_list_zone(list);
    ca_numa_policy policy = ca_placement_policy(zone);
    for (size_t n; (n = ca_region_spans(list, after, spans, SPANS));) {
        for (size_t i = 0; i < n; i++)
            if (!ca_numa_add(count, &policy, ca_region_address(spans[i].page), (size_t)spans[i].pages * CA_PAGE, move, error))
                return false;
        after = spans[n - 1].page + 1;
    }
    return true;
}

bool ca_placement_add_heap(ca_numa_count *count, ca_heap *heap, bool move, int *error)
{
    return runs_add(count, &heap->runs, move, error);
}

bool ca_placement_add_global(ca_numa_count *count, bool move, int *error)
{
    return runs_add(count, &ca_huge_runs, move, error);
}

typedef struct chunk_walk {
    ca_numa_count *count;
    ca_numa_policy policy;
    bool move, said;
    int *error;
} chunk_walk;

static void chunk_add(void *start, size_t bytes, void *argument)
{
    chunk_walk *w = argument;
    w->said = w->said && ca_numa_add(w->count, &w->policy, start, bytes, w->move, w->error);
}

bool ca_placement_add_context(ca_numa_count *count, ca_context *c, bool move, int *error)
{
    if (!runs_add(count, &c->runs, move, error) || (c->heap && !ca_placement_add_heap(count, c->heap, move, error)) ||
        (c->annex && !ca_placement_add_heap(count, c->annex, move, error)))
        return false;
    chunk_walk w = {count, ca_placement_policy(c->runs.zone), move, true, error};
    if (!c->heap)
        ca_bump_each_chunk(&c->bump, chunk_add, &w);
    return w.said;
}
