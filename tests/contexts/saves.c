/* Savepoints of full heaps: what was there at the save is there after the restore, block by block and byte by byte. */
#include "tests/contexts/contexts.h"

enum { MOST = 600, SAVES = 6 };

typedef struct item {
    void *p;
    size_t size;
    uint64_t seed; /* of its payload */
} item;

/* The naive copy: what must be there. */
typedef struct picture {
    item items[MOST];
    size_t count;
    uint64_t bytes, held;
    ctxalloc_savepoint_t savepoint;
} picture;

static uint64_t seeds;

static bool option_is(const char *option) {
    const char *options = getenv("CTXALLOC_OPTIONS");
    return options && strstr(options, option);
}

/* With check=full freed blocks wait in a quarantine, and count as live meanwhile. */
static void assert_live_blocks(ctxalloc_context *context, uint64_t count) {
    uint64_t live = usage_of(context).live_blocks;
    assert_true(option_is("check=full") ? live >= count : live == count);
}

/* With check=off nobody knows. */
static void assert_not_live(void *p) { assert_true(option_is("check=off") || ctxalloc_inspect(hide_pointer(p), NULL) != CTXALLOC_LIVE); }

static void item_fill(item *it) {
    it->seed = ++seeds;
    payload_write(it->p, it->size, it->seed);
}

static void add(picture *now, void *p, size_t size) {
    assert_non_null(p);
    item *it = &now->items[now->count++];
    *it = (item){p, size, 0};
    item_fill(it);
}

static void drop(picture *now, size_t at) {
    assert_true(payload_holds(now->items[at].p, now->items[at].size, now->items[at].seed));
    free(now->items[at].p);
    now->items[at] = now->items[--now->count];
}

static void assert_is(ctxalloc_context *context, const picture *now) {
    for (size_t i = 0; i < now->count; i++) {
        const item *it = &now->items[i];
        ctxalloc_verdict_t v;
        assert_int_equal(ctxalloc_inspect(it->p, &v), CTXALLOC_LIVE);
        assert_true(v.owner == context && v.size >= it->size);
        assert_true(payload_holds(it->p, it->size, it->seed));
    }
    assert_live_blocks(context, now->count);
}

static void save(ctxalloc_context *context, picture *now) {
    assert_int_equal(ctxalloc_save(context, &now->savepoint), 0);
    now->bytes = usage_of(context).live_bytes;
    now->held = usage_of(context).held_bytes;
}

static void restore(ctxalloc_context *context, picture *now, const picture *then) {
    assert_int_equal(ctxalloc_restore(context, &then->savepoint), 0);
    *now = *then;
    assert_is(context, now);
    assert_int_equal(usage_of(context).live_bytes, now->bytes);
}

static void *resize(picture *now, size_t at, size_t size) {
    item *it = &now->items[at];
    size_t kept = size < it->size ? size : it->size;
    assert_true(payload_holds(it->p, it->size, it->seed));
    void *p = realloc(it->p, size);
    assert_non_null(p);
    assert_true(payload_holds(p, kept / 8 * 8, it->seed));
    *it = (item){p, size, 0};
    item_fill(it);
    return p;
}

static void n5_restore_puts_blocks_and_bytes_back(void **state) {
    (void)state;
    static picture then, now;
    EACH_SIZE(before) EACH_SIZE(after) {
        ctxalloc_context *context = CREATE(.name = "saved");
        memset(&now, 0, sizeof now);
        (void)ctxalloc_switch(context);
        for (int i = 0; i < 8; i++)
            add(&now, malloc(*before), *before);
        save(context, &now);
        then = now;
        for (int round = 0; round < 3; round++) {
            item_fill(&now.items[0]);
            resize(&now, 1, *after);
            resize(&now, 2, *before + *after);
            resize(&now, 3, *before / 2 + 1);
            for (int i = 0; i < 3; i++)
                drop(&now, 4);
            for (int i = 0; i < 6; i++)
                add(&now, malloc(*after), *after);
            assert_is(context, &now);
            restore(context, &now, &then);
            assert_int_equal(usage_of(context).held_bytes, then.held);
        }
        for (int i = 0; i < 6; i++)
            add(&now, malloc(*after), *after);
        assert_is(context, &now);
        assert_int_equal(ctxalloc_savepoint_drop(context, &then.savepoint), 0);
        assert_is(context, &now);
        while (now.count)
            drop(&now, 0);
        (void)ctxalloc_switch(CTXALLOC_GLOBAL);
        assert_int_equal(ctxalloc_destroy(context), 0);
    }
}

