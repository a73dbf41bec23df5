/* Contexts and threads: handed over, asked for by two at once, freed into from elsewhere, left behind by a thread that ends. Rows N1 and N2. */
#include <sched.h>

#include "tests/contexts/contexts.h"

static void n1_a_context_that_is_current_elsewhere_is_busy(void **state) {
    (void)state;
    EACH_LIFETIME(l) {
        struct holder holder;
        ctxalloc_context *context = CREATE(.lifetime = *l), *mine = CREATE(.lifetime = *l);
        holder_start(&holder, context);
        (void)ctxalloc_switch(mine);
        for (int i = 0; i < 3; i++) {
            errno = 0;
            assert_null(ctxalloc_switch(context));
            assert_int_equal(errno, EBUSY);
            assert_ptr_equal(ctxalloc_current(), mine); /* nothing changed */
            errno = 0;
            assert_null(ctxalloc_run(context, free_it, NULL));
            assert_int_equal(errno, EBUSY);
        }
        holder_end(&holder);
        assert_ptr_equal(ctxalloc_switch(context), mine);
        assert_ptr_equal(ctxalloc_switch(CTXALLOC_GLOBAL), context);
        assert_int_equal(ctxalloc_destroy(context), 0);
        assert_int_equal(ctxalloc_destroy(mine), 0);
    }
}

struct task {
    ctxalloc_context *context;
    void *p[100];
    size_t size[100];
    uint64_t random;
};

/* A step of a coroutine, in whatever thread. */
static void *step(void *argument) {
    struct task *t = (struct task *)argument;
    ctxalloc_context *before = ctxalloc_switch(t->context);
    bool right = before != NULL;
    for (int i = 0; i < 100 && right; i++) {
        size_t at = random_next(&t->random) % 100;
        if (t->p[at]) {
            right &= payload_holds(t->p[at], t->size[at], at) && ctxalloc_owner(t->p[at]) == t->context;
            free(t->p[at]);
        }
        t->size[at] = random_size(&t->random, 13);
        t->p[at] = malloc(t->size[at]);
        right &= t->p[at] != NULL;
        if (right)
            payload_write(t->p[at], t->size[at], at);
    }
    if (before)
        (void)ctxalloc_switch(before);
    return right ? t : NULL;
}

static void n1_a_task_that_moves_between_threads_keeps_its_context(void **state) {
    (void)state;
    EACH_LIFETIME(l) {
        struct task task[4];
        for (size_t i = 0; i < 4; i++)
            task[i] = (struct task){.context = CREATE(.lifetime = *l, .escape = CTXALLOC_REFUSE), .random = i + 1};
        for (int round = 0; round < 100; round++)
            for (size_t i = 0; i < 4; i++)
                assert_ptr_equal(round % 3 ? in_thread(step, &task[i]) : step(&task[i]), &task[i]);
        for (size_t i = 0; i < 4; i++) {
            uint64_t live = 0;
            for (size_t j = 0; j < 100; j++)
                live += task[i].p[j] != NULL;
            assert_int_equal(usage_of(task[i].context).live_blocks, live);
            for (size_t j = 0; j < 100; j++)
                free(task[i].p[j]);
            assert_int_equal(ctxalloc_destroy(task[i].context), 0);
        }
    }
}

/* --- a thread's first and last calls ------------------------------------------------------------------------------------- */

static void *switch_and_end(void *context) {
    if (!ctxalloc_switch((ctxalloc_context *)context))
        return NULL;
    void *p = malloc(100);
    return ctxalloc_owner(p) == context ? p : NULL;
}

static void *create_switch_and_end(void *context) {
    ctxalloc_context *other = CREATE(.name = "other"); /* the thread has a heap of its own now */
    return ctxalloc_destroy(other) == 0 ? switch_and_end(context) : NULL;
}

