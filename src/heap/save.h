/* Savepoints of contexts that have a heap: all blocks, and what is in them, can be put back as they were.
 *
 * A savepoint is a copy: of the heap's record, of the records of its slabs and of the nodes of its pages, of the pages' entries and live words, and of the bytes of
 * the pages in use, but for those that are zero.  It lies in a run of the region, charged to the context.  While a context has savepoints, the runs that they know are pinned:
 * freed blocks in them are dead, but the runs stay the context's.  So a restore finds every page where it was, needs no memory, and cannot fail.
 *
 *   save     flush caches, count, take the run, copy
 *   restore  void frees on their way (the heap's generation), give back runs that came since, put everything back
 *
 * Savepoints nest: one that is gone back to stays, younger ones go.  Any of them may be dropped alone.
 *
 * Owner of the context, no other thread using its blocks.  Cost: proportional to the memory in use.
 */
#ifndef CA_HEAP_SAVE_H
#define CA_HEAP_SAVE_H

#include "heap/context.h"

/* The number of a new savepoint, never used before; 0: no memory, or the account refuses; nothing changed. pre: the context has a heap */
uint64_t ca_save(ca_context *context);
/* false: there is no such savepoint, nothing changed. */
bool ca_save_restore(ca_context *context, uint64_t number);
bool ca_save_drop(ca_context *context, uint64_t number);
/* All of them, on the way to a reset or destruction. */
void ca_save_drop_all(ca_context *context);

/* The run that starts there is needed by a savepoint. */
CA_INLINE bool ca_save_pins(ca_page page)
{
    return ca_run_at(page >> CA_CHUNK_SHIFT)->saved != 0;
}

#endif
