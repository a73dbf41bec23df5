/* The public API of reports: checks arguments; what is done is in src/front/report.c, walk.c and profile.c. */
#include <config.h>
#include "ctxalloc.h"

#include <errno.h>

#include "front/context.h"
#include "front/process.h"
#include "front/profile.h"
#include "front/report.h"
#include "front/walk.h"

#define API __attribute__((visibility("default"), noinline))

API int ctxalloc_stats(int fd, enum ctxalloc_format format)
{
    if (format != CTXALLOC_TEXT && format != CTXALLOC_JSON)
        return EINVAL;
    return (format == CTXALLOC_JSON ? ca_report_json(fd) : ca_report_text(fd)) ? 0 : EIO;
}

typedef struct visit {
    bool (*fn)(const void *block, size_t size, ctxalloc_context *owner, void *arg);
    void *arg;
} visit;

static bool block_visit(const void *block, size_t size, ca_context *owner, void *argument)
{
    const visit *v = argument;
    return v->fn(block, size, owner ? (ctxalloc_context *)(void *)owner : CTXALLOC_GLOBAL, v->arg);
}

API int ctxalloc_walk(ctxalloc_context *handle, bool (*fn)(const void *block, size_t size, ctxalloc_context *owner, void *arg), void *arg)
{
    visit v = {fn, arg};
    if (!fn || !handle)
        return EINVAL;
    if (!ca_process_start())
        return ENOMEM;
    if (handle == CTXALLOC_GLOBAL)
        return ca_walk_all(block_visit, &v);
    ca_context *c = handle == CTXALLOC_THREAD ? ca_context_own() : (ca_context *)(void *)handle;
    if (!c)
        return ENOMEM;
    return CA_LOAD(&c->state) == CA_CONTEXT_LIVE ? ca_walk_context(c, block_visit, &v) : EINVAL;
}

API int ctxalloc_profile_dump(const char *path)
{
    if (!path)
        return EINVAL;
    return ca_heap_setting.profile ? ca_profile_write_to(path) : ENOTSUP;
}
