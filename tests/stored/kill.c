/* N4: a process with two threads works on a heap in a file and is killed at a random point; then the heap is checked, opened and compared with the journal that the process kept in
 * memory that outlives it: every block that it had made and did not just free is there, with its bytes; the root is the old or the new; and at most one block a thread
 * is there that the journal does not know.  Again and again, on the same file: usage: kill [rounds] [path] */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include "tests/stored/stored.h"
#include "tests/face.h"

enum { THREADS = 2, SLOTS = 600, ALL = THREADS * SLOTS };

enum { NOTHING, MADE, GOING }; /* GOING: may be there or not */

typedef struct slot {
    uint64_t offset, seed;
    size_t size;
    int state;
} slot;

static struct journal {
    slot slots[ALL];
    uint64_t roots[2]; /* was and will be */
    uint64_t calls, syncs, openings;
} *journal;

static const char *path;
static ctxalloc_context *heap;
static uint64_t seed = 88172645463325252U;

static ctxalloc_context *heap_open(unsigned flags)
{
    char why[CTXALLOC_FILE_WHY];
    ctxalloc_file_options o = {.size = sizeof o, .flags = flags, .why = why};
    ctxalloc_context *c = ctxalloc_open(path, &o);
    if (!c)
        fprintf(stderr, "%s: %s (%s)\n", path, strerror(errno), why);
    return c;
}

static void state_set(slot *s, int state)
{
    __atomic_store_n(&s->state, state, __ATOMIC_RELEASE);
}

/* --- who is killed ----------------------------------------------------------------------------------------------- */

static void slot_make(slot *s, void *p, size_t size, uint64_t bytes)
{
    bytes_fill(p, size, bytes);
    s->size = size;
    s->seed = bytes;
    s->offset = ctxalloc_offset(heap, p);
    state_set(s, MADE);
}

static void slot_change(slot *s, uint64_t *state)
{
    size_t size = random_size(state);
    if (s->state == NOTHING) {
        void *p = ctxalloc_malloc(heap, size);
        REQUIRE(p);
        slot_make(s, p, size, random_next(state));
        return;
    }
    void *p = ctxalloc_ptr(heap, s->offset);
    REQUIRE(bytes_are(p, s->size, s->seed));
    state_set(s, GOING);
    if (random_next(state) % 3 == 0) {
        size_t kept = s->size < size ? s->size : size;
        void *q = realloc(p, size);
        REQUIRE(q && bytes_are(q, kept & ~(size_t)7, s->seed));
        slot_make(s, q, size, random_next(state));
    } else {
        free(p);
        state_set(s, NOTHING);
    }
}

static void root_change(const slot *s)
{
    if (s->state != MADE)
        return;
    journal->roots[1] = s->offset;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    REQUIRE(ctxalloc_root_set(heap, "root", ctxalloc_ptr(heap, s->offset)) == 0);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    journal->roots[0] = s->offset;
}

static void *work(void *argument)
{
    slot *mine = argument;
    uint64_t state = seed ^ (uint64_t)(mine - journal->slots) * 7919 ^ 0x9e3779b97f4a7c15U;
    for (unsigned i = 0;; i++) {
        slot_change(&mine[random_next(&state) % SLOTS], &state);
        if (mine == journal->slots && i % 16 == 0)
            root_change(&mine[random_next(&state) % SLOTS]);
        if (i % 128 == 127) {
            REQUIRE(ctxalloc_sync(heap) == 0);
            journal->syncs++;
        }
        journal->calls++;
    }
    return NULL;
}

static void child_run(void)
{
    pthread_t threads[THREADS];
    heap = heap_open(CTXALLOC_FILE_CREATE);
    REQUIRE(heap);
    for (int i = 0; i < ALL; i++) /* of a process that was killed, and nobody swept: these are unknown from now on */
        if (journal->slots[i].state == GOING)
            state_set(&journal->slots[i], NOTHING);
    __atomic_store_n(&journal->openings, journal->openings + 1, __ATOMIC_RELEASE);
    for (int i = 0; i < THREADS; i++)
        REQUIRE(pthread_create(&threads[i], NULL, work, journal->slots + (ptrdiff_t)i * SLOTS) == 0);
    (void)pthread_join(threads[0], NULL);
}

/* --- who looks ------------------------------------------------------------------------------------------------------- */

typedef struct count {
    uint64_t live, known;
} count;

static bool block_count(const void *block, size_t size, void *argument)
{
    count *c = argument;
    uint64_t offset = (uint64_t)((const char *)block - (const char *)ctxalloc_file_base(heap, NULL));
    c->live++;
    for (int i = 0; i < ALL; i++)
        if (journal->slots[i].state != NOTHING && journal->slots[i].offset == offset) {
            c->known += size >= journal->slots[i].size || journal->slots[i].state == GOING;
            break;
        }
    return true;
}

