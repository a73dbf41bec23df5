/* The end of a context: policies for blocks that are live, contexts below it, callbacks, reset. Row N2, and N11 and N12 as far as they go. */
#include "tests/contexts/contexts.h"

static bool unchecked; /* check=off */

/* --- code that knows nothing of contexts ----------------------------------------------------------------------------- */


static void n2_the_c_library_allocates_from_the_current_context(void **state) {
    (void)state;
    if (!CA_INTERPOSE)
        skip(); /* its malloc is the sanitizer's */
    EACH_LIFETIME(l) {
        ctxalloc_context *context = CREATE(.lifetime = *l);
        (void)ctxalloc_switch(context);
        char *copy = strdup("copy"), *line = NULL, *printed = NULL;
        size_t room = 0;
        FILE *file = tmpfile();
        bool wrote = file && fputs("a line\n", file) >= 0 && fseek(file, 0, SEEK_SET) == 0;
        ssize_t length = wrote ? getline(&line, &room, file) : -1;
        int formatted = asprintf(&printed, "%d", 42);
        (void)ctxalloc_switch(CTXALLOC_GLOBAL);
        assert_true(length == 7 && formatted == 2);
        assert_ptr_equal(ctxalloc_owner(copy), context);
        assert_ptr_equal(ctxalloc_owner(line), context);
        assert_ptr_equal(ctxalloc_owner(printed), context);
        assert_ptr_equal(ctxalloc_owner(file), CTXALLOC_GLOBAL); /* it is in the list of all streams */
        fclose(file); /* freed under another target than it was made */
        free(copy);
        assert_int_equal(ctxalloc_destroy(context), 0);
    }
}

/* --- policies ---------------------------------------------------------------------------------------------------------- */

static void n2_free_all_takes_everything(void **state) {
    (void)state;
    EACH_LIFETIME(l) EACH_SIZE(s) {
        uint64_t held = usage_of(CTXALLOC_GLOBAL).held_bytes;
        ctxalloc_context *context = CREATE(.lifetime = *l);
        void *p[20];
        for (int i = 0; i < 20; i++)
            assert_non_null(p[i] = ctxalloc_malloc(context, *s));
        assert_int_equal(ctxalloc_destroy(context), 0);
        for (int i = 0; i < 20; i++)
            assert_int_not_equal(ctxalloc_inspect(hide_pointer(p[i]), NULL), CTXALLOC_LIVE);
        assert_int_equal(ctxalloc_destroy(context), EINVAL);
        assert_int_equal(ctxalloc_reset(context), EINVAL);
        assert_false(ctxalloc_usage(context, &(ctxalloc_usage_t){0}));
        assert_null(ctxalloc_malloc(context, 1));
        assert_true(usage_of(CTXALLOC_GLOBAL).held_bytes <= held + 64 * KIB);
    }
}

static void n2_refuse_keeps_the_context_while_blocks_live(void **state) {
    (void)state;
    EACH_LIFETIME(l) EACH_SIZE(s) {
        ctxalloc_context *context = CREATE(.lifetime = *l, .escape = CTXALLOC_REFUSE);
        void *p = filled(ctxalloc_malloc(context, *s), *s), *q = ctxalloc_malloc(context, *s);
        assert_int_equal(ctxalloc_destroy(context), EBUSY);
        assert_filled(p, *s, p);
        assert_ptr_equal(ctxalloc_owner(p), context);
        free(p);
        assert_int_equal(ctxalloc_destroy(context), EBUSY);
        in_thread(free_it, q);
        assert_int_equal(ctxalloc_destroy(context), 0);
    }
}

/* Blocks that came from the part for threads which do not have the context. */
static void n2_refuse_counts_blocks_of_other_threads(void **state) {
    (void)state;
    EACH_LIFETIME(l) {
        struct holder holder;
        ctxalloc_context *context = CREATE(.lifetime = *l, .escape = CTXALLOC_REFUSE);
        holder_start(&holder, context);
        void *p = ctxalloc_malloc(context, 100);
        assert_non_null(p);
        holder_end(&holder);
        free(holder.block);
        assert_int_equal(ctxalloc_destroy(context), EBUSY);
        free(p);
        assert_int_equal(ctxalloc_destroy(context), 0);
    }
}

