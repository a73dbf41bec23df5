/* Short and medium contexts whose owner frees much: they go on with a heap, beside what their engine holds. What was true of the context stays true of both parts. */
#include <sys/wait.h>

#include "tests/contexts/contexts.h"

static const enum ctxalloc_lifetime engines[] = {CTXALLOC_MEDIUM, CTXALLOC_SHORT};
#define EACH_ENGINE(l) for (const enum ctxalloc_lifetime *l = engines; l < engines + ARRAY_LENGTH(engines); l++)

static void leave_and_destroy(ctxalloc_context *context) {
    (void)ctxalloc_switch(CTXALLOC_GLOBAL);
    assert_int_equal(ctxalloc_destroy(context), 0);
}

/* Engines round sizes up to 16 bytes, a heap to its classes. */
enum { TELLTALE = 1040 };

/* pre: it is current */
static bool is_promoted(void) {
    void *p = malloc(TELLTALE), *of_a_heap = ctxalloc_malloc(CTXALLOC_GLOBAL, TELLTALE);
    size_t usable = malloc_usable_size(p), class_size = malloc_usable_size(of_a_heap);
    free(p);
    free(of_a_heap);
    assert_int_not_equal(class_size, TELLTALE);
    assert_true(usable == TELLTALE || usable == class_size);
    return usable == class_size;
}

static void pairs(size_t count) {
    for (size_t i = 0; i < count; i++)
        free(hide_pointer(malloc(40)));
}

static ctxalloc_context *current;

/* In order, so that it is not the last block that goes. */
static void batches(size_t count) {
    void *p[8];
    for (size_t done = 0; done < count; done += ARRAY_LENGTH(p)) {
        for (size_t i = 0; i < ARRAY_LENGTH(p); i++)
            assert_non_null(p[i] = malloc(40));
        for (size_t i = 0; i < ARRAY_LENGTH(p); i++)
            free(p[i]);
    }
}

/* A context that is current, with a block of its engine and one of its heap. */
typedef struct promoted {
    ctxalloc_context *context;
    void *old, *young;
} promoted;
enum { OLD = 300, YOUNG = 500 };

static promoted promoted_make(enum ctxalloc_lifetime lifetime, ctxalloc_context *parent, enum ctxalloc_escape escape) {
    promoted p = {.context = CREATE(.name = "busy", .lifetime = lifetime, .parent = parent, .escape = escape)};
    assert_non_null(ctxalloc_switch(p.context));
    p.old = filled(malloc(OLD), OLD);
    assert_false(is_promoted());
    batches(2000);
    assert_true(is_promoted());
    p.young = filled(malloc(YOUNG), YOUNG);
    return p;
}

static void assert_whole(const promoted *p) {
    assert_filled(p->old, OLD, p->old);
    assert_filled(p->young, YOUNG, p->young);
    assert_ptr_equal(ctxalloc_owner(p->old), p->context);
    assert_ptr_equal(ctxalloc_owner(p->young), p->context);
}

static void either_way_of_freeing_counts(void **state) {
    (void)state;
    EACH_ENGINE(l) {
        static void (*const ways[])(size_t) = {pairs, batches};
        for (size_t w = 0; w < ARRAY_LENGTH(ways); w++)
            for (int life = 0; life < 3; life++) { /* each begins with its engine */
                ctxalloc_context *context = CREATE(.lifetime = *l);
                (void)ctxalloc_switch(context);
                ways[w](200);
                assert_false(is_promoted());
                ways[w](2000);
                assert_true(is_promoted());
                assert_int_equal(ctxalloc_reset(context), 0);
                assert_int_equal(usage_of(context).live_blocks, 0);
                ways[w](200);
                assert_false(is_promoted());
                ways[w](2000);
                assert_true(is_promoted());
                leave_and_destroy(context);
            }
    }
}

/* Many that free little: together they freed enough. */
static void each_life_is_counted_by_itself(void **state) {
    (void)state;
    EACH_ENGINE(l)
    for (int way = 0; way < 4; way++) {
        ctxalloc_context *context = CREATE(.lifetime = *l);
        for (int life = 0; life < 40; life++) {
            (void)ctxalloc_switch(context);
            (way & 1 ? pairs : batches)(104);
            assert_false(is_promoted());
            (void)ctxalloc_switch(CTXALLOC_GLOBAL);
            if (way & 2) {
                assert_int_equal(ctxalloc_reset(context), 0);
            } else {
                assert_int_equal(ctxalloc_destroy(context), 0);
                context = CREATE(.lifetime = *l);
            }
        }
        assert_int_equal(ctxalloc_destroy(context), 0);
    }
}

