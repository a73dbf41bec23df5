/* Where malloc goes: three targets, the switch between them, and what finds its way back. Rows CA1 to CA5 and CA7 to CA10. */
#include <dlfcn.h>
#include <pthread.h>

#include "tests/contexts/contexts.h"

static void *early;

__attribute__((constructor)) static void allocate_early(void) { early = malloc(hide_size(40)); }

static void ca1_three_targets_with_one_call(void **state) {
    (void)state;
    ctxalloc_context *context = CREATE(.name = "one");
    assert_non_null(context);
    assert_ptr_equal(ctxalloc_switch(context), CTXALLOC_GLOBAL);
    void *of_context = malloc(100);
    assert_ptr_equal(ctxalloc_switch(CTXALLOC_THREAD), context);
    ctxalloc_context *own = ctxalloc_current();
    void *of_thread = malloc(100);
    assert_ptr_equal(ctxalloc_switch(CTXALLOC_GLOBAL), own);
    void *of_all = malloc(100);
    assert_ptr_equal(ctxalloc_owner(of_context), context);
    assert_ptr_equal(ctxalloc_owner(of_thread), own);
    assert_ptr_equal(ctxalloc_owner(of_all), CTXALLOC_GLOBAL);
    assert_true(own != context && own != CTXALLOC_GLOBAL && own != CTXALLOC_THREAD);
    assert_string_equal(ctxalloc_name(context), "one");
    assert_string_equal(ctxalloc_name(CTXALLOC_GLOBAL), "global");
    free(of_context);
    free(of_thread);
    free(of_all);
    assert_int_equal(ctxalloc_destroy(context), 0);
}

static void ca2_global_needs_no_initialisation(void **state) {
    (void)state;
    assert_non_null(early);
    assert_ptr_equal(ctxalloc_owner(early), CTXALLOC_GLOBAL);
    assert_ptr_equal(ctxalloc_current(), CTXALLOC_GLOBAL);
    assert_int_equal(ctxalloc_destroy(CTXALLOC_GLOBAL), EINVAL);
    assert_int_equal(ctxalloc_reset(CTXALLOC_GLOBAL), EINVAL);
}

static void ca3_switch_returns_what_was_current(void **state) {
    (void)state;
    ctxalloc_context *a = CREATE(.lifetime = CTXALLOC_LONG), *b = CREATE(.lifetime = CTXALLOC_SHORT);
    assert_ptr_equal(ctxalloc_switch(a), CTXALLOC_GLOBAL);
    assert_ptr_equal(ctxalloc_switch(a), a);
    assert_ptr_equal(ctxalloc_switch(b), a);
    assert_ptr_equal(ctxalloc_current(), b);
    assert_ptr_equal(ctxalloc_switch(CTXALLOC_GLOBAL), b);
    assert_ptr_equal(ctxalloc_switch(CTXALLOC_GLOBAL), CTXALLOC_GLOBAL);
    errno = 0;
    assert_null(ctxalloc_switch(NULL));
    assert_int_equal(errno, EINVAL);
    assert_ptr_equal(ctxalloc_current(), CTXALLOC_GLOBAL);
    assert_int_equal(ctxalloc_destroy(a), 0);
    assert_int_equal(ctxalloc_destroy(b), 0);
    errno = 0;
    assert_null(ctxalloc_switch(a));
    assert_int_equal(errno, EINVAL);
}

struct own {
    ctxalloc_context *context;
    void *block;
};

static void *use_own(void *argument) {
    struct own *own = (struct own *)argument;
    if (ctxalloc_switch(CTXALLOC_THREAD) != CTXALLOC_GLOBAL)
        return NULL;
    own->context = ctxalloc_current();
    own->block = malloc(100);
    return ctxalloc_owner(own->block) == own->context && ctxalloc_destroy(CTXALLOC_THREAD) == EINVAL ? own : NULL;
}

