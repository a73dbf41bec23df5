/* Quotas: hard and soft limits, counted in bytes of the source, nested through parents. Row N3. */
#include "tests/contexts/contexts.h"

/* Allocates `size` bytes until there are no more; returns how many. */
static size_t allocate_all(ctxalloc_context *context, size_t size, void **keep, size_t most) {
    size_t count = 0;
    uint64_t hard = usage_of(context).hard_limit;
    void *p;
    (void)ctxalloc_switch(context);
    errno = 0;
    while (count < most && (p = malloc(size)) != NULL) {
        keep[count++] = p;
        if (count % 64 == 0 && hard && usage_of(context).held_bytes > hard)
            break;
    }
    (void)ctxalloc_switch(CTXALLOC_GLOBAL);
    return count;
}

enum { MOST = 100000 };
static void *kept[MOST];

static void n3_a_hard_limit_is_kept_to_the_byte(void **state) {
    (void)state;
    EACH_LIFETIME(l) {
        static const size_t sizes[] = {16, 100, 1500, 40000, 3 << 20};
        for (size_t i = 0; i < ARRAY_LENGTH(sizes); i++) {
            ctxalloc_context *context = CREATE(.lifetime = *l, .hard_limit = 8 * MIB + 64 * KIB);
            size_t count = allocate_all(context, sizes[i] * 9, kept, MOST);
            ctxalloc_usage_t u = usage_of(context);
            assert_int_equal(errno, ENOMEM);
            assert_true(count < MOST && u.held_bytes <= u.hard_limit && u.peak_bytes <= u.hard_limit);
            assert_int_equal(u.live_blocks, count);
            if (sizes[i] <= 40000) /* what is left is less than the next block, or extent, would take */
                assert_true(u.hard_limit - u.held_bytes < 1 * MIB && u.live_bytes > 6 * MIB);
            assert_int_equal(u.refusals, 1);
            assert_int_equal(ctxalloc_destroy(context), 0);
        }
    }
}

static void n3_a_refused_request_changes_nothing(void **state) {
    (void)state;
    EACH_LIFETIME(l) {
        ctxalloc_context *context = CREATE(.lifetime = *l, .hard_limit = 4 * MIB);
        void *p = filled(ctxalloc_malloc(context, 2 * MIB), 2 * MIB);
        ctxalloc_usage_t before = usage_of(context);
        (void)ctxalloc_switch(context);
        for (int i = 1; i <= 10; i++) {
            void *(*const ways[])(size_t) = {by_malloc, by_calloc_one, by_memalign, by_valloc};
            for (size_t w = 0; w < ARRAY_LENGTH(ways); w++) {
                errno = 0;
                assert_null(ways[w](3 * MIB));
                assert_int_equal(errno, ENOMEM);
            }
            assert_null(realloc(p, 64 * MIB));
            assert_filled(p, 2 * MIB, p);
            assert_int_equal(usage_of(context).refusals, before.refusals + (uint64_t)i * 5);
        }
        (void)ctxalloc_switch(CTXALLOC_GLOBAL);
        assert_null(ctxalloc_malloc(context, 3 * MIB));
        assert_null(ctxalloc_strdup(CTXALLOC_GLOBAL, "") == NULL ? p : NULL); /* others are served */
        ctxalloc_usage_t after = usage_of(context);
        assert_true(after.held_bytes == before.held_bytes && after.peak_bytes == before.peak_bytes && after.live_bytes == before.live_bytes);
        assert_int_equal(ctxalloc_destroy(context), 0);
    }
}

