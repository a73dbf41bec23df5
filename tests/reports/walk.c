/* Walking live blocks: every block that lives is shown once, with its size and owner, whatever lifetime its context has; nothing else is.
 *
 * With check=off the process as a whole cannot be walked, and says so; contexts can. walk.sh runs this program that way, too. */
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "tests/contexts/contexts.h"

enum { BLOCKS = 400 };

static bool checks; /* not check=off */

typedef struct expected {
    void *p;
    size_t size; /* asked for */
    unsigned seen;
} expected;

typedef struct visit {
    expected *blocks;
    size_t count, others, bytes;
    ctxalloc_context *owner; /* of all that is seen; NULL: not asked */
    size_t stop_after;       /* 0: never */
} visit;

static bool look(const void *p, size_t size, ctxalloc_context *owner, void *argument) {
    visit *v = argument;
    size_t i = 0;
    while (i < v->count && v->blocks[i].p != p)
        i++;
    if (i < v->count) {
        v->blocks[i].seen++;
        if (size < v->blocks[i].size)
            fail_msg("%p: %zu bytes, but %zu were asked for", p, size, v->blocks[i].size);
        if (v->owner)
            assert_ptr_equal(owner, v->owner);
    } else {
        v->others++;
    }
    v->bytes += size;
    return v->stop_after == 0 || --v->stop_after != 0;
}

static size_t some_size(size_t i) { return i % 40 == 0 ? 40000 + i * 97 : i % 97 == 0 ? (size_t)3 << 20 : i % 7 == 0 ? 1500 + i * 13 : 1 + i % 300; }

/* Allocates from what is current; every third is freed again, and not expected. */
static visit fill(expected *blocks) {
    void *dead[BLOCKS];
    visit v = {.blocks = blocks};
    size_t deads = 0;
    for (size_t i = 0; i < BLOCKS; i++) {
        void *p = i % 31 == 5 ? aligned_alloc(256, some_size(i)) : malloc(some_size(i));
        assert_non_null(p);
        if (i % 3 == 1)
            dead[deads++] = p;
        else
            blocks[v.count++] = (expected){p, some_size(i), 0};
    }
    for (size_t i = 0; i < deads; i++)
        free(dead[i]);
    return v;
}

static void assert_each_once(const visit *v, size_t others) {
    for (size_t i = 0; i < v->count; i++)
        if (v->blocks[i].seen != 1)
            fail_msg("block %zu of %zu bytes was seen %u times", i, v->blocks[i].size, v->blocks[i].seen);
    assert_int_equal(v->others, others);
}

static void empty(const visit *v) {
    for (size_t i = 0; i < v->count; i++)
        free(v->blocks[i].p);
}

/* Exactly the context's blocks, and their bytes are those of ctxalloc_usage. */
static void walk_shows_the_blocks_of_a_context(void **state) {
    (void)state;
    EACH_LIFETIME(l) {
        static expected blocks[BLOCKS];
        ctxalloc_context *c = CREATE(.name = "walked", .lifetime = *l);
        ctxalloc_context *other = CREATE(.name = "other", .lifetime = *l);
        assert_non_null(ctxalloc_malloc(other, 100));
        assert_ptr_equal(ctxalloc_switch(c), CTXALLOC_GLOBAL);
        visit v = fill(blocks);
        v.owner = c;
        assert_ptr_equal(ctxalloc_switch(CTXALLOC_GLOBAL), c);
        assert_int_equal(ctxalloc_walk(c, look, &v), 0);
        assert_each_once(&v, 0);
        ctxalloc_usage_t u = usage_of(c);
        assert_int_equal(u.live_blocks, v.count);
        assert_int_equal(u.live_bytes, v.bytes);
        assert_int_equal(ctxalloc_reset(c), 0);
        visit none = {.owner = c};
        assert_int_equal(ctxalloc_walk(c, look, &none), 0);
        assert_int_equal(none.others, 0);
        assert_int_equal(ctxalloc_destroy(c), 0);
        assert_int_equal(ctxalloc_destroy(other), 0);
    }
}

/* While it is current, too; and those of the part that serves other threads. */
static void walk_shows_a_context_that_is_current(void **state) {
    (void)state;
    EACH_LIFETIME(l) {
        ctxalloc_context *c = CREATE(.lifetime = *l);
        assert_non_null(ctxalloc_switch(c));
        expected blocks[2] = {{malloc(100), 100, 0}, {malloc(5000), 5000, 0}};
        visit v = {.blocks = blocks, .count = 2, .owner = c};
        assert_int_equal(ctxalloc_walk(c, look, &v), 0);
        assert_each_once(&v, 0);
        assert_ptr_equal(ctxalloc_current(), c);
        assert_ptr_equal(ctxalloc_owner(malloc(10)), c);
        assert_ptr_equal(ctxalloc_switch(CTXALLOC_GLOBAL), c);
        void *beside = ctxalloc_malloc(c, 333); /* it was switched to: from the annex */
        expected all[3] = {{blocks[0].p, 100, 0}, {blocks[1].p, 5000, 0}, {beside, 333, 0}};
        visit w = {.blocks = all, .count = 3, .owner = c};
        assert_int_equal(ctxalloc_walk(c, look, &w), 0);
        assert_each_once(&w, 1);
        assert_int_equal(ctxalloc_destroy(c), 0);
    }
}

