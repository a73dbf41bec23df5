/* Where memory comes from: a table of functions and a context pointer.  Heaps and the region ask a source, never the kernel.
 *
 * Contract (sizes and addresses are multiples of 4 KiB; any thread, concurrently; errno is kept):
 *   reserve  address space, not usable yet; NULL: none to be had
 *   commit   [p, p + bytes) of a reservation becomes readable and writable; what is new reads as zero; false: no memory, nothing changed
 *   purge    the pages read as zero from now on and cost no memory; false: they may keep their bytes
 *   renew    as purge, and what `move` split apart is one mapping again; false: nothing changed
 *   move     the pages of `from` go to `to`, whose own are dropped, and `from` reads as zero; false: not possible here, nothing changed
 *   release  gives a whole reservation back
 */
#ifndef CA_SOURCE_SOURCE_H
#define CA_SOURCE_SOURCE_H

#include "base/base.h"

typedef struct ca_source ca_source;
struct ca_source {
    void *(*reserve)(const ca_source *, size_t bytes);
    bool (*commit)(const ca_source *, void *p, size_t bytes);
    bool (*purge)(const ca_source *, void *p, size_t bytes);
    bool (*renew)(const ca_source *, void *p, size_t bytes);
    bool (*move)(const ca_source *, void *from, void *to, size_t bytes);
    void (*release)(const ca_source *, void *p, size_t bytes);
    void *context;
};

/* Private anonymous memory of the kernel. */
extern const ca_source ca_source_mmap;

#endif