/* Huge blocks are runs of the source's own: their bytes are known. */
static void n3_bytes_are_counted_exactly(void **state) {
    (void)state;
    EACH_LIFETIME(l) {
        ctxalloc_context *context = CREATE(.lifetime = *l);
        uint64_t before = usage_of(context).held_bytes, held = before, process = usage_of(CTXALLOC_GLOBAL).held_bytes;
        void *p[10];
        for (size_t i = 0; i < 10; i++) {
            size_t size = 2 * MIB + i * 100 * KIB + 1;
            p[i] = ctxalloc_malloc(context, size);
            assert_non_null(p[i]);
            held += *l == CTXALLOC_SHORT ? (size + 4095) / 4096 * 4096 : (size + 16383) / 16384 * 16384; /* pages; chunks of the region */
            assert_int_equal(usage_of(context).held_bytes, held);
            assert_int_equal(usage_of(CTXALLOC_GLOBAL).held_bytes - process, held - before);
        }
        assert_int_equal(usage_of(context).peak_bytes, held);
        if (*l == CTXALLOC_LONG) {
            for (size_t i = 0; i < 10; i++)
                free(p[i]);
            assert_int_equal(usage_of(context).held_bytes, before);
            assert_int_equal(usage_of(context).peak_bytes, held);
        }
        assert_int_equal(ctxalloc_reset(context), 0);
        assert_int_equal(usage_of(context).live_blocks, 0);
        assert_int_equal(ctxalloc_destroy(context), 0);
        assert_true(usage_of(CTXALLOC_GLOBAL).held_bytes <= process + 64 * KIB);
    }
}

static void n3_limits_nest(void **state) {
    (void)state;
    EACH_LIFETIME(l) {
        ctxalloc_context *top = CREATE(.lifetime = *l, .hard_limit = 16 * MIB), *middle = CREATE(.lifetime = *l, .parent = top);
        ctxalloc_context *a = CREATE(.lifetime = *l, .parent = middle), *b = CREATE(.lifetime = *l, .parent = middle, .hard_limit = 4 * MIB);
        uint64_t own = usage_of(middle).held_bytes - usage_of(a).held_bytes - usage_of(b).held_bytes; /* from its last life */
        uint64_t own_of_top = usage_of(top).held_bytes - usage_of(middle).held_bytes;
        void *p = ctxalloc_malloc(a, 9 * MIB);
        assert_non_null(p);
        assert_null(ctxalloc_malloc(b, 5 * MIB)); /* its own limit */
        assert_int_equal(usage_of(b).refusals, 1);
        assert_int_equal(usage_of(top).refusals, 0);
        assert_non_null(ctxalloc_malloc(b, 3 * MIB));
        assert_null(ctxalloc_malloc(a, 9 * MIB)); /* top's */
        assert_null(ctxalloc_malloc(middle, 9 * MIB));
        assert_int_equal(usage_of(top).refusals, 2);
        assert_int_equal(usage_of(a).refusals, 0); /* not its limit */
        assert_int_equal(usage_of(top).held_bytes, usage_of(middle).held_bytes + own_of_top);
        assert_int_equal(usage_of(middle).held_bytes, usage_of(a).held_bytes + usage_of(b).held_bytes + own);
        assert_true(usage_of(top).peak_bytes <= 16 * MIB && usage_of(a).peak_bytes <= 16 * MIB);
        assert_true(usage_of(a).live_blocks == 1 && usage_of(top).live_blocks == 0);
        assert_int_equal(ctxalloc_destroy(a), 0);
        assert_int_equal(usage_of(top).held_bytes, usage_of(b).held_bytes + own + own_of_top); /* it left nothing */
        assert_non_null(ctxalloc_malloc(middle, 9 * MIB));
        assert_int_equal(ctxalloc_destroy(top), 0);
    }
}