/* A block that is not in the journal, once the heap is not being walked. */
static bool block_unknown(const void *block, size_t size, void *argument)
{
    uint64_t offset = (uint64_t)((const char *)block - (const char *)ctxalloc_file_base(heap, NULL));
    (void)size;
    for (int i = 0; i < ALL; i++)
        if (journal->slots[i].state == MADE && journal->slots[i].offset == offset)
            return true;
    *(const void **)argument = block;
    return false;
}

static void heap_compare(unsigned *unknown, bool sweep)
{
    ctxalloc_verdict_t v;
    count c = {0, 0};
    for (int i = 0; i < ALL; i++) {
        slot *s = &journal->slots[i];
        if (s->state != MADE)
            continue;
        const void *p = ctxalloc_ptr(heap, s->offset);
        REQUIRE(ctxalloc_inspect(p, &v) == CTXALLOC_LIVE && v.size >= s->size && v.owner == heap);
        REQUIRE(bytes_are(p, s->size, s->seed));
    }
    const void *root = ctxalloc_root_get(heap, "root");
    REQUIRE(root ? ctxalloc_offset(heap, root) == journal->roots[0] || ctxalloc_offset(heap, root) == journal->roots[1] : journal->roots[0] == 0);
    journal->roots[0] = journal->roots[1] = root ? ctxalloc_offset(heap, root) : 0; /* the next process may be killed before it has set its first one */
    REQUIRE(ctxalloc_file_walk(heap, block_count, &c) == 0);
    REQUIRE(c.live - c.known <= *unknown);
    *unknown += 2 * THREADS;
    if (!sweep)
        return;
    for (;;) {
        const void *block = NULL;
        REQUIRE(ctxalloc_file_walk(heap, block_unknown, &block) == 0);
        if (!block)
            break;
        free((void *)(uintptr_t)block);
    }
    for (int i = 0; i < ALL; i++)
        if (journal->slots[i].state == GOING)
            journal->slots[i].state = NOTHING;
    *unknown = THREADS;
}

/* It is waited for later. */
static bool has_ended(pid_t child)
{
    siginfo_t info = {.si_pid = 0};
    return waitid(P_PID, (id_t)child, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == child;
}

static void rounds_run(const char *where, int rounds)
{
    unsigned unknown = THREADS, flags, swept = 0;
    path = where;
    (void)unlink(path);
    for (int round = 0; round < rounds; round++) {
        (void)random_next(&seed);
        fflush(stdout);
        uint64_t openings = journal->openings;
        pid_t child = fork();
        REQUIRE(child >= 0);
        if (child == 0) {
            child_run();
            _exit(1);
        }
        struct timespec wait = {0, (long)(random_next(&seed) % 30000000)}, moment = {0, 100000};
        if (seed % 8 == 0)
            wait.tv_nsec /= 32; /* in the middle of opening, or of making */
        else /* at work, however long it takes to get there on a busy machine */
            while (__atomic_load_n(&journal->openings, __ATOMIC_ACQUIRE) == openings && !has_ended(child))
                (void)nanosleep(&moment, NULL);
        (void)nanosleep(&wait, NULL);
        int status;
        REQUIRE(kill(child, SIGKILL) == 0 && waitpid(child, &status, 0) == child);
        REQUIRE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL); /* else it found something */
        ctxalloc_file_report r;
        char why[CTXALLOC_FILE_WHY];
        int error = ctxalloc_file_check(path, &r, why);
        if (journal->calls == 0 && (error == EILSEQ || error == ENOENT)) /* killed while making it */
            continue;
        if (error || r.live_fault)
            fprintf(stderr, "round %d: %s, fault %d at page %u\n", round, why, r.live_fault, r.live_page);
        REQUIRE(error == 0 && r.live_fault == 0 && !r.recover);
        bool sweep = seed % 3 != 0; /* otherwise the next process finds what this one left */
        flags = sweep ? 0 : CTXALLOC_FILE_READ_ONLY;
        heap = heap_open(flags);
        REQUIRE(heap);
        heap_compare(&unknown, sweep);
        REQUIRE(ctxalloc_close(heap) == 0);
        swept += sweep;
    }
    REQUIRE(journal->calls > 0 && swept > 0);
    printf("killed %d times; %llu calls and %llu syncs in between; %u times opened for writing and closed\n", rounds, (unsigned long long)journal->calls,
           (unsigned long long)journal->syncs, swept);
    (void)unlink(path);
}

int main(int count_of_arguments, char **arguments)
{
    int rounds = count_of_arguments > 1 ? atoi(arguments[1]) : 100;
    char own[64], memory[64];
    snprintf(own, sizeof own, "kill-%d.heap", (int)getpid());
    snprintf(memory, sizeof memory, "/dev/shm/kill-%d.heap", (int)getpid());
    journal = mmap(NULL, sizeof *journal, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    REQUIRE(journal != MAP_FAILED);
    if (count_of_arguments > 2) {
        rounds_run(arguments[2], rounds);
        return 0;
    }
    rounds_run(own, rounds / 2); /* on a disk, where a sync takes most of the time, and where it takes little */
    memset(journal, 0, sizeof *journal);
    rounds_run(memory, rounds - rounds / 2);
    return 0;
}