static void ca4_a_threads_context_comes_and_goes_with_it(void **state) {
    (void)state;
    struct own mine, other;
    assert_ptr_equal(use_own(&mine), &mine);
    uint64_t held = usage_of(CTXALLOC_GLOBAL).held_bytes;
    for (int i = 0; i < 200; i++) {
        assert_ptr_equal(in_thread(use_own, &other), &other);
        assert_true(other.context != mine.context);
        assert_int_not_equal(ctxalloc_inspect(other.block, NULL), CTXALLOC_LIVE);
    }
    assert_true(usage_of(CTXALLOC_GLOBAL).held_bytes <= held + MIB); /* none stayed behind */
    assert_ptr_equal(ctxalloc_switch(CTXALLOC_GLOBAL), mine.context);
    assert_ptr_equal(ctxalloc_switch(CTXALLOC_THREAD), CTXALLOC_GLOBAL);
    assert_ptr_equal(ctxalloc_current(), mine.context); /* the same one again */
    free(mine.block);
}

static void ca4_a_threads_context_is_not_destroyed_by_hand(void **state) {
    (void)state;
    assert_non_null(ctxalloc_switch(CTXALLOC_THREAD));
    ctxalloc_context *own = ctxalloc_current();
    (void)ctxalloc_switch(CTXALLOC_GLOBAL);
    (void)ctxalloc_destroy(own); /* refused, or a new one is made: it is there either way */
    ctxalloc_context *next = CREATE(.name = "next");
    assert_non_null(ctxalloc_switch(CTXALLOC_THREAD));
    assert_true(ctxalloc_current() != next);
    assert_non_null(malloc(10));
    (void)ctxalloc_switch(CTXALLOC_GLOBAL);
    assert_int_equal(ctxalloc_destroy(next), 0);
}

static void ca5_the_target_is_saved_replaced_and_restored(void **state) {
    (void)state;
    ctxalloc_context *chain[20], *before[20];
    for (int i = 0; i < 20; i++) {
        chain[i] = CREATE(.lifetime = lifetimes[i % 3]);
        before[i] = ctxalloc_switch(chain[i]);
        assert_ptr_equal(before[i], i ? chain[i - 1] : CTXALLOC_GLOBAL);
    }
    for (int i = 20; i-- > 0;) {
        void *p = malloc(50);
        assert_ptr_equal(ctxalloc_owner(p), chain[i]);
        assert_ptr_equal(ctxalloc_switch(before[i]), chain[i]);
        assert_int_equal(ctxalloc_destroy(chain[i]), 0);
    }
    assert_ptr_equal(ctxalloc_current(), CTXALLOC_GLOBAL);
}

/* --- CA7 ---------------------------------------------------------------------------------------------------------- */

struct job {
    ctxalloc_context *current;
    void *p;
    size_t size, kept;
};

/* realloc with `current` current; nothing but a pointer is handed over. */
static void *resize_under(void *argument) {
    struct job *job = (struct job *)argument;
    if (!ctxalloc_switch(job->current))
        return NULL;
    void *p = realloc(job->p, job->size);
    (void)ctxalloc_switch(CTXALLOC_GLOBAL);
    return p;
}

static void *free_under(void *argument) {
    struct job *job = (struct job *)argument;
    ctxalloc_context *before = ctxalloc_switch(job->current);
    free(job->p);
    (void)ctxalloc_switch(CTXALLOC_GLOBAL);
    return before;
}

static void free_and_realloc_from(ctxalloc_context *owner, ctxalloc_context *current, bool elsewhere) {
    EACH_SIZE(from) EACH_SIZE(to) {
        void *seed = ctxalloc_malloc(owner, *from), *p = filled(seed, *from);
        struct job job = {current, p, *to, 0};
        p = elsewhere ? in_thread(resize_under, &job) : resize_under(&job);
        assert_non_null(p);
        assert_filled(p, *from < *to ? *from : *to, seed);
        assert_ptr_equal(ctxalloc_owner(p), owner);
        job.p = filled(p, *to);
        assert_non_null(elsewhere ? in_thread(free_under, &job) : free_under(&job));
    }
}

