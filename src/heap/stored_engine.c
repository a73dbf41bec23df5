/* Stored heaps as the engine of a context (heap/engine.h). Their blocks are outside the region, so that no page's tag leads here: the front finds them by
 * ca_stored_around, and what a tag would be asked for is never called. */
#include "heap/context.h"
#include "heap/stored.h"

static void *stored_alloc(ca_context *c, size_t size, size_t align)
{
    return ca_stored_alloc(c->stored, size, align);
}

static bool stored_resize(ca_context *c, void *p, size_t size)
{
    return ca_stored_resize(c->stored, p, size);
}

static void stored_trim(ca_context *c)
{
    (void)c; /* what is unused is in the file */
}

static void stored_drop(ca_context *c, uint32_t dead, bool keep)
{
    (void)c, (void)dead, (void)keep; /* its blocks outlive it */
}

static void stored_retire(ca_context *c, uint32_t dead)
{
    (void)dead;
    if (c->stored)
        (void)ca_stored_close(c->stored);
    c->stored = NULL;
}

static bool stored_free(ca_context *c, void *p, bool mine)
{
    (void)mine;
    ca_stored_free(c->stored, p, "free");
    return true;
}

static size_t stored_size(const ca_context *c, const void *p)
{
    return ca_stored_inspect(c->stored, p).size;
}

static bool stored_is_live(const ca_context *c, const void *p)
{
    return ca_stored_inspect(c->stored, p).what == CA_STORED_IS_LIVE;
}

static const void *stored_start(const ca_context *c, const void *p)
{
    return ca_stored_inspect(c->stored, p).start;
}

static bool stored_was_block(const ca_context *c, const void *p)
{
    return ca_stored_inspect(c->stored, p).what == CA_STORED_IS_DEAD;
}

static bool stored_is_empty(const ca_context *c)
{
    return ca_stored_get_usage(c->stored).blocks == 0;
}

static void stored_count(const ca_context *c, uint64_t *blocks, uint64_t *bytes)
{
    ca_stored_usage u = ca_stored_get_usage(c->stored);
    *blocks = u.blocks;
    *bytes = u.bytes;
}

static bool stored_walk(ca_context *c, bool (*fn)(const void *block, size_t size, void *argument), void *argument)
{
    return ca_stored_walk(c->stored, fn, argument);
}

const ca_engine ca_stored_engine = {
    .alloc = stored_alloc, .resize = stored_resize, .trim = stored_trim, .drop = stored_drop, .retire = stored_retire, .free = stored_free, .size = stored_size,
    .is_live = stored_is_live, .start = stored_start, .was_block = stored_was_block, .is_empty = stored_is_empty, .count = stored_count, .walk = stored_walk};
