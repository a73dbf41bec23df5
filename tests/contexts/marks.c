/* Savepoints: marks of short contexts, and the way back to them. Row N5. */
#include "tests/contexts/contexts.h"

static void n5_rollback_frees_what_came_after_the_mark(void **state) {
    (void)state;
    EACH_SIZE(before) EACH_SIZE(after) {
        ctxalloc_context *context = CREATE(.lifetime = CTXALLOC_SHORT);
        ctxalloc_mark_t mark;
        (void)ctxalloc_switch(context);
        void *kept = filled(malloc(*before), *before), *dropped[20];
        ctxalloc_usage_t u = usage_of(context);
        assert_int_equal(ctxalloc_mark(context, &mark), 0);
        for (int i = 0; i < 20; i++)
            dropped[i] = filled(malloc(*after), *after);
        assert_int_equal(usage_of(context).live_blocks, 21);
        assert_int_equal(ctxalloc_rollback(context, &mark), 0);
        assert_int_equal(usage_of(context).live_blocks, 1);
        assert_int_equal(usage_of(context).live_bytes, u.live_bytes);
        for (int i = 0; i < 20; i++)
            assert_int_not_equal(ctxalloc_inspect(hide_pointer(dropped[i]), NULL), CTXALLOC_LIVE);
        assert_filled(kept, *before, kept);
        assert_int_equal(malloc_usable_size(kept), u.live_bytes);
        /* What comes next takes the place of what went. */
        uint64_t held = usage_of(context).held_bytes;
        for (int i = 0; i < 20; i++)
            assert_non_null(malloc(*after));
        assert_int_equal(usage_of(context).held_bytes, held);
        (void)ctxalloc_switch(CTXALLOC_GLOBAL);
        assert_int_equal(ctxalloc_destroy(context), 0);
    }
}

static void n5_marks_nest(void **state) {
    (void)state;
    enum { DEPTH = 30 };
    ctxalloc_context *context = CREATE(.lifetime = CTXALLOC_SHORT);
    ctxalloc_mark_t mark[DEPTH];
    void *p[DEPTH];
    (void)ctxalloc_switch(context);
    for (size_t i = 0; i < DEPTH; i++) {
        assert_int_equal(ctxalloc_mark(context, &mark[i]), 0);
        p[i] = filled(malloc(i * 300 + 1), i * 300 + 1);
    }
    for (size_t i = DEPTH; i-- > 0;) {
        for (size_t j = 0; j <= i; j++)
            assert_filled(p[j], j * 300 + 1, p[j]);
        assert_int_equal(ctxalloc_rollback(context, &mark[i]), 0);
        assert_int_equal(usage_of(context).live_blocks, i);
        void *again = malloc(40); /* once more back to the same mark */
        assert_non_null(again);
        assert_int_equal(ctxalloc_rollback(context, &mark[i]), 0);
        assert_int_equal(usage_of(context).live_blocks, i);
    }
    (void)ctxalloc_switch(CTXALLOC_GLOBAL);
    assert_int_equal(ctxalloc_destroy(context), 0);
}

static void n5_frees_since_the_mark_stay_frees(void **state) {
    (void)state;
    ctxalloc_context *context = CREATE(.lifetime = CTXALLOC_SHORT);
    ctxalloc_mark_t mark;
    (void)ctxalloc_switch(context);
    void *a = malloc(100), *b = malloc(100);
    assert_int_equal(ctxalloc_mark(context, &mark), 0);
    void *c = malloc(100);
    in_thread(free_it, b);
    free(a);
    assert_non_null(c);
    assert_int_equal(usage_of(context).live_blocks, 1);
    assert_int_equal(ctxalloc_rollback(context, &mark), 0);
    assert_int_equal(usage_of(context).live_blocks, 0);
    assert_int_equal(ctxalloc_inspect(hide_pointer(a), NULL), CTXALLOC_DEAD);
    assert_int_equal(ctxalloc_inspect(hide_pointer(b), NULL), CTXALLOC_DEAD);
    (void)ctxalloc_switch(CTXALLOC_GLOBAL);
    assert_int_equal(ctxalloc_destroy(context), 0);
}

