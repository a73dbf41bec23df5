/* Engines in the library's memory: _create, _destroy, _clone. The engines themselves know no malloc.
 *
 * A large instance asks for huge pages: a call reads a few lines far from each other, and finding their pages takes as long as the lines do.
 * _destroy takes the advice back; where it is not called since the memory goes with its context, the advice stays. */
#include <errno.h>
#include <stdlib.h>

#include "base/os.h"
#include "ctxalloc/fit.h"
#include "ctxalloc/tlsf.h"

enum { ALIGN = 64, HUGE = 2 << 20, LARGE = 2 * HUGE };

static size_t huge_pages(size_t bytes)
{
    return (bytes + HUGE - 1) & ~(size_t)(HUGE - 1);
}

/* bytes == 0: the engine refused its arguments; it is what errno says unless one of them is 0. */
static void *engine_memory(size_t bytes, uint64_t capacity, uint32_t max_blocks)
{
    if (!bytes) {
        errno = capacity && max_blocks ? EOVERFLOW : EINVAL;
        return NULL;
    }
    if (bytes < LARGE)
        return aligned_alloc(ALIGN, bytes); /* a multiple of ALIGN, all of them */
    void *memory = aligned_alloc(HUGE, huge_pages(bytes));
    if (memory)
        (void)ca_os_advise(memory, huge_pages(bytes), CA_OS_HUGE);
    return memory;
}

static void engine_drop(void *memory, size_t bytes)
{
    if (bytes >= LARGE)
        (void)ca_os_advise(memory, huge_pages(bytes), CA_OS_NOT_HUGE);
    free(memory);
}

/* Room for every capacity it may grow to. */
#define ENGINE(name, most)                                                                                   \
    ctxalloc_##name *ctxalloc_##name##_create(uint64_t capacity, uint32_t max_blocks)                         \
    {                                                                                                         \
        size_t bytes = ctxalloc_##name##_memory(capacity, max_blocks) ? ctxalloc_##name##_memory(most, max_blocks) : 0; \
        void *memory = engine_memory(bytes, capacity, max_blocks);                                            \
        return memory ? ctxalloc_##name##_init(memory, bytes, capacity, max_blocks) : NULL;                   \
    }                                                                                                         \
    void ctxalloc_##name##_destroy(ctxalloc_##name *engine)                                                   \
    {                                                                                                         \
        if (engine)                                                                                           \
            engine_drop(engine, ctxalloc_##name##_memory(most, ctxalloc_##name##_max_blocks(engine)));        \
    }                                                                                                         \
    ctxalloc_##name *ctxalloc_##name##_clone(const ctxalloc_##name *engine)                                   \
    {                                                                                                         \
        size_t bytes = ctxalloc_##name##_memory(most, ctxalloc_##name##_max_blocks(engine));                  \
        void *memory = engine_memory(bytes, 1, 1);                                                            \
        return memory ? ctxalloc_##name##_clone_at(engine, memory, bytes) : NULL;                             \
    }

ENGINE(tlsf, CTXALLOC_NONE - 1)
ENGINE(tlsf16, UINT32_MAX)
ENGINE(fit, UINT32_MAX)
ENGINE(fit64, CTXALLOC_NONE - 1)