static void n2_a_child_that_refuses_keeps_its_parents(void **state) {
    (void)state;
    ctxalloc_context *top = CREATE(.name = "top"), *middle = CREATE(.parent = top), *child = CREATE(.parent = middle, .escape = CTXALLOC_REFUSE);
    void *p = ctxalloc_malloc(child, 100), *q = ctxalloc_malloc(middle, 100);
    assert_int_equal(ctxalloc_destroy(top), EBUSY);
    assert_int_equal(ctxalloc_destroy(middle), EBUSY);
    assert_int_equal(ctxalloc_reset(top), EBUSY);
    assert_int_equal(ctxalloc_inspect(q, NULL), CTXALLOC_LIVE); /* nothing changed */
    free(p);
    assert_int_equal(ctxalloc_reset(top), 0);
    assert_int_equal(ctxalloc_destroy(child), EINVAL); /* it went with the reset */
    assert_int_equal(ctxalloc_destroy(top), 0);
}

static void n2_adopted_blocks_are_global_without_a_parent(void **state) {
    (void)state;
    EACH_LIFETIME(l) EACH_SIZE(s) {
        ctxalloc_context *context = CREATE(.lifetime = *l, .escape = CTXALLOC_ADOPT);
        void *p = filled(ctxalloc_malloc(context, *s), *s), *q = filled(ctxalloc_malloc(context, *s), *s), *seed = q;
        assert_int_equal(ctxalloc_destroy(context), 0);
        assert_null(ctxalloc_switch(context));
        assert_ptr_equal(ctxalloc_owner(p), CTXALLOC_GLOBAL);
        assert_filled(p, *s, p);
        q = realloc(q, *s * 3);
        assert_filled(q, *s, seed);
        assert_ptr_equal(ctxalloc_owner(q), CTXALLOC_GLOBAL);
        in_thread(free_it, p);
        free(q);
        assert_true(unchecked || ctxalloc_inspect(hide_pointer(p), NULL) != CTXALLOC_LIVE); /* without checks it may still lie in an outbox */
    }
}

static void n2_adopted_blocks_are_the_parents(void **state) {
    (void)state;
    EACH_LIFETIME(l) EACH_LIFETIME(pl) {
        ctxalloc_context *parent = CREATE(.lifetime = *pl, .escape = CTXALLOC_REFUSE), *child = CREATE(.lifetime = *l, .parent = parent, .escape = CTXALLOC_ADOPT);
        void *p = filled(ctxalloc_malloc(child, 5000), 5000), *seed = p;
        assert_int_equal(ctxalloc_destroy(child), 0);
        assert_ptr_equal(ctxalloc_owner(p), parent);
        assert_true(ctxalloc_contains(parent, p));
        assert_true(usage_of(parent).held_bytes >= 5000);
        assert_int_equal(usage_of(parent).live_blocks, 1);
        assert_int_equal(ctxalloc_destroy(parent), EBUSY);
        (void)ctxalloc_switch(parent);
        p = realloc(p, 50000);
        (void)ctxalloc_switch(CTXALLOC_GLOBAL);
        assert_filled(p, 5000, seed);
        assert_ptr_equal(ctxalloc_owner(p), parent);
        free(p);
        assert_int_equal(ctxalloc_destroy(parent), 0);
    }
}

static void n2_adopted_blocks_go_with_the_parent(void **state) {
    (void)state;
    EACH_LIFETIME(l) {
        ctxalloc_context *parent = CREATE(.lifetime = *l), *child = CREATE(.lifetime = *l, .parent = parent, .escape = CTXALLOC_ADOPT);
        void *p = ctxalloc_malloc(child, 100), *huge = ctxalloc_malloc(child, 3 * MIB);
        assert_int_equal(ctxalloc_destroy(child), 0);
        assert_ptr_equal(ctxalloc_owner(huge), parent);
        assert_int_equal(ctxalloc_destroy(parent), 0);
        assert_int_not_equal(ctxalloc_inspect(hide_pointer(p), NULL), CTXALLOC_LIVE);
        assert_int_not_equal(ctxalloc_inspect(hide_pointer(huge), NULL), CTXALLOC_LIVE);
    }
}

