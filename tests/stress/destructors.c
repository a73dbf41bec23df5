/* Allocations and frees in thread-specific destructors, for as many rounds as POSIX lets them have: most of them after the
 * allocator's own destructor has run and taken the thread's heap apart. */
#include <limits.h>

#include "tests/stress/stress.h"

#define KEYS 8
/* A sanitizer's runtime ends the thread in the last round; instrumented code must not run in or after it. */
enum { ROUNDS = CA_INTERPOSE ? PTHREAD_DESTRUCTOR_ITERATIONS : PTHREAD_DESTRUCTOR_ITERATIONS - 2 };

static pthread_key_t keys[KEYS];
static atomic_ulong runs;

struct late {
    size_t key;
    int rounds_left;
    uint64_t random;
    struct block *blocks[20];
};

/* Frees what it holds, allocates again, and sets its key again, so that the library calls it once more. */
static void destroy(void *argument) {
    struct late *late = (struct late *)argument;
    atomic_fetch_add(&runs, 1);
    for (size_t i = 0; i < 20; i++) {
        block_free(late->blocks[i]);
        late->blocks[i] = NULL;
    }
    if (late->rounds_left == 0) {
        free(late);
        return;
    }
    struct late *next = (struct late *)malloc(sizeof *next);
    CHECK(next != NULL);
    *next = *late;
    free(late);
    next->rounds_left--;
    for (size_t i = 0; i < 20; i++)
        next->blocks[i] = block_allocate(&next->random);
    CHECK(pthread_setspecific(keys[next->key], next) == 0);
}

static void *run(void *argument) {
    for (size_t k = 0; k < KEYS; k++) {
        struct late *late = (struct late *)calloc(1, sizeof *late);
        CHECK(late != NULL);
        late->key = k;
        late->rounds_left = ROUNDS - 1;
        late->random = (uint64_t)(uintptr_t)argument * 7919 + k + 1;
        CHECK(pthread_setspecific(keys[k], late) == 0);
    }
    return NULL;
}

/* A thread whose first use of the allocator is in its destructor. */
static void first_use(void *argument) {
    (void)argument;
    void *p = malloc(100);
    CHECK(p != NULL);
    memset(p, 1, 100);
    free(p);
    atomic_fetch_add(&runs, 1);
}

static pthread_key_t first_key;

static void *run_first_use(void *argument) {
    CHECK(pthread_setspecific(first_key, argument) == 0);
    return NULL;
}

int main(void) {
    enum { THREADS = 400 };
    CHECK(pthread_key_create(&first_key, first_use) == 0);
    for (size_t k = 0; k < KEYS; k++)
        CHECK(pthread_key_create(&keys[k], destroy) == 0);
    for (uintptr_t i = 1; i <= THREADS; i += 2) {
        pthread_t a, b, c;
        CHECK(pthread_create(&a, NULL, run, (void *)i) == 0);
        CHECK(pthread_create(&b, NULL, run, (void *)(i + 1)) == 0);
        CHECK(pthread_create(&c, NULL, run_first_use, &first_key) == 0);
        CHECK(pthread_join(a, NULL) == 0);
        CHECK(pthread_join(b, NULL) == 0);
        CHECK(pthread_join(c, NULL) == 0);
    }
    CHECK(atomic_load(&runs) == THREADS * KEYS * ROUNDS + THREADS / 2);
    size_t before = resident_bytes();
    for (uintptr_t i = 1; i <= 4 * THREADS; i++) {
        pthread_t a;
        CHECK(pthread_create(&a, NULL, run, (void *)i) == 0);
        CHECK(pthread_join(a, NULL) == 0);
    }
    size_t after = resident_bytes();
    printf("resident %zu KiB before, %zu KiB after\n", before / 1024, after / 1024);
    if (memory_is_measurable())
        CHECK(after < before + (8 << 20));
    return 0;
}
