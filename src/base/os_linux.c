/* The only file that makes system calls. */
#include "base/os.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#define PR_SET_VMA_ANON_NAME 0
#endif

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
    void *q = MAP_FAILED;
    if (!fault_strikes())
        KEEP_ERRNO(q = mmap(p, bytes, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0));
    return counted(CA_OS_RENEW, q != MAP_FAILED);
}

bool ca_os_move(void *from, void *to, size_t bytes)
{
    /* DONTUNMAP (Linux 5.7) leaves `from` mapped: without it the hole would be open to any thread's mmap. */
    void *q = MAP_FAILED;
    if (!fault_strikes())
        KEEP_ERRNO(q = mremap(from, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP, to));
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
        KEEP_ERRNO(failed = mlock(p, bytes));
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
        KEEP_ERRNO(failed = prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, (unsigned long)p, bytes, (unsigned long)name));
    return !failed;
}

void ca_os_no_huge_pages(void *p, size_t bytes)
{
    KEEP_ERRNO((void)madvise(p, bytes, MADV_NOHUGEPAGE));
}

void ca_os_wait(uint32_t *word, uint32_t value)
{
    KEEP_ERRNO((void)syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0));
}

void ca_os_wake(uint32_t *word, int n)
{
    KEEP_ERRNO((void)syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, n, NULL, NULL, 0));
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
        n = write(fd, text, length);
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
    KEEP_ERRNO(fd = open(path, flags | O_CLOEXEC | O_NOCTTY, 0666); *error = errno);
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
    KEEP_ERRNO(do n = read(fd, to, size); while (n < 0 && errno == EINTR));
    return n > 0 ? (size_t)n : 0;
}

void ca_os_close(int fd)
{
    KEEP_ERRNO((void)close(fd));
}

int ca_os_process(void)
{
    return (int)getpid();
}

size_t ca_os_address_space_limit(void)
{
    struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};
    KEEP_ERRNO((void)getrlimit(RLIMIT_AS, &limit));
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

bool ca_os_divert_loader(const ca_diversion *d, unsigned count)
{
    uintptr_t first, last, start = loader_segments(PT_GNU_RELRO, &first, &last);
    uintptr_t pages = (start + first) & ~(uintptr_t)(ca_os_page_size() - 1), end = (start + last) & ~(uintptr_t)(ca_os_page_size() - 1);
    void **words = (void **)((start + first + sizeof(void *) - 1) & ~(sizeof(void *) - 1)), **stop = (void **)(start + last);
    unsigned found = 0;
    for (void **w = words; start && w < stop; w++)
        for (unsigned i = 0; i < count; i++)
            found |= (unsigned)(*w == d[i].from) << i;
    if (found != (1U << count) - 1)
        return false;
    int saved = errno;
    bool open = mprotect((void *)pages, end - pages, PROT_READ | PROT_WRITE) == 0;
    for (void **w = words; open && w < stop; w++)
        for (unsigned i = 0; i < count; i++)
            if (*w == d[i].from)
                __atomic_store_n(w, (void *)(uintptr_t)d[i].to, __ATOMIC_RELAXED);
    if (open)
        (void)mprotect((void *)pages, end - pages, PROT_READ);
    errno = saved;
    return open;
}

bool ca_os_secure(void)
{
    return getauxval(AT_SECURE) != 0;
}