/* The last block before the mark is taken back, and its room used by what comes after the mark. */
static void n5_the_last_block_before_the_mark_may_go(void **state) {
    (void)state;
    ctxalloc_context *context = CREATE(.lifetime = CTXALLOC_SHORT);
    ctxalloc_mark_t mark;
    (void)ctxalloc_switch(context);
    void *a = malloc(400);
    assert_int_equal(ctxalloc_mark(context, &mark), 0);
    free(a);
    void *b = malloc(16), *c = malloc(16);
    assert_true(b && c);
    assert_int_equal(ctxalloc_rollback(context, &mark), 0);
    assert_int_equal(usage_of(context).live_blocks, 0);
    assert_int_not_equal(ctxalloc_inspect(hide_pointer(b), NULL), CTXALLOC_LIVE);
    assert_int_not_equal(ctxalloc_inspect(hide_pointer(c), NULL), CTXALLOC_LIVE);
    void *d = filled(malloc(300), 300), *e = filled(malloc(300), 300);
    assert_filled(d, 300, d);
    assert_filled(e, 300, e);
    assert_int_equal(usage_of(context).live_blocks, 2);
    (void)ctxalloc_switch(CTXALLOC_GLOBAL);
    assert_int_equal(ctxalloc_destroy(context), 0);
}

static void expect_void(ctxalloc_context *context, const ctxalloc_mark_t *mark) {
    ctxalloc_usage_t before = usage_of(context);
    assert_int_equal(ctxalloc_rollback(context, mark), EINVAL);
    ctxalloc_usage_t after = usage_of(context);
    assert_memory_equal(&after, &before, sizeof after);
}

static void n5_a_mark_is_void_after_a_reset(void **state) {
    (void)state;
    EACH_SIZE(s) {
        ctxalloc_context *context = CREATE(.lifetime = CTXALLOC_SHORT);
        ctxalloc_mark_t mark;
        assert_non_null(ctxalloc_malloc(context, *s));
        assert_int_equal(ctxalloc_mark(context, &mark), 0);
        assert_int_equal(ctxalloc_reset(context), 0);
        expect_void(context, &mark);
        void *p = filled(ctxalloc_malloc(context, *s), *s);
        expect_void(context, &mark);
        assert_filled(p, *s, p);
        assert_int_equal(ctxalloc_destroy(context), 0);
    }
}

static void n5_a_mark_is_void_after_an_older_rollback(void **state) {
    (void)state;
    EACH_SIZE(s) {
        ctxalloc_context *context = CREATE(.lifetime = CTXALLOC_SHORT);
        ctxalloc_mark_t older, younger;
        assert_int_equal(ctxalloc_mark(context, &older), 0);
        assert_non_null(ctxalloc_malloc(context, *s));
        assert_int_equal(ctxalloc_mark(context, &younger), 0);
        assert_int_equal(ctxalloc_rollback(context, &older), 0);
        expect_void(context, &younger);
        assert_non_null(ctxalloc_malloc(context, *s)); /* at the same place, in the same chunk */
        assert_non_null(ctxalloc_malloc(context, *s));
        expect_void(context, &younger);
        assert_int_equal(ctxalloc_rollback(context, &older), 0);
        assert_int_equal(usage_of(context).live_blocks, 0);
        assert_int_equal(ctxalloc_destroy(context), 0);
    }
}

