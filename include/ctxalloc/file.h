/* Heaps in files, and in memory that processes share: contexts whose blocks outlive the process.
 *
 *     ctxalloc_file_options o = {.size = sizeof o, .flags = CTXALLOC_FILE_CREATE};
 *     ctxalloc_context *store = ctxalloc_open("index.heap", &o);
 *     struct index *index = ctxalloc_root_get(store, "index");
 *     if (!index) {
 *         index = ctxalloc_calloc(store, 1, sizeof *index);
 *         ctxalloc_root_set(store, "index", index);
 *     }
 *     …                          // ctxalloc_malloc(store, …), free(), realloc(); or ctxalloc_switch(store), then malloc
 *     ctxalloc_sync(store);      // what is there now survives a loss of power
 *     ctxalloc_close(store);
 *
 * The file is mapped, shared, at the address that it had when it was made if that is free, otherwise anywhere: pointers inside it are good only in the first
 * case (ctxalloc_file_base says which), offsets always (ctxalloc_offset, ctxalloc_ptr).
 *
 * A process that is killed at any point leaves a heap that opens and has every block that it had.  After a loss of power the heap is as at the last
 * ctxalloc_sync that returned 0; see ctxalloc_file(3) for what that says of the blocks' bytes.
 *
 * Any thread, of any process that has the heap open, at the same time; except that opening and closing one is for one thread with no other call under way.
 * Functions that return int give 0 or an errno value; those that return pointers NULL and errno.  Cost of a call for a block: about 50 ns, a lock among them.
 */
#ifndef CTXALLOC_FILE_H
#define CTXALLOC_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ctxalloc_context;

enum ctxalloc_file_flags {
    CTXALLOC_FILE_CREATE = 1,    /* make it if there is none, or an empty one */
    CTXALLOC_FILE_NEW = 2,       /* make it; EEXIST if there is one */
    CTXALLOC_FILE_READ_ONLY = 4, /* look up and read, nothing else */
    CTXALLOC_FILE_SHARED = 8,    /* other processes may have it open for writing, too, if they say the same */
    CTXALLOC_FILE_CLIENT = 16,   /* read and write blocks that are there; all that describes them is mapped for reading only. No allocation, no free, no roots set */
    CTXALLOC_FILE_RESTORE = 32   /* go back to the last sync, whatever has been done since; needs it alone */
};

enum { CTXALLOC_FILE_WHY = 160 };

/* Zero everything but `size` for the defaults. */
typedef struct ctxalloc_file_options {
    size_t size;       /* sizeof(ctxalloc_file_options) */
    const char *name;  /* of the context, as in ctxalloc_options */
    unsigned flags;    /* of enum ctxalloc_file_flags */
    unsigned mode;     /* permissions of a new file; 0: 0600 */
    uint64_t reserve;  /* bytes of address space, which the file can grow to while it is open; 0: 64 GiB, or twice the file */
    uint64_t limit;    /* bytes that the file may grow to; 0: no limit */
    void *base;        /* where to map it, and where it wants to be from now on if it is new; NULL: its own choice */
    char *why;         /* CTXALLOC_FILE_WHY bytes for a text that says why it was refused, or NULL */
} ctxalloc_file_options;

/* A heap in a file, as a context; it can be switched to, and free and realloc know its blocks.  NULL: flags CREATE or NEW say whether it may be made.
 * Errors, with a text in `why`; what is refused is not changed: EILSEQ: not a heap. ENOTSUP: of a newer version, of the other byte order, of other pages.
 * EUCLEAN: damaged, or shorter than it should be. EBUSY: another process has it open (both must say SHARED). EROFS: READ_ONLY, and it needs recovery. EEXIST, ENOENT, EACCES and
 * others of open(2). EINVAL: an option, or not a regular file. ENOMEM: no address space. ENOSPC. EMFILE: 64 heaps are open.
 * Cost: proportional to its pages for the first process, some ms a GiB. */
struct ctxalloc_context *ctxalloc_open(const char *path, const ctxalloc_file_options *options);

/* A heap in memory that processes share; SHARED and CREATE are always on. name: as for shm_open, "/name", made on first use and there until shm_unlink or the machine's end;
 * NULL: new memory without a name, gone with its last user: pass ctxalloc_file_fd on. Errors as above. */
struct ctxalloc_context *ctxalloc_open_shared(const char *name, const ctxalloc_file_options *options);
/* The same heap from a descriptor of its file or memory, which stays the caller's. Needs /proc. */
struct ctxalloc_context *ctxalloc_open_fd(int fd, const ctxalloc_file_options *options);

/* Returns when all blocks, their bytes and the roots as they are now are on the disk. Other calls of the heap wait meanwhile.  Blocks freed since the last sync
 * are not reused before this one. EIO and others of fdatasync(2): the last sync still holds. EROFS: not open for writing. In memory: 0, nothing to do. */
int ctxalloc_sync(struct ctxalloc_context *context);
/* Syncs and unmaps; pointers into it are void. EBUSY: current in another thread, still open. Other errors are those of the sync: closed nevertheless. */
int ctxalloc_close(struct ctxalloc_context *context);

/* Handles: 0 is NULL. ptr: NULL with EINVAL past the file's end. offset: 0 and EINVAL: not an address in it. O(1), no lock. */
void *ctxalloc_ptr(struct ctxalloc_context *context, uint64_t offset);
uint64_t ctxalloc_offset(struct ctxalloc_context *context, const void *p);
/* Where it is mapped. *wanted (may be NULL): whether that is where it wants to be, so that pointers stored in it are good. */
void *ctxalloc_file_base(struct ctxalloc_context *context, bool *wanted);
/* Its descriptor, open as long as the heap; -1 and EINVAL: not a heap in a file. */
int ctxalloc_file_fd(struct ctxalloc_context *context);

/* Up to 62 names of 1 to 55 bytes. A root is the start of a live block; NULL takes the name away. One store: it is the old or the new after a kill.
 * EINVAL: name, or not a live block; ENOSPC: too many names; EROFS. */
int ctxalloc_root_set(struct ctxalloc_context *context, const char *name, const void *p);
/* NULL and ENOENT: no such root. */
void *ctxalloc_root_get(struct ctxalloc_context *context, const char *name);

/* fn for each live block, by address, until it returns false; it may call nothing of this heap, which is locked. So a program finds blocks that a
 * killed process had made and not yet tied to anything. O(pages). */
int ctxalloc_file_walk(struct ctxalloc_context *context, bool (*fn)(const void *block, size_t size, void *arg), void *arg);

/* What ctxalloc-fsck(1) prints. */
typedef struct ctxalloc_file_report {
    uint64_t bytes;      /* of the file */
    uint64_t blocks, block_bytes, free_pages, roots;
    uint64_t dangling;   /* roots that are not live blocks */
    uint64_t sequence;   /* syncs since it was made */
    bool in_memory, was_open, recover; /* was_open: not closed; recover: opening it goes back to the last sync */
    int live_fault, sync_fault;        /* number of the broken invariant (docs/files.md), 0: none: of what is live, of the last sync */
    uint32_t live_page, sync_page;     /* where */
} ctxalloc_file_report;
/* Looks at a file that no process writes, and changes nothing. 0: it was looked at, and may be damaged: see the report. EBUSY, EILSEQ, ENOTSUP, EUCLEAN (too damaged to
 * look at) and those of open(2). why: CTXALLOC_FILE_WHY bytes, or NULL. O(pages). */
int ctxalloc_file_check(const char *path, ctxalloc_file_report *report, char *why);

#ifdef __cplusplus
}
#endif

#endif
