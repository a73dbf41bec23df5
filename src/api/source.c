/* The public API of sources: sets errno, and starts the process's part of the library where it is needed. */
#include <config.h>
#include "ctxalloc.h"

#include <errno.h>

#include "front/process.h"
#include "source/arena.h"
#include "source/region.h"
#include "source/shipped.h"

#define API __attribute__((visibility("default"), noinline))

API size_t ctxalloc_source_users(const ctxalloc_source *source)
{
    return source ? ca_zone_users(source) : 0;
}

API int ctxalloc_source_mmap(ctxalloc_mmap_source *source, const ctxalloc_mmap_settings *settings)
{
    return ca_source_mmap_init(source, settings);
}

API int ctxalloc_source_hugepage(ctxalloc_huge_source *source, unsigned page_shift)
{
    return ca_source_huge_init(source, page_shift);
}

API int ctxalloc_source_user(ctxalloc_user_source *source, void *p, size_t bytes)
{
    bool ours = p && bytes && (ca_region_contains(p) || ca_region_contains((void *)((uintptr_t)p + bytes - 1)));
    return ours ? EINVAL : ca_source_user_init(source, p, bytes);
}

API int ctxalloc_source_arena(ctxalloc_arena *arena, const ctxalloc_arena_settings *settings)
{
    return ca_arena_init(arena, settings);
}

API void *ctxalloc_arena_take(ctxalloc_arena *arena)
{
    void *block = NULL;
    int error = ca_process_start() ? ca_arena_take(arena, &block) : ENOMEM;
    if (!block)
        errno = error;
    return block;
}

API int ctxalloc_arena_give(ctxalloc_arena *arena, void *block)
{
    return ca_arena_give(arena, block);
}

API size_t ctxalloc_arena_out(const ctxalloc_arena *arena)
{
    return ca_arena_out(arena);
}

API int ctxalloc_arena_end(ctxalloc_arena *arena)
{
    return ca_arena_end(arena);
}

API int ctxalloc_stacks_start(ctxalloc_stacks *stacks, size_t stack_bytes, const ctxalloc_source *from, size_t most)
{
    return ca_stacks_init(stacks, stack_bytes, from, most);
}

API void *ctxalloc_stack_take(ctxalloc_stacks *stacks)
{
    char *block = ctxalloc_arena_take(&stacks->arena);
    return block ? block + CA_PAGE : NULL;
}

API int ctxalloc_stack_give(ctxalloc_stacks *stacks, void *stack)
{
    return (uintptr_t)stack < CA_PAGE ? EINVAL : ca_arena_give(&stacks->arena, (char *)stack - CA_PAGE);
}

API int ctxalloc_stacks_end(ctxalloc_stacks *stacks)
{
    return ca_arena_end(&stacks->arena);
}