static void n5_a_mark_is_of_one_context(void **state) {
    (void)state;
    EACH_SIZE(s) {
        ctxalloc_context *a = CREATE(.lifetime = CTXALLOC_SHORT), *b = CREATE(.lifetime = CTXALLOC_SHORT);
        ctxalloc_mark_t empty, mark;
        assert_int_equal(ctxalloc_mark(a, &empty), 0);
        assert_non_null(ctxalloc_malloc(a, *s));
        assert_int_equal(ctxalloc_mark(a, &mark), 0);
        assert_non_null(ctxalloc_malloc(b, *s));
        expect_void(b, &empty);
        expect_void(b, &mark);
        assert_int_equal(ctxalloc_destroy(a), 0);
        assert_int_equal(ctxalloc_destroy(b), 0);
        ctxalloc_context *next = CREATE(.lifetime = CTXALLOC_SHORT); /* b's or a's record, most likely */
        ctxalloc_context *another = CREATE(.lifetime = CTXALLOC_SHORT);
        expect_void(next, &mark);
        expect_void(another, &mark);
        assert_int_equal(ctxalloc_destroy(next), 0);
        assert_int_equal(ctxalloc_destroy(another), 0);
    }
    ctxalloc_context *longer = CREATE(.lifetime = CTXALLOC_LONG), *shorter = CREATE(.lifetime = CTXALLOC_SHORT);
    ctxalloc_mark_t mark;
    assert_int_equal(ctxalloc_mark(longer, &mark), EINVAL);
    assert_int_equal(ctxalloc_mark(CTXALLOC_GLOBAL, &mark), EINVAL);
    assert_int_equal(ctxalloc_mark(shorter, NULL), EINVAL);
    assert_int_equal(ctxalloc_rollback(shorter, NULL), EINVAL);
    assert_int_equal(ctxalloc_mark(shorter, &mark), 0);
    assert_int_equal(ctxalloc_rollback(longer, &mark), EINVAL);
    assert_int_equal(ctxalloc_destroy(longer), 0);
    assert_int_equal(ctxalloc_destroy(shorter), 0);
}

/* Random work and savepoints against a list of what must be live. */
static void n5_random_savepoints(void **state) {
    (void)state;
    enum { MOST = 3000, MARKS = 40 };
    static struct { void *p; size_t size; bool freed; } block[MOST];
    static struct { ctxalloc_mark_t mark; size_t count; } saved[MARKS];
    size_t count = 0, marks = 0, live = 0;
    uint64_t random = 99;
    ctxalloc_context *context = CREATE(.lifetime = CTXALLOC_SHORT);
    (void)ctxalloc_switch(context);
    for (int i = 0; i < 60000; i++) {
        uint64_t what = random_next(&random) % 100;
        if (what < 70 && count < MOST) {
            size_t size = random_size(&random, what < 69 ? 9 : 16) + 1;
            block[count].p = filled(what % 8 ? malloc(size) : memalign((size_t)16 << what % 7, size), size);
            block[count++].size = size;
            block[count - 1].freed = false;
            live++;
        } else if (what < 85 && count) {
            size_t at = what % 2 ? count - 1 : random_next(&random) % count;
            if (!block[at].freed) {
                assert_filled(block[at].p, block[at].size, block[at].p);
                free(block[at].p);
                block[at].freed = true;
                live--;
            }
        } else if (what < 92 && marks < MARKS) {
            assert_int_equal(ctxalloc_mark(context, &saved[marks].mark), 0);
            saved[marks++].count = count;
        } else if (what < 99 && marks) {
            marks -= 1 + random_next(&random) % (marks < 3 ? marks : 3);
            assert_int_equal(ctxalloc_rollback(context, &saved[marks].mark), 0);
            for (; count > saved[marks].count; count--)
                live -= !block[count - 1].freed;
        } else if (what == 99 && i % 50 == 0) {
            assert_int_equal(ctxalloc_reset(context), 0);
            count = marks = live = 0;
        }
        assert_int_equal(usage_of(context).live_blocks, live);
        if (i % 64 == 0)
            for (size_t j = 0; j < count; j++)
                if (!block[j].freed) {
                    assert_filled(block[j].p, block[j].size, block[j].p);
                    assert_int_equal(ctxalloc_inspect(block[j].p, NULL), CTXALLOC_LIVE);
                }
    }
    (void)ctxalloc_switch(CTXALLOC_GLOBAL);
    assert_int_equal(ctxalloc_destroy(context), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(n5_rollback_frees_what_came_after_the_mark),
        TEST(n5_marks_nest),
        TEST(n5_frees_since_the_mark_stay_frees),
        TEST(n5_the_last_block_before_the_mark_may_go),
        TEST(n5_a_mark_is_void_after_a_reset),
        TEST(n5_a_mark_is_void_after_an_older_rollback),
        TEST(n5_a_mark_is_of_one_context),
        TEST(n5_random_savepoints),
    };
    return cmocka_run_group_tests_name("marks", tests, NULL, NULL);
}
