/* What ctxalloc asks of the operating system: the whole contract, kept by os_linux.c alone.
 *
 * Every call keeps errno.  Calls that return bool: false means that the kernel refused, nothing changed, and the caller
 * goes on in a slower way or says ENOMEM.  Addresses and sizes are multiples of the page size (4 KiB on x86-64;
 * ca_os_page_size() where the kernel's pages are larger).  Any thread.
 */
#ifndef CA_BASE_OS_H
#define CA_BASE_OS_H

#include <config.h>
#include "base/base.h"

size_t ca_os_page_size(void);

/* Address space without memory: neither readable nor charged. NULL: none. */
void *ca_os_reserve(size_t bytes);
void ca_os_release(void *p, size_t bytes);

/* pre: inside a reservation.  Makes it readable and writable; new pages read as zero. */
bool ca_os_commit(void *p, size_t bytes);
/* pre: committed.  The pages read as zero from now on and cost no memory. */
bool ca_os_purge(void *p, size_t bytes);
/* pre: committed.  As a fresh commit: zero pages, and one mapping with its neighbours again. */
bool ca_os_renew(void *p, size_t bytes);
/* pre: both committed, no overlap.  Moves the pages of `from` to `to`; `from` reads as zero after it. */
bool ca_os_move(void *from, void *to, size_t bytes);
/* --- settings of mappings; false: the kernel refused, or has no such thing --- */

enum ca_os_map { CA_OS_SHARED = 1, CA_OS_CHARGED = 2 /* not NORESERVE */, CA_OS_AT_HINT = 4 /* there or nowhere */ };
/* As ca_os_reserve, at `hint` if that is free. */
void *ca_os_map(void *hint, size_t bytes, unsigned how);
/* Readable and writable memory of huge pages of 2^shift bytes, aligned to that; bytes: a multiple. NULL: none free. */
void *ca_os_map_huge(size_t bytes, unsigned shift);
enum ca_os_access { CA_OS_NONE, CA_OS_READ, CA_OS_READ_WRITE, CA_OS_EXECUTE /* and the others */ };
bool ca_os_protect(void *p, size_t bytes, enum ca_os_access access);
enum ca_os_advice { CA_OS_HUGE, CA_OS_NOT_HUGE, CA_OS_NO_DUMP, CA_OS_NO_FORK, CA_OS_WIPE_ON_FORK, CA_OS_PURGE_LAZILY, CA_OS_PUNCH /* shared memory: as ca_os_purge */ };
bool ca_os_advise(void *p, size_t bytes, enum ca_os_advice advice);
/* Every page is resident, and stays so. */
bool ca_os_lock(void *p, size_t bytes);
/* pre: committed.  Every page is resident; false: that cannot be had. */
bool ca_os_populate(void *p, size_t bytes);
/* What /proc/PID/maps calls the range. `name` must stay as it is. */
bool ca_os_name(void *p, size_t bytes, const char *name);

/* Keeps huge pages out of the range. */
void ca_os_no_huge_pages(void *p, size_t bytes);

/* Sleeps while *word == value (may return early) / wakes n sleepers. */
void ca_os_wait(uint32_t *word, uint32_t value);
void ca_os_wake(uint32_t *word, int n);

uint64_t ca_os_milliseconds(void); /* monotonic, coarse: no system call where the kernel offers that */
bool ca_os_write(int fd, const char *text, size_t length); /* false: not all of it */
size_t ca_os_address_space_limit(void); /* bytes; SIZE_MAX: none */
/* Where the dynamic loader's code lies; 0 bytes: there is none. */
void ca_os_loader(uintptr_t *start, size_t *bytes);
/* A pointer that the dynamic loader keeps for itself, and what is to be in its place. */
typedef struct ca_diversion {
    const void *from, *to;
} ca_diversion;
/* In the loader's constant data (what it made read-only after its start), every `from` becomes its `to`. false: not all were found there, nothing changed. Takes two
 * system calls. */
bool ca_os_divert_loader(const ca_diversion *diversions, unsigned count);
bool ca_os_secure(void);                /* AT_SECURE: do not trust the environment */

/* Files, for reports. A descriptor, or -1 with *error. A file that is there is emptied, but no link is followed. */
int ca_os_create(const char *path, int *error);
int ca_os_open(const char *path, int *error);
/* Bytes read, 0: the end, or an error. */
size_t ca_os_read(int fd, char *to, size_t size);
void ca_os_close(int fd);
int ca_os_process(void); /* its number */

/* How often the kernel refused, by call. */
enum ca_os_call { CA_OS_RESERVE, CA_OS_COMMIT, CA_OS_PURGE, CA_OS_RENEW, CA_OS_MOVE, CA_OS_CALLS };
extern const char *const ca_os_call_names[CA_OS_CALLS];
uint64_t ca_os_refusals(enum ca_os_call call);

/* The fault injector (CA_FAULTS builds): lets memory calls fail. `after` calls succeed, then one of every
 * `every` fails (every == 1: all from then on; 0: none ever). Returns how many calls were seen so far. */
uint64_t ca_os_fail(uint64_t after, uint64_t every, bool once);

#endif
