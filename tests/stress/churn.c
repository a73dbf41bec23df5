/* Threads that end leave nothing behind: 10,000 of them, with small and large blocks, some of which others free later; and a producer's
 * blocks can be used again when somebody else has freed them, while it lives and when it has ended. */
#include "tests/stress/stress.h"

#define MIB ((size_t)1 << 20)

static void *short_life(void *argument) {
    uint64_t random = (uint64_t)(uintptr_t)argument * 40503 + 1;
    struct block *blocks[40];
    for (size_t i = 0; i < 40; i++)
        blocks[i] = block_allocate(&random);
    for (size_t i = 1; i < 40; i++)
        block_free(blocks[i]);
    return blocks[0]; /* for the one who joins */
}

static void start_and_end(size_t count) {
    for (size_t i = 0; i < count; i += 4) {
        pthread_t threads[4];
        void *left;
        for (size_t t = 0; t < 4; t++)
            CHECK(pthread_create(&threads[t], NULL, short_life, (void *)(i + t + 1)) == 0);
        for (size_t t = 0; t < 4; t++) {
            CHECK(pthread_join(threads[t], &left) == 0);
            block_free((struct block *)left);
        }
    }
}

static void ended_threads_leave_no_memory(void) {
    start_and_end(2000); /* fills what is filled once: stacks, caches; the more of it, the more threads happened to run at once */
    size_t before = resident_bytes();
    start_and_end(10000);
    size_t after = resident_bytes();
    printf("10000 threads: resident %zu KiB before, %zu KiB after\n", before / 1024, after / 1024);
    if (memory_is_measurable())
        CHECK(after < before + 4 * MIB); /* a page each would be 40 */
}

/* A ring between one thread that allocates and one that frees. */
#define RING 1024
static _Atomic(struct block *) ring[RING];
static const size_t blocks_through_ring = 1500000;

static void *produce(void *argument) {
    uint64_t random = 99;
    (void)argument;
    for (size_t i = 0; i < blocks_through_ring; i++) {
        struct block *block = (struct block *)malloc(sizeof *block + random_next(&random) % 400);
        CHECK(block != NULL);
        block->size = 0;
        block->seed = i;
        while (atomic_load_explicit(&ring[i % RING], memory_order_acquire) != NULL)
            sched_yield();
        atomic_store_explicit(&ring[i % RING], block, memory_order_release);
    }
    return NULL;
}

static void remote_frees_are_used_again(void) {
    pthread_t producer;
    size_t start = resident_bytes(), highest = 0;
    CHECK(pthread_create(&producer, NULL, produce, NULL) == 0);
    for (size_t i = 0; i < blocks_through_ring; i++) {
        struct block *block;
        while ((block = atomic_exchange_explicit(&ring[i % RING], NULL, memory_order_acquire)) == NULL)
            sched_yield();
        CHECK(block->seed == i);
        free(block);
        if (i % 50000 == 0) {
            size_t now = resident_bytes();
            highest = now > highest ? now : highest;
        }
    }
    CHECK(pthread_join(producer, NULL) == 0);
    /* 300 MB went through, at most 1024 blocks were alive. */
    printf("producer and consumer: resident %zu KiB at start, %zu KiB at most\n", start / 1024, highest / 1024);
    if (memory_is_measurable())
        CHECK(highest < start + 16 * MIB);
}

#define LEFT 20000
static void *left_behind[LEFT];

static void *leave_behind(void *argument) {
    size_t size = (size_t)(uintptr_t)argument;
    for (size_t i = 0; i < LEFT; i++) {
        left_behind[i] = malloc(size);
        CHECK(left_behind[i] != NULL);
        memset(left_behind[i], 1, size);
    }
    return NULL;
}

/* A producer has ended when main frees its blocks, 32 MB each time: the next one must find that memory. */
static void blocks_of_ended_threads_are_used_again(void) {
    size_t first = 0, now = 0;
    for (size_t round = 0; round < 20; round++) {
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, leave_behind, (void *)(uintptr_t)(1600 + 16 * (round % 3))) == 0);
        CHECK(pthread_join(thread, NULL) == 0);
        for (size_t i = 0; i < LEFT; i++)
            free(left_behind[i]);
        now = resident_bytes();
        first = round == 2 ? now : first; /* by then each of the three sizes has been there */
    }
    printf("ended producers: resident %zu KiB after three rounds, %zu KiB after twenty\n", first / 1024, now / 1024);
    if (memory_is_measurable())
        CHECK(now < first + 24 * MIB);
}

/* And main itself must find it: what ended threads left is not only for other threads. */
static void main_uses_memory_of_ended_threads(void) {
    pthread_t thread;
    malloc_trim(0);
    size_t start = resident_bytes();
    for (size_t round = 0; round < 10; round++) {
        CHECK(pthread_create(&thread, NULL, leave_behind, (void *)(uintptr_t)1600) == 0);
        CHECK(pthread_join(thread, NULL) == 0);
        for (size_t i = 0; i < LEFT; i++)
            free(left_behind[i]);
        leave_behind((void *)(uintptr_t)1600);
        for (size_t i = 0; i < LEFT; i++)
            free(left_behind[i]);
    }
    size_t after = resident_bytes();
    printf("ended producers and main: resident %zu KiB at start, %zu KiB after\n", start / 1024, after / 1024);
    if (memory_is_measurable())
        CHECK(after < start + 100 * MIB);
    malloc_trim(0);
    after = resident_bytes();
    printf("trimmed: %zu KiB\n", after / 1024);
    if (memory_is_measurable())
        CHECK(after < start + 8 * MIB);
}

int main(void) {
    setvbuf(stdout, NULL, _IONBF, 0);
    ended_threads_leave_no_memory();
    remote_frees_are_used_again();
    blocks_of_ended_threads_are_used_again();
    main_uses_memory_of_ended_threads();
    return 0;
}