/* Enough was freed, but nothing allocated since: that is the old life's affair. */
static void a_life_that_ends_busy_is_over(void **state) {
    (void)state;
    EACH_ENGINE(l)
    for (size_t count = 1; count <= 600; count++) {
        ctxalloc_context *context = CREATE(.lifetime = *l);
        (void)ctxalloc_switch(context);
        pairs(count);
        if (count % 3 == 0) {
            assert_int_equal(ctxalloc_reset(context), 0);
        } else {
            leave_and_destroy(context);
            context = CREATE(.lifetime = *l);
            (void)ctxalloc_switch(context);
        }
        assert_false(is_promoted());
        leave_and_destroy(context);
    }
}

static void what_is_never_freed_promotes_nobody(void **state) {
    (void)state;
    EACH_ENGINE(l) {
        ctxalloc_context *context = CREATE(.lifetime = *l);
        (void)ctxalloc_switch(context);
        for (int i = 0; i < 20000; i++)
            assert_non_null(malloc(100));
        assert_false(is_promoted());
        leave_and_destroy(context);
    }
}

static void *by_aligned(size_t size) { return aligned_alloc(64, size); }
static void *by_name(size_t size) { return ctxalloc_malloc(current, size); }

/* Whatever the program allocates with. */
static void every_way_of_allocating_comes_from_the_heap(void **state) {
    (void)state;
    void *(*const ways[])(size_t) = {by_malloc, by_calloc_one, by_aligned, by_name, by_realloc};
    EACH_ENGINE(l)
    for (size_t w = 0; w < ARRAY_LENGTH(ways); w++) {
        void *p[2] = {NULL, NULL};
        current = CREATE(.lifetime = *l);
        (void)ctxalloc_switch(current);
        for (int i = 0; i < 20000; i++) { /* never the last block */
            free(p[i % 2]);
            assert_non_null(p[i % 2] = ways[w](256));
        }
        assert_true(usage_of(current).held_bytes < 512 * KIB);
        leave_and_destroy(current);
    }
}

/* 64 live blocks, replaced at random: a short context's engine would use no byte twice. */
static void freed_memory_is_used_again(void **state) {
    (void)state;
    EACH_ENGINE(l) {
        ctxalloc_context *context = CREATE(.lifetime = *l);
        struct {
            void *p;
            size_t size;
        } live[64] = {{NULL, 0}};
        uint64_t random = 7;
        (void)ctxalloc_switch(context);
        for (int i = 0; i < 100000; i++) {
            size_t at = random_next(&random) % ARRAY_LENGTH(live);
            if (live[at].p)
                assert_filled(live[at].p, live[at].size, live[at].p);
            free(live[at].p);
            live[at].size = random_next(&random) % 400;
            live[at].p = filled(malloc(live[at].size), live[at].size);
        }
        assert_int_equal(usage_of(context).live_blocks, ARRAY_LENGTH(live));
        assert_true(usage_of(context).held_bytes < 1 * MIB);
        leave_and_destroy(context);
    }
}

static void blocks_of_both_parts_are_resized(void **state) {
    (void)state;
    EACH_ENGINE(l) {
        promoted p = promoted_make(*l, NULL, CTXALLOC_FREE_ALL);
        uint64_t blocks = usage_of(p.context).live_blocks;
        EACH_SIZE(size) {
            void *from = p.old;
            size_t kept = OLD < *size ? OLD : *size;
            assert_non_null(p.old = realloc(from, *size));
            assert_filled(p.old, kept, from);
            assert_true(malloc_usable_size(p.old) >= *size);
            assert_ptr_equal(ctxalloc_owner(p.old), p.context);
            assert_non_null(p.old = realloc(p.old, OLD));
            (void)filled(p.old, OLD);
            from = p.young;
            kept = YOUNG < *size ? YOUNG : *size;
            assert_non_null(p.young = realloc(from, *size));
            assert_filled(p.young, kept, from);
            assert_non_null(p.young = realloc(p.young, YOUNG));
            (void)filled(p.young, YOUNG);
            assert_whole(&p);
            assert_int_equal(usage_of(p.context).live_blocks, blocks);
        }
        leave_and_destroy(p.context);
    }
}

struct sought {
    const void *p;
    unsigned seen, others;
};

