/* A mapped file that grows: what a stored heap (heap/stored.h) lies in.
 *
 * The file is mapped once, with address space to spare: it grows under its mapping, and addresses stay what they are. Storage is asked for before it is
 * used (fallocate), so that a full disk is an error of that call and not a SIGBUS of a later store.
 *
 * Owner: who opened it.  Calls by one thread at a time, but for ca_file_back and ca_file_sync: any.  Calls that return int give 0 or an errno value.
 */
#ifndef CA_SOURCE_FILE_H
#define CA_SOURCE_FILE_H

#include "base/base.h"
#include "base/os.h"

typedef struct ca_file {
    char *base;        /* NULL: not mapped */
    uint64_t reserved; /* bytes of address space from base on */
    int fd;
    bool write;
} ca_file;

/* Maps at least `least` bytes and `wanted` if there is so much address space, at `hint` if that is free. ENOMEM. */
int ca_file_map(ca_file *file, void *hint, uint64_t least, uint64_t wanted);
/* Pages [first, first + pages) have storage. ENOSPC, EFBIG, ENOMEM (past the reserved address space). */
int ca_file_back(const ca_file *file, uint64_t first, uint64_t pages);
/* Unmaps and closes, whatever there is of it. */
void ca_file_close(ca_file *file);

#endif
