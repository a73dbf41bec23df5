/* The only file that makes system calls. */
#include "base/os.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <linux/futex.h>
#include <linux/mempolicy.h>
#include <sched.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif
#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#define PR_SET_VMA_ANON_NAME 0
#endif

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

/* Calls that the C library adds nothing to go by their number: each of its functions that is named here is one more for the dynamic loader to find at every start, and
 * costs it 650 instructions.  What others put functions of their own in the place of has a name nevertheless: changes of mappings (sanitizers) and flushes (tests; libeatmydata). */
#define KERNEL(name, ...) syscall(SYS_##name, __VA_ARGS__)

/* free must keep errno, and malloc sets it in the faces only: so no call here may change it. */
#define KEEP_ERRNO(statement)   \
    do {                        \
        int saved_ = errno;     \
        statement;              \
        errno = saved_;         \
    } while (0)

static struct {
    uint64_t seen, after, every;
    bool once;
} fault;

uint64_t ca_os_fail(uint64_t after, uint64_t every, bool once)
{
    fault.after = __atomic_load_n(&fault.seen, __ATOMIC_RELAXED) + after;
    fault.once = once;
    __atomic_store_n(&fault.every, every, __ATOMIC_RELEASE);
    return fault.seen;
}

static bool fault_strikes(void)
{
    if (!CA_FAULTS)
        return false;
    uint64_t n = __atomic_fetch_add(&fault.seen, 1, __ATOMIC_RELAXED);
    uint64_t every = __atomic_load_n(&fault.every, __ATOMIC_ACQUIRE);
    if (!every || n < fault.after || (n - fault.after) % every)
        return false;
    if (fault.once)
        __atomic_store_n(&fault.every, 0, __ATOMIC_RELAXED);
    return true;
}

const char *const ca_os_call_names[CA_OS_CALLS] = {"reserve", "commit", "purge", "renew", "move"};
static uint64_t refusals[CA_OS_CALLS];

uint64_t ca_os_refusals(enum ca_os_call call)
{
    return __atomic_load_n(&refusals[call], __ATOMIC_RELAXED);
}

/* Passes on whether it went well. */
static bool counted(enum ca_os_call call, bool well)
{
    if (CA_UNLIKELY(!well))
        __atomic_fetch_add(&refusals[call], 1, __ATOMIC_RELAXED);
    return well;
}

size_t ca_os_page_size(void)
{
    return (size_t)getauxval(AT_PAGESZ);
}

void *ca_os_reserve(size_t bytes)
{
    void *p = MAP_FAILED;
    if (!fault_strikes())
        KEEP_ERRNO(p = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
    return counted(CA_OS_RESERVE, p != MAP_FAILED) ? p : NULL;
}

void ca_os_release(void *p, size_t bytes)
{
    KEEP_ERRNO((void)munmap(p, bytes));
}

bool ca_os_commit(void *p, size_t bytes)
{
    int failed = 1;
    if (!fault_strikes())
        KEEP_ERRNO(failed = mprotect(p, bytes, PROT_READ | PROT_WRITE));
    return counted(CA_OS_COMMIT, !failed);
}

bool ca_os_purge(void *p, size_t bytes)
{
    int failed = 1;
    if (!fault_strikes())
        KEEP_ERRNO(failed = madvise(p, bytes, MADV_DONTNEED));
    return counted(CA_OS_PURGE, !failed);
}

bool ca_os_renew(void *p, size_t bytes)
{
    /* In two steps: the kernel unmaps what is in the way before it finds that it has no memory to promise (overcommit_memory=2), and would leave a hole. */
    bool done = false;
    if (!fault_strikes())
        KEEP_ERRNO(done = mmap(p, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) != MAP_FAILED &&
                          mprotect(p, bytes, PROT_READ | PROT_WRITE) == 0);
    return counted(CA_OS_RENEW, done);
}

bool ca_os_move(void *from, void *to, size_t bytes)
{
    /* DONTUNMAP (Linux 5.7) leaves `from` mapped: without it the hole would be open to any thread's mmap. */
    void *q = MAP_FAILED;
    if (!fault_strikes())
        KEEP_ERRNO(q = mremap(from, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP, to);
                   if (q == MAP_FAILED && errno == ENOMEM) /* over a limit, `to` is unmapped by then: nobody else is to come there */
                       (void)mmap(to, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0));
    return counted(CA_OS_MOVE, q != MAP_FAILED);
}

void *ca_os_map(void *hint, size_t bytes, unsigned how)
{
    int flags = MAP_ANONYMOUS | (how & CA_OS_SHARED ? MAP_SHARED : MAP_PRIVATE) | (how & CA_OS_CHARGED ? 0 : MAP_NORESERVE) |
                (how & CA_OS_AT_HINT ? MAP_FIXED_NOREPLACE : 0);
    void *p = MAP_FAILED;
    if (!fault_strikes())
        KEEP_ERRNO(p = mmap(hint, bytes, PROT_NONE, flags, -1, 0));
    if (p != MAP_FAILED && p != hint && (how & CA_OS_AT_HINT)) { /* a kernel before 4.17 takes the flag for a hint */
        ca_os_release(p, bytes);
        p = MAP_FAILED;
    }
    return p == MAP_FAILED ? NULL : p;
}

void *ca_os_map_huge(size_t bytes, unsigned shift)
{
    void *p = MAP_FAILED;
    if (!fault_strikes())
        KEEP_ERRNO(p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | (int)(shift << MAP_HUGE_SHIFT), -1, 0));
    return p == MAP_FAILED ? NULL : p;
}

