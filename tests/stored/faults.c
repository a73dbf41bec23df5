/* N4, N10: every system call of a stored heap fails, each once, then all from it on: opening, growing, syncing, closing say so and lose nothing; what is opened
 * afterwards without failures is a valid heap, with all that was there at the last sync that said it was done.  Only in --enable-faults builds. */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "base/os.h"
#include "heap/stored.h"
#include "tests/stored/stored.h"

_Static_assert(CA_FAULTS, "configure with --enable-faults");

enum { BLOCKS = 60 };

typedef struct outcome {
    uint64_t seen;
    uint32_t made, synced;         /* blocks; numbers count up */
    uint64_t offsets[BLOCKS];
    uint32_t failed[4];            /* opening, growing, syncing, closing */
} outcome;

static outcome *shared;
static char path[64], why[CA_STORED_WHY];

static ca_stored *heap_open(uint32_t flags, int *error)
{
    return ca_stored_open(&(ca_stored_settings){.path = path, .fd = -1, .flags = flags, .mode = 0600, .reserve = 1 << 26, .why = why}, error);
}

static size_t size_of(uint32_t i)
{
    return i % 10 == 9 ? 400000 : 100 * i + 1;
}

static void work(uint32_t flags)
{
    int error;
    ca_stored *h = heap_open(flags, &error);
    if (!h) {
        REQUIRE(error && why[0]);
        shared->failed[0]++;
        return;
    }
    while (shared->made < BLOCKS) {
        uint32_t i = shared->made;
        char *p = ca_stored_alloc(h, size_of(i), CA_GRANULE);
        if (!p) {
            shared->failed[1]++;
            break;
        }
        bytes_fill(p, size_of(i), i);
        shared->offsets[i] = (uint64_t)(p - h->file.base);
        shared->made++;
        if (i % 20 == 7) {
            if (ca_stored_sync(h) == 0)
                shared->synced = i + 1;
            else
                shared->failed[2]++;
            void *q = ca_stored_alloc(h, 500, CA_GRANULE);
            if (q)
                ca_stored_free(h, q, "free");
        }
    }
    shared->failed[3] += ca_stored_close(h) != 0;
}

static void look(uint32_t flags)
{
    int error, which;
    ca_stored *h = heap_open(flags & ~(uint32_t)CA_STORED_NEW, &error);
    if (!h) {
        REQUIRE(shared->made == 0 && (error == ENOENT || error == EILSEQ)); /* never made */
        return;
    }
    REQUIRE(ca_stored_index_is_valid(h, &which));
    for (uint32_t i = 0; i < shared->made; i++) {
        ca_stored_place o = ca_stored_inspect(h, h->file.base + shared->offsets[i]);
        REQUIRE(o.what == CA_STORED_IS_LIVE && o.size >= size_of(i) && bytes_are(o.start, size_of(i), i));
    }
    REQUIRE(ca_stored_get_usage(h).blocks == shared->made || ca_stored_get_usage(h).blocks == shared->made + 1U);
    REQUIRE(ca_stored_close(h) == 0);
}

static void case_run(uint32_t flags, uint64_t after, bool once)
{
    int status;
    shared->made = shared->synced = 0;
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        uint64_t before = ca_os_fail(after, after == UINT64_MAX ? 0 : 1, once);
        work(flags);
        shared->seen = ca_os_fail(0, 0, false) - before;
        look(flags);
        _exit(0);
    }
    REQUIRE(waitpid(child, &status, 0) == child);
    if (!WIFEXITED(status) || WEXITSTATUS(status))
        fprintf(stderr, "after %llu calls%s, flags %u\n", (unsigned long long)after, once ? ", one" : "", flags);
    REQUIRE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* Nothing is there, or an empty heap of a process that was killed. */
static void file_prepare(bool empty)
{
    int error, status;
    (void)unlink(path);
    if (!empty)
        return;
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0)
        _exit(heap_open(CA_STORED_NEW, &error) == NULL);
    REQUIRE(waitpid(child, &status, 0) == child && status == 0);
}

static void all_cases(uint32_t flags, bool empty)
{
    for (int once = 0; once < 2; once++) {
        file_prepare(empty);
        case_run(flags, UINT64_MAX, true);
        uint64_t calls = shared->seen;
        REQUIRE(calls > 20);
        for (uint64_t after = 0; after < calls; after++) {
            file_prepare(empty);
            case_run(flags, after, once);
        }
    }
}

int main(void)
{
    snprintf(path, sizeof path, "/dev/shm/faults-%d.heap", (int)getpid());
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    REQUIRE(shared != MAP_FAILED);
    all_cases(CA_STORED_CREATE, false);
    all_cases(CA_STORED_CREATE, true);
    all_cases(CA_STORED_CREATE | CA_STORED_SHARED | CA_STORED_IN_MEMORY, false);
    for (int i = 0; i < 4; i++)
        REQUIRE(shared->failed[i] > 5); /* each kind of call has failed */
    printf("failed: %u openings, %u allocations, %u syncs, %u closings\n", shared->failed[0], shared->failed[1], shared->failed[2], shared->failed[3]);
    (void)unlink(path);
    return 0;
}
