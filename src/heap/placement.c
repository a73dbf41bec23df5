#include "heap/placement.h"

#include <errno.h>
#include <string.h>

#include "base/os.h"
#include "heap/large.h"

enum { SPANS = 64, HOMES = 64 };

/* What was found for a node, so that it need not be looked up; a node may stand there twice. */
typedef struct home {
    ca_zone *zone;
    unsigned node;
} home;
static struct {
    ca_lock lock;
    uint32_t count;
    home *home; /* HOMES of them */
} homes;

ca_numa_policy ca_placement_policy(const ca_zone *zone)
{
    ca_numa_policy policy;
    return ca_numa_source_policy(ca_zone_source(zone), &policy) ? policy : (ca_numa_policy){CA_NUMA_DEFAULT, {{0}}};
}

const ca_source *ca_placement_source(const char *text, int *error)
{
    ca_numa_policy policy;
    *error = EINVAL;
    if (!ca_numa_policy_parse(&policy, text, strlen(text)) || policy.mode == CA_NUMA_OFF || !ca_numa_resolve(&policy, ca_os_node_here()))
        return NULL;
    *error = 0;
    if (policy.mode == CA_NUMA_DEFAULT || ca_numa_look() == 1)
        return NULL;
    ca_numa_asked();
    const ca_source *source = ca_numa_source(&policy);
    *error = source ? 0 : ENOMEM;
    return source;
}

ca_zone *ca_placement_home_slow(unsigned node)
{
    uint32_t count = CA_LOAD_ACQUIRE(&homes.count);
    for (uint32_t i = 0; i < count; i++)
        if (homes.home[i].node == node)
            return homes.home[i].zone;
    ca_numa_policy policy = {CA_NUMA_LOCAL, {{0}}};
    if (!ca_numa_resolve(&policy, node))
        return NULL;
    if (ca_numa.told)
        policy.mode = CA_NUMA_DEFAULT; /* a zone of its own still, for what is used again */
    const ca_source *source = ca_numa_source(&policy);
    ca_zone *zone = source ? ca_zone_hold(source) : NULL; /* two threads at once get the same one */
    ca_lock_take(&homes.lock);
    if (!homes.home)
        homes.home = ca_numa_table(HOMES * sizeof *homes.home);
    if (zone && homes.home && homes.count < HOMES) {
        homes.home[homes.count] = (home){zone, node};
        CA_STORE_RELEASE(&homes.count, homes.count + 1);
    }
    ca_lock_drop(&homes.lock);
    return zone;
}

ca_zone *ca_placement_of(ca_context *c)
{
    return CA_LOAD(ca_context_zone(c));
}

void ca_placement_set(ca_context *c, ca_zone *zone)
{
    CA_STORE(ca_context_zone(c), zone);
    if (c->heap)
        CA_STORE(&c->heap->runs.zone, zone);
    ca_lock_take(&c->lock);
    if (c->annex)
        CA_STORE(&c->annex->runs.zone, zone);
    ca_lock_drop(&c->lock);
}

static bool runs_add(ca_numa_count *count, ca_run_list *list, const ca_zone *zone, bool move, int *error)
{
    ca_run_span spans[SPANS];
    ca_page from = 0;
    ca_numa_policy policy = ca_placement_policy(zone);
    for (size_t n; (n = ca_region_spans(list, from, spans, SPANS)); from = spans[n - 1].page + 1)
        for (size_t i = 0; i < n; i++)
            if (!ca_numa_add(count, &policy, ca_region_address(spans[i].page), (size_t)spans[i].pages * CA_PAGE, move, error))
                return false;
    return true;
}

bool ca_placement_add_heap(ca_numa_count *count, ca_heap *heap, bool move, int *error)
{
    return runs_add(count, &heap->runs, CA_LOAD(&heap->runs.zone), move, error);
}

/* Each has the policy of the zone that it is in. */
static bool mixed_add(ca_numa_count *count, ca_run_list *list, bool move, int *error)
{
    ca_run_span spans[SPANS];
    ca_page from = 0;
    for (size_t n; (n = ca_region_spans(list, from, spans, SPANS)); from = spans[n - 1].page + 1)
        for (size_t i = 0; i < n; i++) {
            ca_numa_policy policy = ca_placement_policy(ca_region_zone(spans[i].page));
            if (!ca_numa_add(count, &policy, ca_region_address(spans[i].page), (size_t)spans[i].pages * CA_PAGE, move, error))
                return false;
        }
    return true;
}

bool ca_placement_add_global(ca_numa_count *count, bool move, int *error)
{
    return mixed_add(count, &ca_huge_runs, move, error) && mixed_add(count, &ca_chunk_runs, move, error);
}

bool ca_placement_add_huge(ca_numa_count *count, ca_context *c, bool move, int *error)
{
    return runs_add(count, &c->runs, ca_placement_of(c), move, error);
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

bool ca_placement_add_heaps(ca_numa_count *count, ca_context *c, bool move, int *error)
{
    ca_heap *heap = CA_LOAD_ACQUIRE(&c->heap), *annex = CA_LOAD_ACQUIRE(&c->annex);
    return ca_placement_add_huge(count, c, move, error) && (!heap || ca_placement_add_heap(count, heap, move, error)) &&
           (!annex || ca_placement_add_heap(count, annex, move, error));
}

bool ca_placement_add_context(ca_numa_count *count, ca_context *c, bool move, int *error)
{
    if (!ca_placement_add_heaps(count, c, move, error))
        return false;
    chunk_walk w = {count, ca_placement_policy(ca_placement_of(c)), move, true, error};
    if (c->target.kind == CA_TARGET_MEDIUM) {
        ca_chunk_each(c->chunked.chunks, chunk_add, &w);
    } else if (c->target.kind == CA_TARGET_SHORT) {
        ca_chunk_each(c->bump.used, chunk_add, &w);
        ca_chunk_each(c->bump.kept, chunk_add, &w);
    }
    return w.said;
}

void ca_placement_lock(void)
{
    ca_lock_take(&homes.lock);
}

void ca_placement_unlock(void)
{
    ca_lock_drop(&homes.lock);
}