/* However children come and go, the sums are right: their parents' and the process's. */
static void n3_accounts_do_not_drift(void **state) {
    (void)state;
    uint64_t random = 5;
    ctxalloc_context *top = CREATE(.name = "top"), *child[20] = {NULL};
    for (int i = 0; i < 20000; i++) {
        size_t at = random_next(&random) % 20;
        if (child[at] && random_next(&random) % 3 == 0) {
            assert_int_equal(ctxalloc_destroy(child[at]), 0);
            child[at] = NULL;
        } else if (!child[at]) {
            child[at] = CREATE(.parent = top, .lifetime = lifetimes[random_next(&random) % 3], .hard_limit = random_next(&random) % 2 * 300 * KIB);
            assert_non_null(child[at]);
        } else {
            (void)ctxalloc_malloc(child[at], random_size(&random, 19));
        }
        if (i % 100 == 0) {
            uint64_t sum = 0;
            for (size_t j = 0; j < 20; j++)
                sum += child[j] ? usage_of(child[j]).held_bytes : 0;
            assert_int_equal(usage_of(top).held_bytes, sum);
        }
    }
    assert_int_equal(ctxalloc_destroy(top), 0);
}

static void n3_a_tight_process_limit_does_not_make_accounts_drift(void **state) {
    (void)state;
    ctxalloc_context *top = CREATE(.name = "top");
    uint64_t own = usage_of(top).held_bytes; /* from its last life */
    for (int i = 0; i < 10; i++) {
        ctxalloc_context *c = CREATE(.parent = top);
        assert_non_null(ctxalloc_malloc(c, 100));
        uint64_t held = usage_of(CTXALLOC_GLOBAL).held_bytes;
        assert_int_equal(ctxalloc_set_limits(CTXALLOC_GLOBAL, 0, held), 0);
        int result = ctxalloc_destroy(c);
        uint64_t after = usage_of(CTXALLOC_GLOBAL).held_bytes;
        assert_int_equal(ctxalloc_set_limits(CTXALLOC_GLOBAL, 0, 0), 0);
        assert_int_equal(result, 0);
        assert_true(after == held || after == held - 64 * KIB); /* kept, or given back; the region says which */
        assert_int_equal(usage_of(top).held_bytes, own);
    }
    assert_int_equal(ctxalloc_destroy(top), 0);
    void *p = malloc(32 * MIB), *q; /* huge: both sides of the account are known */
    uint64_t held = usage_of(CTXALLOC_GLOBAL).held_bytes;
    assert_non_null(q = malloc(32 * MIB));
    assert_int_equal(usage_of(CTXALLOC_GLOBAL).held_bytes, held + 32 * MIB);
    free(p);
    free(q);
    assert_int_equal(usage_of(CTXALLOC_GLOBAL).held_bytes, held - 32 * MIB);
}

/* --- soft --------------------------------------------------------------------------------------------------------------- */

struct pressure {
    int calls;
    size_t used;
    ctxalloc_context *context;
    void *cached; /* freed when called */
    pthread_t by;
};

static void pressed(ctxalloc_context *context, size_t used, void *arg) {
    struct pressure *p = (struct pressure *)arg;
    p->calls++;
    p->used = used;
    p->context = context;
    p->by = pthread_self();
    free(p->cached);
    p->cached = NULL;
}

static void n3_a_soft_limit_tells_once_for_each_crossing(void **state) {
    (void)state;
    struct pressure seen = {0};
    ctxalloc_context *context = CREATE(.soft_limit = 8 * MIB, .on_pressure = pressed, .arg = &seen);
    (void)ctxalloc_switch(context);
    for (int crossing = 1; crossing <= 5; crossing++) {
        void *a = malloc(5 * MIB);
        assert_int_equal(seen.calls, crossing - 1);
        void *b = malloc(5 * MIB);
        assert_int_equal(seen.calls, crossing);
        assert_true(seen.context == context && seen.used > 8 * MIB && pthread_equal(seen.by, pthread_self()));
        void *c = malloc(5 * MIB); /* still over it */
        assert_true(a && b && c);
        assert_int_equal(seen.calls, crossing);
        free(a);
        free(b);
        free(c);
    }
    void *p = malloc(4 * MIB);
    p = realloc(p, 20 * MIB); /* resizing crosses it, too */
    assert_int_equal(seen.calls, 6);
    free(p);
    p = calloc(1, 20 * MIB);
    assert_int_equal(seen.calls, 7);
    free(p);
    p = memalign(4096, 20 * MIB);
    assert_int_equal(seen.calls, 8);
    (void)ctxalloc_switch(CTXALLOC_GLOBAL);
    assert_int_equal(ctxalloc_reset(context), 0);
    p = ctxalloc_malloc(context, 20 * MIB); /* not current */
    assert_int_equal(seen.calls, 9);
    assert_int_equal(ctxalloc_destroy(context), 0);
}