static bool seek(const void *p, size_t size, ctxalloc_context *owner, void *argument) {
    struct sought *s = (struct sought *)argument;
    (void)size;
    (void)owner;
    s->seen += p == s->p;
    s->others += p != s->p;
    return true;
}

static void both_parts_are_told_of(void **state) {
    (void)state;
    EACH_ENGINE(l) {
        promoted p = promoted_make(*l, NULL, CTXALLOC_FREE_ALL);
        const void *const blocks[] = {p.old, p.young};
        (void)ctxalloc_switch(CTXALLOC_GLOBAL);
        for (size_t i = 0; i < ARRAY_LENGTH(blocks); i++) {
            struct sought s = {blocks[i], 0, 0};
            ctxalloc_verdict_t found;
            assert_int_equal(ctxalloc_walk(p.context, seek, &s), 0);
            assert_true(s.seen == 1 && s.others == 1);
            assert_int_equal(ctxalloc_inspect((const char *)blocks[i] + 1, &found), CTXALLOC_INTERIOR);
            assert_ptr_equal(found.block, blocks[i]);
            assert_ptr_equal(found.owner, p.context);
            assert_true(ctxalloc_contains(p.context, blocks[i]));
        }
        (void)ctxalloc_switch(p.context);
        for (uint64_t left = 2; left > 0; left--) {
            assert_int_equal(usage_of(p.context).live_blocks, left);
            free(left == 2 ? p.old : p.young);
        }
        assert_int_equal(usage_of(p.context).live_blocks, 0);
        leave_and_destroy(p.context);
    }
}

static void *uses(void *argument) {
    const promoted *p = (const promoted *)argument;
    (void)ctxalloc_switch(p->context);
    assert_true(is_promoted());
    pairs(1000);
    assert_whole(p);
    free(p->old);
    (void)ctxalloc_switch(CTXALLOC_GLOBAL);
    return NULL;
}

static void other_threads_free_and_take_over(void **state) {
    (void)state;
    EACH_ENGINE(l) {
        promoted p = promoted_make(*l, NULL, CTXALLOC_REFUSE);
        void *other = malloc(OLD);
        in_thread(free_it, other);
        (void)ctxalloc_switch(CTXALLOC_GLOBAL);
        in_thread(uses, &p);
        assert_int_equal(ctxalloc_destroy(p.context), EBUSY);
        in_thread(free_it, p.young);
        assert_int_equal(ctxalloc_destroy(p.context), 0);
    }
}

static void a_refusal_knows_both_parts(void **state) {
    (void)state;
    EACH_ENGINE(l)
    for (int first = 0; first < 2; first++) {
        promoted p = promoted_make(*l, NULL, CTXALLOC_REFUSE);
        (void)ctxalloc_switch(CTXALLOC_GLOBAL);
        free(first ? p.old : p.young);
        assert_int_equal(ctxalloc_destroy(p.context), EBUSY);
        free(first ? p.young : p.old);
        assert_int_equal(ctxalloc_destroy(p.context), 0);
    }
}

/* By a parent, or NULL: they are global then. */
static void both_parts_are_adopted(void **state) {
    (void)state;
    EACH_ENGINE(l)
    for (int way = 0; way < 8; way++) {
        ctxalloc_context *parent = way & 4 ? CREATE(.name = "parent") : NULL, *owner = parent ? parent : CTXALLOC_GLOBAL;
        promoted p = promoted_make(*l, parent, CTXALLOC_ADOPT);
        void *blocks[2] = {p.old, p.young};
        static const size_t sizes[2] = {OLD, YOUNG};
        leave_and_destroy(p.context);
        for (int i = 0; i < 2; i++) {
            int at = way & 1 ? i : 1 - i;
            assert_filled(blocks[at], sizes[at], blocks[at]);
            assert_ptr_equal(ctxalloc_owner(blocks[at]), owner);
            if (way & 2)
                in_thread(free_it, blocks[at]);
            else
                free(blocks[at]);
        }
        if (parent) {
            assert_int_equal(usage_of(parent).live_blocks, 0);
            assert_int_equal(ctxalloc_destroy(parent), 0);
        }
    }
}

/* What nobody answers for any more is used again by threads, and the context's own goes: also where no block of the engine lives. */
static void what_is_global_goes_when_it_is_freed(void **state) {
    (void)state;
    EACH_ENGINE(l)
    for (int before = 0; before < 2; before++) {
        uint64_t held = 0;
        for (int i = 0; i < 300; i++) {
            promoted p = promoted_make(*l, NULL, CTXALLOC_ADOPT);
            if (before)
                free(p.old);
            leave_and_destroy(p.context);
            if (!before)
                free(p.old);
            free(p.young);
            if (i == 100)
                held = usage_of(CTXALLOC_GLOBAL).held_bytes;
        }
        assert_true(usage_of(CTXALLOC_GLOBAL).held_bytes <= held + 256 * KIB);
    }
}

