/* The bump engine's allocation, inline, for code that calls it often. See include/ctxalloc/bump.h. */
#ifndef CA_ENGINE_BUMP_H
#define CA_ENGINE_BUMP_H

#include "base/base.h"
#include "ctxalloc/bump.h"

/* size >= 1; pad: bytes to skip before it. NULL: not so much left. */
CA_INLINE void *ca_bump_engine_take(ctxalloc_bump *bump, size_t size, size_t pad)
{
    size_t room = (size_t)(bump->end - bump->at);
    if (CA_UNLIKELY(pad > room || size > room - pad))
        return NULL;
    bump->last = bump->at + pad;
    bump->at = bump->last + size;
    return bump->last;
}

/* size >= 1; `align` is a power of two. */
CA_INLINE void *ca_bump_engine_alloc(ctxalloc_bump *bump, size_t size, size_t align)
{
    return ca_bump_engine_take(bump, size, -(uintptr_t)bump->at & (align - 1));
}

#endif
