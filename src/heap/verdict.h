/* What a wrong pointer is, and the end of the process that passed it. Nothing here allocates or locks. */
#ifndef CA_HEAP_VERDICT_H
#define CA_HEAP_VERDICT_H

#include "heap/heap.h"

/* p: in the region (granule g), and not the start of a live object. `function`: what it was passed to.
 * One line on stderr, then abort:  ctxalloc: free(0x7f0012345680): double free (context global) */
_Noreturn void ca_verdict(const char *function, const void *p, ca_granule g);
/* p: in a part of the region that no block was ever in. */
_Noreturn void ca_verdict_unused(const char *function, const void *p);
/* p: in the region and not at a granule. */
/* The start of the block that p lies in, live or not, where there may be one; NULL: none. */
const void *ca_verdict_start(const void *p, ca_granule g);
/* p is a block of ours, and `text` says what is wrong with it. */
_Noreturn void ca_verdict_text(const char *function, const void *p, const char *text);
_Noreturn void ca_verdict_misaligned(const char *function, const void *p);

#endif