static void n1_a_thread_that_ends_leaves_its_context_to_anybody(void **state) {
    (void)state;
    EACH_LIFETIME(l) for (int i = 0; i < 4; i++) {
        ctxalloc_context *context = CREATE(.lifetime = *l);
        void *p = in_thread(i % 2 ? switch_and_end : create_switch_and_end, context);
        assert_ptr_equal(ctxalloc_owner(p), context);
        assert_ptr_equal(ctxalloc_switch(context), CTXALLOC_GLOBAL);
        free(p);
        assert_ptr_equal(ctxalloc_switch(CTXALLOC_GLOBAL), context);
        assert_int_equal(usage_of(context).live_blocks, 0);
        assert_int_equal(ctxalloc_destroy(context), 0);
    }
}

struct first {
    ctxalloc_context *context;
    void *foreign;
    int kind;
};

/* Calls that give a thread its heap must not take the context from it. */
static void *switch_then(void *argument) {
    struct first *f = (struct first *)argument;
    if (!ctxalloc_switch(f->context))
        return NULL;
    void *p = f->foreign;
    switch (f->kind) {
    case 0: free(p); break;
    case 1: p = realloc(p, 5000); break;
    case 2: (void)CREATE(.parent = f->context); break;
    case 3: p = ctxalloc_malloc(CTXALLOC_GLOBAL, 10); break;
    default: (void)malloc_trim(0);
    }
    return ctxalloc_current() == f->context && ctxalloc_owner(malloc(10)) == f->context &&
                   ctxalloc_switch(CTXALLOC_GLOBAL) == f->context ? p : NULL;
}

static void n1_a_thread_that_gets_its_heap_keeps_its_context(void **state) {
    (void)state;
    EACH_LIFETIME(l) for (int kind = 0; kind < 5; kind++) {
        struct first first = {CREATE(.lifetime = *l), malloc(10), kind};
        assert_non_null(in_thread(switch_then, &first));
        assert_int_equal(ctxalloc_destroy(first.context), 0);
    }
}

static pthread_key_t key;

static void allocate_late(void *context) {
    if (ctxalloc_switch((ctxalloc_context *)context)) {
        free(malloc(100));
        (void)ctxalloc_switch(CTXALLOC_GLOBAL);
    }
}

static void *leave_a_destructor(void *context) {
    free(malloc(10));
    return pthread_setspecific(key, context) ? NULL : context;
}

static void n1_destructors_of_thread_data_may_switch(void **state) {
    (void)state;
    assert_int_equal(pthread_key_create(&key, allocate_late), 0);
    EACH_LIFETIME(l) {
        ctxalloc_context *context = CREATE(.lifetime = *l);
        assert_ptr_equal(in_thread(leave_a_destructor, context), context);
        assert_ptr_equal(ctxalloc_switch(context), CTXALLOC_GLOBAL);
        (void)ctxalloc_switch(CTXALLOC_GLOBAL);
        assert_int_equal(ctxalloc_destroy(context), 0);
    }
    pthread_key_delete(key);
}

/* --- from threads that do not have it -------------------------------------------------------------------------------------- */

enum { COUNT = 20000 };

static void *allocate_for(void *argument) {
    ctxalloc_context *context = (ctxalloc_context *)argument;
    for (size_t i = 0; i < COUNT; i++) {
        size_t size = kinds_of_sizes[i % 7];
        char *p = (char *)ctxalloc_malloc(context, size);
        if (!p || ctxalloc_owner(p) != context)
            return NULL;
        memset(p, (int)i, size < 200 ? size : 200);
        if (i % 3 == 0)
            p = (char *)realloc(p, kinds_of_sizes[(i + 1) % 7]);
        free(p);
    }
    return context;
}

static void n2_two_threads_allocate_for_a_context_that_nobody_has(void **state) {
    (void)state;
    EACH_LIFETIME(l) {
        pthread_t thread;
        void *result;
        ctxalloc_context *context = CREATE(.lifetime = *l, .escape = CTXALLOC_REFUSE);
        assert_int_equal(pthread_create(&thread, NULL, allocate_for, context), 0);
        assert_ptr_equal(allocate_for(context), context);
        assert_int_equal(pthread_join(thread, &result), 0);
        assert_ptr_equal(result, context);
        assert_int_equal(ctxalloc_destroy(context), 0);
    }
}

