/* Processes are killed (SIGKILL) at random moments in the middle of calls on a pool in shared memory: the others go on, and at most the
 * killed call's block is lost for each, and with a cache what was in it.
 *
 * Each process notes in shared memory which blocks it holds, before and after each call, so that what a killed one held can be told from what was lost.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ctxalloc/blocks.h"

enum { WORKERS = 4, COUNT = 4000, HELD = 16, KILLS = 400, CACHE = 8 };

typedef struct shared {
    uint64_t calls[WORKERS];
    uint64_t failures;
    _Alignas(64) unsigned char pool[192 + COUNT * 8];
    unsigned char holder[COUNT]; /* who says that it holds the block, 0: nobody */
} shared;

static shared *all;

/* Takes and gives blocks for ever; two holders of one block would be a failure. */
static _Noreturn void work(unsigned number, bool cached)
{
    ctxalloc_blocks *pool = (ctxalloc_blocks *)(void *)all->pool;
    ctxalloc_blocks_cache cache;
    uint64_t held[HELD], random = (uint64_t)getpid() * 0x9e3779b97f4a7c15U + 1;
    size_t n = 0;
    (void)ctxalloc_blocks_cache_init(&cache, pool, CACHE);
    for (;;) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        if (n < HELD && (n == 0 || random % 2)) {
            uint64_t index = cached ? ctxalloc_blocks_cache_alloc_index(&cache) : ctxalloc_blocks_alloc_index(pool);
            if (index == CTXALLOC_NONE)
                continue;
            if (__atomic_exchange_n(&all->holder[index], (unsigned char)(number + 1), __ATOMIC_SEQ_CST))
                __atomic_fetch_add(&all->failures, 1, __ATOMIC_SEQ_CST);
            held[n++] = index;
        } else {
            size_t k = random >> 32, index;
            index = held[k % n];
            held[k % n] = held[n - 1];
            n--;
            __atomic_store_n(&all->holder[index], 0, __ATOMIC_SEQ_CST);
            if (cached ? ctxalloc_blocks_cache_free_index(&cache, index) : ctxalloc_blocks_free_index(pool, index))
                __atomic_fetch_add(&all->failures, 1, __ATOMIC_SEQ_CST);
        }
        __atomic_fetch_add(&all->calls[number], 1, __ATOMIC_SEQ_CST);
    }
}

static pid_t start(unsigned number, bool cached)
{
    pid_t child = fork();
    if (child < 0)
        exit(2);
    if (!child)
        work(number, cached);
    return child;
}

static void wait_a_little(uint64_t random)
{
    struct timespec time = {.tv_nsec = (long)(random % 2000000)};
    nanosleep(&time, NULL);
}

/* Every worker makes calls within a hundred seconds: they share few processors with others. */
static bool all_go_on(void)
{
    uint64_t before[WORKERS];
    for (unsigned i = 0; i < WORKERS; i++)
        before[i] = __atomic_load_n(&all->calls[i], __ATOMIC_SEQ_CST);
    for (unsigned waits = 0, i = 0; i < WORKERS;) {
        if (__atomic_load_n(&all->calls[i], __ATOMIC_SEQ_CST) >= before[i] + 100)
            i++;
        else if (waits++ > 100000)
            return false;
        else
            wait_a_little(1000000);
    }
    return true;
}

static int kill_them(bool cached)
{
    int which, result = 0;
    pid_t worker[WORKERS];
    uint64_t random = 88172645463325252U + cached, lost_at_most = 0, not_live = 0;
    all = mmap(NULL, sizeof *all, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (all == MAP_FAILED)
        return 2;
    ctxalloc_blocks *pool = ctxalloc_blocks_init(all->pool, sizeof all->pool, 0, COUNT, COUNT);
    for (unsigned i = 0; i < WORKERS; i++)
        worker[i] = start(i, cached);
    for (unsigned k = 0; k < KILLS && !result; k++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        unsigned victim = (unsigned)(random % WORKERS);
        wait_a_little(random >> 8);
        kill(worker[victim], SIGKILL);
        waitpid(worker[victim], NULL, 0);
        lost_at_most += cached ? CACHE + 1 : 1;
        /* What it held by its own account is given back for it, as a recovering program would. */
        for (uint64_t i = 0; i < COUNT; i++)
            if (__atomic_load_n(&all->holder[i], __ATOMIC_SEQ_CST) == victim + 1) {
                __atomic_store_n(&all->holder[i], 0, __ATOMIC_SEQ_CST);
                if (ctxalloc_blocks_free_index(pool, i))
                    result = 1;
            }
        worker[victim] = start(victim, cached);
        if (k % 50 == 0 && !all_go_on()) {
            printf("after %u kills somebody stands still\n", k);
            result = 1;
        }
    }
    for (unsigned i = 0; i < WORKERS; i++) {
        kill(worker[i], SIGKILL);
        waitpid(worker[i], NULL, 0);
        lost_at_most += cached ? CACHE + 1 : 1;
    }
    /* Everything that nobody held is free, or was the block of a killed call. */
    uint64_t held = 0, lost = 0;
    for (uint64_t i = 0; i < COUNT; i++) {
        held += all->holder[i] != 0;
        lost += !all->holder[i] && ctxalloc_blocks_is_live(pool, i); /* allocated, not noted yet; or not freed any more */
        not_live += all->holder[i] && !ctxalloc_blocks_is_live(pool, i);
    }
    if (!ctxalloc_blocks_is_valid(pool, &which) || not_live || all->failures) {
        printf("broken [B%d], %llu of the held not live, %llu failures\n", which, (unsigned long long)not_live, (unsigned long long)all->failures);
        result = 1;
    }
    uint64_t recovered = ctxalloc_blocks_recover(pool), taken = 0;
    while (ctxalloc_blocks_alloc_index(pool) != CTXALLOC_NONE)
        taken++;
    printf("%s: %d kills, held at the end %llu, lost %llu and recovered %llu (may be %llu)\n", cached ? "with caches" : "without caches",
           KILLS + WORKERS, (unsigned long long)held, (unsigned long long)lost, (unsigned long long)recovered, (unsigned long long)lost_at_most);
    if (lost + recovered > lost_at_most || taken + held + lost != COUNT)
        result = 1;
    munmap(all, sizeof *all);
    return result;
}

int main(void)
{
    int without = kill_them(false);
    return without ? without : kill_them(true);
}