static void n5_what_came_after_the_save_is_gone(void **state) {
    (void)state;
    EACH_SIZE(s) {
        ctxalloc_context *context = CREATE(.name = "saved");
        ctxalloc_savepoint_t savepoint;
        void *p[10];
        assert_int_equal(ctxalloc_save(context, &savepoint), 0);
        for (int i = 0; i < 10; i++)
            p[i] = filled(ctxalloc_malloc(context, *s), *s);
        assert_int_equal(ctxalloc_restore(context, &savepoint), 0);
        for (int i = 0; i < 10; i++)
            assert_not_live(p[i]);
        assert_int_equal(usage_of(context).live_blocks, 0);
        assert_int_equal(ctxalloc_destroy(context), 0);
    }
}

static void n5_savepoints_nest(void **state) {
    (void)state;
    static picture then[SAVES], now;
    ctxalloc_context *context = CREATE(.name = "saved");
    memset(&now, 0, sizeof now);
    (void)ctxalloc_switch(context);
    for (size_t i = 0; i < SAVES; i++) {
        for (size_t j = 0; j < 20; j++)
            add(&now, malloc(j * 700 + i), j * 700 + i);
        save(context, &now);
        then[i] = now;
        for (size_t j = 0; j < 7; j++)
            drop(&now, j);
    }
    restore(context, &now, &then[4]);
    assert_int_equal(ctxalloc_restore(context, &then[5].savepoint), EINVAL); /* younger */
    assert_int_equal(ctxalloc_savepoint_drop(context, &then[5].savepoint), EINVAL);
    assert_int_equal(ctxalloc_savepoint_drop(context, &then[2].savepoint), 0); /* from the middle */
    assert_int_equal(ctxalloc_restore(context, &then[2].savepoint), EINVAL);
    assert_is(context, &now);
    restore(context, &now, &then[3]);
    restore(context, &now, &then[3]);
    drop(&now, 3);
    restore(context, &now, &then[1]);
    restore(context, &now, &then[0]);
    assert_int_equal(ctxalloc_savepoint_drop(context, &then[0].savepoint), 0);
    assert_int_equal(ctxalloc_savepoint_drop(context, &then[0].savepoint), EINVAL);
    while (now.count)
        drop(&now, 0);
    (void)ctxalloc_switch(CTXALLOC_GLOBAL);
    assert_int_equal(ctxalloc_destroy(context), 0);
}

static void n5_the_calls_want_a_context_with_a_heap(void **state) {
    (void)state;
    ctxalloc_context *context = CREATE(.name = "saved"), *other = CREATE(.name = "other"), *brief = CREATE(.lifetime = CTXALLOC_SHORT);
    ctxalloc_savepoint_t savepoint;
    assert_int_equal(ctxalloc_save(brief, &savepoint), EINVAL);
    assert_int_equal(ctxalloc_save(CTXALLOC_GLOBAL, &savepoint), EINVAL);
    assert_int_equal(ctxalloc_save(NULL, &savepoint), EINVAL);
    assert_int_equal(ctxalloc_save(context, NULL), EINVAL);
    assert_int_equal(ctxalloc_save(context, &savepoint), 0);
    assert_int_equal(ctxalloc_restore(other, &savepoint), EINVAL);
    assert_int_equal(ctxalloc_restore(context, NULL), EINVAL);
    assert_int_equal(ctxalloc_savepoint_drop(other, &savepoint), EINVAL);
    struct holder h;
    holder_start(&h, context);
    ctxalloc_savepoint_t another;
    assert_int_equal(ctxalloc_save(context, &another), EBUSY);
    assert_int_equal(ctxalloc_restore(context, &savepoint), EBUSY);
    assert_int_equal(ctxalloc_savepoint_drop(context, &savepoint), EBUSY);
    holder_end(&h);
    assert_int_equal(ctxalloc_restore(context, &savepoint), 0);
    assert_int_equal(ctxalloc_reset(context), 0);
    assert_int_equal(ctxalloc_restore(context, &savepoint), EINVAL);
    assert_int_equal(ctxalloc_destroy(context), 0);
    context = CREATE(.name = "saved"); /* the record of the one before, most likely */
    assert_int_equal(ctxalloc_restore(context, &savepoint), EINVAL);
    assert_int_equal(ctxalloc_destroy(context), 0);
    assert_int_equal(ctxalloc_destroy(other), 0);
    assert_int_equal(ctxalloc_destroy(brief), 0);
}