static void n2_adopted_blocks_can_be_adopted_again(void **state) {
    (void)state;
    EACH_LIFETIME(l) for (int at_once = 0; at_once < 2; at_once++) {
        ctxalloc_context *top = CREATE(.name = "top"), *middle = CREATE(.lifetime = *l, .parent = top, .escape = CTXALLOC_ADOPT);
        ctxalloc_context *child = CREATE(.lifetime = *l, .parent = middle, .escape = CTXALLOC_ADOPT);
        uint64_t none = usage_of(top).held_bytes;
        void *p = filled(ctxalloc_malloc(child, 3 * MIB), 3 * MIB), *small = filled(ctxalloc_malloc(child, 100), 100);
        if (!at_once) {
            assert_int_equal(ctxalloc_destroy(child), 0);
            assert_ptr_equal(ctxalloc_owner(p), middle);
        }
        assert_int_equal(ctxalloc_destroy(middle), 0);
        assert_ptr_equal(ctxalloc_owner(p), top);
        assert_ptr_equal(ctxalloc_owner(small), top);
        assert_filled(p, 3 * MIB, p);
        assert_filled(small, 100, small);
        assert_true(usage_of(top).held_bytes >= 3 * MIB + 100);
        ctxalloc_context *next = CREATE(.name = "next"); /* it may get a record that is free now */
        uint64_t next_held = usage_of(next).held_bytes;
        free(p);
        free(small);
        assert_int_equal(usage_of(next).held_bytes, next_held);
        assert_true(usage_of(top).held_bytes <= none + 128 * KIB);
        assert_int_equal(ctxalloc_destroy(next), 0);
        assert_int_equal(ctxalloc_destroy(top), 0);
    }
}

/* Records and memory of adopted contexts come back when their last block is freed. */
static void n2_adoption_leaks_nothing(void **state) {
    (void)state;
    if (!CA_INTERPOSE)
        skip();
    EACH_LIFETIME(l) {
        size_t resident[2] = {0};
        for (int round = 0; round < 2; round++) {
            for (int i = 0; i < 5000 + 10000 * round; i++) {
                ctxalloc_context *context = CREATE(.lifetime = *l, .escape = CTXALLOC_ADOPT);
                void *p = ctxalloc_malloc(context, 100);
                assert_int_equal(ctxalloc_destroy(context), 0);
                free(hide_pointer(p));
            }
            FILE *file = fopen("/proc/self/statm", "r");
            assert_true(file && fscanf(file, "%*u %zu", &resident[round]) == 1);
            fclose(file);
        }
        assert_true(resident[1] < resident[0] + 1000); /* pages */
    }
}

/* --- children, callbacks, reset ------------------------------------------------------------------------------------------- */

static char order[64];
static size_t order_length;
static void note(void *what) { order[order_length++] = *(const char *)what; }

static const char *order_take(void) {
    static char taken[64];
    memcpy(taken, order, order_length);
    taken[order_length] = '\0';
    order_length = 0;
    return taken;
}

static void *text(const char *s) { return (void *)(uintptr_t)s; }

static void n2_callbacks_run_newest_first_children_first(void **state) {
    (void)state;
    EACH_LIFETIME(l) {
        ctxalloc_context *top = CREATE(.lifetime = *l), *a = CREATE(.lifetime = *l, .parent = top), *b = CREATE(.lifetime = *l, .parent = a);
        assert_int_equal(ctxalloc_on_destroy(top, note, text("1")), 0);
        assert_int_equal(ctxalloc_on_reset(top, note, text("2")), 0);
        assert_int_equal(ctxalloc_on_destroy(top, note, text("3")), 0);
        assert_int_equal(ctxalloc_on_destroy(a, note, text("a")), 0);
        assert_int_equal(ctxalloc_on_reset(b, note, text("b")), 0);
        assert_int_equal(ctxalloc_on_reset(top, note, text("4")), 0);
        assert_int_equal(ctxalloc_reset(top), 0); /* children are destroyed, its own are reset */
        assert_string_equal(order_take(), "ba42");
        assert_int_equal(ctxalloc_on_reset(top, note, text("5")), 0);
        assert_int_equal(ctxalloc_destroy(top), 0); /* those of the reset before are gone */
        assert_string_equal(order_take(), "531");
        assert_int_equal(ctxalloc_on_destroy(top, note, text("x")), EINVAL);
    }
    ctxalloc_context *context = CREATE(.name = "no function");
    assert_int_equal(ctxalloc_on_reset(context, NULL, NULL), EINVAL);
    assert_int_equal(ctxalloc_on_reset(CTXALLOC_GLOBAL, note, NULL), EINVAL);
    for (int i = 0; i < 50; i++)
        assert_int_equal(i % 2 ? ctxalloc_on_reset(context, note, text("r")) : ctxalloc_on_destroy(context, note, text("d")), 0);
    assert_int_equal(ctxalloc_reset(context), 0);
    assert_string_equal(order_take(), "rrrrrrrrrrrrrrrrrrrrrrrrr");
    assert_int_equal(ctxalloc_destroy(context), 0);
    assert_string_equal(order_take(), "ddddddddddddddddddddddddd");
}