static void ca7_free_and_realloc_find_the_owner(void **state) {
    (void)state;
    EACH_LIFETIME(l) {
        ctxalloc_context *owner = CREATE(.name = "owner", .lifetime = *l, .escape = CTXALLOC_REFUSE), *other = CREATE(.lifetime = *l);
        free_and_realloc_from(owner, CTXALLOC_GLOBAL, false);
        free_and_realloc_from(owner, owner, false);
        free_and_realloc_from(owner, other, false);
        free_and_realloc_from(CTXALLOC_GLOBAL, other, false);
        assert_int_equal(ctxalloc_destroy(owner), 0); /* all blocks are freed */
        assert_int_equal(usage_of(other).live_blocks, 0);
        assert_int_equal(ctxalloc_destroy(other), 0);
    }
}

static void ca7_free_and_realloc_find_the_owner_from_other_threads(void **state) {
    (void)state;
    EACH_LIFETIME(l) {
        ctxalloc_context *owner = CREATE(.name = "owner", .lifetime = *l, .escape = CTXALLOC_REFUSE), *other = CREATE(.lifetime = *l);
        free_and_realloc_from(owner, CTXALLOC_GLOBAL, true);
        free_and_realloc_from(owner, other, true);
        free_and_realloc_from(owner, owner, true);
        assert_int_equal(ctxalloc_destroy(owner), 0);
        assert_int_equal(ctxalloc_destroy(other), 0);
    }
}

/* The same while a third thread has the owner current. */
static void ca7_free_and_realloc_while_the_owner_is_current_elsewhere(void **state) {
    (void)state;
    EACH_LIFETIME(l) {
        struct holder holder;
        ctxalloc_context *owner = CREATE(.lifetime = *l, .escape = CTXALLOC_REFUSE), *other = CREATE(.lifetime = *l);
        holder_start(&holder, owner);
        free_and_realloc_from(owner, CTXALLOC_GLOBAL, false);
        free_and_realloc_from(owner, other, true);
        void *p = realloc(holder.block, 50000);
        assert_ptr_equal(ctxalloc_owner(p), owner);
        free(p);
        holder_end(&holder);
        assert_int_equal(ctxalloc_destroy(owner), 0);
        assert_int_equal(ctxalloc_destroy(other), 0);
    }
}

/* --- numbers, and what is pinned ---------------------------------------------------------------------------------------- */

static void *allocate_and_free_some(void *argument) {
    void **keep = (void **)argument;
    for (int i = 0; i < 10; i++)
        keep[i] = malloc(1000);
    free(keep[9]);
    return keep;
}

static void ca8_measure_gives_the_change_of_a_callback(void **state) {
    (void)state;
    EACH_LIFETIME(l) {
        void *keep[10];
        ctxalloc_usage_t change;
        ctxalloc_context *context = CREATE(.lifetime = *l);
        void *before = ctxalloc_malloc(context, 64);
        assert_ptr_equal(ctxalloc_measure(context, allocate_and_free_some, keep, &change), keep);
        assert_int_equal(change.live_blocks, 9);
        size_t bytes = 0;
        for (int i = 0; i < 9; i++)
            bytes += malloc_usable_size(keep[i]);
        assert_int_equal(change.live_bytes, bytes);
        assert_int_equal(change.refusals, 0);
        assert_null(ctxalloc_measure(context, allocate_and_free_some, keep, NULL));
        free(before);
        assert_int_equal(ctxalloc_destroy(context), 0);
    }
}

