/* The public API of NUMA (ctxalloc/numa.h): checks arguments, counts and prints; what is done is in src/heap/placement.c and src/source/numa.c. */
#include <config.h>
#include "ctxalloc.h"

#include <errno.h>
#include <string.h>

#include "base/os.h"
#include "base/print.h"
#include "front/context.h"
#include "front/front.h"
#include "front/process.h"
#include "heap/placement.h"
#include "heap/remote.h"

_Static_assert(sizeof(((ctxalloc_numa_source *)0)->nodes) == sizeof(ca_numa_set), "a set of nodes");

#define API __attribute__((visibility("default"), noinline))

/* What a handle stands for: a context, or (global) this thread's heap. */
typedef struct subject {
    ca_context *context;
    ca_heap *heap;
} subject;

static int resolve(ctxalloc_context *handle, subject *s)
{
    *s = (subject){NULL, NULL};
    if (handle == CTXALLOC_GLOBAL)
        return (s->heap = ca_thread_home()) ? 0 : ENOMEM;
    if (handle == CTXALLOC_THREAD)
        return (s->context = ca_context_own()) ? 0 : ENOMEM;
    s->context = (ca_context *)(void *)handle;
    return handle && CA_LOAD(&s->context->state) == CA_CONTEXT_LIVE ? 0 : EINVAL;
}

/* --- policies ------------------------------------------------------------------------------------------------------- */

API int ctxalloc_numa_set(ctxalloc_context *handle, const char *policy)
{
    subject s;
    int error = resolve(handle, &s);
    if (error)
        return error;
    if (!policy || (s.context && s.context->stored) || (s.context && s.context->runs.zone && !ca_numa_source_is_own(ca_zone_source(s.context->runs.zone))))
        return EINVAL; /* its source is somebody else's */
    const ca_source *source = ca_placement_source(policy, &error);
    if (error)
        return error;
    ca_zone *zone = source ? ca_zone_hold(source) : ca_placement_home(ca_numa_here(false));
    if (source && !zone)
        return ENOMEM;
    if (s.heap)
        CA_STORE(&s.heap->runs.zone, zone);
    else
        ca_placement_set(s.context, zone);
    return 0;
}

API int ctxalloc_source_numa(ctxalloc_numa_source *numa, const ctxalloc_source *over, const char *text)
{
    ca_numa_policy policy;
    if (!numa || !text || !ca_numa_policy_parse(&policy, text, strlen(text)) || policy.mode < CA_NUMA_LOCAL || !ca_numa_resolve(&policy, ca_os_node_here()))
        return EINVAL;
    ca_numa_asked();
    if (ca_numa_look() == 1)
        policy.mode = CA_NUMA_DEFAULT; /* there is nothing to say */
    ca_numa_source_init(numa, over, &policy);
    return 0;
}

API unsigned ctxalloc_numa_nodes(void)
{
    return ca_process_start() ? ca_numa_look() : 1;
}

/* --- counting ------------------------------------------------------------------------------------------------------- */

typedef struct summing {
    ca_numa_count *count;
    int error;
} summing;

static void heap_sum(ca_heap *heap, void *argument)
{
    summing *s = argument;
    if (!s->error)
        (void)ca_placement_add_heap(s->count, heap, false, &s->error);
}

static void context_sum(ca_context *context, void *argument)
{
    summing *s = argument;
    if (!s->error && CA_LOAD(&context->state) != CA_CONTEXT_FREE)
        (void)ca_placement_add_huge(s->count, context, false, &s->error);
}

static int count(ctxalloc_context *handle, ca_numa_count *c, bool move)
{
    subject s;
    summing sum = {c, 0};
    if (handle) {
        int error = resolve(handle, &s);
        if (error)
            return error;
        bool said = s.heap ? ca_placement_add_heap(c, s.heap, move, &sum.error) : ca_placement_add_context(c, s.context, move, &sum.error);
        return said ? 0 : sum.error;
    }
    if (!ca_process_start())
        return 0;
    ca_heap_each(heap_sum, &sum);
    ca_context_each(context_sum, &sum);
    if (!sum.error)
        (void)ca_placement_add_global(c, false, &sum.error);
    return sum.error;
}

API int ctxalloc_numa_usage(ctxalloc_context *handle, ctxalloc_numa_usage_t *usage)
{
    ca_numa_count c;
    memset(&c, 0, sizeof c);
    if (!usage)
        return EINVAL;
    int error = count(handle, &c, false);
    if (error)
        return error;
    *usage = (ctxalloc_numa_usage_t){.absent = c.absent * CA_PAGE, .misplaced = c.misplaced * CA_PAGE};
    for (unsigned node = 0; node < CA_NUMA_NODES; node++)
        *(node < CTXALLOC_NUMA_NODES ? &usage->resident[node] : &usage->resident_above) += c.pages[node] * CA_PAGE;
    return 0;
}