static void n5_a_copy_counts_against_the_limit(void **state) {
    (void)state;
    static picture now;
    ctxalloc_context *context = CREATE(.name = "saved", .hard_limit = 3 * MIB);
    memset(&now, 0, sizeof now);
    (void)ctxalloc_switch(context);
    for (int i = 0; i < 20; i++)
        add(&now, malloc(50000), 50000);
    save(context, &now);
    assert_true(now.held > 2 * MIB && now.held <= 3 * MIB);
    ctxalloc_usage_t before = usage_of(context), after;
    ctxalloc_savepoint_t savepoint;
    assert_int_equal(ctxalloc_save(context, &savepoint), ENOMEM);
    after = usage_of(context);
    assert_int_equal(after.refusals, before.refusals + 1);
    assert_int_equal(after.held_bytes, before.held_bytes);
    assert_is(context, &now);
    static picture then;
    then = now;
    restore(context, &now, &then);
    assert_int_equal(ctxalloc_savepoint_drop(context, &then.savepoint), 0);
    assert_int_equal(ctxalloc_save(context, &savepoint), 0); /* now there is room */
    (void)ctxalloc_switch(CTXALLOC_GLOBAL);
    assert_int_equal(ctxalloc_destroy(context), 0);
}

static void n5_savepoints_go_with_their_context(void **state) {
    (void)state;
    EACH_SIZE(s) for (int how = 0; how < 3; how++) {
        uint64_t held = usage_of(CTXALLOC_GLOBAL).held_bytes;
        ctxalloc_context *context = CREATE(.name = "saved", .escape = how == 2 ? CTXALLOC_ADOPT : CTXALLOC_FREE_ALL);
        ctxalloc_savepoint_t savepoint;
        void *p = filled(ctxalloc_malloc(context, *s), *s), *q = filled(ctxalloc_malloc(context, *s), *s);
        assert_int_equal(ctxalloc_save(context, &savepoint), 0);
        free(q);
        assert_int_equal(ctxalloc_save(context, &savepoint), 0);
        if (how == 1)
            assert_int_equal(ctxalloc_reset(context), 0);
        assert_int_equal(ctxalloc_destroy(context), 0);
        if (how == 2) {
            assert_filled(p, *s, p);
            free(p);
        }
        if (how != 2 || !option_is("check=full")) /* p may be in the quarantine */
            assert_true(usage_of(CTXALLOC_GLOBAL).held_bytes <= held + 192 * KIB); /* what contexts keep for their next use */
    }
}

static void *malloc_for(void *context) { return ctxalloc_malloc(context, 300); }

/* Blocks from the part of the context that a lock guards; it may be younger than the savepoint. */
static void n5_blocks_that_other_threads_got_are_saved_too(void **state) {
    (void)state;
    for (int early = 0; early < 2; early++) {
        ctxalloc_context *context = CREATE(.name = "saved");
        ctxalloc_savepoint_t savepoint;
        (void)ctxalloc_switch(context);
        void *p = early ? filled(in_thread(malloc_for, context), 300) : NULL, *mine = filled(malloc(300), 300);
        assert_int_equal(ctxalloc_save(context, &savepoint), 0);
        void *q = filled(in_thread(malloc_for, context), 300);
        if (p)
            in_thread(free_it, p);
        memset(mine, 0, 300);
        assert_int_equal(ctxalloc_restore(context, &savepoint), 0);
        assert_filled(mine, 300, mine);
        if (p) {
            assert_filled(p, 300, p);
            assert_int_equal(ctxalloc_inspect(p, NULL), CTXALLOC_LIVE);
        }
        assert_not_live(q);
        assert_int_equal(usage_of(context).live_blocks, 1 + early);
        void *r = filled(in_thread(malloc_for, context), 300);
        assert_filled(mine, 300, mine);
        assert_filled(r, 300, r);
        if (p)
            assert_filled(p, 300, p);
        (void)ctxalloc_switch(CTXALLOC_GLOBAL);
        assert_int_equal(ctxalloc_destroy(context), 0);
    }
}

