/* ctxalloc_run: what was current before is restored on every way out. Row CA6. */
#include <signal.h>

#include "tests/contexts/contexts.h"

static ctxalloc_context *target;
static jmp_buf way_out;
static sigjmp_buf signal_way_out;
static void *allocated;

static void *allocate(void *argument) {
    allocated = malloc(100);
    return ctxalloc_current() == target ? argument : NULL;
}

static void ca6_run_restores_on_return(void **state) {
    (void)state;
    EACH_LIFETIME(l) {
        int result;
        target = CREATE(.lifetime = *l);
        ctxalloc_context *mine = CREATE(.lifetime = *l);
        (void)ctxalloc_switch(mine);
        assert_ptr_equal(ctxalloc_run(target, allocate, &result), &result);
        assert_ptr_equal(ctxalloc_current(), mine);
        assert_ptr_equal(ctxalloc_owner(allocated), target);
        (void)ctxalloc_switch(CTXALLOC_GLOBAL);
        assert_ptr_equal(ctxalloc_run(target, allocate, &result), &result);
        assert_ptr_equal(ctxalloc_current(), CTXALLOC_GLOBAL);
        assert_int_equal(ctxalloc_destroy(mine), 0);
        assert_int_equal(ctxalloc_destroy(target), 0);
    }
}

static void *current_owner(void *argument) {
    (void)argument;
    void *p = malloc(10);
    ctxalloc_context *owner = ctxalloc_owner(p);
    free(p);
    return owner;
}

static void ca6_run_takes_all_three_targets(void **state) {
    (void)state;
    target = CREATE(.name = "run");
    (void)ctxalloc_switch(target);
    assert_ptr_equal(ctxalloc_run(CTXALLOC_GLOBAL, current_owner, NULL), CTXALLOC_GLOBAL);
    assert_ptr_equal(ctxalloc_run(target, current_owner, NULL), target);
    ctxalloc_context *own = (ctxalloc_context *)ctxalloc_run(CTXALLOC_THREAD, current_owner, NULL);
    assert_true(own && own != target && own != CTXALLOC_GLOBAL);
    assert_ptr_equal(ctxalloc_current(), target);
    errno = 0;
    assert_null(ctxalloc_run(NULL, current_owner, NULL));
    assert_int_equal(errno, EINVAL);
    errno = 0;
    assert_null(ctxalloc_run(target, NULL, NULL));
    assert_int_equal(errno, EINVAL);
    (void)ctxalloc_switch(CTXALLOC_GLOBAL);
    assert_int_equal(ctxalloc_destroy(target), 0);
}

static void *jump(void *depth) {
    uintptr_t n = (uintptr_t)depth;
    void *p = malloc(100);
    if (n && p)
        return ctxalloc_run(n % 2 ? CTXALLOC_GLOBAL : target, jump, (void *)(n - 1));
    longjmp(way_out, 1);
}

static void ca6_run_restores_on_longjmp(void **state) {
    (void)state;
    target = CREATE(.name = "run");
    for (volatile uintptr_t depth = 0; depth < 10; depth++) {
        if (setjmp(way_out) == 0)
            (void)ctxalloc_run(target, jump, (void *)depth);
        assert_ptr_equal(ctxalloc_current(), CTXALLOC_GLOBAL);
    }
    int result; /* nothing is left of the frames that were jumped over */
    assert_ptr_equal(ctxalloc_run(target, allocate, &result), &result);
    assert_int_equal(ctxalloc_destroy(target), 0);
}

/* Longjmp inside fn, to a point inside fn: nothing is restored. */
static void *jump_inside(void *argument) {
    jmp_buf here;
    volatile bool jumped = false;
    if (setjmp(here) == 0) {
        jumped = true;
        longjmp(here, 1);
    }
    return jumped && ctxalloc_current() == target ? argument : NULL;
}

static void ca6_a_longjmp_inside_changes_nothing(void **state) {
    (void)state;
    int result;
    target = CREATE(.name = "run");
    assert_ptr_equal(ctxalloc_run(target, jump_inside, &result), &result);
    assert_ptr_equal(ctxalloc_current(), CTXALLOC_GLOBAL);
    assert_int_equal(ctxalloc_destroy(target), 0);
}

static void handler(int number) {
    (void)number;
    siglongjmp(signal_way_out, 1);
}

static void *raise_signal(void *argument) {
    allocated = malloc(10);
    (void)raise(SIGUSR1);
    return argument;
}