static void n3_small_blocks_cross_a_soft_limit_once(void **state) {
    (void)state;
    EACH_LIFETIME(l) {
        struct pressure seen = {0};
        ctxalloc_context *context = CREATE(.lifetime = *l, .soft_limit = 2 * MIB, .on_pressure = pressed, .arg = &seen);
        (void)ctxalloc_switch(context);
        for (int i = 0; i < 50000; i++) {
            assert_non_null(malloc(100));
            if (i % 64 == 0)
                assert_int_equal(seen.calls, usage_of(context).held_bytes > 2 * MIB);
        }
        (void)ctxalloc_switch(CTXALLOC_GLOBAL);
        assert_int_equal(seen.calls, 1);
        assert_int_equal(ctxalloc_destroy(context), 0);
    }
}

static void n3_pressure_may_free_and_the_request_goes_on(void **state) {
    (void)state;
    struct pressure seen = {0};
    ctxalloc_context *context = CREATE(.soft_limit = 8 * MIB, .hard_limit = 12 * MIB, .on_pressure = pressed, .arg = &seen);
    (void)ctxalloc_switch(context);
    seen.cached = malloc(6 * MIB);
    assert_non_null(malloc(5 * MIB)); /* over the soft limit: the cache is dropped */
    assert_int_equal(seen.calls, 1);
    assert_null(seen.cached);
    assert_non_null(malloc(6 * MIB));
    (void)ctxalloc_switch(CTXALLOC_GLOBAL);
    assert_int_equal(ctxalloc_destroy(context), 0);
}

static void n3_pressure_on_a_parent_is_told_to_the_parent(void **state) {
    (void)state;
    struct pressure seen = {0}, unseen = {0};
    ctxalloc_context *parent = CREATE(.soft_limit = 8 * MIB, .on_pressure = pressed, .arg = &seen);
    ctxalloc_context *child = CREATE(.parent = parent, .soft_limit = 80 * MIB, .on_pressure = pressed, .arg = &unseen);
    (void)ctxalloc_switch(child);
    assert_non_null(malloc(9 * MIB));
    (void)ctxalloc_switch(CTXALLOC_GLOBAL);
    assert_true(seen.calls == 1 && seen.context == parent && seen.used > 8 * MIB && unseen.calls == 0);
    assert_int_equal(ctxalloc_destroy(parent), 0);
}

/* --- changes, and memory that is there but cached ------------------------------------------------------------------------ */

static void n3_limits_can_be_changed(void **state) {
    (void)state;
    ctxalloc_context *context = CREATE(.hard_limit = 4 * MIB);
    void *p = ctxalloc_malloc(context, 3 * MIB);
    assert_non_null(p);
    assert_int_equal(ctxalloc_set_limits(context, 0, 1 * MIB), 0); /* below what is held: that stays */
    assert_int_equal(ctxalloc_inspect(p, NULL), CTXALLOC_LIVE);
    assert_null(ctxalloc_malloc(context, 3 * MIB));
    assert_int_equal(ctxalloc_set_limits(context, 3 * MIB, 64 * MIB), 0);
    assert_non_null(ctxalloc_malloc(context, 40 * MIB));
    assert_true(usage_of(context).soft_limit == 3 * MIB && usage_of(context).hard_limit == 64 * MIB);
    assert_int_equal(ctxalloc_set_limits(context, 0, 0), 0);
    assert_non_null(ctxalloc_malloc(context, 100 * MIB));
    assert_int_equal(ctxalloc_set_limits(context, 2, 1), EINVAL);
    assert_int_equal(ctxalloc_set_limits(NULL, 0, 0), EINVAL);
    assert_int_equal(ctxalloc_destroy(context), 0);
    assert_int_equal(ctxalloc_set_limits(context, 0, 0), EINVAL);
}

