/* What a destroyed context leaves to its parent: every block lives until it is freed, whatever part of the context it came from; and when the last one is freed, what
 * the context itself took goes, too, though the parent lives on. */
#include "tests/contexts/contexts.h"

/* Blocks of the engine, a huge one, and one of the part that serves other threads; freed in any order. */
static void adopted_blocks_of_every_part_live_until_they_are_freed(void **state) {
    (void)state;
    EACH_LIFETIME(l)
    for (unsigned order = 0; order < 24; order++) {
        ctxalloc_context *parent = CREATE(.name = "parent");
        ctxalloc_context *c = CREATE(.lifetime = *l, .parent = parent, .escape = CTXALLOC_ADOPT);
        static const size_t sizes[4] = {10, 100, 3 << 20, 200};
        void *blocks[4];
        assert_non_null(ctxalloc_switch(c));
        for (size_t i = 0; i < 3; i++)
            blocks[i] = filled(malloc(sizes[i]), sizes[i]);
        assert_non_null(ctxalloc_switch(CTXALLOC_GLOBAL));
        blocks[3] = filled(ctxalloc_malloc(c, sizes[3]), sizes[3]);
        assert_int_equal(ctxalloc_destroy(c), 0);
        bool freed[4] = {false};
        for (unsigned rest = order, left = 4; left; rest /= left, left--) {
            unsigned k = rest % left;
            for (size_t i = 0; i < 4; i++)
                if (!freed[i]) {
                    assert_filled(blocks[i], sizes[i], blocks[i]);
                    assert_ptr_equal(ctxalloc_owner(blocks[i]), parent);
                }
            for (size_t i = 0; i < 4; i++)
                if (!freed[i] && k-- == 0) {
                    freed[i] = true;
                    free(blocks[i]);
                    break;
                }
        }
        assert_int_equal(usage_of(parent).live_blocks, 0);
        assert_int_equal(ctxalloc_destroy(parent), 0);
    }
}

static size_t resident_bytes(void) {
    unsigned long total = 0, resident = 0;
    FILE *statm = fopen("/proc/self/statm", "re");
    if (statm == NULL || fscanf(statm, "%lu %lu", &total, &resident) != 2)
        fail_msg("no /proc/self/statm");
    fclose(statm);
    return resident * 4096;
}

/* One block is left each time, and freed after its context: `kept` of them at a later time. */
static void cycle(enum ctxalloc_lifetime lifetime, size_t size, bool beside, size_t kept, size_t count) {
    enum { MOST = 1000 };
    void *left[MOST] = {NULL};
    ctxalloc_context *parent = CREATE(.name = "lives on");
    size_t before = 0;
    for (size_t i = 0; i < count; i++) {
        ctxalloc_context *c = CREATE(.lifetime = lifetime, .parent = parent, .escape = CTXALLOC_ADOPT);
        assert_non_null(c);
        if (beside) { /* it was current once: what others ask for comes from its other part */
            assert_non_null(ctxalloc_switch(c));
            assert_non_null(ctxalloc_switch(CTXALLOC_GLOBAL));
        }
        free(left[i % kept]);
        left[i % kept] = ctxalloc_malloc(c, size);
        assert_non_null(left[i % kept]);
        assert_int_equal(ctxalloc_destroy(c), 0);
        if (i == count / 4)
            before = resident_bytes();
    }
    size_t after = resident_bytes();
    if (after > before + MIB) /* a record of a context takes 3 KiB, and there are thousands */
        fail_msg("lifetime %d, %zu bytes, %s: %zu KiB resident, then %zu", (int)lifetime, size, beside ? "beside" : "inside", before / KIB, after / KIB);
    for (size_t i = 0; i < kept; i++)
        free(left[i]);
    assert_int_equal(ctxalloc_destroy(parent), 0);
}

static void records_of_adopted_contexts_go_with_their_last_block(void **state) {
    (void)state;
    if (!CA_INTERPOSE)
        skip(); /* a sanitizer's shadow memory is resident, too */
    size_t count = getenv("CTXALLOC_TEST_LONG") ? 200000 : 8000;
    EACH_LIFETIME(l)
    for (int beside = 0; beside < 2; beside++) {
        cycle(*l, 100, beside, 1, count);
        cycle(*l, 100, beside, 1000, count);
        cycle(*l, 50000, beside, 1, count);
        cycle(*l, 3 << 20, beside, 1, count);
    }
}

enum { THREADS = 4, ROUNDS = 2000 };
static struct {
    void *block[THREADS];
    pthread_barrier_t at;
} shared;

static void *free_mine(void *number) {
    size_t i = (size_t)(uintptr_t)number;
    for (size_t round = 0; round < ROUNDS; round++) {
        pthread_barrier_wait(&shared.at);
        free(shared.block[i]);
        pthread_barrier_wait(&shared.at);
    }
    return NULL;
}

/* Several threads free the last blocks of one adopted context at once, while others are adopted beside it. */
static void last_blocks_are_freed_by_several_threads(void **state) {
    (void)state;
    pthread_t threads[THREADS];
    ctxalloc_context *parent = CREATE(.name = "parent");
    assert_int_equal(pthread_barrier_init(&shared.at, NULL, THREADS + 1), 0);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, free_mine, (void *)(uintptr_t)i), 0);
    for (size_t round = 0; round < ROUNDS; round++) {
        ctxalloc_context *c = CREATE(.lifetime = lifetimes[round % ARRAY_LENGTH(lifetimes)], .parent = parent, .escape = CTXALLOC_ADOPT);
        for (size_t i = 0; i < THREADS; i++)
            shared.block[i] = filled(ctxalloc_malloc(c, 100 + i), 100 + i);
        assert_int_equal(ctxalloc_destroy(c), 0);
        pthread_barrier_wait(&shared.at);
        ctxalloc_context *other = CREATE(.lifetime = lifetimes[round / 3 % ARRAY_LENGTH(lifetimes)], .parent = parent, .escape = CTXALLOC_ADOPT);
        void *p = filled(ctxalloc_malloc(other, 50), 50);
        assert_int_equal(ctxalloc_destroy(other), 0);
        assert_filled(p, 50, p);
        free(p);
        pthread_barrier_wait(&shared.at);
    }
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    pthread_barrier_destroy(&shared.at);
    assert_int_equal(ctxalloc_destroy(parent), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(adopted_blocks_of_every_part_live_until_they_are_freed),
        TEST(records_of_adopted_contexts_go_with_their_last_block),
        TEST(last_blocks_are_freed_by_several_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