struct resource {
    ctxalloc_context *context;
    char *block;
    bool was_live;
};

static void release(void *argument) {
    struct resource *r = (struct resource *)argument;
    r->was_live = ctxalloc_inspect(r->block, NULL) == CTXALLOC_LIVE && strcmp(r->block, "resource") == 0;
    char *more = (char *)ctxalloc_malloc(r->context, 100); /* a callback may allocate, and free */
    r->was_live &= more && ctxalloc_owner(more) == r->context;
    free(r->block);
    (void)ctxalloc_on_destroy(r->context, note, text("n")); /* and add another, which is called, too */
}

static void n2_a_callback_sees_the_blocks_and_may_use_the_context(void **state) {
    (void)state;
    EACH_LIFETIME(l) {
        struct resource r = {CREATE(.lifetime = *l), NULL, false};
        r.block = ctxalloc_strdup(r.context, "resource");
        assert_int_equal(ctxalloc_on_destroy(r.context, release, &r), 0);
        assert_int_equal(ctxalloc_destroy(r.context), 0);
        assert_true(r.was_live);
        assert_string_equal(order_take(), "n");
    }
}

static void n2_destroying_the_current_context_leads_to_global(void **state) {
    (void)state;
    EACH_LIFETIME(l) {
        ctxalloc_context *top = CREATE(.lifetime = *l), *child = CREATE(.lifetime = *l, .parent = top);
        (void)ctxalloc_switch(child);
        assert_non_null(malloc(100));
        assert_int_equal(ctxalloc_destroy(top), 0);
        assert_ptr_equal(ctxalloc_current(), CTXALLOC_GLOBAL);
        void *p = malloc(100);
        assert_ptr_equal(ctxalloc_owner(p), CTXALLOC_GLOBAL);
        free(p);
    }
}

static void n2_reset_drops_blocks_and_keeps_the_context(void **state) {
    (void)state;
    EACH_LIFETIME(l) {
        ctxalloc_context *context = CREATE(.lifetime = *l, .name = "again", .hard_limit = 32 * MIB);
        (void)ctxalloc_switch(context);
        uint64_t held = 0;
        for (int round = 0; round < 200; round++) {
            void *p[200];
            for (size_t i = 0; i < 200; i++)
                p[i] = filled(malloc(kinds_of_sizes[i % 8]), kinds_of_sizes[i % 8]);
            for (size_t i = 0; i < 200; i++)
                assert_filled(p[i], kinds_of_sizes[i % 8], p[i]);
            if (round == 10)
                held = usage_of(context).held_bytes;
            assert_int_equal(ctxalloc_reset(context), 0);
            assert_int_not_equal(ctxalloc_inspect(hide_pointer(p[7]), NULL), CTXALLOC_LIVE);
            assert_int_equal(usage_of(context).live_blocks, 0);
            assert_int_equal(usage_of(context).live_bytes, 0);
        }
        assert_true(usage_of(context).held_bytes <= held); /* the memory is used again */
        assert_ptr_equal(ctxalloc_current(), context);
        assert_string_equal(ctxalloc_name(context), "again");
        char *zero = (char *)calloc(1, 50000);
        assert_true(is_zero(zero, 50000));
        (void)ctxalloc_switch(CTXALLOC_GLOBAL);
        assert_int_equal(ctxalloc_destroy(context), 0);
    }
}