static void n2_a_thread_allocates_for_a_context_that_another_has(void **state) {
    (void)state;
    EACH_LIFETIME(l) {
        pthread_t thread;
        void *result;
        struct task task = {.context = CREATE(.lifetime = *l), .random = 4};
        (void)ctxalloc_switch(task.context);
        assert_int_equal(pthread_create(&thread, NULL, allocate_for, task.context), 0);
        for (int i = 0; i < 200; i++)
            assert_ptr_equal(step(&task), &task);
        assert_int_equal(pthread_join(thread, &result), 0);
        assert_ptr_equal(result, task.context);
        (void)ctxalloc_switch(CTXALLOC_GLOBAL);
        assert_int_equal(ctxalloc_destroy(task.context), 0);
    }
}

/* Frees of a running, a suspended and a destroyed context's blocks; none is lost. */
static void n2_remote_frees_are_not_lost(void **state) {
    (void)state;
    EACH_LIFETIME(l) EACH_SIZE(s) {
        enum { MANY = 300 };
        struct holder holder;
        void *p[MANY];
        ctxalloc_context *context = CREATE(.lifetime = *l, .escape = CTXALLOC_REFUSE);
        for (int i = 0; i < MANY; i++)
            assert_non_null(p[i] = ctxalloc_malloc(context, *s));
        for (int i = 0; i < 100; i++)
            free(p[i]); /* suspended */
        holder_start(&holder, context);
        for (int i = 100; i < 200; i++)
            free(p[i]); /* running */
        holder_end(&holder);
        for (int i = 200; i < MANY; i++)
            free(p[i]);
        free(holder.block);
        assert_int_equal(ctxalloc_destroy(context), 0); /* refuses while one lives */
    }
}

/* A thread that frees, and holds these frees back until it ends. */
struct late {
    void *p[40];
    pthread_barrier_t at;
};

static void *free_some_and_wait(void *argument) {
    struct late *late = (struct late *)argument;
    for (int i = 0; i < 20; i++)
        free(late->p[i]);
    pthread_barrier_wait(&late->at);
    pthread_barrier_wait(&late->at);
    return NULL;
}

/* Frees on their way when the context goes are void, and harm nothing that comes after it. */
static void n2_frees_on_their_way_when_the_context_goes_are_void(void **state) {
    (void)state;
    EACH_LIFETIME(l) for (int round = 0; round < 40; round++) {
        struct late late;
        pthread_t thread;
        ctxalloc_context *context = CREATE(.lifetime = *l);
        size_t size = round % 4 ? 100 : 40000;
        assert_int_equal(pthread_barrier_init(&late.at, NULL, 2), 0);
        for (int i = 0; i < 40; i++)
            assert_non_null(late.p[i] = ctxalloc_malloc(context, size));
        assert_int_equal(pthread_create(&thread, NULL, free_some_and_wait, &late), 0);
        pthread_barrier_wait(&late.at);
        assert_int_equal(round % 2 ? ctxalloc_destroy(context) : ctxalloc_reset(context), 0);
        if (round % 2)
            context = CREATE(.lifetime = *l); /* the same record, and heap */
        for (int i = 0; i < 40; i++)
            late.p[i] = filled(ctxalloc_malloc(context, size), size);
        pthread_barrier_wait(&late.at);
        assert_int_equal(pthread_join(thread, NULL), 0); /* now they come */
        (void)ctxalloc_switch(context);
        for (int i = 0; i < 400; i++)
            (void)filled(malloc(size), size);
        (void)ctxalloc_switch(CTXALLOC_GLOBAL);
        for (int i = 0; i < 40; i++) {
            assert_filled(late.p[i], size, late.p[i]);
            assert_int_equal(ctxalloc_inspect(late.p[i], NULL), CTXALLOC_LIVE);
        }
        assert_int_equal(usage_of(context).live_blocks, 440);
        assert_int_equal(ctxalloc_destroy(context), 0);
        pthread_barrier_destroy(&late.at);
    }
}

/* Another thread asks for sizes and reallocates while the owner allocates beside these blocks. */
static void *offered;
static _Atomic(int) over;