bool ca_os_protect(void *p, size_t bytes, enum ca_os_access access)
{
    static const int bits[] = {
        [CA_OS_NONE] = PROT_NONE, [CA_OS_READ] = PROT_READ, [CA_OS_READ_WRITE] = PROT_READ | PROT_WRITE, [CA_OS_EXECUTE] = PROT_READ | PROT_WRITE | PROT_EXEC};
    int failed = 1;
    if (!fault_strikes())
        KEEP_ERRNO(failed = mprotect(p, bytes, bits[access]));
    return !failed;
}

bool ca_os_advise(void *p, size_t bytes, enum ca_os_advice advice)
{
    static const int numbers[] = {[CA_OS_HUGE] = MADV_HUGEPAGE,      [CA_OS_NOT_HUGE] = MADV_NOHUGEPAGE,       [CA_OS_NO_DUMP] = MADV_DONTDUMP,
                                  [CA_OS_NO_FORK] = MADV_DONTFORK,   [CA_OS_WIPE_ON_FORK] = MADV_WIPEONFORK,   [CA_OS_PURGE_LAZILY] = MADV_FREE,
                                  [CA_OS_PUNCH] = MADV_REMOVE};
    int failed = 1;
    if (!fault_strikes())
        KEEP_ERRNO(failed = madvise(p, bytes, numbers[advice]));
    return !failed;
}

bool ca_os_lock(void *p, size_t bytes)
{
    int failed = 1;
    if (!fault_strikes())
        KEEP_ERRNO(failed = (int)KERNEL(mlock, p, bytes));
    return !failed;
}

bool ca_os_populate(void *p, size_t bytes)
{
    int failed = 1, error = 0;
    if (fault_strikes())
        return false;
    KEEP_ERRNO(failed = madvise(p, bytes, MADV_POPULATE_WRITE); error = errno);
    if (failed && error == EINVAL) { /* before Linux 5.14 */
        for (size_t i = 0; i < bytes; i += CA_PAGE)
            __atomic_fetch_or((char *)p + i, 0, __ATOMIC_RELAXED);
        failed = 0;
    }
    return !failed;
}

bool ca_os_name(void *p, size_t bytes, const char *name)
{
    int failed = 1;
    if (!fault_strikes())
        KEEP_ERRNO(failed = (int)KERNEL(prctl, PR_SET_VMA, PR_SET_VMA_ANON_NAME, (unsigned long)p, bytes, (unsigned long)name));
    return !failed;
}

void ca_os_no_huge_pages(void *p, size_t bytes)
{
    KEEP_ERRNO((void)madvise(p, bytes, MADV_NOHUGEPAGE));
}

