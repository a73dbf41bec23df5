#include "front/report.h"

#include <config.h>
#include <string.h>

#include "base/os.h"
#include "base/out.h"
#include "base/print.h"
#include "front/context.h"
#include "front/full.h"
#include "front/process.h"
#include "front/stack.h"
#include "front/walk.h"
#include "heap/large.h"
#include "heap/remote.h"

/* --- numbers ------------------------------------------------------------------------------------------------------- */

static void heap_add(ca_heap *heap, void *report)
{
    ca_report *r = report;
    if (CA_LOAD(&heap->state) == CA_HEAP_FREE)
        return;
    r->heap_count++;
    ca_heap_add_usage(heap, &r->heaps);
}

static bool is_shown(const ca_context *c)
{
    uint32_t state = CA_LOAD(&c->state);
    return state == CA_CONTEXT_LIVE || state == CA_CONTEXT_ADOPTED;
}

/* What lies in engines is not in the heaps. */
static void context_add(ca_context *c, void *report)
{
    ca_report *r = report;
    const ca_engine *engine = CA_LOAD(&c->engine);
    uint64_t blocks, bytes;
    if (!is_shown(c))
        return;
    r->context_count++;
    if (!engine)
        return;
    engine->count(c, &blocks, &bytes);
    r->engine_count += blocks;
    r->engine_bytes += bytes;
}

ca_report ca_report_get(void)
{
    ca_report r;
    memset(&r, 0, sizeof r);
    if (!ca_process_start())
        return r;
    ca_heap_each(heap_add, &r);
    ca_context_each(context_add, &r);
    ca_huge_usage huge = ca_huge_get_usage();
    r.huge_bytes = huge.bytes;
    r.huge_count = huge.count;
    r.live_count = r.heaps.small_count + r.heaps.large_count + r.engine_count + r.huge_count;
    r.live_bytes = r.heaps.small_bytes + r.heaps.large_bytes + r.engine_bytes + r.huge_bytes;
    ca_region_usage region = ca_region_get_usage();
    r.committed = region.committed;
    r.given = region.given;
    r.purged = region.purged;
    r.lost = CA_LOAD(&ca_remote_lost);
    r.foreign = CA_LOAD(&ca_front_foreign);
    return r;
}

/* --- text ---------------------------------------------------------------------------------------------------------- */

bool ca_report_text(int fd)
{
    ca_report r = ca_report_get();
    ca_out out;
    ca_out_begin(&out, fd);
    ca_out_print(&out,
                 "ctxalloc: statistics (bytes)\n"
                 "  live      small %z in %z   large %z in %z   huge %z in %z   in contexts' engines %z in %z\n"
                 "  cached    %z   slabs %z   heaps' pages %z   region's free pages %z\n",
                 (size_t)r.heaps.small_bytes, (size_t)r.heaps.small_count, (size_t)r.heaps.large_bytes, (size_t)r.heaps.large_count,
                 (size_t)r.huge_bytes, (size_t)r.huge_count, (size_t)r.engine_bytes, (size_t)r.engine_count, (size_t)r.heaps.cached_bytes,
                 (size_t)r.heaps.slab_bytes, (size_t)r.heaps.extent_bytes, (size_t)(r.committed - r.given));
    ca_out_print(&out, "  committed %z   purged %z   heaps %z   contexts %z   lost blocks %z   foreign frees %z\n", (size_t)r.committed, (size_t)r.purged,
                 (size_t)r.heap_count, (size_t)r.context_count, (size_t)r.lost, (size_t)r.foreign);
    return ca_out_end(&out);
}

/* --- JSON ------------------------------------------------------------------------------------------------------------ */

/* A list under way. */
typedef struct json_list {
    ca_out *out;
    bool any;
} json_list;

static void item_begin(json_list *list)
{
    ca_out_print(list->out, list->any ? ",\n    {" : "\n    {");
    list->any = true;
}

static void blocks_print(ca_out *out, const char *name, uint64_t blocks, uint64_t bytes)
{
    ca_out_print(out, "\n    \"%s\": {\"blocks\": %z, \"bytes\": %z},", name, (size_t)blocks, (size_t)bytes);
}

