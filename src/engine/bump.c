#include "engine/bump.h"

#include "engine/copy.h"
#include "engine/error.h"

enum { BUMP_ALIGN = 16 }; /* of the state, and of the memory beside it */
#define STATE ca_round_up(sizeof(ctxalloc_bump), BUMP_ALIGN)

/* Bytes from `at` to the next multiple of align >= 1. */
static size_t padding(const unsigned char *at, size_t align)
{
    if (CA_LIKELY(ca_is_power_of_two(align)))
        return -(uintptr_t)at & (align - 1);
    size_t over = (uintptr_t)at % align;
    return over ? align - over : 0;
}

/* Whether p may be a block: in use, and not inside the last one. */
static bool is_block(const ctxalloc_bump *bump, const unsigned char *p)
{
    uintptr_t at = (uintptr_t)p;
    return at >= (uintptr_t)bump->start && at < (uintptr_t)bump->at && at <= (uintptr_t)bump->last;
}

int ctxalloc_bump_over(ctxalloc_bump *bump, void *memory, size_t bytes)
{
    if (!memory || (uintptr_t)memory + bytes < bytes)
        return CA_EINVAL;
    unsigned char *start = memory;
    *bump = (ctxalloc_bump){.at = start, .end = start + bytes, .last = start, .start = start};
    return 0;
}

size_t ctxalloc_bump_memory(size_t capacity)
{
    return capacity > PTRDIFF_MAX - STATE ? 0 : STATE + capacity;
}

ctxalloc_bump *ctxalloc_bump_init(void *mem, size_t bytes)
{
    if (!mem || (uintptr_t)mem % BUMP_ALIGN || bytes < STATE)
        return NULL;
    return ctxalloc_bump_over(mem, (unsigned char *)mem + STATE, bytes - STATE) ? NULL : mem;
}

void *ctxalloc_bump_alloc(ctxalloc_bump *bump, size_t size, size_t align)
{
    return align ? ca_bump_engine_take(bump, size + !size, padding(bump->at, align)) : NULL;
}

void *ctxalloc_bump_alloc_at_least(ctxalloc_bump *bump, size_t size, size_t align, size_t *got)
{
    *got = size + !size;
    return ctxalloc_bump_alloc(bump, size, align);
}

int ctxalloc_bump_free(ctxalloc_bump *bump, void *p)
{
    if (!is_block(bump, p))
        return CA_EINVAL;
    if (p == bump->last)
        bump->at = bump->last;
    return 0;
}

int ctxalloc_bump_resize(ctxalloc_bump *bump, void *p, size_t size, size_t *available)
{
    bool known = is_block(bump, p);
    size_t most = known && p == bump->last ? (size_t)(bump->end - bump->last) : 0;
    if (available)
        *available = most;
    if (!known)
        return CA_EINVAL;
    size += !size;
    if (size > most)
        return CA_ENOMEM;
    bump->at = bump->last + size;
    return 0;
}

void *ctxalloc_bump_realloc(ctxalloc_bump *bump, void *p, size_t old_size, size_t new_size, size_t align)
{
    if (!p)
        return ctxalloc_bump_alloc(bump, new_size, align);
    if (!align || !is_block(bump, p))
        return NULL;
    bool last = p == bump->last;
    if (!padding(p, align)) {
        if (last)
            return ctxalloc_bump_resize(bump, p, new_size, NULL) ? NULL : p;
        if (new_size <= old_size)
            return p;
    }
    size_t kept = last ? (size_t)(bump->at - bump->last) : old_size;
    if (kept > (size_t)(bump->at - (unsigned char *)p)) /* an old size that cannot be */
        return NULL;
    void *moved = ctxalloc_bump_alloc(bump, new_size, align);
    if (moved)
        ca_copy(moved, p, ca_size_min(kept, new_size));
    return moved;
}

ctxalloc_bump_mark ctxalloc_bump_get_mark(const ctxalloc_bump *bump)
{
    return (ctxalloc_bump_mark){.at = (size_t)(bump->at - bump->start), .last = (size_t)(bump->last - bump->start)};
}

int ctxalloc_bump_release(ctxalloc_bump *bump, ctxalloc_bump_mark mark)
{
    if (mark.at > ctxalloc_bump_used(bump) || mark.last > mark.at)
        return CA_EINVAL;
    bump->at = bump->start + mark.at;
    bump->last = bump->start + mark.last;
    return 0;
}

void ctxalloc_bump_reset(ctxalloc_bump *bump)
{
    bump->at = bump->last = bump->start;
}

int ctxalloc_bump_grow(ctxalloc_bump *bump, size_t additional)
{
    if ((uintptr_t)bump->end + additional < additional)
        return CA_EOVERFLOW;
    bump->end += additional;
    return 0;
}

size_t ctxalloc_bump_capacity(const ctxalloc_bump *bump)
{
    return (size_t)(bump->end - bump->start);
}

size_t ctxalloc_bump_used(const ctxalloc_bump *bump)
{
    return (size_t)(bump->at - bump->start);
}

size_t ctxalloc_bump_largest(const ctxalloc_bump *bump, size_t align)
{
    size_t room = (size_t)(bump->end - bump->at), pad = align ? padding(bump->at, align) : room;
    return room > pad ? room - pad : 0;
}

size_t ctxalloc_bump_size(const ctxalloc_bump *bump, const void *p)
{
    return p == bump->last ? (size_t)(bump->at - bump->last) : 0;
}

bool ctxalloc_bump_empty(const ctxalloc_bump *bump)
{
    return bump->at == bump->start;
}

void *ctxalloc_bump_range(const ctxalloc_bump *bump, size_t *bytes)
{
    *bytes = ctxalloc_bump_capacity(bump);
    return bump->start;
}

bool ctxalloc_bump_contains(const ctxalloc_bump *bump, const void *p)
{
    return (uintptr_t)p - (uintptr_t)bump->start < ctxalloc_bump_capacity(bump);
}

bool ctxalloc_bump_is_valid(const ctxalloc_bump *bump, int *which)
{
    *which = !(bump->start <= bump->last && bump->last <= bump->at && bump->at <= bump->end);
    return !*which;
}
