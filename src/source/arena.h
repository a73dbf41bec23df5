/* Arenas: blocks of one size out of another source, recycled.  What the calls do is told in ctxalloc/source.h.
 *
 * Blocks come in slabs, each one reservation, the first of 16 blocks, later ones twice as large as the one before.  What is free is a stack of block
 * numbers, in memory of the library's: nothing is written to blocks.  Any thread: one lock an arena, in memory of the library's, too, so that a fork can take all of them. */
#ifndef CA_SOURCE_ARENA_H
#define CA_SOURCE_ARENA_H

#include "source/source.h"

/* 0 or an errno value. */
int ca_arena_init(ctxalloc_arena *arena, const ctxalloc_arena_settings *settings);
int ca_arena_take(ctxalloc_arena *arena, void **block);
int ca_arena_give(ctxalloc_arena *arena, void *block);
int ca_arena_end(ctxalloc_arena *arena);
size_t ca_arena_out(const ctxalloc_arena *arena);

/* All there are, for fork. Arenas may be sources of others: whoever waits for one may have another. */
void ca_arena_lock_all(void);
void ca_arena_unlock_all(void);

int ca_stacks_init(ctxalloc_stacks *stacks, size_t stack_bytes, const ca_source *from, size_t most);

#endif
