/* Contexts while memory calls fail: create, allocate, resize, limit, hand to a thread, reset, destroy.  What comes back is NULL, an errno value or good memory; blocks
 * keep what was written; and once calls succeed again, all contexts are whole, can be used and destroyed, and nothing stays charged.  Only in --enable-faults builds.
 *
 * Each case is a process of its own: every single call fails once, then all from it on, then one in so many.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/os.h"
#include "front/context.h"
#include "front/front.h"
#include "front/process.h"

_Static_assert(CA_FAULTS, "configure with --enable-faults");

enum { CONTEXTS = 12, BLOCKS = 40, EVERY = 30, LIMIT = 3 << 20, PAGE = 4096, DENSE = 64 << 10, SPARSE = 64 };

typedef struct block {
    unsigned char *p;
    size_t size;
    unsigned char byte;
} block;

static struct {
    ca_context *context;
    block blocks[BLOCKS];
} all[CONTEXTS];

static uint64_t *calls_seen; /* shared with the children */

#define REQUIRE(condition)                                             \
    do {                                                               \
        if (!(condition)) {                                            \
            fprintf(stderr, "line %d: %s\n", __LINE__, #condition);    \
            _exit(1);                                                  \
        }                                                              \
    } while (0)

/* All of a block's first 64 KiB, and 64 bytes of each page after that: writing and reading all of the large ones was most of this test's time. The same places for any size. */
static size_t part_next(size_t at)
{
    return at + (PAGE - at % PAGE) % PAGE;
}

static size_t part_size(size_t at, size_t size)
{
    size_t most = at < DENSE ? DENSE : SPARSE;
    return size - at < most ? size - at : most;
}

static void block_write(unsigned char *p, size_t size, unsigned char byte)
{
    for (size_t at = 0, n; at < size; at = part_next(at + n)) {
        n = part_size(at, size);
        memset(p + at, byte, n);
    }
}

static bool is_filled(const unsigned char *p, size_t size, unsigned char byte)
{
    for (size_t at = 0, n; at < size; at = part_next(at + n)) {
        n = part_size(at, size);
        if (p[at] != byte || memcmp(p + at, p + at + 1, n - 1) != 0)
            return false;
    }
    return true;
}

static size_t size_for(int i)
{
    static const size_t sizes[] = {16, 100, 100, 700, 2000, 9000, 40000, 100, 300000, 33, 5 << 20, 60};
    return sizes[i % 12] + (size_t)(i % 7);
}

static uint32_t kind_of(int c)
{
    return c % 3 == 1 ? CA_TARGET_SHORT : c % 3 == 2 ? CA_TARGET_MEDIUM : CA_TARGET_LONG;
}

static bool has_limit(int c)
{
    return c % 4 == 3;
}

/* By its own limit or its parent's, it may be refused what is large. */
static bool is_limited(int c)
{
    return has_limit(c) || (c % 5 == 4 && has_limit(c - 1));
}

/* Every fourth has a limit, every fifth a parent. */
static void context_get(int c)
{
    ca_context_settings s = {.name = "faults", .kind = kind_of(c), .hard = has_limit(c) ? LIMIT : 0,
                             .parent = c % 5 == 4 ? all[c - 1].context : NULL};
    all[c].context = ca_context_create(&s);
}

static void block_took(int c, int i, void *p)
{
    block *b = &all[c].blocks[i];
    b->p = p;
    b->size = size_for(i + c);
    b->byte = (unsigned char)((i + c) | 1);
    if (p)
        block_write(p, b->size, b->byte);
}

static void block_drop(int c, int i)
{
    block *b = &all[c].blocks[i];
    if (!b->p)
        return;
    REQUIRE(is_filled(b->p, b->size, b->byte));
    REQUIRE(ca_front_free(b->p, "free") == CA_OURS);
    b->p = NULL;
}

static void block_resize(int c, int i, size_t size)
{
    block *b = &all[c].blocks[i];
    void *p;
    if (!b->p)
        return;
    REQUIRE(ca_front_realloc(b->p, size, &p) == CA_OURS);
    if (!p) {
        REQUIRE(is_filled(b->p, b->size, b->byte));
        return;
    }
    REQUIRE(is_filled(p, b->size < size ? b->size : size, b->byte));
    b->p = p;
    b->size = size;
    block_write(p, size, b->byte);
}

/* What a context and its blocks must be at any time. */
static void context_check(int c)
{
    ca_context *x = all[c].context;
    int which = 0;
    if (!x)
        return;
    REQUIRE(!x->heap || ca_heap_is_valid(x->heap, &which));
    REQUIRE(x->target.kind != CA_TARGET_MEDIUM || ca_chunked_is_valid(&x->chunked, &which));
    REQUIRE(!x->annex || ca_heap_is_valid(x->annex, &which));
    REQUIRE(!has_limit(c) || x->account.used <= LIMIT);
    for (int i = 0; i < BLOCKS; i++)
        if (all[c].blocks[i].p) {
            ca_inspection found = ca_front_inspect(all[c].blocks[i].p);
            REQUIRE(found.what == CA_IS_LIVE && found.owner == x && found.size >= all[c].blocks[i].size);
            REQUIRE(is_filled(all[c].blocks[i].p, all[c].blocks[i].size, all[c].blocks[i].byte));
        }
}

/* Half of the blocks by handle, half with the context current. */
static void context_fill(int c)
{
    ca_context *x = all[c].context;
    if (!x)
        return;
    for (int i = 0; i < BLOCKS; i += 2)
        if (!all[c].blocks[i].p)
            block_took(c, i, i % 4 ? ca_context_malloc(x, size_for(i + c), CA_GRANULE) : ca_context_malloc(x, size_for(i + c), 64));
    REQUIRE(ca_context_switch(x));
    for (int i = 1; i < BLOCKS; i += 2)
        if (!all[c].blocks[i].p)
            block_took(c, i, ca_front_malloc(size_for(i + c)));
    for (int i = 1; i < BLOCKS; i += 6)
        block_drop(c, i);
    for (int i = 0; i < BLOCKS; i += 3)
        block_resize(c, i, size_for(i + c) * (i % 2 ? 3 : 1) / 2 + 1);
    REQUIRE(ca_context_switch(NULL));
}

/* A savepoint, much work, and back: all as before, or no savepoint and nothing changed. */
static void context_back(int c, bool keep)
{
    static block before[BLOCKS];
    uint64_t number;
    ca_context *x = all[c].context;
    if (!x || !x->heap)
        return;
    memcpy(before, all[c].blocks, sizeof before);
    int error = ca_context_save(x, &number);
    REQUIRE(error == 0 || error == ENOMEM);
    context_check(c);
    if (error)
        return;
    for (int round = 0; round < 2; round++) {
        for (int i = round; i < BLOCKS; i += 2)
            block_drop(c, i);
        context_fill(c);
        context_check(c);
        REQUIRE(ca_context_restore(x, number) == 0);
        memcpy(all[c].blocks, before, sizeof before);
        context_check(c);
    }
    if (!keep)
        REQUIRE(ca_context_save_drop(x, number) == 0);
    context_check(c);
}

/* Frees every seventh block of every context, and has a context of its own meanwhile. */
static void *other_thread(void *unused)
{
    (void)unused;
    ca_context *own = ca_context_own();
    if (own)
        REQUIRE(ca_context_switch(own));
    for (int c = 0; c < CONTEXTS; c++)
        for (int i = 0; i < BLOCKS; i += 7) {
            block_drop(c, i);
            void *p = ca_front_malloc(size_for(i));
            if (p && i % 2)
                REQUIRE(ca_front_free(p, "free") == CA_OURS);
        }
    for (int i = 0; i < BLOCKS; i += 7)
        if (all[0].context && !all[0].blocks[i].p)
            block_took(0, i, ca_context_malloc(all[0].context, size_for(i), CA_GRANULE));
    return NULL;
}

static void nothing(void *unused)
{
    (void)unused;
}

static void forget(int c)
{
    memset(all[c].blocks, 0, sizeof all[c].blocks);
}

/* Parents' destruction takes those below along. */
static void context_drop(int c)
{
    if (!all[c].context)
        return;
    int error = ca_context_destroy(all[c].context);
    REQUIRE(error == 0);
    all[c].context = NULL;
    forget(c);
    if (c + 1 < CONTEXTS && (c + 1) % 5 == 4 && all[c + 1].context) {
        all[c + 1].context = NULL;
        forget(c + 1);
    }
}

static void workload(void)
{
    pthread_t thread;
    for (int round = 0; round < 2; round++) {
        for (int c = 0; c < CONTEXTS; c++) {
            if (!all[c].context && (c % 5 != 4 || all[c - 1].context))
                context_get(c);
            if (all[c].context)
                (void)ca_context_callback(all[c].context, CA_ON_DESTROY, nothing, NULL);
            context_fill(c);
            context_back(c, c % 2);
        }
        /* meanwhile this thread has one of them: what the other allocates from it comes from the annex */
        if (all[0].context)
            REQUIRE(ca_context_switch(all[0].context));
        REQUIRE(!pthread_create(&thread, NULL, other_thread, NULL));
        REQUIRE(!pthread_join(thread, NULL));
        REQUIRE(ca_context_switch(NULL));
        for (int c = 0; c < CONTEXTS; c++) {
            context_check(c);
            context_back(c, false);
        }
        for (int c = 0; c < CONTEXTS; c += 4) {
            if (all[c].context && !all[c].context->child) {
                REQUIRE(ca_context_reset(all[c].context) == 0);
                forget(c);
                context_fill(c);
            }
        }
        for (int c = round; c < CONTEXTS; c += 2)
            context_drop(c);
    }
}

/* With the faults off: all is whole, all is to be had, and all goes. */
static void aftermath(void)
{
    for (int c = 0; c < CONTEXTS; c++)
        context_check(c);
    for (int c = 0; c < CONTEXTS; c++)
        context_drop(c);
    uint64_t used = ca_account_process.used;
    for (int round = 0; round < 4; round++) {
        for (int c = 0; c < CONTEXTS; c++) {
            context_get(c);
            REQUIRE(all[c].context);
            context_fill(c);
            for (int i = 0; i < BLOCKS; i++)
                REQUIRE(all[c].blocks[i].p || is_limited(c) || i % 6 == 1);
            context_check(c);
        }
        for (int c = 0; c < CONTEXTS; c++)
            context_drop(c);
        if (round == 1)
            used = ca_account_process.used;
    }
    REQUIRE(ca_account_process.used == used); /* what is kept for the next ones grows no more */
}

_Noreturn static void case_run(uint64_t after, uint64_t every, bool once, bool started)
{
    REQUIRE(!started || (ca_process_start() && ca_thread_home()));
    (void)ca_os_fail(after, every, once);
    workload();
    *calls_seen = ca_os_fail(0, 0, false);
    if (!ca_process_start())
        _exit(0); /* a start that fails is final */
    aftermath();
    _exit(0);
}

static int failures;

static void case_fork(const char *name, uint64_t after, uint64_t every, bool once, bool started)
{
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        alarm(100);
        case_run(after, every, once, started);
    }
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0) {
        printf("%s, after %llu, every %llu, %s: status %#x\n", name, (unsigned long long)after, (unsigned long long)every,
               started ? "started" : "from the start", (unsigned)status);
        failures++;
    }
}

int main(void)
{
    int cases = 0;
    calls_seen = mmap(NULL, sizeof *calls_seen, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (calls_seen == MAP_FAILED)
        return 1;
    case_fork("none", 0, 0, false, false);
    uint64_t calls = *calls_seen;
    for (uint64_t n = 0; n < calls + 5; n++) {
        case_fork("one call", n, 1, true, n % 2);
        case_fork("all from then on", n, 1, false, n % 2 == 0);
        cases += 2;
    }
    for (uint64_t every = 2; every <= EVERY; every++, cases++)
        case_fork("now and then", every, every, false, every % 2);
    printf("%llu calls of the operating system, %d cases, %d failed\n", (unsigned long long)calls, cases, failures);
    return failures != 0 || calls < 20;
}
