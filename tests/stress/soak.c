/* Payload-checked random work: threads allocate, resize and free, hand blocks to each other through shared slots, and end and start
 * all the time while others hold their blocks. Runs for the seconds given as first argument (default 3), with the number of
 * threads given as second (default: each of 1, 2, 4 and 8 for a part of the time), and prints how resident memory drifted. */
#include <time.h>

#include "tests/stress/stress.h"

#define SHARED_SLOTS 2048
#define OWN_SLOTS 256
#define MAX_THREADS 8
#define OPERATIONS_OF_A_THREAD 20000

static _Atomic(struct block *) shared[SHARED_SLOTS];
static atomic_bool stop;
static atomic_ulong operations, threads_ended;

static void *work(void *argument) {
    struct block *own[OWN_SLOTS] = {NULL};
    uint64_t random = (uint64_t)(uintptr_t)argument * 2654435761u + 1;
    unsigned long done = 0;
    while (done < OPERATIONS_OF_A_THREAD && !atomic_load_explicit(&stop, memory_order_relaxed)) {
        done++;
        struct block **slot = &own[random_next(&random) % OWN_SLOTS];
        switch (random_next(&random) % 8) {
        case 0:
        case 1: { /* hand over, and take what was there */
            size_t place = random_next(&random) % SHARED_SLOTS;
            *slot = atomic_exchange_explicit(&shared[place], *slot, memory_order_acq_rel);
            break;
        }
        case 2:
            if (*slot != NULL) {
                *slot = block_resize(*slot, &random);
                break;
            }
            /* fall through */
        default:
            block_free(*slot);
            *slot = block_allocate(&random);
        }
    }
    /* Half of what this thread has stays behind for others. */
    for (size_t i = 0; i < OWN_SLOTS; i++) {
        if (i % 2 == 0)
            own[i] = atomic_exchange_explicit(&shared[random_next(&random) % SHARED_SLOTS], own[i], memory_order_acq_rel);
        block_free(own[i]);
    }
    atomic_fetch_add(&operations, done);
    atomic_fetch_add(&threads_ended, 1);
    return NULL;
}

/* Each slot's thread is replaced when it has ended, until the time is over; fill: and at least once, so that on a busy machine, too, the shared slots are full afterwards. */
static void run_with(size_t count, double seconds, bool fill) {
    static uintptr_t next_seed = 1;
    pthread_t threads[MAX_THREADS];
    struct timespec from, now;
    clock_gettime(CLOCK_MONOTONIC, &from);
    atomic_store(&stop, false);
    for (size_t i = 0; i < count; i++)
        CHECK(pthread_create(&threads[i], NULL, work, (void *)next_seed++) == 0);
    for (size_t i = 0, ended = 0;; i = (i + 1) % count, ended++) {
        clock_gettime(CLOCK_MONOTONIC, &now);
        if ((ended >= count || !fill) && (double)(now.tv_sec - from.tv_sec) + (double)(now.tv_nsec - from.tv_nsec) / 1e9 > seconds)
            break;
        CHECK(pthread_join(threads[i], NULL) == 0);
        CHECK(pthread_create(&threads[i], NULL, work, (void *)next_seed++) == 0);
    }
    atomic_store(&stop, true);
    for (size_t i = 0; i < count; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
}

static void print_progress(double elapsed, size_t first, size_t last) {
    printf("%6.1f s: %lu operations, %lu threads ended, resident %zu KiB (%+ld KiB since the first round)\n", elapsed,
           atomic_load(&operations), atomic_load(&threads_ended), last / 1024, ((long)last - (long)first) / 1024);
    fflush(stdout);
}

int main(int argc, char **argv) {
    double seconds = argc > 1 ? atof(argv[1]) : 3;
    size_t fixed = argc > 2 ? (size_t)atoi(argv[2]) : 0;
    CHECK(seconds > 0 && fixed <= MAX_THREADS);
    static const size_t counts[] = {8, 1, 2, 4, 8};
    size_t rounds = seconds < 50 ? 10 : (size_t)(seconds / 5);
    size_t first = 0, last = 0;
    for (size_t round = 0; round < rounds; round++) {
        run_with(fixed != 0 ? fixed : counts[round % 5], seconds / (double)rounds, round == 0);
        last = resident_bytes();
        if (round == 0)
            first = last;
        if (seconds >= 50 || round == rounds - 1)
            print_progress(seconds / (double)rounds * (double)(round + 1), first, last);
    }
    for (size_t i = 0; i < SHARED_SLOTS; i++)
        block_free(atomic_exchange(&shared[i], NULL));
    /* The number of live blocks is the same after every round, so memory must not grow with the rounds. */
    if (memory_is_measurable())
        CHECK(last < first + first / 2 + (16 << 20));
    return 0;
}