/* What is free in caches is given back before a request is refused. */
static void n3_freed_blocks_make_room(void **state) {
    (void)state;
    static const size_t sizes[] = {16, 100, 1000, 10000, 40000};
    for (size_t i = 0; i < ARRAY_LENGTH(sizes); i++) {
        ctxalloc_context *context = CREATE(.hard_limit = 8 * MIB);
        size_t count = allocate_all(context, sizes[i], kept, MOST);
        (void)ctxalloc_switch(context);
        for (size_t j = 0; j < count; j++)
            free(kept[j]);
        assert_int_equal(usage_of(context).live_blocks, 0);
        assert_non_null(malloc(7 * MIB));
        (void)ctxalloc_switch(CTXALLOC_GLOBAL);
        assert_int_equal(ctxalloc_destroy(context), 0);
    }
}

static void n3_blocks_freed_by_other_threads_make_room(void **state) {
    (void)state;
    static const size_t sizes[] = {100, 40000, 3 << 20};
    for (size_t i = 0; i < ARRAY_LENGTH(sizes); i++) {
        ctxalloc_context *context = CREATE(.hard_limit = 8 * MIB);
        size_t count = allocate_all(context, sizes[i], kept, MOST);
        for (size_t j = 0; j < count; j++)
            if (j % 1000 == 0)
                in_thread(free_it, kept[j]);
            else
                free(kept[j]);
        assert_int_equal(allocate_all(context, sizes[i], kept, count / 10 * 9 + 1), count / 10 * 9 + 1);
        assert_int_equal(ctxalloc_destroy(context), 0);
    }
}

static void n3_what_a_context_keeps_does_not_count_against_the_next(void **state) {
    (void)state;
    EACH_LIFETIME(l) for (int i = 0; i < 100; i++) {
        ctxalloc_context *big = CREATE(.lifetime = *l, .hard_limit = 16 * MIB);
        assert_non_null(ctxalloc_malloc(big, 60000));
        assert_int_equal(ctxalloc_destroy(big), 0);
        ctxalloc_context *small = CREATE(.lifetime = *l, .hard_limit = 4096); /* the same record, most likely */
        assert_true(usage_of(small).held_bytes <= 4096 && usage_of(small).peak_bytes <= 4096);
        assert_null(ctxalloc_malloc(small, 8192));
        assert_int_equal(ctxalloc_destroy(small), 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(n3_a_hard_limit_is_kept_to_the_byte),
        TEST(n3_a_refused_request_changes_nothing),
        TEST(n3_bytes_are_counted_exactly),
        TEST(n3_limits_nest),
        TEST(n3_accounts_do_not_drift),
        TEST(n3_a_tight_process_limit_does_not_make_accounts_drift),
        TEST(n3_a_soft_limit_tells_once_for_each_crossing),
        TEST(n3_small_blocks_cross_a_soft_limit_once),
        TEST(n3_pressure_may_free_and_the_request_goes_on),
        TEST(n3_pressure_on_a_parent_is_told_to_the_parent),
        TEST(n3_limits_can_be_changed),
        TEST(n3_freed_blocks_make_room),
        TEST(n3_blocks_freed_by_other_threads_make_room),
        TEST(n3_what_a_context_keeps_does_not_count_against_the_next),
    };
    return cmocka_run_group_tests_name("limits", tests, NULL, NULL);
}