/* Another thread has freed, but its frees lie in its outbox still when all is put back: they are void when they come. */
struct freer {
    void **p;
    pthread_barrier_t at;
};

static void *free_and_wait(void *argument) {
    struct freer *f = argument;
    for (int i = 0; i < 5; i++)
        free(f->p[i]);
    pthread_barrier_wait(&f->at);
    pthread_barrier_wait(&f->at);
    return NULL;
}

static void n5_frees_on_their_way_are_void_after_a_restore(void **state) {
    (void)state;
    static const size_t sizes[] = {24, 100, 5000, 100000};
    for (size_t i = 0; i < ARRAY_LENGTH(sizes); i++) {
        ctxalloc_context *context = CREATE(.name = "saved");
        ctxalloc_savepoint_t savepoint;
        void *p[5];
        (void)ctxalloc_switch(context);
        for (int j = 0; j < 5; j++)
            p[j] = filled(malloc(sizes[i]), sizes[i]);
        assert_int_equal(ctxalloc_save(context, &savepoint), 0);
        struct freer f = {.p = p};
        pthread_t thread;
        assert_int_equal(pthread_barrier_init(&f.at, NULL, 2), 0);
        assert_int_equal(pthread_create(&thread, NULL, free_and_wait, &f), 0);
        pthread_barrier_wait(&f.at);
        assert_int_equal(ctxalloc_restore(context, &savepoint), 0);
        pthread_barrier_wait(&f.at);
        assert_int_equal(pthread_join(thread, NULL), 0);
        pthread_barrier_destroy(&f.at);
        for (int j = 0; j < 20; j++)
            assert_non_null(memset(malloc(sizes[i]), 1, sizes[i]));
        for (int j = 0; j < 5; j++) {
            assert_filled(p[j], sizes[i], p[j]);
            assert_int_equal(ctxalloc_inspect(p[j], NULL), CTXALLOC_LIVE);
        }
        assert_int_equal(usage_of(context).live_blocks, 25);
        (void)ctxalloc_switch(CTXALLOC_GLOBAL);
        assert_int_equal(ctxalloc_destroy(context), 0);
    }
}

/* Memory that was written to since, and is free again. */
static void n5_calloc_after_a_restore_gives_zeros(void **state) {
    (void)state;
    EACH_SIZE(s) {
        ctxalloc_context *context = CREATE(.name = "saved");
        ctxalloc_savepoint_t savepoint;
        (void)ctxalloc_switch(context);
        void *p = filled(malloc(100), 100);
        (void)malloc_trim(0);
        for (int i = 0; i < 40; i++) /* so that there is room that is known to be zero */
            assert_non_null(malloc(100000));
        assert_int_equal(ctxalloc_save(context, &savepoint), 0);
        for (int i = 0; i < 4; i++)
            assert_non_null(memset(malloc(*s), 0xff, *s));
        assert_int_equal(ctxalloc_restore(context, &savepoint), 0);
        for (int i = 0; i < 4; i++) {
            const unsigned char *q = calloc(1, *s);
            assert_non_null(q);
            assert_true(q[0] == 0 && !memcmp(q, q + 1, *s - 1));
        }
        assert_filled(p, 100, p);
        (void)ctxalloc_switch(CTXALLOC_GLOBAL);
        assert_int_equal(ctxalloc_destroy(context), 0);
    }
}

static size_t some_size(uint64_t *random) {
    uint64_t kind = random_next(random) % 100;
    return (kind < 70 ? random_next(random) % 300 : kind < 92 ? random_next(random) % 9000 : kind < 98 ? random_next(random) % 120000 : random_next(random) % (5 * MIB)) + 1;
}