static void ca9_counters_are_exact(void **state) {
    (void)state;
    EACH_LIFETIME(l) {
        ctxalloc_context *context = CREATE(.lifetime = *l);
        void *p[500];
        uint64_t bytes = 0;
        (void)ctxalloc_switch(context);
        for (size_t i = 0; i < 500; i++) {
            p[i] = malloc(kinds_of_sizes[i % 9] / (1 + i % 3) + 1);
            assert_non_null(p[i]);
            bytes += malloc_usable_size(p[i]);
            ctxalloc_usage_t u = usage_of(context);
            assert_int_equal(u.live_blocks, i + 1);
            assert_int_equal(u.live_bytes, bytes);
            assert_true(u.held_bytes >= u.live_bytes && u.peak_bytes >= u.held_bytes);
        }
        for (size_t i = 500; i-- > 0;) {
            bytes -= malloc_usable_size(p[i * 7 % 500]);
            free(p[i * 7 % 500]);
            assert_int_equal(usage_of(context).live_blocks, i);
            assert_int_equal(usage_of(context).live_bytes, bytes);
        }
        assert_ptr_equal(ctxalloc_switch(CTXALLOC_GLOBAL), context);
        assert_int_equal(ctxalloc_destroy(context), 0);
    }
    assert_false(ctxalloc_usage(NULL, &(ctxalloc_usage_t){0}));
}

static void ca9_resizes_in_place_count_for_the_owner(void **state) {
    (void)state;
    ctxalloc_context *owner = CREATE(.name = "owner"), *other = CREATE(.name = "other");
    void *p = ctxalloc_malloc(owner, 4 * MIB);
    assert_int_equal(ctxalloc_resize(p, 3 * MIB), 0);
    (void)ctxalloc_switch(other);
    p = realloc(p, 3 * MIB - 200 * KIB);
    (void)ctxalloc_switch(CTXALLOC_GLOBAL);
    assert_non_null(p);
    assert_int_equal(usage_of(other).shrunk + usage_of(other).grown, 0);
    assert_true(usage_of(owner).shrunk >= 1);
    assert_int_equal(ctxalloc_destroy(owner), 0);
    assert_int_equal(ctxalloc_destroy(other), 0);
}

static void ca9_usage_is_subtracted_field_by_field(void **state) {
    (void)state;
    ctxalloc_usage_t before = {1, 2, 3, 4, 5, 6, 7, 8, 9}, after = {11, 22, 33, 44, 55, 66, 77, 88, 8};
    ctxalloc_usage_t d = ctxalloc_usage_difference(&after, &before);
    assert_true(d.live_blocks == 10 && d.live_bytes == 20 && d.held_bytes == 30 && d.peak_bytes == 40 && d.soft_limit == 55 &&
                d.hard_limit == 66 && d.refusals == 70 && d.grown == 80 && (int64_t)d.shrunk == -1);
}

static void ca9_the_process_counts_blocks_of_all_contexts(void **state) {
    (void)state;
    EACH_LIFETIME(l) {
        ctxalloc_context *context = CREATE(.lifetime = *l);
        uint64_t blocks = usage_of(CTXALLOC_GLOBAL).live_blocks, held = usage_of(CTXALLOC_GLOBAL).held_bytes - usage_of(context).held_bytes;
        for (int i = 0; i < 100; i++)
            assert_non_null(ctxalloc_malloc(context, 1000));
        assert_int_equal(usage_of(CTXALLOC_GLOBAL).live_blocks, blocks + 100);
        assert_int_equal(usage_of(CTXALLOC_GLOBAL).held_bytes, held + usage_of(context).held_bytes);
        assert_int_equal(ctxalloc_destroy(context), 0);
        assert_int_equal(usage_of(CTXALLOC_GLOBAL).live_blocks, blocks);
    }
}