static void walk_shows_adopted_blocks_as_the_heirs(void **state) {
    (void)state;
    EACH_LIFETIME(l) {
        ctxalloc_context *parent = CREATE(.name = "heir");
        ctxalloc_context *child = CREATE(.name = "left", .lifetime = *l, .parent = parent, .escape = CTXALLOC_ADOPT);
        expected blocks[3] = {{ctxalloc_malloc(child, 100), 100, 0}, {ctxalloc_malloc(child, 70000), 70000, 0}, {ctxalloc_malloc(parent, 10), 10, 0}};
        visit before = {.blocks = &blocks[2], .count = 1, .owner = parent};
        assert_int_equal(ctxalloc_walk(parent, look, &before), 0); /* a child's are its own */
        assert_each_once(&before, 0);
        blocks[2].seen = 0;
        assert_int_equal(ctxalloc_destroy(child), 0);
        visit v = {.blocks = blocks, .count = 3, .owner = parent};
        assert_int_equal(ctxalloc_walk(parent, look, &v), 0);
        assert_each_once(&v, 0);
        assert_int_equal(ctxalloc_destroy(parent), 0);
    }
}

/* The whole process: this test's blocks among others, each with its owner. */
static void walk_of_global_shows_everything_with_its_owner(void **state) {
    (void)state;
    visit none = {.count = 0};
    if (!checks) {
        assert_int_equal(ctxalloc_walk(CTXALLOC_GLOBAL, look, &none), ENOTSUP);
        assert_int_equal(none.others, 0);
        return;
    }
    static expected blocks[ARRAY_LENGTH(lifetimes) + 1][BLOCKS];
    visit v[ARRAY_LENGTH(lifetimes) + 1];
    ctxalloc_context *c[ARRAY_LENGTH(lifetimes)];
    size_t bytes = 0;
    for (size_t i = 0; i < ARRAY_LENGTH(lifetimes); i++) {
        c[i] = CREATE(.lifetime = lifetimes[i]);
        assert_non_null(ctxalloc_switch(c[i]));
        v[i] = fill(blocks[i]);
        v[i].owner = c[i];
    }
    assert_non_null(ctxalloc_switch(CTXALLOC_GLOBAL));
    v[ARRAY_LENGTH(lifetimes)] = fill(blocks[ARRAY_LENGTH(lifetimes)]);
    v[ARRAY_LENGTH(lifetimes)].owner = CTXALLOC_GLOBAL;
    for (size_t i = 0; i <= ARRAY_LENGTH(lifetimes); i++) {
        assert_int_equal(ctxalloc_walk(CTXALLOC_GLOBAL, look, &v[i]), 0);
        for (size_t k = 0; k < v[i].count; k++)
            assert_int_equal(v[i].blocks[k].seen, 1);
        if (i > 0)
            assert_int_equal(v[i].bytes, bytes); /* the same every time: all of the process */
        bytes = v[i].bytes;
    }
    ctxalloc_usage_t u = usage_of(CTXALLOC_GLOBAL);
    assert_int_equal(u.live_bytes, bytes);
    assert_int_equal(u.live_blocks, v[0].count + v[0].others);
    empty(&v[ARRAY_LENGTH(lifetimes)]);
    for (size_t i = 0; i < ARRAY_LENGTH(lifetimes); i++)
        assert_int_equal(ctxalloc_destroy(c[i]), 0);
}

static void walk_ends_when_it_is_told_to(void **state) {
    (void)state;
    EACH_LIFETIME(l) {
        static expected blocks[BLOCKS];
        ctxalloc_context *c = CREATE(.lifetime = *l);
        assert_non_null(ctxalloc_switch(c));
        visit v = fill(blocks);
        assert_non_null(ctxalloc_switch(CTXALLOC_GLOBAL));
        v.stop_after = 7;
        assert_int_equal(ctxalloc_walk(c, look, &v), 0);
        size_t seen = v.others;
        for (size_t i = 0; i < v.count; i++)
            seen += v.blocks[i].seen;
        assert_int_equal(seen, 7);
        assert_int_equal(ctxalloc_destroy(c), 0);
    }
}

