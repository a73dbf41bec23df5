/* Blocks, chunks and bumps in the library's memory: _create and _destroy. The engines themselves know no malloc. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/base.h"
#include "ctxalloc/blocks.h"
#include "ctxalloc/bump.h"
#include "ctxalloc/chunks.h"

/* Zero and aligned to a line; large pieces are touched only where they are used. What calloc gave is remembered before it.
 * bytes == 0: the engine refused its arguments. */
static void *memory_take(size_t bytes)
{
    if (!bytes) {
        errno = EINVAL;
        return NULL;
    }
    unsigned char *raw = calloc(1, bytes + (size_t)2 * CA_LINE);
    if (!raw)
        return NULL;
    void **start = (void **)ca_round_up((uintptr_t)raw + CA_LINE, CA_LINE);
    start[-1] = raw;
    return start;
}

static void memory_give(void *start)
{
    if (start)
        free(((void **)start)[-1]);
}

ctxalloc_blocks *ctxalloc_blocks_create_growable(size_t block_size, uint64_t count, uint64_t max_count)
{
    size_t bytes = count <= max_count ? ctxalloc_blocks_memory(block_size, max_count) : 0;
    void *memory = memory_take(bytes);
    return memory ? ctxalloc_blocks_init_zeroed(memory, bytes, block_size, count, max_count) : NULL;
}

ctxalloc_blocks *ctxalloc_blocks_create(size_t block_size, uint64_t count)
{
    return ctxalloc_blocks_create_growable(block_size, count, count);
}

void ctxalloc_blocks_destroy(ctxalloc_blocks *pool)
{
    memory_give(pool);
}

ctxalloc_chunks *ctxalloc_chunks_create(size_t chunks, size_t chunk_size)
{
    size_t bytes = ctxalloc_chunks_memory(chunks, chunk_size);
    void *memory = memory_take(bytes);
    return memory ? ctxalloc_chunks_init(memory, bytes, chunks, chunk_size) : NULL;
}

void ctxalloc_chunks_destroy(ctxalloc_chunks *heap)
{
    memory_give(heap);
}

ctxalloc_bump *ctxalloc_bump_create(size_t capacity)
{
    size_t bytes = ctxalloc_bump_memory(capacity);
    if (!bytes) {
        errno = ENOMEM;
        return NULL;
    }
    void *memory = malloc(bytes); /* aligned to 16, as bumps are */
    return memory ? ctxalloc_bump_init(memory, bytes) : NULL;
}

void ctxalloc_bump_destroy(ctxalloc_bump *bump)
{
    free(bump);
}