void ca_os_wait(uint32_t *word, uint32_t value)
{
    KEEP_ERRNO((void)KERNEL(futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0));
}

void ca_os_wake(uint32_t *word, int n)
{
    KEEP_ERRNO((void)KERNEL(futex, word, FUTEX_WAKE_PRIVATE, n, NULL, NULL, 0));
}

/* The kernel reads the set of signals before it finds that it is not told what to do with it. */
bool ca_os_is_readable(const void *p)
{
    enum { NOTHING_KNOWN = -1, SET_BYTES = 8 };
    bool readable = false;
    KEEP_ERRNO(readable = KERNEL(rt_sigprocmask, NOTHING_KNOWN, (uintptr_t)p & ~(uintptr_t)(SET_BYTES - 1), NULL, SET_BYTES) == 0 || errno != EFAULT);
    return readable;
}

uint64_t ca_os_milliseconds(void)
{
    struct timespec now = {0, 0};
    KEEP_ERRNO((void)clock_gettime(CLOCK_MONOTONIC_COARSE, &now));
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

bool ca_os_write(int fd, const char *text, size_t length)
{
    ssize_t n = 1;
    KEEP_ERRNO(while (length && n > 0) {
        n = KERNEL(write, fd, text, length);
        if (n < 0 && errno == EINTR)
            n = 1;
        else if (n > 0) {
            text += n;
            length -= (size_t)n;
        }
    });
    return !length;
}

static int file_open(const char *path, int flags, int *error)
{
    int fd = -1;
    if (fault_strikes()) {
        *error = EMFILE;
        return -1;
    }
    KEEP_ERRNO(fd = (int)KERNEL(openat, AT_FDCWD, path, flags | O_CLOEXEC | O_NOCTTY, 0666); *error = errno);
    return fd;
}

int ca_os_create(const char *path, int *error)
{
    return file_open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, error);
}

int ca_os_open(const char *path, int *error)
{
    return file_open(path, O_RDONLY, error);
}

size_t ca_os_read(int fd, char *to, size_t size)
{
    ssize_t n;
    KEEP_ERRNO(do n = KERNEL(read, fd, to, size); while (n < 0 && errno == EINTR));
    return n > 0 ? (size_t)n : 0;
}

void ca_os_close(int fd)
{
    KEEP_ERRNO((void)KERNEL(close, fd));
}

int ca_os_process(void)
{
    return (int)syscall(SYS_getpid);
}

size_t ca_os_address_space_limit(void)
{
    struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};
    KEEP_ERRNO((void)KERNEL(prlimit64, 0, RLIMIT_AS, NULL, &limit));
    return limit.rlim_cur == RLIM_INFINITY ? SIZE_MAX : (size_t)limit.rlim_cur;
}

/* The loader's segments of a type: the first and the last byte, from its start. 0: none. */
static uintptr_t loader_segments(uint32_t type, uintptr_t *first, uintptr_t *end)
{
    uintptr_t start = (uintptr_t)getauxval(AT_BASE);
    *first = UINTPTR_MAX;
    *end = 0;
    if (!start)
        return 0;
    const Elf64_Ehdr *header = (const Elf64_Ehdr *)start;
    const Elf64_Phdr *segments = (const Elf64_Phdr *)(start + header->e_phoff);
    for (unsigned i = 0; i < header->e_phnum; i++) {
        const Elf64_Phdr *s = &segments[i];
        if (s->p_type != type)
            continue;
        *first = s->p_vaddr < *first ? s->p_vaddr : *first;
        *end = s->p_vaddr + s->p_memsz > *end ? s->p_vaddr + s->p_memsz : *end;
    }
    return *end ? start : 0;
}

void ca_os_loader(uintptr_t *start, size_t *bytes)
{
    uintptr_t first;
    *start = loader_segments(PT_LOAD, &first, bytes);
}

/* Opens the pages of a library's constant data, which begin and end as RELRO does, or closes them. */
static bool relro_protect(uintptr_t first, uintptr_t last, int protection)
{
    uintptr_t mask = ~(uintptr_t)(ca_os_page_size() - 1);
    bool done = false;
    KEEP_ERRNO(done = mprotect((void *)(first & mask), (last & mask) - (first & mask), protection) == 0);
    return done;
}