/* What comes after a mark is the engine's, so that it can be rolled back; the heap's blocks are from before it. */
static void marks_work_after_a_promotion(void **state) {
    (void)state;
    promoted p = promoted_make(CTXALLOC_SHORT, NULL, CTXALLOC_FREE_ALL);
    void *freed = malloc(YOUNG);
    for (int round = 0; round < 3; round++) {
        ctxalloc_mark_t mark;
        uint64_t blocks = usage_of(p.context).live_blocks;
        assert_int_equal(ctxalloc_mark(p.context, &mark), 0);
        for (int i = 0; i < 1000; i++)
            assert_non_null(malloc(100));
        batches(2000);
        assert_false(is_promoted());
        assert_int_equal(usage_of(p.context).live_blocks, blocks + 1000);
        assert_int_equal(ctxalloc_rollback(p.context, &mark), 0);
        assert_int_equal(usage_of(p.context).live_blocks, blocks);
        assert_whole(&p);
    }
    uint64_t blocks = usage_of(p.context).live_blocks;
    free(freed);
    assert_int_equal(usage_of(p.context).live_blocks, blocks - 1);
    assert_whole(&p);
    assert_int_equal(ctxalloc_reset(p.context), 0);
    batches(2000);
    assert_true(is_promoted());
    leave_and_destroy(p.context);
}

/* Blocks that are moved after a mark are new ones. */
static void a_rollback_takes_what_was_moved_since(void **state) {
    (void)state;
    promoted p = promoted_make(CTXALLOC_SHORT, NULL, CTXALLOC_FREE_ALL);
    ctxalloc_mark_t mark;
    void *blocks[sizeof kinds_of_sizes / sizeof kinds_of_sizes[0]];
    for (size_t i = 0; i < ARRAY_LENGTH(blocks); i++)
        blocks[i] = malloc(kinds_of_sizes[i]);
    uint64_t before = usage_of(p.context).live_blocks, moved = 0;
    assert_int_equal(ctxalloc_mark(p.context, &mark), 0);
    for (size_t i = 0; i < ARRAY_LENGTH(blocks); i++) {
        void *to = realloc(blocks[i], kinds_of_sizes[i] * 20 + 1000);
        assert_non_null(to);
        moved += to != blocks[i];
    }
    assert_true(moved > 0);
    assert_int_equal(usage_of(p.context).live_blocks, before);
    assert_int_equal(ctxalloc_rollback(p.context, &mark), 0);
    assert_int_equal(usage_of(p.context).live_blocks, before - moved);
    assert_whole(&p);
    leave_and_destroy(p.context);
}

/* Malloc goes to the engine, but the heap's blocks go back to the heap, and its empty extents to the process. */
static void frees_after_a_mark_give_back(void **state) {
    (void)state;
    enum { COUNT = 4000, SIZE = 10000 };
    static void *blocks[COUNT];
    promoted p = promoted_make(CTXALLOC_SHORT, NULL, CTXALLOC_FREE_ALL);
    ctxalloc_mark_t mark;
    uint64_t held = usage_of(CTXALLOC_GLOBAL).held_bytes;
    for (size_t i = 0; i < COUNT; i++)
        assert_non_null(blocks[i] = malloc(SIZE));
    assert_int_equal(ctxalloc_mark(p.context, &mark), 0);
    for (size_t i = 0; i < COUNT; i++)
        free(blocks[i]);
    assert_true(usage_of(CTXALLOC_GLOBAL).held_bytes < held + COUNT * SIZE / 2);
    assert_whole(&p);
    leave_and_destroy(p.context);
}

/* What a context with a heap can do and one with an engine cannot, it still cannot. */
static void it_stays_the_kind_it_was(void **state) {
    (void)state;
    EACH_ENGINE(l) {
        promoted p = promoted_make(*l, NULL, CTXALLOC_FREE_ALL);
        ctxalloc_savepoint_t save;
        ctxalloc_mark_t mark;
        assert_int_equal(ctxalloc_save(p.context, &save), EINVAL);
        assert_int_equal(ctxalloc_mark(p.context, &mark), *l == CTXALLOC_SHORT ? 0 : EINVAL);
        (void)ctxalloc_switch(CTXALLOC_GLOBAL);
        assert_int_equal(ctxalloc_freeze(p.context, true), ENOTSUP);
        assert_int_equal(ctxalloc_destroy(p.context), 0);
    }
}

