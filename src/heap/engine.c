#include "heap/engine.h"

#include "heap/context.h"
#include "heap/large.h"
#include "heap/stored.h"

/* --- short: heap/bump.h ---------------------------------------------------------------------------------------- */

static void *bump_alloc(ca_context *c, size_t size, size_t align)
{
    return ca_bump_alloc(&c->bump, &c->account, ca_context_number(c), size, align);
}

static bool bump_resize(ca_context *c, void *p, size_t size)
{
    return ca_bump_resize(&c->bump, p, size);
}

static void bump_trim(ca_context *c)
{
    ca_bump_trim(&c->bump, &c->account, CA_DEAD | ca_context_number(c)); /* nothing else is unused before all of it is */
}

static void bump_drop(ca_context *c, uint32_t dead, bool keep)
{
    ca_bump_drop(&c->bump, &c->account, dead, keep);
}

static void bump_retire(ca_context *c, uint32_t dead)
{
    ca_bump_retire(&c->bump, &c->account, dead);
}

static uint64_t bump_mark(ca_context *c)
{
    return ca_bump_mark(&c->bump);
}

static bool bump_rollback(ca_context *c, uint64_t mark)
{
    return ca_bump_rollback(&c->bump, mark);
}

static bool bump_free(ca_context *c, void *p, bool mine)
{
    return ca_bump_free(&c->bump, p, mine);
}

static size_t bump_size(const ca_context *c, const void *p)
{
    return ca_bump_size(&c->bump, p);
}

static bool bump_is_live(const ca_context *c, const void *p)
{
    return ca_bump_is_live(&c->bump, p);
}

static const void *bump_start(const ca_context *c, const void *p)
{
    return ca_bump_start(&c->bump, p);
}

static bool bump_was_block(const ca_context *c, const void *p)
{
    return ca_bump_was_block(&c->bump, p);
}

static bool bump_is_empty(const ca_context *c)
{
    return ca_bump_live(&c->bump) == 0;
}

static void bump_count(const ca_context *c, uint64_t *blocks, uint64_t *bytes)
{
    *blocks = ca_bump_live(&c->bump);
    *bytes = ca_bump_live_bytes(&c->bump);
}

static bool bump_walk(ca_context *c, bool (*fn)(const void *block, size_t size, void *argument), void *argument)
{
    return ca_bump_walk(&c->bump, fn, argument);
}

static bool bump_area(const ca_context *c, uint32_t chunk, ca_area *area)
{
    return ca_bump_area(&c->bump, chunk, area);
}

static const ca_engine bump = {
    .alloc = bump_alloc, .resize = bump_resize, .trim = bump_trim, .drop = bump_drop, .retire = bump_retire, .mark = bump_mark, .rollback = bump_rollback,
    .free = bump_free, .size = bump_size, .is_live = bump_is_live, .start = bump_start, .was_block = bump_was_block, .is_empty = bump_is_empty,
    .count = bump_count, .walk = bump_walk, .area = bump_area};

/* --- medium: heap/chunked.h ------------------------------------------------------------------------------------ */

static void *chunked_alloc(ca_context *c, size_t size, size_t align)
{
    if (size > CA_CHUNKED_MOST || align > CA_PAGE)
        return ca_huge_alloc(c, size, align);
    return ca_chunked_alloc(&c->chunked, &c->account, ca_context_number(c), size, align);
}

static bool chunked_resize(ca_context *c, void *p, size_t size)
{
    return ca_chunked_resize(&c->chunked, p, size);
}

static void chunked_trim(ca_context *c)
{
    ca_chunked_trim(&c->chunked, &c->account);
}

static void chunked_drop(ca_context *c, uint32_t dead, bool keep)
{
    ca_chunked_drop(&c->chunked, &c->account, dead, keep);
}

static void chunked_retire(ca_context *c, uint32_t dead)
{
    ca_chunked_retire(&c->chunked, &c->account, dead);
}

static bool chunked_free(ca_context *c, void *p, bool mine)
{
    return ca_chunked_free(&c->chunked, p, mine);
}

static size_t chunked_size(const ca_context *c, const void *p)
{
    return ca_chunked_size(&c->chunked, p);
}

static bool chunked_is_live(const ca_context *c, const void *p)
{
    return ca_chunked_is_live(&c->chunked, p);
}

static const void *chunked_start(const ca_context *c, const void *p)
{
    return ca_chunked_start(&c->chunked, p);
}

static bool chunked_was_block(const ca_context *c, const void *p)
{
    return ca_chunked_was_block(&c->chunked, p);
}

static bool chunked_is_empty(const ca_context *c)
{
    return CA_LOAD_ACQUIRE(&c->chunked.freed) == CA_LOAD(&c->chunked.blocks);
}

static bool bytes_add(const void *p, size_t size, void *sum)
{
    (void)p;
    *(uint64_t *)sum += size;
    return true;
}

static void chunked_count(const ca_context *c, uint64_t *blocks, uint64_t *bytes)
{
    *blocks = CA_LOAD(&c->chunked.blocks) - CA_LOAD(&c->chunked.freed);
    *bytes = 0;
    (void)ca_chunked_walk(&c->chunked, bytes_add, bytes);
}

static bool chunked_walk(ca_context *c, bool (*fn)(const void *block, size_t size, void *argument), void *argument)
{
    return ca_chunked_walk(&c->chunked, fn, argument);
}

static bool chunked_area(const ca_context *c, uint32_t chunk, ca_area *area)
{
    return ca_chunked_area(&c->chunked, chunk, area);
}

static const ca_engine chunked = {
    .alloc = chunked_alloc, .resize = chunked_resize, .trim = chunked_trim, .drop = chunked_drop, .retire = chunked_retire,
    .free = chunked_free, .size = chunked_size, .is_live = chunked_is_live, .start = chunked_start, .was_block = chunked_was_block, .is_empty = chunked_is_empty,
    .count = chunked_count, .walk = chunked_walk, .area = chunked_area};

/* --- which ------------------------------------------------------------------------------------------------------- */

const ca_engine *ca_engine_of(uint32_t kind)
{
    switch (kind) {
    case CA_TARGET_SHORT:
        return &bump;
    case CA_TARGET_MEDIUM:
        return &chunked;
    case CA_TARGET_STORED:
        return &ca_stored_engine;
    default:
        return NULL;
    }
}

uint32_t ca_engine_owner(ca_page page, uint32_t tag, const void *p)
{
    return tag == CA_TAG_BUMP || tag == CA_TAG_NEST ? ca_chunk_owner(page, tag, p) : 0;
}