bool ca_os_divert_loader(const ca_diversion *d, unsigned count)
{
    uintptr_t first, last, start = loader_segments(PT_GNU_RELRO, &first, &last);
    void **words = (void **)((start + first + sizeof(void *) - 1) & ~(sizeof(void *) - 1)), **stop = (void **)(start + last);
    unsigned found = 0;
    for (void **w = words; start && w < stop; w++)
        for (unsigned i = 0; i < count; i++)
            found |= (unsigned)(*w == d[i].from) << i;
    if (found != (1U << count) - 1 || !relro_protect(start + first, start + last, PROT_READ | PROT_WRITE))
        return false;
    for (void **w = words; w < stop; w++)
        for (unsigned i = 0; i < count; i++)
            if (*w == d[i].from)
                __atomic_store_n(w, (void *)(uintptr_t)d[i].to, __ATOMIC_RELAXED);
    (void)relro_protect(start + first, start + last, PROT_READ);
    return true;
}

/* A library that was loaded: what its program headers and its dynamic section say. */
typedef struct {
    uintptr_t code;        /* an address in it */
    uintptr_t base;        /* addresses in the file count from here */
    uintptr_t first, end;  /* all of it */
    uintptr_t relro, relro_end;
    const Elf64_Dyn *dynamic;
} loaded;

static int loaded_find(struct dl_phdr_info *info, size_t bytes, void *argument)
{
    (void)bytes;
    loaded *l = argument;
    *l = (loaded){.code = l->code, .base = info->dlpi_addr, .first = UINTPTR_MAX};
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        const Elf64_Phdr *s = &info->dlpi_phdr[i];
        uintptr_t start = l->base + s->p_vaddr, end = start + s->p_memsz;
        if (s->p_type == PT_LOAD) {
            l->first = start < l->first ? start : l->first;
            l->end = end > l->end ? end : l->end;
        } else if (s->p_type == PT_GNU_RELRO) {
            l->relro = start;
            l->relro_end = end;
        } else if (s->p_type == PT_DYNAMIC) {
            l->dynamic = (const Elf64_Dyn *)start;
        }
    }
    return l->code >= l->first && l->code < l->end;
}

/* An entry of the dynamic section; 0: none. Addresses in it may have been made absolute when the library was loaded, or not. */
static uintptr_t loaded_entry(const loaded *l, Elf64_Sxword tag)
{
    for (const Elf64_Dyn *d = l->dynamic; d && d->d_tag != DT_NULL; d++)
        if (d->d_tag == tag)
            return d->d_un.d_val;
    return 0;
}

static uintptr_t loaded_address(const loaded *l, Elf64_Sxword tag)
{
    uintptr_t p = loaded_entry(l, tag);
    return p && p < l->base ? l->base + p : p;
}

/* The slots that the loader fills with the address of a diversion's symbol, in both tables of relocations. Writes to them if `write`; otherwise says whether each diversion has
 * some, all with the value `from`; those of all but the first may also lead into the library itself: their function was never called. */
static bool slots_divert(const loaded *l, const ca_diversion *d, unsigned count, bool write)
{
    static const Elf64_Sxword tables[][2] = {{DT_RELA, DT_RELASZ}, {DT_JMPREL, DT_PLTRELSZ}};
    const Elf64_Sym *symbols = (const Elf64_Sym *)loaded_address(l, DT_SYMTAB);
    const char *names = (const char *)loaded_address(l, DT_STRTAB);
    unsigned found = 0;
    for (unsigned t = 0; t < 2 && symbols && names; t++) {
        const Elf64_Rela *r = (const Elf64_Rela *)loaded_address(l, tables[t][0]);
        for (size_t left = r ? loaded_entry(l, tables[t][1]) / sizeof *r : 0; left; left--, r++)
            for (unsigned i = 0; i < count; i++) {
                if (!ELF64_R_SYM(r->r_info) || strcmp(names + symbols[ELF64_R_SYM(r->r_info)].st_name, d[i].name) != 0)
                    continue;
                void **slot = (void **)(l->base + r->r_offset), *value = __atomic_load_n(slot, __ATOMIC_RELAXED);
                if (write)
                    __atomic_store_n(slot, (void *)(uintptr_t)d[i].to, __ATOMIC_RELAXED);
                else if (value != d[i].from && (i == 0 || (uintptr_t)value - l->first >= l->end - l->first))
                    return false;
                found |= 1U << i;
            }
    }
    return found == (1U << count) - 1;
}

