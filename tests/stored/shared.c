/* N10: heaps that several processes have open: blocks that go from one to the other keep their bytes; a process that is killed, holding the heap's lock or not, stops nobody;
 * clients cannot write what describes the blocks. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include "tests/stored/stored.h"
#include "tests/face.h"

enum { WORKERS = 3, SLOTS = 64, KILLS = 150 };

/* In a block of the heap: blocks that belong to nobody in particular. Who takes one, has it. */
typedef struct table {
    uint64_t slots[SLOTS]; /* offsets */
    uint64_t given, taken;
} table;

typedef struct parcel {
    uint64_t size, seed;
    char bytes[];
} parcel;

static char name[64], why[CTXALLOC_FILE_WHY];
static uint64_t seed = 521288629;

static ctxalloc_context *open_with(unsigned flags)
{
    ctxalloc_context *c =
        ctxalloc_open_shared(name, &(ctxalloc_file_options){.size = sizeof(ctxalloc_file_options), .flags = flags, .why = why, .reserve = 1ULL << 32, .name = "shared"});
    if (!c)
        fprintf(stderr, "%s: %s (%s)\n", name, strerror(errno), why);
    REQUIRE(c);
    return c;
}

static void name_unlink(void)
{
    char path[80];
    snprintf(path, sizeof path, "/dev/shm%s", name);
    (void)unlink(path);
}

static table *table_of(ctxalloc_context *c)
{
    table *t = ctxalloc_root_get(c, "table");
    REQUIRE(t);
    return t;
}

static void parcel_check(const parcel *p)
{
    REQUIRE(malloc_usable_size((void *)(uintptr_t)p) >= sizeof *p + p->size && bytes_are(p->bytes, p->size, p->seed));
}

/* Takes what is in a slot, looks at it, and puts something new there. */
static void slot_exchange(ctxalloc_context *c, table *t, uint64_t *state)
{
    size_t size = random_size(state) % 20000;
    parcel *p = ctxalloc_malloc(c, sizeof *p + size);
    REQUIRE(p);
    p->size = size;
    p->seed = random_next(state);
    bytes_fill(p->bytes, size, p->seed);
    uint64_t before = __atomic_exchange_n(&t->slots[random_next(state) % SLOTS], ctxalloc_offset(c, p), __ATOMIC_ACQ_REL);
    (void)__atomic_add_fetch(&t->given, 1, __ATOMIC_RELAXED);
    parcel *old = ctxalloc_ptr(c, before);
    if (!old)
        return;
    parcel_check(old);
    free(old);
    (void)__atomic_add_fetch(&t->taken, 1, __ATOMIC_RELAXED);
}

static void *worker_run(void *argument)
{
    uint64_t state = *(uint64_t *)argument;
    ctxalloc_context *c = open_with(0);
    table *t = table_of(c);
    for (int i = 0; i < 3000; i++)
        slot_exchange(c, t, &state);
    REQUIRE(ctxalloc_close(c) == 0);
    return NULL;
}

static ctxalloc_context *heap_with_table(void)
{
    name_unlink();
    ctxalloc_context *c = open_with(0);
    table *t = ctxalloc_calloc(c, 1, sizeof *t);
    REQUIRE(t && ctxalloc_root_set(c, "table", t) == 0);
    return c;
}

typedef struct count {
    uint64_t blocks;
} count;

static bool block_count(const void *block, size_t size, void *argument)
{
    (void)block, (void)size;
    ((count *)argument)->blocks++;
    return true;
}

/* All that is in slots is whole; what else is live: blocks that were on their way when a process was killed. */
static uint64_t lost_blocks(ctxalloc_context *c)
{
    const table *t = table_of(c);
    count n = {0};
    uint64_t known = 1;
    for (int i = 0; i < SLOTS; i++)
        if (t->slots[i]) {
            parcel_check(ctxalloc_ptr(c, t->slots[i]));
            known++;
        }
    ctxalloc_usage_t u;
    REQUIRE(ctxalloc_file_walk(c, block_count, &n) == 0);
    REQUIRE(ctxalloc_usage(c, &u) && u.live_blocks == n.blocks && n.blocks >= known);
    return n.blocks - known;
}

static pid_t worker_start(void)
{
    fflush(stdout);
    (void)random_next(&seed);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        worker_run(&seed);
        _exit(0);
    }
    return child;
}

