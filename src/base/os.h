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
/* pre: committed.  As a fresh commit: zero pages, and one mapping with its neighbours again.  false: it must be committed again before it is used. */
bool ca_os_renew(void *p, size_t bytes);
/* pre: both committed, no overlap.  Moves the pages of `from` to `to`; `from` reads as zero after it.  false: `to` must be committed again; `from` is as it was. */
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
/* A pointer that a library keeps for itself, and what is to be in its place. name: of the function that it points to. */
typedef struct ca_diversion {
    const char *name;
    const void *from, *to;
} ca_diversion;
/* In the loader's constant data (what it made read-only after its start), every `from` becomes its `to`. false: not all were found there, nothing changed. Takes two
 * system calls. */
bool ca_os_divert_loader(const ca_diversion *diversions, unsigned count);
/* The same for the library that has `code` in it, in the slots that the loader filled by name. The first one's has to be `from` now; others' may be still to be filled. */
bool ca_os_divert_library(const void *code, const ca_diversion *diversions, unsigned count);
bool ca_os_secure(void);                /* AT_SECURE: do not trust the environment */

/* --- NUMA: nodes are numbers; a set of nodes is `words` words of bits ------------------------------------------------ */

enum ca_os_memory { CA_OS_PREFERRED, CA_OS_BIND, CA_OS_INTERLEAVE };
/* Pages of the range that are touched from now on come from these nodes. Those that are resident stay. false: refused, or no such nodes; *error: errno. */
bool ca_os_node_policy(void *p, size_t bytes, enum ca_os_memory memory, const uint64_t *nodes, size_t words, int *error);
/* nodes[i]: where pages[i] is, negative: not resident (or -errno).  At most 4096 at a time. */
bool ca_os_node_query(size_t count, void *const *pages, int *nodes, int *error);
/* Moves pages[i] to node to[i]; nodes[i]: where it is then, or -errno. false: refused. */
bool ca_os_node_move(size_t count, void *const *pages, const int *to, int *nodes, int *error);
/* The node of the CPU that the thread runs on. No system call where the kernel offers that. */
unsigned ca_os_node_here(void);
/* Nodes that the process may have memory of. false: the kernel does not say. */
bool ca_os_node_allowed(uint64_t *nodes, size_t words);
/* Whether the thread was given a policy of its own (numactl). */
bool ca_os_node_told(void);
/* The start of a file, with a NUL after it. Returns its length, less than `size`; 0: cannot be read. */
size_t ca_os_read_file(const char *path, char *buffer, size_t size);

/* --- files ---  Calls that return int give 0 or an errno value. */

enum ca_os_open { CA_OS_WRITE = 1, CA_OS_CREATE = 2, CA_OS_NEW = 4 }; /* NEW: fails where there is one already */
enum ca_os_file_lock { CA_OS_UNLOCKED, CA_OS_LOCK_SHARED, CA_OS_LOCK_ALONE };

/* A descriptor, closed on exec; negative: -errno. Only regular files: others are refused with EINVAL. */
int ca_os_file_open(const char *path, int how, unsigned mode);
/* A descriptor of its own (with its own locks) for the file behind another one; negative: -errno. */
int ca_os_file_again(int fd, bool write);
/* A file in memory that has no name; negative: -errno. */
int ca_os_file_in_memory(const char *name);
void ca_os_file_close(int fd);
int ca_os_file_size(int fd, uint64_t *bytes);
/* [from, from + bytes) of the file has storage: a store there does not fail for want of space. The file grows as needed. ENOSPC. */
int ca_os_file_back(int fd, uint64_t from, uint64_t bytes);
int ca_os_file_resize(int fd, uint64_t bytes);
/* What was written and mapped is on the disk. */
int ca_os_file_sync(int fd);
/* The directory's entry for the path is on the disk. */
int ca_os_directory_sync(const char *path);
/* A lock on one byte. Of the descriptor's open file; goes when the last process that has it is gone. EAGAIN: another one's is in the way (never with `wait`). */
int ca_os_file_set_lock(int fd, unsigned byte, enum ca_os_file_lock lock, bool wait);
/* Another open file has a lock there. */
bool ca_os_file_is_locked(int fd, unsigned byte);
/* Shared mapping of the file's first bytes, which may be more than it has; at `hint` if that is free. NULL: none. */
void *ca_os_file_map(int fd, void *hint, uint64_t bytes, bool write);
int ca_os_file_protect(void *p, uint64_t bytes, bool write);
/* All of it at that place. */
int ca_os_file_read(int fd, void *to, size_t bytes, uint64_t from);
int ca_os_file_write(int fd, const void *what, size_t bytes, uint64_t to);
/* Text that differs from one start of the machine to the next; false: not to be had. */
bool ca_os_boot(char text[40]);

/* Files, for reports. A descriptor, or -1 with *error. A file that is there is emptied, but no link is followed. */
int ca_os_create(const char *path, int *error);
int ca_os_open(const char *path, int *error);
/* Bytes read, 0: the end, or an error. */
size_t ca_os_read(int fd, char *to, size_t size);
void ca_os_close(int fd);
int ca_os_process(void); /* its number */

/* How often the kernel refused, by call. */
enum ca_os_call { CA_OS_RESERVE, CA_OS_COMMIT, CA_OS_PURGE, CA_OS_RENEW, CA_OS_MOVE, CA_OS_CALLS };
CA_EXTERN const char *const ca_os_call_names[CA_OS_CALLS];
uint64_t ca_os_refusals(enum ca_os_call call);

/* The page of `p` can be read. Costs a system call. */
bool ca_os_is_readable(const void *p);

/* The fault injector (CA_FAULTS builds): lets memory calls fail. `after` calls succeed, then one of every
 * `every` fails (every == 1: all from then on; 0: none ever). Returns how many calls were seen so far. */
uint64_t ca_os_fail(uint64_t after, uint64_t every, bool once);

#endif