API int ctxalloc_numa_migrate(ctxalloc_context *handle, uint64_t *moved)
{
    ca_numa_count c;
    memset(&c, 0, sizeof c);
    int error = handle ? count(handle, &c, false) : EINVAL;
    uint64_t before = c.misplaced;
    memset(&c, 0, sizeof c);
    if (!error)
        error = count(handle, &c, true);
    if (!error && moved)
        *moved = before > c.misplaced ? (before - c.misplaced) * CA_PAGE : 0;
    return error;
}

/* --- the report ----------------------------------------------------------------------------------------------------- */

typedef struct report {
    int fd, error;
} report;

static size_t kib(uint64_t pages)
{
    return (size_t)(pages * (CA_PAGE / 1024));
}

static void line_print(int fd, const char *what, const char *name, unsigned number, const ca_numa_policy *policy, const ca_numa_count *c)
{
    char line[900], text[100];
    size_t n = number ? ca_format(line, sizeof line, "  %s %u", what, number) : ca_format(line, sizeof line, "  %s%s%s", what, *name ? " " : "", name);
    if (policy->mode != CA_NUMA_DEFAULT)
        n += ca_format(line + n, sizeof line - n, " (%s)", ca_numa_policy_format(text, sizeof text, policy));
    char separator = ':';
    for (unsigned node = 0; node < CA_NUMA_NODES; node++)
        if (c->pages[node]) {
            n += ca_format(line + n, sizeof line - n, "%c node %u: %z KiB", separator, node, kib(c->pages[node]));
            separator = ',';
        }
    ca_print(fd, "%s%c absent %z KiB, misplaced %z KiB\n", line, separator, kib(c->absent), kib(c->misplaced));
}

static void heap_print(ca_heap *heap, void *argument)
{
    report *r = argument;
    ca_numa_count c;
    memset(&c, 0, sizeof c);
    if (r->error || heap->target.context || !CA_LOAD(&heap->extent_pages) || !ca_placement_add_heap(&c, heap, false, &r->error))
        return;
    ca_numa_policy policy = ca_placement_policy(CA_LOAD(&heap->runs.zone));
    if (heap->target.kind == CA_TARGET_HOME)
        line_print(r->fd, CA_LOAD(&heap->state) == CA_HEAP_OWNED ? "thread's heap" : "heap without a thread", "", ca_heap_number(heap), &policy, &c);
    else
        line_print(r->fd, "short and medium contexts", "", 0, &policy, &c);
}

static void context_print(ca_context *context, void *argument)
{
    report *r = argument;
    ca_numa_count c;
    memset(&c, 0, sizeof c);
    uint32_t state = CA_LOAD(&context->state);
    if (r->error || state == CA_CONTEXT_FREE || !context->heap || !ca_placement_add_heaps(&c, context, false, &r->error))
        return;
    ca_numa_policy policy = ca_placement_policy(ca_placement_of(context));
    line_print(r->fd, state == CA_CONTEXT_LIVE ? "context" : "what is left of context", context->name, 0, &policy, &c);
}

API int ctxalloc_numa_report(int fd)
{
    char nodes[100], text[100];
    report r = {fd, 0};
    ca_numa_count c;
    memset(&c, 0, sizeof c);
    unsigned all = ctxalloc_numa_nodes();
    ca_numa_policy memory = {CA_NUMA_INTERLEAVE, ca_numa.memory};
    const char *list = ca_numa_policy_format(nodes, sizeof nodes, &memory) + sizeof "interleave:" - 1;
    ca_print(fd, "ctxalloc: NUMA: memory of %u node%s (%s), policy %s%s, %z calls refused\n", all, all == 1 ? "" : "s", list,
             ca_numa_policy_format(text, sizeof text, &ca_numa.process), ca_numa.told ? " (the kernel was told another)" : "", (size_t)CA_LOAD(&ca_numa.refused));
    if (!ca_process_start())
        return 0;
    ca_heap_each(heap_print, &r);
    ca_context_each(context_print, &r);
    if (!r.error && ca_placement_add_global(&c, false, &r.error))
        line_print(fd, "huge blocks, and large chunks of contexts", "", 0, &(ca_numa_policy){CA_NUMA_DEFAULT, {{0}}}, &c);
    return r.error;
}