static void process_print(ca_out *out)
{
    ca_report r = ca_report_get();
    const ca_account *a = &ca_account_process;
    ca_out_print(out, "  \"process\": {");
    blocks_print(out, "live", r.live_count, r.live_bytes);
    blocks_print(out, "small", r.heaps.small_count, r.heaps.small_bytes);
    blocks_print(out, "large", r.heaps.large_count, r.heaps.large_bytes);
    blocks_print(out, "engines", r.engine_count, r.engine_bytes);
    blocks_print(out, "huge", r.huge_count, r.huge_bytes);
    ca_out_print(out,
                 "\n    \"cached_bytes\": %z, \"slab_bytes\": %z, \"heap_bytes\": %z,"
                 "\n    \"held_bytes\": %z, \"peak_bytes\": %z, \"soft_limit\": %z, \"hard_limit\": %z,"
                 "\n    \"committed_bytes\": %z, \"given_bytes\": %z, \"free_bytes\": %z, \"purged_bytes\": %z,"
                 "\n    \"heaps\": %z, \"contexts\": %z\n  },\n",
                 (size_t)r.heaps.cached_bytes, (size_t)r.heaps.slab_bytes, (size_t)r.heaps.extent_bytes, (size_t)CA_LOAD(&a->used),
                 (size_t)CA_LOAD(&a->peak), (size_t)CA_LOAD(&a->soft), (size_t)CA_LOAD(&a->hard), (size_t)r.committed, (size_t)r.given,
                 (size_t)(r.committed - r.given), (size_t)r.purged, (size_t)r.heap_count, (size_t)r.context_count);
    ca_out_print(out, "  \"counters\": {\"lost_blocks\": %z, \"foreign_frees\": %z, \"refused_requests\": %z, \"refused_system_calls\": {", (size_t)r.lost,
                 (size_t)r.foreign, (size_t)CA_LOAD(&a->refusals));
    for (int i = 0; i < CA_OS_CALLS; i++)
        ca_out_print(out, "%s\"%s\": %z", i ? ", " : "", ca_os_call_names[i], (size_t)ca_os_refusals((enum ca_os_call)i));
    ca_out_print(out, "}},\n");
}

typedef struct class_sum {
    unsigned class;
    ca_class_usage usage;
} class_sum;

static void class_add(ca_heap *heap, void *argument)
{
    class_sum *s = argument;
    ca_class_usage u = ca_heap_class_usage(heap, s->class);
    if (CA_LOAD(&heap->state) == CA_HEAP_FREE)
        return;
    s->usage.live += u.live;
    s->usage.cached += u.cached;
    s->usage.slab_bytes += u.slab_bytes;
}

/* Those in use. */
static void classes_print(ca_out *out)
{
    json_list list = {out, false};
    ca_out_print(out, "  \"classes\": [");
    for (unsigned class = 0; class < CA_CLASSES; class++) {
        class_sum s = {class, {0, 0, 0}};
        size_t size = ca_classes[class].size;
        ca_heap_each(class_add, &s);
        if (!s.usage.slab_bytes)
            continue;
        item_begin(&list);
        ca_out_print(out, "\"size\": %z, \"live_blocks\": %z, \"live_bytes\": %z, \"cached_blocks\": %z, \"cached_bytes\": %z, \"slab_bytes\": %z}", size,
                     (size_t)s.usage.live, (size_t)s.usage.live * size, (size_t)s.usage.cached, (size_t)s.usage.cached * size, (size_t)s.usage.slab_bytes);
    }
    ca_out_print(out, "\n  ],\n");
}

static void heap_print(ca_heap *heap, void *argument)
{
    static const char *const states[] = {"free", "owned", "abandoned", "abandoned", "orphan"};
    json_list *list = argument;
    uint32_t state = CA_LOAD(&heap->state);
    const ca_context *c = heap->target.context;
    bool shared = CA_LOAD(&heap->account) == NULL; /* what engines cut into chunks */
    if (state == CA_HEAP_FREE || state >= sizeof states / sizeof states[0])
        return;
    ca_heap_usage u;
    memset(&u, 0, sizeof u);
    ca_heap_add_usage(heap, &u);
    item_begin(list);
    ca_out_print(list->out, "\"number\": %u, \"of\": \"%s\", \"context\": %u, \"state\": \"%s\", \"live_blocks\": %z, \"live_bytes\": %z, ", ca_heap_number(heap),
                 c ? "context" : shared ? "engines" : "thread", c ? ca_context_number(c) : 0, states[state], (size_t)(u.small_count + u.large_count),
                 (size_t)(u.small_bytes + u.large_bytes));
    ca_out_print(list->out, "\"cached_bytes\": %z, \"slab_bytes\": %z, \"heap_bytes\": %z}", (size_t)u.cached_bytes, (size_t)u.slab_bytes, (size_t)u.extent_bytes);
}

