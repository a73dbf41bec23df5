/* The sources that ship, but for arenas: see ctxalloc/source.h.  They set up a table in the caller's struct, and check their settings. */
#ifndef CA_SOURCE_SHIPPED_H
#define CA_SOURCE_SHIPPED_H

#include "source/source.h"

/* 0 or an errno value. */
int ca_source_mmap_init(ctxalloc_mmap_source *source, const ctxalloc_mmap_settings *settings);
int ca_source_huge_init(ctxalloc_huge_source *source, unsigned page_shift);
int ca_source_user_init(ctxalloc_user_source *source, void *p, size_t bytes);

/* Attributes of memory that is cut out of the process's own range. */
enum { CA_ATTRIBUTE_PREFAULT = 1, CA_ATTRIBUTE_LOCK = 2, CA_ATTRIBUTE_NODUMP = 4, CA_ATTRIBUTE_WIPEONFORK = 8, CA_ATTRIBUTES = 15 };
/* The source of such memory; always the same one. pre: attributes is 1 … CA_ATTRIBUTES */
const ca_source *ca_source_attributes(unsigned attributes);

#endif