static void n2_what_is_current_elsewhere_is_busy(void **state) {
    (void)state;
    EACH_LIFETIME(l) {
        struct holder holder;
        ctxalloc_context *top = CREATE(.lifetime = *l), *child = CREATE(.lifetime = *l, .parent = top);
        assert_int_equal(ctxalloc_on_destroy(top, note, text("t")), 0);
        holder_start(&holder, child);
        assert_int_equal(ctxalloc_destroy(child), EBUSY);
        assert_int_equal(ctxalloc_reset(child), EBUSY);
        assert_int_equal(ctxalloc_destroy(top), EBUSY);
        assert_int_equal(ctxalloc_reset(top), EBUSY);
        assert_int_equal(ctxalloc_inspect(holder.block, NULL), CTXALLOC_LIVE);
        assert_string_equal(order_take(), "");
        holder_end(&holder);
        assert_int_equal(ctxalloc_destroy(top), 0);
        assert_string_equal(order_take(), "t");
    }
}

/* --- N11, N12 ---------------------------------------------------------------------------------------------------------------- */

static void n11_attributes_that_are_not_there_are_refused(void **state) {
    (void)state;
    for (unsigned bit = 4; bit < 32; bit++) {
        errno = 0;
        assert_null(CREATE(.flags = 1u << bit));
        assert_int_equal(errno, EINVAL);
    }
}

static void n12_an_address_has_an_exact_verdict(void **state) {
    (void)state;
    EACH_LIFETIME(l) EACH_SIZE(s) {
        ctxalloc_context *context = CREATE(.lifetime = *l);
        ctxalloc_verdict_t v;
        (void)ctxalloc_switch(context);
        char *p = (char *)malloc(*s), *next = (char *)malloc(*s);
        size_t usable = malloc_usable_size(p);
        assert_int_equal(ctxalloc_inspect(p, &v), CTXALLOC_LIVE);
        assert_true(v.verdict == CTXALLOC_LIVE && v.block == p && v.size == usable && v.owner == context);
        for (size_t at = 1; at < usable; at = at * 3 + 1) {
            assert_int_equal(ctxalloc_inspect(p + at, &v), CTXALLOC_INTERIOR);
            assert_true(v.block == p && v.size == usable && v.owner == context);
        }
        assert_int_equal(ctxalloc_inspect(p + usable - 1, &v), CTXALLOC_INTERIOR);
        free(p);
        assert_int_equal(ctxalloc_inspect(hide_pointer(p), &v), CTXALLOC_DEAD);
        assert_true(v.block == NULL && v.size == 0 && v.owner == NULL);
        assert_int_equal(ctxalloc_inspect(next, &v), CTXALLOC_LIVE);
        assert_int_equal(ctxalloc_inspect(&v, &v), CTXALLOC_FOREIGN);
        assert_int_equal(ctxalloc_inspect(NULL, NULL), CTXALLOC_FOREIGN);
        (void)ctxalloc_switch(CTXALLOC_GLOBAL);
        assert_int_equal(ctxalloc_destroy(context), 0);
        assert_int_equal(ctxalloc_inspect(hide_pointer(next), NULL), CTXALLOC_DEAD);
    }
}

int main(void) {
    const char *options = getenv("CTXALLOC_OPTIONS");
    unchecked = options && strstr(options, "check=off"); /* freed blocks of pages in use count as live then */
    const struct CMUnitTest tests[] = {
        TEST(n2_the_c_library_allocates_from_the_current_context),
        TEST(n2_free_all_takes_everything),
        TEST(n2_refuse_keeps_the_context_while_blocks_live),
        TEST(n2_refuse_counts_blocks_of_other_threads),
        TEST(n2_a_child_that_refuses_keeps_its_parents),
        TEST(n2_adopted_blocks_are_global_without_a_parent),
        TEST(n2_adopted_blocks_are_the_parents),
        TEST(n2_adopted_blocks_go_with_the_parent),
        TEST(n2_adopted_blocks_can_be_adopted_again),
        TEST(n2_adoption_leaks_nothing),
        TEST(n2_callbacks_run_newest_first_children_first),
        TEST(n2_a_callback_sees_the_blocks_and_may_use_the_context),
        TEST(n2_destroying_the_current_context_leads_to_global),
        TEST(n2_reset_drops_blocks_and_keeps_the_context),
        TEST(n2_what_is_current_elsewhere_is_busy),
        TEST(n11_attributes_that_are_not_there_are_refused),
        TEST(n12_an_address_has_an_exact_verdict), /* the last: needs the checks */
    };
    size_t count = ARRAY_LENGTH(tests) - unchecked;
    return _cmocka_run_group_tests("destroy", tests, count, NULL, NULL);
}