static bool free_and_allocate(const void *p, size_t size, ctxalloc_context *owner, void *argument) {
    (void)size;
    free((void *)(uintptr_t)p);
    free(malloc(64));
    assert_ptr_equal(owner, *(ctxalloc_context **)argument);
    ((size_t *)argument)[1]++;
    return true;
}

static void the_visitor_may_free_what_it_is_shown(void **state) {
    (void)state;
    EACH_LIFETIME(l) {
        static expected blocks[BLOCKS];
        ctxalloc_context *c = CREATE(.lifetime = *l);
        assert_non_null(ctxalloc_switch(c));
        visit v = fill(blocks);
        assert_non_null(ctxalloc_switch(CTXALLOC_GLOBAL));
        struct {
            ctxalloc_context *owner;
            size_t count;
        } seen = {c, 0};
        assert_int_equal(ctxalloc_walk(c, free_and_allocate, &seen), 0);
        assert_int_equal(seen.count, v.count);
        assert_non_null(ctxalloc_switch(c)); /* who has it takes in what others freed */
        assert_int_equal(usage_of(c).live_blocks, 0);
        assert_non_null(ctxalloc_switch(CTXALLOC_GLOBAL));
        assert_int_equal(ctxalloc_destroy(c), 0);
    }
}

static void wrong_arguments_are_named(void **state) {
    (void)state;
    visit none = {.count = 0};
    ctxalloc_context *c = CREATE(.name = "gone");
    assert_int_equal(ctxalloc_walk(NULL, look, &none), EINVAL);
    assert_int_equal(ctxalloc_walk(c, NULL, &none), EINVAL);
    assert_int_equal(ctxalloc_destroy(c), 0);
    assert_int_equal(ctxalloc_walk(c, look, &none), EINVAL);
    assert_int_equal(ctxalloc_walk(CTXALLOC_THREAD, look, &none), 0);
    assert_int_equal(none.others, 0);
}

/* --- beside threads that allocate ------------------------------------------------------------------------------------ */

enum { THREADS = 4, KEPT = 64 };

struct worker {
    pthread_t thread;
    ctxalloc_context *context; /* NULL: global */
    expected kept[KEPT];
    bool *end;
};

/* Blocks come and go in its context, and contexts too. */
static void *work(void *argument) {
    struct worker *w = (struct worker *)argument;
    void *moving[100] = {NULL};
    uint64_t random = (uintptr_t)w;
    while (!__atomic_load_n(w->end, __ATOMIC_ACQUIRE)) {
        ctxalloc_context *c = CREATE(.lifetime = lifetimes[random / 7 % ARRAY_LENGTH(lifetimes)]);
        ctxalloc_mark_t mark;
        assert_non_null(ctxalloc_switch(w->context ? w->context : CTXALLOC_GLOBAL));
        bool short_lived = w->context && ctxalloc_mark(w->context, &mark) == 0;
        for (int i = 0; i < 500; i++) {
            random = random * 6364136223846793005ULL + 1442695040888963407ULL;
            size_t k = random >> 33 & 63;
            free(moving[k]);
            moving[k] = malloc(some_size(random >> 40 & 1023) % 100000);
            if (i % 8 == 0)
                assert_non_null(ctxalloc_malloc(c, 1 + (random >> 50)));
        }
        assert_int_equal(ctxalloc_destroy(c), 0);
        for (size_t k = 0; k < ARRAY_LENGTH(moving) && short_lived; k++)
            moving[k] = NULL;
        if (short_lived) /* nothing else ends what it takes */
            assert_int_equal(ctxalloc_rollback(w->context, &mark), 0);
    }
    for (size_t k = 0; k < ARRAY_LENGTH(moving); k++)
        free(moving[k]);
    assert_non_null(ctxalloc_switch(CTXALLOC_GLOBAL));
    return NULL;
}

static bool look_at_kept(const void *p, size_t size, ctxalloc_context *owner, void *argument) {
    struct worker *workers = (struct worker *)argument;
    (void)owner;
    for (struct worker *w = workers; w < workers + THREADS; w++)
        for (size_t i = 0; i < KEPT; i++)
            if (w->kept[i].p == p) {
                w->kept[i].seen++;
                assert_true(size >= w->kept[i].size);
            }
    return true;
}

static bool look_at_nothing(const void *p, size_t size, ctxalloc_context *owner, void *argument) {
    (void)p, (void)size, (void)owner, (void)argument;
    return true;
}

