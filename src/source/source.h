/* Where memory comes from: a table of functions and a context pointer.  Heaps and the region ask a source, never the kernel.
 * The contract is the public one, ctxalloc/source.h. */
#ifndef CA_SOURCE_SOURCE_H
#define CA_SOURCE_SOURCE_H

#include "base/base.h"
#include "ctxalloc/source.h"

typedef ctxalloc_source ca_source;

/* Private anonymous memory of the kernel. */
CA_EXTERN const ca_source ca_source_mmap;

#endif