/* Random work, saves, restores and drops against naive copies. */
static void n5_random_work_against_copies(void **state) {
    (void)state;
    static picture now, then[SAVES];
    for (uint64_t seed = 1; seed <= 6; seed++) {
        uint64_t random = seed * 7919, held = usage_of(CTXALLOC_GLOBAL).held_bytes;
        size_t saves = 0, restores = 0;
        ctxalloc_context *context = CREATE(.name = "saved");
        memset(&now, 0, sizeof now);
        (void)ctxalloc_switch(context);
        for (int i = 0; i < 6000; i++) {
            uint64_t what = random_next(&random) % 1000;
            size_t at = now.count ? random_next(&random) % now.count : 0, size = some_size(&random);
            if (what < 430 && now.count < MOST) {
                add(&now, what % 4 ? malloc(size) : memalign((size_t)16 << what % 10, size), size);
            } else if (what < 800 && now.count) {
                drop(&now, at);
            } else if (what < 960 && now.count) {
                resize(&now, at, size);
            } else if (what < 975 && now.count) {
                item_fill(&now.items[at]);
            } else if (what < 980 && saves < SAVES) {
                save(context, &now);
                then[saves++] = now;
            } else if (what < 988 && saves) {
                saves = 1 + random_next(&random) % saves;
                restore(context, &now, &then[saves - 1]);
                restores++;
            } else if (what < 991 && saves) {
                size_t which = random_next(&random) % saves;
                assert_int_equal(ctxalloc_savepoint_drop(context, &then[which].savepoint), 0);
                for (saves--; which < saves; which++)
                    then[which] = then[which + 1];
            } else if (what == 991 && now.count > MOST / 2) {
                while (now.count > 20)
                    drop(&now, 0);
            } else if (what == 992) {
                (void)malloc_trim(0);
            }
            if (i % 100 == 0)
                assert_is(context, &now);
        }
        assert_true(restores > 10);
        assert_is(context, &now);
        while (saves--)
            assert_int_equal(ctxalloc_savepoint_drop(context, &then[saves].savepoint), 0);
        assert_is(context, &now);
        while (now.count)
            drop(&now, 0);
        (void)ctxalloc_switch(CTXALLOC_GLOBAL);
        assert_live_blocks(context, 0);
        assert_int_equal(ctxalloc_destroy(context), 0);
        assert_true(usage_of(CTXALLOC_GLOBAL).held_bytes <= held + 192 * KIB);
    }
}

static void *make_one(void *context) {
    void *p = ctxalloc_malloc(context, 700);
    payload_write(p, 700, 11);
    return p;
}

/* Savepoints and freezing (N11): neither takes what the other has said. */
static void n5_a_frozen_context_keeps_its_savepoints(void **state) {
    (void)state;
    static picture now;
    for (int way = 0; way < 3; way++) {
        ctxalloc_context *context = ctxalloc_create(NULL);
        ctxalloc_savepoint_t savepoint, other;
        now.count = 0;
        for (size_t i = 0; i < 60; i++) {
            size_t size = i % 20 == 19 ? 3 * MIB : i % 10 == 9 ? 100 * KIB : 20 + 97 * i;
            add(&now, ctxalloc_malloc(context, size), size);
        }
        assert_int_equal(ctxalloc_save(context, &savepoint), 0);
        for (size_t i = 0; i < 60; i += 3)
            memset(now.items[i].p, 0x77, now.items[i].size); /* later than the savepoint */
        int error = ctxalloc_freeze(context, true);
        if (option_is("check=full")) {
            assert_int_equal(error, ENOTSUP);
            assert_int_equal(ctxalloc_destroy(context), 0);
            continue;
        }
        assert_int_equal(error, 0);
        assert_int_equal(ctxalloc_save(context, &other), EBUSY);
        assert_int_equal(ctxalloc_restore(context, &savepoint), EBUSY);
        assert_int_equal(ctxalloc_savepoint_drop(context, &savepoint), EBUSY);
        for (size_t i = 1; i < 60; i += 3) { /* small, large and huge, by this thread and by another */
            assert_true(payload_holds(now.items[i].p, now.items[i].size, now.items[i].seed));
            if (i & 1)
                free(now.items[i].p);
            else
                in_thread(free_it, now.items[i].p);
        }
        (void)malloc_trim(0);
        if (way == 1) { /* it ends as it is: what others get of its memory can be written to */
            assert_int_equal(ctxalloc_destroy(context), 0);
        } else {
            assert_int_equal(way ? ctxalloc_reset(context) : ctxalloc_freeze(context, false), 0);
            assert_int_equal(ctxalloc_restore(context, &savepoint), way ? EINVAL : 0);
            if (!way) {
                assert_is(context, &now);
                for (size_t i = 0; i < 60; i++)
                    item_fill(&now.items[i]); /* writable, all of it */
                assert_int_equal(ctxalloc_freeze(context, true), 0);
                assert_is(context, &now);
                assert_int_equal(ctxalloc_freeze(context, false), 0);
                void *p = in_thread(make_one, context);
                assert_true(payload_holds(p, 700, 11));
                assert_int_equal(ctxalloc_savepoint_drop(context, &savepoint), 0);
            }
            payload_write(ctxalloc_malloc(context, 3 * MIB), 3 * MIB, 5);
            assert_int_equal(ctxalloc_destroy(context), 0);
        }
        for (int i = 0; i < 20; i++) {
            void *p = malloc(i & 1 ? 3 * MIB : 50000);
            memset(p, i, 50000);
            free(p);
        }
    }
}