/* Four threads allocate, free, create and destroy meanwhile: what stays is seen once each time, and nothing breaks. */
static void walk_beside_running_threads(void **state) {
    (void)state;
    static struct worker workers[THREADS];
    bool end = false;
    if (!checks)
        return; /* the process cannot be walked then */
    for (size_t i = 0; i < THREADS; i++) {
        struct worker *w = &workers[i];
        w->end = &end;
        w->context = i == 0 ? NULL : CREATE(.lifetime = lifetimes[(i - 1) % ARRAY_LENGTH(lifetimes)]);
        for (size_t k = 0; k < KEPT; k++)
            w->kept[k] = (expected){ctxalloc_malloc(w->context ? w->context : CTXALLOC_GLOBAL, some_size(k)), some_size(k), 0};
        assert_int_equal(pthread_create(&w->thread, NULL, work, w), 0);
    }
    int nothing = open("/dev/null", O_WRONLY | O_CLOEXEC);
    time_t from = time(NULL), seconds = getenv("CTXALLOC_TEST_LONG") ? 60 : 2;
    for (int round = 1; time(NULL) < from + seconds; round++) {
        assert_int_equal(ctxalloc_walk(CTXALLOC_GLOBAL, look_at_kept, workers), 0);
        for (size_t i = 0; i < THREADS; i++)
            for (size_t k = 0; k < KEPT; k++)
                if (workers[i].kept[k].seen != (unsigned)round)
                    fail_msg("thread %zu, block %zu of %zu bytes: seen %u times in %d rounds", i, k, workers[i].kept[k].size, workers[i].kept[k].seen, round);
        for (size_t i = 1; i < THREADS; i++)
            assert_int_equal(ctxalloc_walk(workers[i].context, look_at_nothing, NULL), 0);
        assert_int_equal(ctxalloc_stats(nothing, CTXALLOC_JSON), 0);
        assert_true(mallinfo2().arena > 0);
    }
    close(nothing);
    __atomic_store_n(&end, true, __ATOMIC_RELEASE);
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
        for (size_t k = 0; k < KEPT; k++)
            free(workers[i].kept[k].p);
        if (workers[i].context)
            assert_int_equal(ctxalloc_destroy(workers[i].context), 0);
    }
}

/* Who walks along sees blocks of one size or of the other, never a block of then that is as long as one of now. */
enum { WALK_BLOCKS = 40, WALK_RESTORES = 3000, WALK_SMALL = 5 * 8192, WALK_LARGE = 13 * 8192 };

typedef struct walker {
    ctxalloc_context *context;
    bool stop;
    uint64_t visits, wrong;
} walker;

static bool size_look(const void *block, size_t size, ctxalloc_context *owner, void *argument) {
    (void)block, (void)owner;
    walker *w = argument;
    w->visits++;
    w->wrong += size != WALK_SMALL && size != WALK_LARGE;
    return true;
}

static void *walk_on(void *argument) {
    walker *w = argument;
    while (!__atomic_load_n(&w->stop, __ATOMIC_RELAXED))
        ctxalloc_walk(w->context, size_look, w);
    return NULL;
}

static void walk_beside_a_restore_sees_no_mixture(void **state) {
    (void)state;
    static void *small[WALK_BLOCKS], *large[WALK_BLOCKS];
    walker w = {.context = CREATE(.lifetime = CTXALLOC_LONG)};
    pthread_t thread;
    ctxalloc_savepoint_t savepoint;
    ctxalloc_switch(w.context);
    for (int i = 0; i < WALK_BLOCKS; i++)
        assert_non_null(small[i] = malloc(WALK_SMALL));
    assert_int_equal(ctxalloc_save(w.context, &savepoint), 0);
    assert_int_equal(pthread_create(&thread, NULL, walk_on, &w), 0);
    for (int i = 0; i < WALK_RESTORES; i++) {
        for (int b = 0; b < WALK_BLOCKS; b++)
            free(small[b]);
        for (int b = 0; b < WALK_BLOCKS; b++)
            assert_non_null(large[b] = malloc(WALK_LARGE));
        assert_int_equal(ctxalloc_restore(w.context, &savepoint), 0);
    }
    __atomic_store_n(&w.stop, true, __ATOMIC_RELAXED);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(w.visits > 0 || !checks); /* with check=off a context that is current elsewhere is not walked */
    assert_int_equal(w.wrong, 0);
    ctxalloc_switch(CTXALLOC_GLOBAL);
    assert_int_equal(ctxalloc_destroy(w.context), 0);
}

int main(void) {
    const char *options = getenv("CTXALLOC_OPTIONS");
    checks = !options || !strstr(options, "check=off");
    const struct CMUnitTest tests[] = {
        TEST(walk_shows_the_blocks_of_a_context),
        TEST(walk_shows_a_context_that_is_current),
        TEST(walk_shows_adopted_blocks_as_the_heirs),
        TEST(walk_of_global_shows_everything_with_its_owner),
        TEST(walk_ends_when_it_is_told_to),
        TEST(the_visitor_may_free_what_it_is_shown),
        TEST(wrong_arguments_are_named),
        TEST(walk_beside_running_threads),
        TEST(walk_beside_a_restore_sees_no_mixture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