/* Too little for a heap: the engine goes on, and all that the limit allows can be had. */
static void limits_leave_no_room_for_a_heap(void **state) {
    (void)state;
    static const size_t hard[] = {8 * KIB, 20 * KIB, 40 * KIB, 200 * KIB, 4 * MIB};
    EACH_ENGINE(l)
    for (size_t i = 0; i < ARRAY_LENGTH(hard); i++) {
        ctxalloc_context *context = CREATE(.lifetime = *l, .hard_limit = hard[i]);
        size_t got = 0;
        void *p;
        (void)ctxalloc_switch(context);
        pairs(2000);
        for (errno = 0; (p = malloc(100)) != NULL; got += 100)
            payload_write(p, 100, got);
        assert_int_equal(errno, ENOMEM);
        ctxalloc_usage_t u = usage_of(context);
        assert_int_equal(u.live_blocks, got / 100);
        assert_int_equal(u.refusals, 1);
        assert_true(u.held_bytes <= hard[i] && got > hard[i] / 2);
        leave_and_destroy(context);
    }
}

/* Nearly all is free again, but hardly an extent is: it is there for what comes. */
static void what_is_freed_at_the_limit_makes_room(void **state) {
    (void)state;
    enum { MOST = 20000, EVERY = 50 };
    static void *blocks[MOST];
    EACH_ENGINE(l)
    for (int turn = 0; turn < 2; turn++) {
        ctxalloc_context *context = CREATE(.lifetime = *l, .hard_limit = 1 * MIB);
        size_t count = 0, again = 0, freed = 0;
        (void)ctxalloc_switch(context);
        pairs(turn ? 2000 : 10);
        batches(2000);
        while (count < MOST && (blocks[count] = malloc(100)) != NULL)
            count++;
        assert_true(count > 1 * MIB / 150 && count < MOST);
        for (size_t i = 0; i < count; i++)
            if (i % EVERY) {
                free(blocks[i]);
                freed++;
            }
        while (again < MOST && malloc(100) != NULL)
            again++;
        assert_true(again > freed * 9 / 10);
        leave_and_destroy(context);
    }
}

static void what_no_part_can_serve_changes_nothing(void **state) {
    (void)state;
    EACH_ENGINE(l) {
        promoted p = promoted_make(*l, NULL, CTXALLOC_FREE_ALL);
        for (int i = 0; i < 3; i++) {
            errno = 0;
            assert_null(malloc((size_t)1 << 46));
            assert_int_equal(errno, ENOMEM);
            assert_true(is_promoted());
        }
        assert_whole(&p);
        leave_and_destroy(p.context);
    }
}

static void it_forks(void **state) {
    (void)state;
    EACH_ENGINE(l) {
        promoted p = promoted_make(*l, NULL, CTXALLOC_FREE_ALL);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            bool promoted_still = is_promoted();
            pairs(1000);
            free(p.old);
            free(p.young);
            ctxalloc_usage_t u;
            _exit(promoted_still && ctxalloc_usage(p.context, &u) && u.live_blocks == 0 ? 0 : 1);
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
        assert_whole(&p);
        leave_and_destroy(p.context);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(either_way_of_freeing_counts),
        TEST(each_life_is_counted_by_itself),
        TEST(a_life_that_ends_busy_is_over),
        TEST(what_is_never_freed_promotes_nobody),
        TEST(every_way_of_allocating_comes_from_the_heap),
        TEST(freed_memory_is_used_again),
        TEST(blocks_of_both_parts_are_resized),
        TEST(both_parts_are_told_of),
        TEST(other_threads_free_and_take_over),
        TEST(a_refusal_knows_both_parts),
        TEST(both_parts_are_adopted),
        TEST(what_is_global_goes_when_it_is_freed),
        TEST(marks_work_after_a_promotion),
        TEST(a_rollback_takes_what_was_moved_since),
        TEST(frees_after_a_mark_give_back),
        TEST(it_stays_the_kind_it_was),
        TEST(limits_leave_no_room_for_a_heap),
        TEST(what_is_freed_at_the_limit_makes_room),
        TEST(what_no_part_can_serve_changes_nothing),
        TEST(it_forks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
