/* Linearizability of the lock-free blocks: 8 threads make calls at the same time, and note when each began and ended; then a search
 * (J. M. Wing and C. Gong, "Testing and verifying concurrent objects", 1993) looks for an order of the calls, in agreement with those
 * times, in which a simple set of free blocks would have answered the same. Also: frees of one block by several threads at once, and pools that grow.
 *
 * blocks_linear [ROUNDS]
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctxalloc/blocks.h"

enum { THREADS = 8, CALLS = 4, ALL = THREADS * CALLS, BLOCKS = 3, SEEN_BITS = 16 };

enum kind { ALLOC, FREE };

typedef struct call {
    enum kind kind;
    uint64_t index; /* what alloc gave, or what was to be freed */
    int error;      /* free's */
    uint64_t began, ended;
} call;

static ctxalloc_blocks *pool;
static uint64_t clock_now, round_number;
static call calls[ALL];
static pthread_barrier_t barrier;
static uint64_t rounds = 20000;
static uint64_t start_live; /* blocks live at the start of the round, a bit each */

static uint64_t tick(void)
{
    return __atomic_fetch_add(&clock_now, 1, __ATOMIC_SEQ_CST);
}

static void work(call *mine, uint64_t *random)
{
    uint64_t held[CALLS], n = 0;
    for (int i = 0; i < CALLS; i++, mine++) {
        *random ^= *random << 13;
        *random ^= *random >> 7;
        *random ^= *random << 17;
        bool wild = *random % 8 == 0; /* frees a block that others may have, or that is free */
        mine->kind = wild || (n && *random % 2) ? FREE : ALLOC;
        if (mine->kind == FREE)
            mine->index = wild ? *random >> 8 & 1 : held[--n];
        if (*random >> 20 & 1)
            sched_yield();
        mine->error = 0;
        mine->began = tick();
        if (mine->kind == FREE)
            mine->error = ctxalloc_blocks_free_index(pool, mine->index);
        else
            mine->index = ctxalloc_blocks_alloc_index(pool);
        mine->ended = tick();
        if (mine->kind == ALLOC && mine->index != CTXALLOC_NONE)
            held[n++] = mine->index;
    }
}

/* --- the search -------------------------------------------------------------------------------------------- */

static uint64_t seen[1U << SEEN_BITS];

/* The calls made so far, and the blocks live then, lead nowhere: known already? */
static bool was_seen(uint64_t done, uint64_t live)
{
    uint64_t key = (done << 8 | live) + 1, at = key * 0x9e3779b97f4a7c15U >> (64 - SEEN_BITS);
    for (unsigned n = 0; seen[at] && n < 64; at = (at + 1) % (1U << SEEN_BITS), n++)
        if (seen[at] == key)
            return true;
    seen[at] = key;
    return false;
}

/* A free that was refused is of a block that another call was taking or giving back at that time: by the order so far the block is live, but a
 * free that takes it has begun, or the alloc that gives it has not ended. Nobody may free a block that alloc has not returned yet. */
static bool is_changing_hands(const call *c, uint64_t done)
{
    for (int i = 0; i < ALL; i++) {
        bool before = done >> i & 1, same = calls[i].index == c->index && !calls[i].error;
        if (same && calls[i].kind == FREE && !before && calls[i].began < c->ended)
            return true;
        if (same && calls[i].kind == ALLOC && before && calls[i].ended > c->began)
            return true;
    }
    return false;
}

/* Whether a call may come next in this state, and what state follows. */
static bool answers(const call *c, uint64_t done, uint64_t live, uint64_t *after)
{
    *after = live;
    if (c->kind == FREE && c->error)
        return !(live >> c->index & 1) || is_changing_hands(c, done);
    if (c->kind == FREE) {
        *after = live & ~(1ULL << c->index);
        return live >> c->index & 1;
    }
    if (c->index == CTXALLOC_NONE)
        return live == (1U << BLOCKS) - 1;
    *after = live | 1ULL << c->index;
    return !(live >> c->index & 1);
}

static bool linearizable(uint64_t done, uint64_t live)
{
    if (done == (1ULL << ALL) - 1)
        return true;
    if (was_seen(done, live))
        return false;
    uint64_t earliest_end = UINT64_MAX, after;
    for (int i = 0; i < ALL; i++)
        if (!(done >> i & 1) && calls[i].ended < earliest_end)
            earliest_end = calls[i].ended;
    for (int i = 0; i < ALL; i++)
        if (!(done >> i & 1) && calls[i].began < earliest_end && answers(&calls[i], done, live, &after) &&
            linearizable(done | 1ULL << i, after))
            return true;
    return false;
}