static void ca6_run_restores_on_siglongjmp_out_of_a_handler(void **state) {
    (void)state;
    struct sigaction action, before;
    memset(&action, 0, sizeof action);
    action.sa_handler = handler;
    assert_int_equal(sigaction(SIGUSR1, &action, &before), 0);
    target = CREATE(.name = "run");
    for (volatile int i = 0; i < 3; i++) {
        if (sigsetjmp(signal_way_out, 1) == 0) {
            (void)ctxalloc_run(target, raise_signal, NULL);
            fail();
        }
        assert_ptr_equal(ctxalloc_current(), CTXALLOC_GLOBAL);
    }
    assert_int_equal(sigaction(SIGUSR1, &before, NULL), 0);
    assert_int_equal(ctxalloc_destroy(target), 0);
}

/* --- threads that end inside --------------------------------------------------------------------------------------------- */

static ctxalloc_context *current_at_end;
static pthread_key_t key;

/* Destructors of thread data run after the stack is unwound. */
static void note_current(void *unused) {
    (void)unused;
    current_at_end = ctxalloc_current();
}

static void *leave(void *argument) {
    allocated = malloc(100);
    pthread_exit(argument);
}

static void *wait_for_cancellation(void *argument) {
    allocated = malloc(100);
    pthread_barrier_wait((pthread_barrier_t *)argument);
    while (pause() < 0)
        ;
    return NULL;
}

struct ending {
    void *(*fn)(void *);
    pthread_barrier_t at;
};

static void *run_inside(void *argument) {
    struct ending *e = (struct ending *)argument;
    (void)pthread_setspecific(key, e);
    return ctxalloc_run(target, e->fn, &e->at);
}

static void ending_is_seen(struct ending *e, bool cancel) {
    pthread_t thread;
    void *result;
    current_at_end = NULL;
    allocated = NULL;
    assert_int_equal(pthread_barrier_init(&e->at, NULL, 2), 0);
    assert_int_equal(pthread_create(&thread, NULL, run_inside, e), 0);
    if (cancel) {
        pthread_barrier_wait(&e->at);
        assert_int_equal(pthread_cancel(thread), 0);
    }
    assert_int_equal(pthread_join(thread, &result), 0);
    assert_ptr_equal(result, cancel ? PTHREAD_CANCELED : (void *)&e->at);
    assert_ptr_equal(current_at_end, CTXALLOC_GLOBAL);
    assert_ptr_equal(ctxalloc_owner(allocated), target);
    assert_ptr_equal(ctxalloc_switch(target), CTXALLOC_GLOBAL); /* it is anybody's */
    (void)ctxalloc_switch(CTXALLOC_GLOBAL);
    pthread_barrier_destroy(&e->at);
}

static void ca6_run_restores_on_pthread_exit(void **state) {
    (void)state;
    struct ending e = {.fn = leave};
    target = CREATE(.name = "run");
    for (int i = 0; i < 3; i++)
        ending_is_seen(&e, false);
    assert_int_equal(ctxalloc_destroy(target), 0);
}

static void ca6_run_restores_on_cancellation(void **state) {
    (void)state;
    struct ending e = {.fn = wait_for_cancellation};
    target = CREATE(.name = "run");
    for (int i = 0; i < 3; i++)
        ending_is_seen(&e, true);
    assert_int_equal(ctxalloc_destroy(target), 0);
}

static void *destroy_it(void *argument) {
    return ctxalloc_destroy(target) == 0 && ctxalloc_current() == CTXALLOC_GLOBAL ? argument : NULL;
}

static void ca6_the_context_may_be_destroyed_inside(void **state) {
    (void)state;
    int result;
    target = CREATE(.name = "run");
    ctxalloc_context *mine = CREATE(.name = "mine");
    (void)ctxalloc_switch(mine);
    assert_ptr_equal(ctxalloc_run(target, destroy_it, &result), &result);
    assert_ptr_equal(ctxalloc_current(), mine);
    (void)ctxalloc_switch(CTXALLOC_GLOBAL);
    assert_int_equal(ctxalloc_destroy(mine), 0);
}

static int make_key(void **state) {
    (void)state;
    return pthread_key_create(&key, note_current);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(ca6_run_restores_on_return),
        TEST(ca6_run_takes_all_three_targets),
        TEST(ca6_run_restores_on_longjmp),
        TEST(ca6_a_longjmp_inside_changes_nothing),
        TEST(ca6_run_restores_on_siglongjmp_out_of_a_handler),
        TEST(ca6_run_restores_on_pthread_exit),
        TEST(ca6_run_restores_on_cancellation),
        TEST(ca6_the_context_may_be_destroyed_inside),
    };
    return cmocka_run_group_tests_name("run", tests, make_key, NULL);
}