static void context_print(ca_context *c, void *argument)
{
    static const char *const kinds[] = {[CA_TARGET_LONG] = "long", [CA_TARGET_SHORT] = "short", [CA_TARGET_MEDIUM] = "medium"};
    json_list *list = argument;
    const ca_context *parent = CA_LOAD(&c->parent);
    uint32_t kind = CA_LOAD(&c->target.kind);
    const ca_account *a = &c->account;
    uint64_t blocks, bytes;
    if (!is_shown(c) || kind >= sizeof kinds / sizeof kinds[0] || !kinds[kind])
        return;
    ca_context_count(c, &blocks, &bytes);
    item_begin(list);
    ca_out_print(list->out, "\"number\": %u, \"name\": ", ca_context_number(c));
    ca_out_json(list->out, c->name, sizeof c->name);
    ca_out_print(list->out, ", \"parent\": %u, \"lifetime\": \"%s\", \"state\": \"%s\", \"live_blocks\": %z, \"live_bytes\": %z, ", parent ? ca_context_number(parent) : 0,
                 kinds[kind], CA_LOAD(&c->state) == CA_CONTEXT_LIVE ? "live" : "adopted", (size_t)blocks, (size_t)bytes);
    ca_out_print(list->out, "\"held_bytes\": %z, \"peak_bytes\": %z, \"soft_limit\": %z, \"hard_limit\": %z, \"refused_requests\": %z, \"grown\": %z, \"shrunk\": %z}",
                 (size_t)CA_LOAD(&a->used), (size_t)CA_LOAD(&a->peak), (size_t)CA_LOAD(&a->soft), (size_t)CA_LOAD(&a->hard), (size_t)CA_LOAD(&a->refusals),
                 (size_t)CA_LOAD(&c->grown), (size_t)CA_LOAD(&c->shrunk));
}

bool ca_report_json(int fd)
{
    ca_out out;
    json_list list = {&out, false};
    ca_out_begin(&out, fd);
    ca_out_print(&out, "{\n  \"ctxalloc\": \"%s\", \"process_id\": %d, \"check\": \"%s\",\n", PACKAGE_VERSION, ca_os_process(),
                 ca_heap_setting.full ? "full" : ca_heap_setting.check ? "on" : "off");
    process_print(&out);
    classes_print(&out);
    ca_out_print(&out, "  \"heaps\": [");
    if (ca_process_start())
        ca_heap_each(heap_print, &list);
    ca_out_print(&out, "\n  ],\n  \"contexts\": [");
    list.any = false;
    if (ca_process_start())
        ca_context_each(context_print, &list);
    ca_out_print(&out, "\n  ]\n}\n");
    return ca_out_end(&out);
}

/* --- what a context leaves behind -------------------------------------------------------------------------------- */

enum { ESCAPES_SHOWN = 8 };

typedef struct escapes {
    size_t blocks, bytes;
    char text[400];
    size_t length;
    unsigned shown;
    const void *block[ESCAPES_SHOWN];
    uint32_t stack[ESCAPES_SHOWN];
} escapes;

static bool escape_add(const void *p, size_t size, ca_context *owner, void *argument)
{
    escapes *e = argument;
    (void)owner;
    e->blocks++;
    e->bytes += size;
    if (e->shown == ESCAPES_SHOWN)
        return true;
    e->length += ca_format(e->text + e->length, sizeof e->text - e->length, " %x:%z", (uint64_t)(uintptr_t)p, size);
    e->block[e->shown] = p;
    e->stack[e->shown++] = ca_front_stack_of(p);
    return true;
}

void ca_report_escapes(ca_context *c)
{
    escapes e = {.blocks = 0};
    (void)ca_walk_context(c, escape_add, &e);
    if (!e.blocks)
        return;
    ca_print(2, "ctxalloc: context '%s' goes with %z live blocks, %z bytes:%s\n", c->name, e.blocks, e.bytes, e.text);
    for (unsigned i = 0; i < e.shown; i++) {
        char text[900];
        if (e.stack[i] && ca_stack_format(e.stack[i], text, sizeof text))
            ca_print(2, "ctxalloc:   %x was allocated at%s\n", (uint64_t)(uintptr_t)e.block[i], text);
    }
}
