/* Large blocks: runs of whole pages, of a heap's own TLSF, or (huge) of the region's.
 * A large block belongs to its heap, and is freed and resized by its owner; a huge one is freed by anyone. */
#ifndef CA_HEAP_LARGE_H
#define CA_HEAP_LARGE_H

#include "heap/heap.h"

/* size > CA_SMALL_MAX. NULL: no memory. The block is live, and aligned to a page. */
void *ca_large_malloc(ca_heap *heap, size_t size);
/* The same for any alignment, and then for any size. *zero: how many bytes at the end are known to be zero. */
void *ca_large_alloc(ca_heap *heap, size_t size, size_t align, size_t *zero);
/* The block of the heap that starts at page; it is not live any more. */
void ca_large_free(ca_heap *heap, ca_page page);
/* Bytes of the large or huge block that starts at page. Any thread that holds the block. */
size_t ca_large_size(ca_page page);
/* The same, when the page's entry is known. */
size_t ca_large_size_of(ca_page page, uint32_t tag, uint32_t number);
/* To at least `size` bytes, in place. A large block: the owner only. */
bool ca_large_resize(ca_heap *heap, ca_page page, size_t size);

/* Any thread. false: it was not live. */
bool ca_huge_free(ca_page page, bool check);
/* A new huge block of `size`, of the same owner, that takes over the old one's memory without copying; NULL: copy instead (nothing changed). */
void *ca_huge_move(ca_page page, size_t size);

/* A huge block of whatever size, for a context that has no heap. NULL: no memory, or the account refuses. */
void *ca_huge_alloc(struct ca_context *context, size_t size, size_t align);

/* For savepoints (heap/save.h): the block is dead, its run stays; a run that holds no block goes; the run holds a block again, of `pages` pages or a few more. */
void ca_huge_kill(struct ca_context *context, ca_page page);
void ca_huge_give(struct ca_context *context, ca_page page);
void ca_huge_revive(struct ca_context *context, ca_page page, ca_page pages);

/* All huge blocks of a context cease to be. `dead`: see ca_heap_drop. */
void ca_huge_drop(struct ca_context *context, uint32_t dead);
/* They are nobody's, global, from now on; the accounts are the caller's affair. */
void ca_huge_disown(struct ca_context *context);

/* Those that are outside any context. */
CA_EXTERN ca_run_list ca_huge_runs;

/* Huge blocks live now. */
typedef struct ca_huge_usage {
    uint64_t bytes, count;
} ca_huge_usage;
ca_huge_usage ca_huge_get_usage(void);
bool ca_large_is_huge(size_t size, size_t align);

#endif