/* The heap keeps the large block freed last for the next request of its size: not beyond a save, a restore or a reset. */
static void n5_a_large_block_freed_last_is_as_it_was(void **state) {
    (void)state;
    enum { BYTES = 100000 };
    ctxalloc_context *context = CREATE(.name = "held");
    ctxalloc_savepoint_t savepoint;
    picture now = {.count = 0};
    assert_non_null(ctxalloc_switch(context));
    add(&now, malloc(BYTES), BYTES);
    add(&now, malloc(BYTES), BYTES);
    free(malloc(BYTES));
    assert_int_equal(ctxalloc_save(context, &savepoint), 0);
    for (int i = 0; i < 3; i++) {
        add(&now, malloc(BYTES), BYTES);
        free(now.items[0].p);
        free(now.items[1].p);
        now.count = 2;
        assert_int_equal(ctxalloc_restore(context, &savepoint), 0);
        assert_is(context, &now);
        void *p = malloc(BYTES), *q = malloc(BYTES); /* nobody's, though two of these were freed */
        for (size_t k = 0; k < 2; k++)
            assert_true(p != now.items[k].p && q != now.items[k].p);
        memset(p, 0x33, BYTES);
        memset(q, 0x44, BYTES);
        for (size_t k = 0; k < 2; k++)
            assert_true(payload_holds(now.items[k].p, BYTES, now.items[k].seed));
    }
    assert_int_equal(ctxalloc_savepoint_drop(context, &savepoint), 0);
    free(malloc(BYTES));
    assert_int_equal(ctxalloc_reset(context), 0);
    void *p = malloc(BYTES), *q = malloc(BYTES);
    assert_true(p && q && p != q);
    assert_live_blocks(context, 2);
    free(p);
    free(q);
    assert_non_null(ctxalloc_switch(CTXALLOC_GLOBAL));
    assert_int_equal(ctxalloc_destroy(context), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(n5_restore_puts_blocks_and_bytes_back),
        TEST(n5_what_came_after_the_save_is_gone),
        TEST(n5_savepoints_nest),
        TEST(n5_the_calls_want_a_context_with_a_heap),
        TEST(n5_a_copy_counts_against_the_limit),
        TEST(n5_savepoints_go_with_their_context),
        TEST(n5_blocks_that_other_threads_got_are_saved_too),
        TEST(n5_frees_on_their_way_are_void_after_a_restore),
        TEST(n5_calloc_after_a_restore_gives_zeros),
        TEST(n5_a_large_block_freed_last_is_as_it_was),
        TEST(n5_random_work_against_copies),
        TEST(n5_a_frozen_context_keeps_its_savepoints),
    };
    return cmocka_run_group_tests_name("saves", tests, NULL, NULL);
}
