/* fork: the child goes on in the context that the forking thread had; what other threads had current is lost there, cleanly. Rows N1 and N2. */
#include <sys/wait.h>

#include "tests/contexts/contexts.h"

/* In a child, where nothing of cmocka may be left by longjmp. */
#define CHILD_CHECK(condition)                                                     \
    do {                                                                           \
        if (!(condition)) {                                                        \
            fprintf(stderr, "child: %s:%d: %s\n", __FILE__, __LINE__, #condition); \
            _exit(1);                                                              \
        }                                                                          \
    } while (0)

static pid_t fork_child(void) {
    pid_t child = fork();
    if (child == 0)
        alarm(100); /* a hang is a failure */
    return child;
}

static void child_ends_well(pid_t child) {
    int status;
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void use_in_child(ctxalloc_context *context) {
    for (size_t i = 0; i < 400; i++) {
        size_t size = kinds_of_sizes[i % 8];
        void *p = malloc(size);
        CHILD_CHECK(p && ctxalloc_owner(p) == context);
        payload_write(p, size, i);
        CHILD_CHECK(payload_holds(p, size, i));
        if (i % 3)
            free(p);
    }
}

static void n1_the_child_goes_on_in_its_context(void **state) {
    (void)state;
    EACH_LIFETIME(l) {
        ctxalloc_context *context = CREATE(.lifetime = *l, .name = "forked"), *other = CREATE(.lifetime = *l);
        (void)ctxalloc_switch(context);
        void *p = filled(malloc(1000), 1000), *q = ctxalloc_malloc(other, 1000);
        pid_t child = fork_child();
        if (child == 0) {
            CHILD_CHECK(ctxalloc_current() == context && payload_holds(p, 1000, (uint64_t)(uintptr_t)p));
            use_in_child(context);
            CHILD_CHECK(ctxalloc_switch(other) == context);
            free(q);
            use_in_child(other);
            CHILD_CHECK(ctxalloc_reset(context) == 0 && ctxalloc_destroy(context) == 0 && ctxalloc_destroy(other) == 0);
            CHILD_CHECK(ctxalloc_current() == CTXALLOC_GLOBAL);
            use_in_child(CTXALLOC_GLOBAL);
            ctxalloc_context *next = CREATE(.lifetime = *l);
            CHILD_CHECK(next && ctxalloc_switch(next));
            use_in_child(next);
            _exit(0);
        }
        (void)ctxalloc_switch(CTXALLOC_GLOBAL);
        child_ends_well(child);
        assert_filled(p, 1000, p);
        assert_int_equal(ctxalloc_destroy(context), 0);
        assert_int_equal(ctxalloc_destroy(other), 0);
    }
}

static void n1_what_another_thread_had_is_lost_in_the_child(void **state) {
    (void)state;
    EACH_LIFETIME(l) {
        struct holder holder;
        ctxalloc_context *context = CREATE(.lifetime = *l), *child_of_it = CREATE(.lifetime = *l, .parent = context);
        void *outside = ctxalloc_malloc(child_of_it, 100);
        holder_start(&holder, context);
        pid_t child = fork_child();
        if (child == 0) {
            errno = 0;
            CHILD_CHECK(!ctxalloc_switch(context) && errno == EINVAL);
            errno = 0;
            CHILD_CHECK(!ctxalloc_malloc(context, 10) && errno == EINVAL);
            CHILD_CHECK(ctxalloc_destroy(context) == EINVAL && ctxalloc_reset(context) == EINVAL);
            CHILD_CHECK(!ctxalloc_usage(context, &(ctxalloc_usage_t){0}));
            CHILD_CHECK(!CREATE(.parent = context));
            memset(holder.block, 1, 100); /* its blocks are there, and may be freed */
            free(holder.block);
            outside = realloc(outside, 5000); /* one below it that nobody had is not lost */
            CHILD_CHECK(outside && ctxalloc_owner(outside) == child_of_it);
            CHILD_CHECK(ctxalloc_destroy(child_of_it) == 0);
            use_in_child(CTXALLOC_GLOBAL);
            _exit(0);
        }
        child_ends_well(child);
        holder_end(&holder);
        assert_int_equal(ctxalloc_destroy(context), 0);
    }
}

static void n1_the_parent_of_a_lost_context_can_be_destroyed(void **state) {
    (void)state;
    EACH_LIFETIME(l) {
        struct holder holder;
        ctxalloc_context *top = CREATE(.lifetime = *l), *context = CREATE(.lifetime = *l, .parent = top);
        holder_start(&holder, context);
        pid_t child = fork_child();
        if (child == 0) {
            int result = ctxalloc_destroy(top); /* or refused: but it returns, and nothing breaks */
            CHILD_CHECK(result == 0 || result == EBUSY);
            use_in_child(CTXALLOC_GLOBAL);
            _exit(0);
        }
        child_ends_well(child);
        holder_end(&holder);
        assert_int_equal(ctxalloc_destroy(top), 0);
    }
}

/* --- under load ------------------------------------------------------------------------------------------------------------ */

enum { THREADS = 2, FORKS = 15 };
static ctxalloc_context *loaded[THREADS], *shared;
static _Atomic(int) over;

/* Contexts of its own, and one that all allocate for. */
static void *load(void *argument) {
    ctxalloc_context *mine = (ctxalloc_context *)argument;
    void *p[64] = {NULL}, *q = ctxalloc_malloc(shared, 10);
    uint64_t random = (uint64_t)(uintptr_t)mine | 1;
    for (size_t i = 0; !over && q; i++) {
        size_t at = random_next(&random) % 64;
        ctxalloc_context *before = ctxalloc_switch(mine);
        free(p[at]);
        p[at] = malloc(random_size(&random, 17));
        (void)ctxalloc_switch(before);
        q = realloc(q, i % 2 ? 10 : 300000); /* of the shared one, which the main thread has: under its lock */
        ctxalloc_context *brief = CREATE(.lifetime = lifetimes[i % 3], .parent = i % 4 ? NULL : mine);
        if (!brief || !ctxalloc_malloc(brief, 100) || ctxalloc_destroy(brief))
            return NULL;
    }
    for (int i = 0; i < 64; i++)
        free(p[i]);
    free(q);
    return argument;
}

static void n1_fork_under_load(void **state) {
    (void)state;
    EACH_LIFETIME(l) {
        pthread_t thread[THREADS];
        shared = CREATE(.lifetime = *l);
        (void)ctxalloc_switch(shared);
        over = 0;
        for (size_t i = 0; i < THREADS; i++) {
            loaded[i] = CREATE(.lifetime = *l);
            assert_int_equal(pthread_create(&thread[i], NULL, load, loaded[i]), 0);
        }
        void *p = malloc(100);
        for (int i = 0; i < FORKS; i++) {
            pid_t child = fork_child();
            if (child == 0) {
                use_in_child(shared);
                CHILD_CHECK(ctxalloc_switch(CTXALLOC_GLOBAL) == shared);
                p = realloc(p, 9000); /* by the part for threads that do not have it */
                CHILD_CHECK(p && ctxalloc_owner(p) == shared);
                for (size_t j = 0; j < THREADS; j++) { /* in whatever state */
                    ctxalloc_context *before = ctxalloc_switch(loaded[j]);
                    if (before) {
                        use_in_child(loaded[j]);
                        (void)ctxalloc_switch(before);
                    } else {
                        CHILD_CHECK(errno == EINVAL);
                    }
                    int result = ctxalloc_destroy(loaded[j]);
                    CHILD_CHECK(before ? result == 0 || result == EBUSY : result == EINVAL);
                }
                ctxalloc_context *next = CREATE(.lifetime = *l);
                CHILD_CHECK(next && ctxalloc_malloc(next, 5000) && ctxalloc_destroy(next) == 0);
                _exit(0);
            }
            child_ends_well(child);
        }
        over = 1;
        for (size_t i = 0; i < THREADS; i++) {
            void *result;
            assert_int_equal(pthread_join(thread[i], &result), 0);
            assert_ptr_equal(result, loaded[i]);
            assert_int_equal(ctxalloc_destroy(loaded[i]), 0);
        }
        (void)ctxalloc_switch(CTXALLOC_GLOBAL);
        assert_int_equal(ctxalloc_destroy(shared), 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(n1_the_child_goes_on_in_its_context),
        TEST(n1_what_another_thread_had_is_lost_in_the_child),
        TEST(n1_the_parent_of_a_lost_context_can_be_destroyed),
        TEST(n1_fork_under_load),
    };
    return cmocka_run_group_tests_name("fork", tests, NULL, NULL);
}