static bool ended_well(pid_t child)
{
    int status;
    REQUIRE(waitpid(child, &status, 0) == child);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void n10_blocks_go_from_process_to_process(void)
{
    pid_t workers[WORKERS];
    ctxalloc_context *c = heap_with_table();
    for (int i = 0; i < WORKERS; i++)
        workers[i] = worker_start();
    for (int i = 0; i < 3000; i++)
        slot_exchange(c, table_of(c), &seed);
    for (int i = 0; i < WORKERS; i++)
        REQUIRE(ended_well(workers[i]));
    REQUIRE(table_of(c)->given == (WORKERS + 1) * 3000ULL && lost_blocks(c) == 0);
    REQUIRE(ctxalloc_close(c) == 0);
    c = open_with(0); /* what has a name stays */
    REQUIRE(lost_blocks(c) == 0);
    REQUIRE(ctxalloc_close(c) == 0);
}

static void nothing_but_calls(ctxalloc_context *c)
{
    for (;;)
        free(ctxalloc_malloc(c, random_next(&seed) % 3000));
}

/* Most of the killed were in a call, and many of them held the lock. */
static void n10_the_killed_stop_nobody(void)
{
    ctxalloc_context *c = heap_with_table();
    for (int i = 0; i < KILLS; i++) {
        bool calls = i % 2;
        (void)random_next(&seed);
        fflush(stdout);
        pid_t child = fork();
        REQUIRE(child >= 0);
        if (child == 0) {
            ctxalloc_context *own = open_with(0);
            if (calls)
                nothing_but_calls(own);
            for (uint64_t state = seed;;)
                slot_exchange(own, table_of(own), &state);
        }
        struct timespec wait = {0, (long)(random_next(&seed) % 4000000)};
        (void)nanosleep(&wait, NULL);
        for (int k = 0; k < 20; k++)
            slot_exchange(c, table_of(c), &seed);
        int status;
        REQUIRE(kill(child, SIGKILL) == 0 && waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        for (int k = 0; k < 20; k++)
            slot_exchange(c, table_of(c), &seed);
        REQUIRE(lost_blocks(c) <= 2U * (unsigned)(i + 1)); /* one that was not in a slot yet, one that was not in it any more */
    }
    REQUIRE(ctxalloc_close(c) == 0);
}

/* --- clients ------------------------------------------------------------------------------------------------------- */

static void *volatile target;

static void client_reads_and_writes(void)
{
    ctxalloc_context *c = open_with(CTXALLOC_FILE_CLIENT);
    char *text = ctxalloc_root_get(c, "text");
    REQUIRE(text && !strcmp(text, "from the owner") && ctxalloc_owner(text) == c && malloc_usable_size(text) >= 100);
    strcpy(text, "from the client");
    errno = 0;
    REQUIRE(!ctxalloc_malloc(c, 10) && errno == ENOMEM);
    REQUIRE(ctxalloc_root_set(c, "text", NULL) == EROFS && ctxalloc_sync(c) == EROFS);
    REQUIRE(ctxalloc_close(c) == 0);
}

static void client_frees(void)
{
    ctxalloc_context *c = open_with(CTXALLOC_FILE_CLIENT);
    target = ctxalloc_root_get(c, "text");
    close(2);
    free(target);
}

/* Wherever it is: header, lock, table of pages, bits, index. */
static void client_writes_metadata(int page)
{
    ctxalloc_context *c = open_with(CTXALLOC_FILE_CLIENT);
    ((volatile char *)ctxalloc_file_base(c, NULL))[page * 4096 + 8] = 1;
}

static int status_of(void (*fn)(void), void (*with_page)(int), int page)
{
    int status;
    fflush(stdout);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        signal(SIGSEGV, SIG_DFL); /* a sanitizer's */
        if (fn)
            fn();
        else
            with_page(page);
        _exit(0);
    }
    REQUIRE(waitpid(child, &status, 0) == child);
    return status;
}

static void n10_clients_cannot_write_metadata(void)
{
    name_unlink();
    ctxalloc_context *c = open_with(0);
    char *text = ctxalloc_malloc(c, 100);
    REQUIRE(text && strcpy(text, "from the owner") && ctxalloc_root_set(c, "text", text) == 0);
    REQUIRE(ctxalloc_malloc(c, 20 << 20)); /* further segments */
    REQUIRE(status_of(client_reads_and_writes, NULL, 0) == 0);
    REQUIRE(!strcmp(text, "from the client"));
    int status = status_of(client_frees, NULL, 0);
    REQUIRE(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    for (int page = 0; page < 42; page++) {
        status = status_of(NULL, client_writes_metadata, page);
        REQUIRE(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    }
    for (int page = 1024; page < 1024 + 36; page++) { /* of the second segment; there are 36 pages of it in each 1024 */
        status = status_of(NULL, client_writes_metadata, page);
        REQUIRE(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    }
    free(text);
    REQUIRE(ctxalloc_close(c) == 0);
}

/* --- without a name, and files --------------------------------------------------------------------------------------- */

static void n10_memory_without_a_name(void)
{
    ctxalloc_context *c = ctxalloc_open_shared(NULL, NULL);
    REQUIRE(c);
    table *t = ctxalloc_calloc(c, 1, sizeof *t);
    REQUIRE(t && ctxalloc_root_set(c, "table", t) == 0);
    int fd = ctxalloc_file_fd(c);
    REQUIRE(fd >= 0);
    fflush(stdout);
    pid_t opens = fork();
    REQUIRE(opens >= 0);
    if (opens == 0) {
        ctxalloc_context *own = ctxalloc_open_fd(fd, &(ctxalloc_file_options){.size = sizeof(ctxalloc_file_options), .flags = CTXALLOC_FILE_SHARED});
        REQUIRE(own && own != c && ctxalloc_file_base(own, NULL) != ctxalloc_file_base(c, NULL));
        for (int i = 0; i < 2000; i++)
            slot_exchange(own, table_of(own), &seed);
        REQUIRE(ctxalloc_close(own) == 0);
        _exit(0);
    }
    (void)random_next(&seed);
    pid_t inherits = fork(); /* uses what it got from its parent */
    REQUIRE(inherits >= 0);
    if (inherits == 0) {
        for (int i = 0; i < 2000; i++)
            slot_exchange(c, table_of(c), &seed);
        REQUIRE(ctxalloc_close(c) == 0);
        _exit(0);
    }
    (void)random_next(&seed);
    for (int i = 0; i < 2000; i++)
        slot_exchange(c, t, &seed);
    REQUIRE(ended_well(opens) && ended_well(inherits));
    REQUIRE(t->given == 6000 && lost_blocks(c) == 0);
    REQUIRE(ctxalloc_close(c) == 0);
}

static void n10_a_file_for_several(void)
{
    char path[80];
    ctxalloc_file_report r;
    snprintf(path, sizeof path, "shared-%d.heap", (int)getpid());
    (void)unlink(path);
    ctxalloc_file_options o = {.size = sizeof o, .flags = CTXALLOC_FILE_CREATE | CTXALLOC_FILE_SHARED, .why = why};
    ctxalloc_context *c = ctxalloc_open(path, &o);
    REQUIRE(c);
    table *t = ctxalloc_calloc(c, 1, sizeof *t);
    REQUIRE(t && ctxalloc_root_set(c, "table", t) == 0);
    for (int i = 0; i < 6; i++) {
        fflush(stdout);
        (void)random_next(&seed);
        pid_t child = fork();
        REQUIRE(child >= 0);
        if (child == 0) {
            ctxalloc_context *own = ctxalloc_open(path, &o);
            REQUIRE(own && own != c);
            for (int k = 0; i % 2 || k < 200; k++) {
                slot_exchange(own, table_of(own), &seed);
                if (k % 50 == 49)
                    REQUIRE(ctxalloc_sync(own) == 0);
            }
            REQUIRE(ctxalloc_close(own) == 0);
            _exit(0);
        }
        for (int k = 0; k < 100; k++)
            slot_exchange(c, t, &seed);
        REQUIRE(ctxalloc_sync(c) == 0);
        if (i % 2) {
            REQUIRE(kill(child, SIGKILL) == 0);
            REQUIRE(!ended_well(child));
        } else {
            REQUIRE(ended_well(child));
        }
        REQUIRE(lost_blocks(c) <= (unsigned)i + 1);
    }
    uint64_t lost = lost_blocks(c);
    uint64_t slots = 0;
    for (int i = 0; i < SLOTS; i++)
        slots += t->slots[i] != 0;
    REQUIRE(ctxalloc_close(c) == 0);
    REQUIRE(ctxalloc_file_check(path, &r, why) == 0 && !r.was_open && !r.live_fault && !r.sync_fault && r.blocks == slots + 1 + lost);
    (void)unlink(path);
}

int main(void)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } tests[] = {{"n10_blocks_go_from_process_to_process", n10_blocks_go_from_process_to_process}, {"n10_the_killed_stop_nobody", n10_the_killed_stop_nobody},
                 {"n10_clients_cannot_write_metadata", n10_clients_cannot_write_metadata}, {"n10_memory_without_a_name", n10_memory_without_a_name},
                 {"n10_a_file_for_several", n10_a_file_for_several}};
    snprintf(name, sizeof name, "/ctxalloc-test-%d", (int)getpid());
    (void)alarm(900); /* a lock that nobody gives back */
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
        tests[i].run();
        printf("ok %s\n", tests[i].name);
        fflush(stdout);
        name_unlink();
    }
    return 0;
}