bool ca_os_divert_library(const void *code, const ca_diversion *d, unsigned count)
{
    loaded l = {.code = (uintptr_t)code};
    if (!dl_iterate_phdr(loaded_find, &l) || !slots_divert(&l, d, count, false) || (l.relro && !relro_protect(l.relro, l.relro_end, PROT_READ | PROT_WRITE)))
        return false;
    (void)slots_divert(&l, d, count, true);
    if (l.relro)
        (void)relro_protect(l.relro, l.relro_end, PROT_READ);
    return true;
}

bool ca_os_secure(void)
{
    return getauxval(AT_SECURE) != 0;
}

/* --- files --------------------------------------------------------------------------------------------------- */

/* Runs a call that gives -1 and errno, again when a signal came between. */
#define CALL(result, call)                                 \
    do {                                                   \
        int saved_ = errno;                                \
        do                                                 \
            (result) = (call);                             \
        while ((result) < 0 && errno == EINTR);            \
        if ((result) < 0)                                  \
            (result) = -errno;                             \
        errno = saved_;                                    \
    } while (0)

/* A pipe or a device could block, or do something when it is opened: they are looked at before. */
int ca_os_file_open(const char *path, int how, unsigned mode)
{
    int flags = O_CLOEXEC | O_NONBLOCK | O_NOCTTY | ((how & CA_OS_WRITE) ? O_RDWR : O_RDONLY), fd = -EMFILE;
    flags |= (how & (CA_OS_CREATE | CA_OS_NEW)) ? O_CREAT : 0;
    flags |= (how & CA_OS_NEW) ? O_EXCL : 0;
    if (fault_strikes())
        return fd;
    CALL(fd, (int)KERNEL(openat, AT_FDCWD, path, flags, mode));
    struct stat s;
    if (fd >= 0 && (KERNEL(fstat, fd, &s) || !S_ISREG(s.st_mode))) {
        ca_os_file_close(fd);
        return -EINVAL;
    }
    return fd;
}

int ca_os_file_again(int fd, bool write)
{
    char path[32] = "/proc/self/fd/", digits[12];
    int n = 0, at = 14;
    for (unsigned x = (unsigned)fd; n == 0 || x; x /= 10)
        digits[n++] = (char)('0' + x % 10);
    while (n)
        path[at++] = digits[--n];
    path[at] = '\0';
    return fd < 0 ? -EBADF : ca_os_file_open(path, write ? CA_OS_WRITE : 0, 0);
}

int ca_os_file_in_memory(const char *name)
{
    int fd = -EMFILE;
    if (!fault_strikes())
        CALL(fd, (int)KERNEL(memfd_create, name, MFD_CLOEXEC));
    return fd;
}

void ca_os_file_close(int fd)
{
    KEEP_ERRNO((void)KERNEL(close, fd));
}

int ca_os_file_size(int fd, uint64_t *bytes)
{
    struct stat s = {.st_size = 0};
    int result = -EIO;
    if (!fault_strikes())
        CALL(result, (int)KERNEL(fstat, fd, &s));
    *bytes = result < 0 ? 0 : (uint64_t)s.st_size;
    return -result;
}

/* Where the file system knows no fallocate: zeros in every hole. What has data is left alone. */
static int back_by_writing(int fd, uint64_t from, uint64_t bytes)
{
    static const char zeros[CA_PAGE];
    uint64_t end = from + bytes;
    while (from < end) {
        off_t data = KERNEL(lseek, fd, from, SEEK_DATA), hole = KERNEL(lseek, fd, from, SEEK_HOLE);
        if (data == (off_t)from && hole > data) {
            from = (uint64_t)hole;
            continue;
        }
        int error = ca_os_file_write(fd, zeros, ca_size_min(CA_PAGE - from % CA_PAGE, end - from), from);
        if (error)
            return error;
        from += ca_size_min(CA_PAGE - from % CA_PAGE, end - from);
    }
    return 0;
}