static void check_round(void)
{
    int which;
    memset(seen, 0, sizeof seen);
    if (!linearizable(0, start_live)) {
        printf("round %llu: no order explains these calls; live before: %llx\n", (unsigned long long)round_number, (unsigned long long)start_live);
        for (int i = 0; i < ALL; i++)
            printf("thread %d: %llu-%llu %s %lld%s\n", i / CALLS, (unsigned long long)calls[i].began, (unsigned long long)calls[i].ended,
                   calls[i].kind == FREE ? "free" : "alloc", (long long)calls[i].index, calls[i].kind == FREE && calls[i].error ? " EINVAL" : "");
        exit(1);
    }
    if (!ctxalloc_blocks_is_valid(pool, &which) || ctxalloc_blocks_recover(pool)) {
        printf("round %llu: the pool is broken, or has lost a block\n", (unsigned long long)round_number);
        exit(1);
    }
    start_live = 0;
    for (uint64_t i = 0; i < BLOCKS; i++) /* next round starts with some blocks in use, whatever this one left */
        if (ctxalloc_blocks_is_live(pool, i)) {
            if ((round_number + i) % 3)
                start_live |= 1ULL << i;
            else
                (void)ctxalloc_blocks_free_index(pool, i);
        }
    clock_now = 0;
    round_number++;
}

static void *run(void *argument)
{
    size_t thread = (size_t)argument;
    uint64_t random = (thread + 1) * 0x9e3779b97f4a7c15U;
    for (uint64_t i = 0; i < rounds; i++) {
        pthread_barrier_wait(&barrier);
        work(&calls[thread * CALLS], &random);
        if (pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD)
            check_round();
        pthread_barrier_wait(&barrier);
    }
    return NULL;
}

/* --- of several frees of one block exactly one succeeds, cached or not; the count grows meanwhile --------------- */

enum { RACES = 20000 };
static ctxalloc_blocks *growing;
static uint64_t race_index, wins;

static void *race(void *argument)
{
    ctxalloc_blocks_cache cache;
    (void)ctxalloc_blocks_cache_init(&cache, growing, 3);
    for (int i = 0; i < RACES; i++) {
        if (pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD) {
            race_index = ctxalloc_blocks_alloc_index(growing);
            if (race_index == CTXALLOC_NONE) { /* the others have the free ones in their caches */
                (void)ctxalloc_blocks_grow(growing, 2);
                race_index = ctxalloc_blocks_alloc_index(growing);
            }
            wins = 0;
        }
        pthread_barrier_wait(&barrier);
        bool cached = ((uint64_t)i + (size_t)argument) % 3 == 0;
        int error = cached ? ctxalloc_blocks_cache_free_index(&cache, race_index) : ctxalloc_blocks_free_index(growing, race_index);
        if (!error)
            __atomic_fetch_add(&wins, 1, __ATOMIC_SEQ_CST);
        pthread_barrier_wait(&barrier);
        if (__atomic_load_n(&wins, __ATOMIC_SEQ_CST) != 1) {
            printf("race %d: %llu of %d frees of one block succeeded\n", i, (unsigned long long)wins, THREADS);
            exit(1);
        }
    }
    ctxalloc_blocks_cache_flush(&cache);
    return NULL;
}

static void run_threads(void *(*body)(void *))
{
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, body, (void *)i))
            exit(2);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

int main(int argc, char **argv)
{
    int which;
    if (argc > 1)
        rounds = strtoull(argv[1], NULL, 10);
    pool = ctxalloc_blocks_create(0, BLOCKS);
    growing = ctxalloc_blocks_create_growable(8, 1, 1000);
    if (!pool || !growing || pthread_barrier_init(&barrier, NULL, THREADS))
        return 2;
    run_threads(run);
    printf("%llu rounds of %d calls by %d threads, each explained by an order\n", (unsigned long long)round_number, ALL, THREADS);
    run_threads(race);
    if (!ctxalloc_blocks_is_valid(growing, &which) || ctxalloc_blocks_live(growing) || ctxalloc_blocks_recover(growing))
        return 1;
    printf("%d races of %d frees: one winner each\n", RACES, THREADS);
    ctxalloc_blocks_destroy(pool);
    ctxalloc_blocks_destroy(growing);
    return 0;
}