static void *resize_what_is_offered(void *unused) {
    while (!over) {
        char *p = (char *)__atomic_exchange_n(&offered, NULL, __ATOMIC_ACQ_REL);
        if (!p) {
            sched_yield();
            continue;
        }
        size_t usable = malloc_usable_size(p);
        if (usable < 48 || usable > 64 || ctxalloc_inspect(p, NULL) != CTXALLOC_LIVE)
            return p;
        char seed[48];
        memcpy(seed, p, 48);
        p = (char *)realloc(p, 96);
        if (!p || memcmp(seed, p, 48))
            return &offered;
        memset(p, 1, 96);
        free(p);
    }
    return unused;
}

static void n2_blocks_are_resized_elsewhere_while_the_owner_allocates(void **state) {
    (void)state;
    EACH_LIFETIME(l) {
        pthread_t thread;
        void *result;
        ctxalloc_context *context = CREATE(.lifetime = *l);
        over = 0;
        assert_int_equal(pthread_create(&thread, NULL, resize_what_is_offered, NULL), 0);
        (void)ctxalloc_switch(context);
        for (size_t i = 0; i < 30000; i++) {
            char *p = (char *)malloc(48);
            assert_non_null(p);
            memset(p, (int)i, 48);
            p = (char *)__atomic_exchange_n(&offered, p, __ATOMIC_ACQ_REL);
            free(p);
            char *next = (char *)malloc(i % 50 ? 32 : 3000);
            memset(next, 2, 32);
            free(next);
        }
        (void)ctxalloc_switch(CTXALLOC_GLOBAL);
        over = 1;
        assert_int_equal(pthread_join(thread, &result), 0);
        assert_null(result);
        free(__atomic_exchange_n(&offered, NULL, __ATOMIC_ACQ_REL));
        assert_int_equal(ctxalloc_destroy(context), 0);
    }
}

static void *come_and_go(void *argument) {
    ctxalloc_context *context = (ctxalloc_context *)argument;
    void *p[8] = {NULL};
    if (!ctxalloc_switch(context))
        return argument;
    for (size_t i = 0; !over; i++) {
        free(p[i * 5 % 8]);
        p[i * 5 % 8] = malloc(kinds_of_sizes[i % 10]);
    }
    (void)ctxalloc_switch(CTXALLOC_GLOBAL);
    return NULL;
}

static void n2_usage_may_be_read_by_any_thread(void **state) {
    (void)state;
    EACH_LIFETIME(l) {
        pthread_t thread;
        void *result;
        ctxalloc_context *context = CREATE(.lifetime = *l, .hard_limit = 64 * MIB);
        over = 0;
        assert_int_equal(pthread_create(&thread, NULL, come_and_go, context), 0);
        time_t end = time(NULL) + 3; /* what is live in a short context is counted block by block */
        for (int i = 0; i < 20000 && (i < 100 || time(NULL) < end); i++) {
            ctxalloc_usage_t u = usage_of(context);
            assert_true(u.live_bytes <= 128 * MIB && u.held_bytes <= 64 * MIB + 8 * MIB && u.peak_bytes <= 64 * MIB);
        }
        over = 1;
        assert_int_equal(pthread_join(thread, &result), 0);
        assert_null(result);
        assert_int_equal(ctxalloc_destroy(context), 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(n1_a_context_that_is_current_elsewhere_is_busy),
        TEST(n1_a_task_that_moves_between_threads_keeps_its_context),
        TEST(n1_a_thread_that_ends_leaves_its_context_to_anybody),
        TEST(n1_a_thread_that_gets_its_heap_keeps_its_context),
        TEST(n1_destructors_of_thread_data_may_switch),
        TEST(n2_two_threads_allocate_for_a_context_that_nobody_has),
        TEST(n2_a_thread_allocates_for_a_context_that_another_has),
        TEST(n2_remote_frees_are_not_lost),
        TEST(n2_frees_on_their_way_when_the_context_goes_are_void),
        TEST(n2_blocks_are_resized_elsewhere_while_the_owner_allocates),
        TEST(n2_usage_may_be_read_by_any_thread),
    };
    return cmocka_run_group_tests_name("threads", tests, NULL, NULL);
}
