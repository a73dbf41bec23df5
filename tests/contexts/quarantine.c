/* check=full: freed blocks wait in one quarantine for all, and contexts go meanwhile. Meant for that mode (tests/contexts/unchecked.sh), true in any. */
#include "tests/contexts/contexts.h"

/* What comes out of the quarantine may lie in a context that another thread is about to drop. */
enum { THREADS = 3, ROUNDS = 1500, BLOCKS = 60 };

static void *live_and_go(void *argument) {
    uint64_t random = (uintptr_t)argument + 1;
    for (int round = 0; round < ROUNDS; round++) {
        void *p[BLOCKS];
        ctxalloc_context *context = CREATE(.lifetime = CTXALLOC_LONG);
        for (int where = 0; where < 2; where++) {
            ctxalloc_switch(where ? CTXALLOC_GLOBAL : context);
            for (int i = 0; i < BLOCKS; i++) {
                size_t size = random_next(&random) % 3000;
                if (!(p[i] = malloc(size)))
                    return argument;
                memset(p[i], round, size);
            }
            for (int i = where ? 0 : BLOCKS / 2; i < BLOCKS; i++)
                free(p[i]);
        }
        if (ctxalloc_destroy(context) != 0)
            return argument;
    }
    return NULL;
}

static void contexts_go_while_others_free(void **state) {
    (void)state;
    pthread_t thread[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, live_and_go, (void *)(i + 1)), 0);
    for (int i = 0; i < THREADS; i++) {
        void *failed;
        assert_int_equal(pthread_join(thread[i], &failed), 0);
        assert_null(failed);
    }
}

/* What a huge block held is nobody's writing after a free. */
static void a_huge_block_that_goes_with_its_context_leaves_nothing(void **state) {
    (void)state;
    enum { HUGE_BYTES = 3000000, AFTER = 400 };
    ctxalloc_context *context = CREATE(.lifetime = CTXALLOC_LONG);
    ctxalloc_switch(context);
    char *huge = malloc(HUGE_BYTES);
    assert_non_null(huge);
    memset(huge, 7, HUGE_BYTES);
    ctxalloc_switch(CTXALLOC_GLOBAL);
    assert_int_equal(ctxalloc_destroy(context), 0);
    static void *p[AFTER];
    for (int i = 0; i < AFTER; i++)
        assert_non_null(p[i] = malloc(60000));
    for (int i = 0; i < AFTER; i++)
        free(p[i]);
}

static void *last[BLOCKS];

static void free_last(void *argument) {
    (void)argument;
    for (int i = 0; i < BLOCKS; i++)
        free(last[i]);
}

/* A callback frees blocks of the context that goes; it is reset first, then destroyed. */
static void callbacks_free_what_goes(void **state) {
    (void)state;
    ctxalloc_context *going = CREATE(.lifetime = CTXALLOC_LONG);
    for (int end = 0; end < 2; end++) {
        assert_int_equal(ctxalloc_on_reset(going, free_last, NULL), 0); /* for one time */
        ctxalloc_switch(going);
        for (int i = 0; i < BLOCKS; i++)
            assert_non_null(last[i] = malloc(500));
        ctxalloc_switch(CTXALLOC_GLOBAL);
        assert_int_equal(end ? ctxalloc_destroy(going) : ctxalloc_reset(going), 0);
        for (int i = 0; i < 2000; i++) { /* whoever has that memory now writes there */
            char *p = malloc(500);
            assert_non_null(p);
            memset(p, i, 500);
            free(p);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_huge_block_that_goes_with_its_context_leaves_nothing),
        TEST(callbacks_free_what_goes),
        TEST(contexts_go_while_others_free),
    };
    return cmocka_run_group_tests_name("quarantine", tests, NULL, NULL);
}