static void ca10_what_is_pinned_to_global_outlives_the_context(void **state) {
    (void)state;
    EACH_LIFETIME(l) EACH_SIZE(s) {
        ctxalloc_context *context = CREATE(.lifetime = *l);
        (void)ctxalloc_switch(context);
        void *pinned = filled(ctxalloc_malloc(CTXALLOC_GLOBAL, *s), *s);
        char *text = ctxalloc_strdup(CTXALLOC_GLOBAL, "kept"), *zero = (char *)ctxalloc_calloc(CTXALLOC_GLOBAL, 3, 7);
        void *scoped;
        ctxalloc_context *before = ctxalloc_switch(CTXALLOC_GLOBAL); /* the same for code that only knows malloc */
        scoped = malloc(*s);
        (void)ctxalloc_switch(before);
        assert_ptr_equal(ctxalloc_current(), context);
        assert_int_equal(ctxalloc_destroy(context), 0);
        assert_ptr_equal(ctxalloc_current(), CTXALLOC_GLOBAL);
        assert_filled(pinned, *s, pinned);
        assert_string_equal(text, "kept");
        assert_true(is_zero(zero, 21));
        assert_ptr_equal(ctxalloc_owner(pinned), CTXALLOC_GLOBAL);
        assert_ptr_equal(ctxalloc_owner(scoped), CTXALLOC_GLOBAL);
        free(pinned);
        free(text);
        free(zero);
        free(scoped);
    }
}

static __thread char many[5000]; /* so that the threads' tables are not small */

static void *touches(void *argument) {
    many[4000] = 1;
    return argument;
}

/* Threads' tables, descriptions of libraries, thread-local variables, messages of dlerror: they outlive the context, whoever's call made them. */
static void n2_what_the_loader_makes_is_never_a_contexts(void **state) {
    (void)state;
    if (!CA_INTERPOSE)
        skip();
    EACH_LIFETIME(l) {
        ctxalloc_context *context = CREATE(.lifetime = *l, .escape = CTXALLOC_REFUSE);
        pthread_t threads[40];
        (void)ctxalloc_switch(context);
        for (size_t size = 16; size <= 1024; size += 16) { /* its fast paths have something to give */
            void *p[40];
            for (size_t i = 0; i < 40; i++)
                assert_non_null(p[i] = malloc(size));
            for (size_t i = 0; i < 40; i++)
                free(p[i]);
        }
        for (size_t i = 0; i < 40; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, touches, NULL), 0);
        void *library = dlopen("libresolv.so.2", RTLD_NOW | RTLD_LOCAL), *other = dlopen("libnss_compat.so.2", RTLD_NOW);
        assert_non_null(library);
        (void)ctxalloc_switch(CTXALLOC_GLOBAL);
        assert_int_equal(usage_of(context).live_blocks, 0);
        assert_int_equal(ctxalloc_destroy(context), 0);
        for (size_t i = 0; i < 40; i++)
            assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_non_null(dlsym(library, "ns_initparse"));
        assert_int_equal(dlclose(library), 0);
        assert_true(!other || dlclose(other) == 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(ca1_three_targets_with_one_call),
        TEST(ca2_global_needs_no_initialisation),
        TEST(ca3_switch_returns_what_was_current),
        TEST(ca4_a_threads_context_comes_and_goes_with_it),
        TEST(ca4_a_threads_context_is_not_destroyed_by_hand),
        TEST(ca5_the_target_is_saved_replaced_and_restored),
        TEST(ca7_free_and_realloc_find_the_owner),
        TEST(ca7_free_and_realloc_find_the_owner_from_other_threads),
        TEST(ca7_free_and_realloc_while_the_owner_is_current_elsewhere),
        TEST(ca8_measure_gives_the_change_of_a_callback),
        TEST(ca9_counters_are_exact),
        TEST(ca9_resizes_in_place_count_for_the_owner),
        TEST(ca9_usage_is_subtracted_field_by_field),
        TEST(ca9_the_process_counts_blocks_of_all_contexts),
        TEST(n2_what_the_loader_makes_is_never_a_contexts),
        TEST(ca10_what_is_pinned_to_global_outlives_the_context),
    };
    return cmocka_run_group_tests_name("targets", tests, NULL, NULL);
}