int ca_os_file_back(int fd, uint64_t from, uint64_t bytes)
{
    int result = -ENOSPC;
    if (fault_strikes())
        return ENOSPC;
    CALL(result, (int)KERNEL(fallocate, fd, 0, from, bytes));
    if (result == -EOPNOTSUPP || result == -ENOSYS)
        KEEP_ERRNO(result = -back_by_writing(fd, from, bytes));
    return -result;
}

int ca_os_file_resize(int fd, uint64_t bytes)
{
    int result = -ENOSPC;
    if (!fault_strikes())
        CALL(result, (int)KERNEL(ftruncate, fd, bytes));
    return -result;
}

int ca_os_file_sync(int fd)
{
    int result = -EIO;
    if (!fault_strikes())
        CALL(result, fdatasync(fd));
    return -result;
}

int ca_os_directory_sync(const char *path)
{
    char directory[4096] = ".";
    size_t length = 0, cut = 0;
    for (; length < sizeof directory - 1 && path[length]; length++)
        cut = path[length] == '/' ? length + 1 : cut;
    for (size_t i = 0; i < cut; i++)
        directory[i] = path[i];
    directory[cut ? cut : 1] = '\0';
    int fd, result;
    if (fault_strikes())
        return EIO;
    CALL(fd, (int)KERNEL(openat, AT_FDCWD, directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (fd < 0)
        return -fd;
    CALL(result, fsync(fd));
    ca_os_file_close(fd);
    return result == -EINVAL ? 0 : -result; /* a file system without such a thing */
}

int ca_os_file_set_lock(int fd, unsigned byte, enum ca_os_file_lock lock, bool wait)
{
    static const short words[] = {[CA_OS_UNLOCKED] = F_UNLCK, [CA_OS_LOCK_SHARED] = F_RDLCK, [CA_OS_LOCK_ALONE] = F_WRLCK};
    struct flock l = {.l_type = words[lock], .l_whence = SEEK_SET, .l_start = (off_t)byte, .l_len = 1};
    int result = -ENOLCK;
    if (!fault_strikes())
        CALL(result, (int)KERNEL(fcntl, fd, wait ? F_OFD_SETLKW : F_OFD_SETLK, &l));
    return result == -EACCES ? EAGAIN : -result;
}

bool ca_os_file_is_locked(int fd, unsigned byte)
{
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = (off_t)byte, .l_len = 1};
    int result;
    CALL(result, (int)KERNEL(fcntl, fd, F_OFD_GETLK, &l));
    return result == 0 && l.l_type != F_UNLCK;
}

void *ca_os_file_map(int fd, void *hint, uint64_t bytes, bool write)
{
    void *p = MAP_FAILED;
    if (!fault_strikes())
        KEEP_ERRNO(p = mmap(hint, bytes, PROT_READ | (write ? PROT_WRITE : 0), MAP_SHARED | MAP_NORESERVE, fd, 0));
    return p == MAP_FAILED ? NULL : p;
}

int ca_os_file_protect(void *p, uint64_t bytes, bool write)
{
    int result = -ENOMEM;
    if (!fault_strikes())
        CALL(result, mprotect(p, bytes, PROT_READ | (write ? PROT_WRITE : 0)));
    return -result;
}

int ca_os_file_read(int fd, void *to, size_t bytes, uint64_t from)
{
    for (ssize_t n; bytes; bytes -= (size_t)n, from += (uint64_t)n, to = (char *)to + n) {
        n = -EIO;
        if (!fault_strikes())
            CALL(n, KERNEL(pread64, fd, to, bytes, from));
        if (n <= 0)
            return n ? (int)-n : ENODATA;
    }
    return 0;
}

int ca_os_file_write(int fd, const void *what, size_t bytes, uint64_t to)
{
    for (ssize_t n; bytes; bytes -= (size_t)n, to += (uint64_t)n, what = (const char *)what + n) {
        n = -EIO;
        if (!fault_strikes())
            CALL(n, KERNEL(pwrite64, fd, what, bytes, to));
        if (n <= 0)
            return n ? (int)-n : ENOSPC;
    }
    return 0;
}

bool ca_os_boot(char text[40])
{
    int fd;
    ssize_t n = -1;
    if (fault_strikes())
        return false;
    CALL(fd, (int)KERNEL(openat, AT_FDCWD, "/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC));
    if (fd < 0)
        return false;
    CALL(n, KERNEL(read, fd, text, 36));
    ca_os_file_close(fd);
    for (int i = n == 36 ? 36 : 0; i < 40; i++)
        text[i] = '\0';
    return n == 36;
}

/* --- NUMA ------------------------------------------------------------------------------------------------------- */

/* A refusal by the fault injector looks like a container's. */
static bool refused(long result, int *error)
{
    *error = result < 0 ? errno : 0;
    return result < 0;
}

bool ca_os_node_policy(void *p, size_t bytes, enum ca_os_memory memory, const uint64_t *nodes, size_t words, int *error)
{
    static const int modes[] = {[CA_OS_PREFERRED] = MPOL_PREFERRED, [CA_OS_BIND] = MPOL_BIND, [CA_OS_INTERLEAVE] = MPOL_INTERLEAVE};
    bool failed = true;
    *error = EPERM;
    if (!fault_strikes()) /* the kernel takes the number of bits to be one less than what is said */
        KEEP_ERRNO(failed = refused(KERNEL(mbind, p, bytes, modes[memory], nodes, words * 64 + 1, 0), error));
    return !failed;
}

bool ca_os_node_query(size_t count, void *const *pages, int *nodes, int *error)
{
    bool failed = true;
    *error = EPERM;
    if (!fault_strikes())
        KEEP_ERRNO(failed = refused(KERNEL(move_pages, 0, count, pages, NULL, nodes, 0), error));
    return !failed;
}

bool ca_os_node_move(size_t count, void *const *pages, const int *to, int *nodes, int *error)
{
    bool failed = true;
    *error = EPERM;
    if (!fault_strikes())
        KEEP_ERRNO(failed = refused(KERNEL(move_pages, 0, count, pages, to, nodes, MPOL_MF_MOVE), error));
    return !failed;
}

unsigned ca_os_node_here(void)
{
    unsigned cpu = 0, node = 0;
    int failed;
    KEEP_ERRNO(failed = getcpu(&cpu, &node));
    return failed ? 0 : node;
}

bool ca_os_node_allowed(uint64_t *nodes, size_t words)
{
    long failed = 1;
    if (!fault_strikes())
        KEEP_ERRNO(failed = KERNEL(get_mempolicy, NULL, nodes, words * 64 + 1, NULL, MPOL_F_MEMS_ALLOWED));
    return !failed;
}

bool ca_os_node_told(void)
{
    int mode = MPOL_DEFAULT;
    long failed = 1;
    if (!fault_strikes())
        KEEP_ERRNO(failed = KERNEL(get_mempolicy, &mode, NULL, 0, NULL, 0));
    return !failed && mode != MPOL_DEFAULT;
}

size_t ca_os_read_file(const char *path, char *buffer, size_t size)
{
    size_t all = 0;
    ssize_t n = -1;
    int fd = -1;
    if (!fault_strikes())
        KEEP_ERRNO(fd = (int)KERNEL(openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC));
    while (fd >= 0 && all + 1 < size) {
        KEEP_ERRNO(n = KERNEL(read, fd, buffer + all, size - 1 - all); if (n < 0 && errno == EINTR) n = INT32_MIN);
        if (n == INT32_MIN)
            continue;
        if (n <= 0)
            break;
        all += (size_t)n;
    }
    if (fd >= 0)
        KEEP_ERRNO((void)KERNEL(close, fd));
    all = n < 0 ? 0 : all;
    buffer[all] = '\0';
    return all;
}
