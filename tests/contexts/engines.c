/* What each kind of context gives: lifetimes, sizes and alignments, resizing, merging, and whose an address is.
 * Rows CA11 to CA18 and CA25. */
#include "tests/contexts/contexts.h"

static void ca11_lifetime_and_block_size_choose_the_engine(void **state) {
    (void)state;
    ctxalloc_context *longer = CREATE(.lifetime = CTXALLOC_LONG, .block_size = 100), *shorter = CREATE(.lifetime = CTXALLOC_SHORT, .block_size = 100);
    assert_non_null(longer);
    assert_non_null(shorter);
    /* What tells them apart: blocks of a short one lie side by side, and what is freed in a long one comes again. */
    (void)ctxalloc_switch(shorter);
    char *a = (char *)malloc(100), *b = (char *)malloc(100), *c = (char *)malloc(100);
    free(a);
    assert_true(b - a == 112 && c - b == 112 && (char *)malloc(100) - c == 112);
    (void)ctxalloc_switch(longer);
    a = (char *)malloc(100);
    b = (char *)malloc(100);
    free(a);
    free(b);
    bool again = false;
    for (int i = 0; i < 64 && !again; i++) { /* not at once: a slab begins at a colour and goes on at its start, and without checks one object waits */
        c = (char *)malloc(100);
        again = c == a || c == b;
    }
    assert_true(again);
    (void)ctxalloc_switch(CTXALLOC_GLOBAL);
    ctxalloc_mark_t mark;
    assert_int_equal(ctxalloc_mark(shorter, &mark), 0);
    assert_int_equal(ctxalloc_mark(longer, &mark), EINVAL);
    assert_int_equal(ctxalloc_destroy(longer), 0);
    assert_int_equal(ctxalloc_destroy(shorter), 0);
}

/* Blocks of a medium one are multiples of the hint; what is freed is used again. (With check=full it is a full heap.) */
static void ca11_the_block_size_is_the_unit_of_a_medium_context(void **state) {
    (void)state;
    static const size_t hints[] = {0, 1, 16, 100, 4096, 4097};
    static const size_t units[] = {16, 16, 16, 112, 4096, 16};
    for (size_t i = 0; i < ARRAY_LENGTH(hints); i++) {
        ctxalloc_context *context = CREATE(.lifetime = CTXALLOC_MEDIUM, .block_size = hints[i]);
        ctxalloc_mark_t mark;
        (void)ctxalloc_switch(context);
        for (size_t size = 1; size < 3 * units[i]; size += units[i] / 2) {
            void *p = malloc(size);
            assert_non_null(p);
            assert_int_equal(malloc_usable_size(p), (size + units[i] - 1) / units[i] * units[i]);
        }
        assert_int_equal(ctxalloc_mark(context, &mark), EINVAL);
        uint64_t held = usage_of(context).held_bytes;
        for (int j = 0; j < 5000; j++) {
            void *p = malloc(units[i]);
            assert_non_null(p);
            free(p);
        }
        assert_true(usage_of(context).held_bytes <= held + 64 * KIB);
        (void)ctxalloc_switch(CTXALLOC_GLOBAL);
        assert_int_equal(ctxalloc_destroy(context), 0);
    }
}

static void ca11_wrong_options_are_refused(void **state) {
    (void)state;
    const ctxalloc_options wrong[] = {
        {.size = 0},
        {.size = sizeof(ctxalloc_options), .lifetime = (enum ctxalloc_lifetime)3},
        {.size = sizeof(ctxalloc_options), .escape = (enum ctxalloc_escape)3},
        {.size = sizeof(ctxalloc_options), .flags = 1u << 31},
        {.size = sizeof(ctxalloc_options), .soft_limit = 2, .hard_limit = 1},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++) {
        errno = 0;
        assert_null(ctxalloc_create(&wrong[i]));
        assert_int_equal(errno, EINVAL);
    }
    ctxalloc_context *dead = CREATE(.name = "dead");
    assert_int_equal(ctxalloc_destroy(dead), 0);
    errno = 0;
    assert_null(CREATE(.parent = dead));
    assert_int_equal(errno, EINVAL);
    ctxalloc_context *plain = ctxalloc_create(NULL);
    assert_string_equal(ctxalloc_name(plain), "");
    ctxalloc_context *named = CREATE(.name = "0123456789012345678901234567890123456789");
    assert_string_equal(ctxalloc_name(named), "0123456789012345678901234567890"); /* 31 bytes */
    assert_int_equal(ctxalloc_destroy(plain), 0);
    assert_int_equal(ctxalloc_destroy(named), 0);
    plain = CREATE(.lifetime = CTXALLOC_LONG); /* in the next life of the one that had a name */
    assert_ptr_equal(plain, named);
    assert_string_equal(ctxalloc_name(plain), "");
    assert_int_equal(ctxalloc_destroy(plain), 0);
}

static void ca12_the_last_block_of_a_short_context_grows_in_place(void **state) {
    (void)state;
    ctxalloc_context *context = CREATE(.lifetime = CTXALLOC_SHORT);
    (void)ctxalloc_switch(context);
    char *first = (char *)malloc(16), *last = (char *)malloc(16);
    for (size_t size = 32; size <= 1200; size += 16) {
        assert_ptr_equal(realloc(last, size), last);
        assert_int_equal(malloc_usable_size(last), size);
    }
    assert_ptr_equal(realloc(last, 16), last); /* and shrinks, and what it leaves is there for the next */
    assert_ptr_equal(malloc(16), last + 16);
    void *moved = realloc(first, 64); /* not the last: it moves */
    assert_true(moved != first);
    assert_int_equal(ctxalloc_resize(last, 400), ENOMEM);
    assert_int_equal(ctxalloc_resize(moved, 400), 0);
    free(moved); /* the last block is taken back */
    assert_ptr_equal(malloc(400), moved);
    (void)ctxalloc_switch(CTXALLOC_GLOBAL);
    assert_int_equal(ctxalloc_destroy(context), 0);
}

/* malloc_usable_size is a promise for as long as the block lives. */
static void ca12_the_size_of_a_block_does_not_change_by_what_follows(void **state) {
    (void)state;
    ctxalloc_context *context = CREATE(.lifetime = CTXALLOC_SHORT);
    enum { COUNT = 400 };
    void *p[COUNT];
    size_t size[COUNT];
    uint64_t random = 3;
    (void)ctxalloc_switch(context);
    for (size_t i = 0; i < COUNT; i++) {
        size_t wanted = random_size(&random, 11);
        p[i] = i % 3 ? malloc(wanted) : memalign((size_t)16 << random_next(&random) % 9, wanted);
        assert_non_null(p[i]);
        size[i] = malloc_usable_size(p[i]);
        assert_true(size[i] >= wanted);
        if (i % 5 == 4) {
            free(p[i]);
            p[i] = malloc(8);
            size[i] = malloc_usable_size(p[i]);
        }
        for (size_t j = 0; j <= i; j++)
            assert_int_equal(malloc_usable_size(p[j]), size[j]);
    }
    (void)ctxalloc_switch(CTXALLOC_GLOBAL);
    assert_int_equal(ctxalloc_destroy(context), 0);
}

/* Blocks of one size that come and go in any order: the memory of those freed is used again, and all bytes are the block's own. */
static void ca13_a_medium_context_reuses_what_is_freed(void **state) {
    (void)state;
    ctxalloc_context *context = CREATE(.lifetime = CTXALLOC_MEDIUM, .block_size = 64);
    enum { COUNT = 1000, ROUNDS = 200 };
    void *p[COUNT] = {NULL};
    uint64_t random = 11, held = 0;
    (void)ctxalloc_switch(context);
    for (int round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < COUNT; i++) {
            size_t at = random_next(&random) % COUNT;
            if (p[at]) {
                assert_filled(p[at], 64, p[at]);
                free(p[at]);
                p[at] = NULL;
            } else {
                p[at] = filled(malloc(64), 64);
            }
        }
        if (round == 20)
            held = usage_of(context).held_bytes;
    }
    assert_true(usage_of(context).held_bytes <= held + 128 * KIB);
    (void)ctxalloc_switch(CTXALLOC_GLOBAL);
    assert_int_equal(ctxalloc_destroy(context), 0);
}

/* The same in a medium one: a run of an odd number of blocks at an odd place, freed in an odd order. */
static void ca14_any_neighbours_merge_in_a_medium_context(void **state) {
    (void)state;
    ctxalloc_context *context = CREATE(.lifetime = CTXALLOC_MEDIUM);
    (void)ctxalloc_switch(context);
    char *p[200];
    for (size_t i = 0; i < ARRAY_LENGTH(p); i++) {
        p[i] = (char *)malloc(48);
        assert_non_null(p[i]);
    }
    uint64_t held = usage_of(context).held_bytes;
    assert_int_equal(ctxalloc_set_limits(context, 0, held), 0);
    while (malloc(48)) /* no other place is left */
        ;
    size_t first = 41;
    while (p[first + 6] != p[first] + 6 * 48)
        first++;
    for (size_t i = 0; i < 7; i++)
        free(p[first + i * 3 % 7]);
    assert_ptr_equal(malloc((size_t)7 * 48), p[first]);
    assert_int_equal(usage_of(context).held_bytes, held);
    assert_null(malloc(48));
    (void)ctxalloc_switch(CTXALLOC_GLOBAL);
    assert_int_equal(ctxalloc_destroy(context), 0);
}

/* Chunks in which nothing lives go back when a limit is in the way. */
static void ca13_empty_chunks_make_room_under_a_limit(void **state) {
    (void)state;
    ctxalloc_context *context = CREATE(.lifetime = CTXALLOC_MEDIUM, .hard_limit = 512 * KIB);
    (void)ctxalloc_switch(context);
    enum { COUNT = 600 };
    void *p[COUNT], *large;
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < COUNT; i++)
            p[i] = filled(malloc(700), 700);
        assert_null(malloc(300 * KIB));
        for (int i = 0; i < COUNT; i++) {
            assert_filled(p[i], 700, p[i]);
            free(p[i]);
        }
        large = filled(malloc(300 * KIB), 300 * KIB); /* not from chunks: what they held had to go back */
        free(large);
    }
    (void)ctxalloc_switch(CTXALLOC_GLOBAL);
    assert_int_equal(ctxalloc_destroy(context), 0);
}

/* A buddy allocator could not merge these: the halves belong to different buddies. */
static void ca14_neighbours_that_are_no_buddies_merge(void **state) {
    (void)state;
    ctxalloc_context *context = CREATE(.lifetime = CTXALLOC_LONG);
    (void)ctxalloc_switch(context);
    char *p[16];
    for (size_t i = 0; i < 16; i++) {
        p[i] = (char *)malloc(36 * KIB);
        assert_non_null(p[i]);
    }
    uint64_t held = usage_of(context).held_bytes;
    assert_int_equal(ctxalloc_set_limits(context, 0, held), 0);
    for (size_t filled = 0; malloc(72 * KIB); filled++) /* no other place is left */
        assert_true(filled < 100);
    for (size_t i = 0; i < 16; i++)
        for (size_t j = i + 1; j < 16; j++)
            if (p[j] == p[i] + 36 * KIB && p[i]) {
                char *from = p[i];
                free(p[i]);
                free(p[j]);
                p[i] = p[j] = NULL;
                char *both = (char *)malloc(72 * KIB);
                assert_ptr_equal(both, from);
                assert_int_equal(usage_of(context).held_bytes, held);
                (void)ctxalloc_switch(CTXALLOC_GLOBAL);
                assert_int_equal(ctxalloc_destroy(context), 0);
                return;
            }
    fail_msg("no two of 16 large blocks are neighbours");
}

static void ca15_contains_says_whose_an_address_is(void **state) {
    (void)state;
    EACH_LIFETIME(l) EACH_SIZE(s) {
        ctxalloc_context *context = CREATE(.lifetime = *l), *other = CREATE(.lifetime = *l);
        char *p = (char *)ctxalloc_malloc(context, *s);
        assert_true(ctxalloc_contains(context, p) && ctxalloc_contains(context, p + *s - 1) && ctxalloc_contains(context, p + *s / 2));
        assert_false(ctxalloc_contains(other, p));
        assert_false(ctxalloc_contains(CTXALLOC_GLOBAL, p));
        assert_false(ctxalloc_contains(context, &context));
        assert_false(ctxalloc_contains(context, NULL));
        assert_ptr_equal(ctxalloc_owner(p + *s / 2), context);
        assert_null(ctxalloc_owner(&context));
        assert_null(ctxalloc_owner(NULL));
        assert_int_equal(ctxalloc_destroy(context), 0);
        assert_null(ctxalloc_owner(hide_pointer(p)));
        assert_false(ctxalloc_contains(other, hide_pointer(p)));
        assert_int_equal(ctxalloc_destroy(other), 0);
    }
}

static void ca15_contains_counts_free_space_alike(void **state) {
    (void)state;
    ctxalloc_context *context = CREATE(.lifetime = CTXALLOC_LONG);
    (void)ctxalloc_switch(context);
    char *keep = (char *)malloc(40000), *p = (char *)malloc(40000);
    free(p);
    assert_non_null(keep);
    assert_true(ctxalloc_contains(context, hide_pointer(p)));
    (void)ctxalloc_switch(CTXALLOC_GLOBAL);
    assert_int_equal(ctxalloc_destroy(context), 0);
}

static void ca16_resize_moves_nothing(void **state) {
    (void)state;
    EACH_LIFETIME(l) EACH_SIZE(from) EACH_SIZE(to) {
        ctxalloc_context *context = CREATE(.lifetime = *l);
        (void)ctxalloc_switch(context);
        void *p = filled(malloc(*from), *from), *next = malloc(16);
        size_t before = malloc_usable_size(p);
        int result = ctxalloc_resize(p, *to);
        assert_true(result == 0 || result == ENOMEM);
        assert_true(result == 0 || *to > before); /* shrinking never fails */
        assert_filled(p, *from < *to || result ? *from : *to, p);
        if (result)
            assert_int_equal(malloc_usable_size(p), before);
        else
            assert_true(malloc_usable_size(p) >= *to);
        assert_int_equal(ctxalloc_inspect(next, NULL), CTXALLOC_LIVE);
        assert_int_equal(ctxalloc_resize((char *)p + 1, 1), EINVAL);
        (void)ctxalloc_switch(CTXALLOC_GLOBAL);
        assert_int_equal(ctxalloc_destroy(context), 0);
    }
    assert_int_equal(ctxalloc_resize(NULL, 1), EINVAL);
}

static void ca16_realloc_can_change_the_alignment(void **state) {
    (void)state;
    EACH_LIFETIME(l) EACH_SIZE(from) EACH_SIZE(to) for (size_t align = 16; align <= MIB; align *= 16) {
        ctxalloc_context *owner = CREATE(.lifetime = *l);
        void *seed = ctxalloc_malloc(owner, *from), *p = ctxalloc_realloc_aligned(filled(seed, *from), align, *to);
        assert_true(p && is_aligned(p, align));
        assert_filled(p, *from < *to ? *from : *to, seed);
        assert_ptr_equal(ctxalloc_owner(p), owner);
        assert_int_equal(ctxalloc_destroy(owner), 0);
    }
    void *p = ctxalloc_realloc_aligned(NULL, 128, 10);
    assert_true(is_aligned(p, 128));
    errno = 0;
    assert_null(ctxalloc_realloc_aligned(p, 24, 10));
    assert_int_equal(errno, EINVAL);
    free(p);
}

static void *realloc_all_aligned(void *blocks) {
    for (void **p = (void **)blocks; *p; p++) {
        *p = ctxalloc_realloc_aligned(*p, 64, 300);
        if (!*p)
            return NULL;
    }
    return blocks;
}

static void ca16_realloc_aligned_by_two_threads(void **state) {
    (void)state;
    enum { COUNT = 20000 };
    EACH_LIFETIME(l) {
        ctxalloc_context *owner = CREATE(.lifetime = *l);
        void **mine = (void **)calloc(COUNT + 1, sizeof *mine), **theirs = (void **)calloc(COUNT + 1, sizeof *theirs);
        for (size_t i = 0; i < COUNT; i++) {
            mine[i] = ctxalloc_malloc(owner, 10);
            theirs[i] = ctxalloc_malloc(owner, 10);
        }
        pthread_t thread;
        void *result;
        assert_int_equal(pthread_create(&thread, NULL, realloc_all_aligned, theirs), 0);
        assert_non_null(realloc_all_aligned(mine));
        assert_int_equal(pthread_join(thread, &result), 0);
        assert_non_null(result);
        assert_int_equal(ctxalloc_destroy(owner), 0);
        free(mine);
        free(theirs);
    }
}

static void ca17_the_excess_is_told_and_may_be_used(void **state) {
    (void)state;
    EACH_LIFETIME(l) EACH_SIZE(s) {
        ctxalloc_context *context = CREATE(.lifetime = *l);
        (void)ctxalloc_switch(context);
        size_t usable = 0;
        void *p = ctxalloc_malloc_excess(*s, &usable), *next = filled(malloc(100), 100);
        assert_true(p && usable >= *s && usable == malloc_usable_size(p));
        memset(p, 0xff, usable);
        assert_filled(next, 100, next);
        (void)ctxalloc_switch(CTXALLOC_GLOBAL);
        assert_int_equal(ctxalloc_destroy(context), 0);
    }
    size_t usable;
    errno = 0;
    assert_null(ctxalloc_malloc_excess(hide_size(SIZE_MAX), &usable));
    assert_int_equal(errno, ENOMEM);
}

static void ca18_zero_sized_requests_are_blocks_of_their_own(void **state) {
    (void)state;
    EACH_LIFETIME(l) {
        ctxalloc_context *context = CREATE(.lifetime = *l, .escape = CTXALLOC_REFUSE);
        void *p[100];
        (void)ctxalloc_switch(context);
        for (int i = 0; i < 100; i += 5) {
            p[i] = malloc(hide_size(0));
            p[i + 1] = calloc(0, 5);
            p[i + 2] = ctxalloc_malloc(context, 0);
            p[i + 3] = memalign(64, 0);
            p[i + 4] = ctxalloc_calloc(context, 0, 0);
        }
        for (int i = 0; i < 100; i++) {
            assert_non_null(p[i]);
            for (int j = 0; j < i; j++)
                assert_true(p[i] != p[j]);
        }
        assert_int_equal(usage_of(context).live_blocks, 100);
        for (int i = 0; i < 50; i++)
            free(p[i]);
        for (int i = 50; i < 100; i++)
            assert_null(realloc(p[i], 0));
        assert_int_equal(usage_of(context).live_blocks, 0);
        (void)ctxalloc_switch(CTXALLOC_GLOBAL);
        assert_int_equal(ctxalloc_destroy(context), 0);
    }
}

/* Any size and any alignment, for every lifetime, by every entry point: all bytes usable, none shared. */
static void ca18_all_lifetimes_serve_any_size_and_alignment(void **state) {
    (void)state;
    EACH_LIFETIME(l) {
        enum { COUNT = 600 };
        void *p[COUNT];
        size_t size[COUNT];
        uint64_t random = 7;
        ctxalloc_context *context = CREATE(.lifetime = *l, .escape = CTXALLOC_REFUSE);
        (void)ctxalloc_switch(context);
        for (size_t i = 0; i < COUNT; i++) {
            size_t align = (size_t)16 << random_next(&random) % 18; /* to 2 MiB */
            size[i] = random_size(&random, i % 30 ? 15 : 23);
            p[i] = i % 4 == 0 ? ctxalloc_memalign(context, align, size[i]) : i % 4 == 1 ? calloc(1, size[i]) : i % 4 == 2 ? malloc(size[i]) : memalign(align, size[i]);
            assert_true(p[i] && is_aligned(p[i], i % 4 == 0 || i % 4 == 3 ? align : 16));
            if (i % 4 == 1)
                assert_true(is_zero(p[i], size[i]));
            size[i] = malloc_usable_size(p[i]);
            (void)filled(p[i], size[i]);
        }
        for (size_t i = 0; i < COUNT; i++) {
            assert_filled(p[i], size[i], p[i]);
            free(p[i]);
        }
        errno = 0;
        assert_null(malloc(hide_size(PTRDIFF_MAX)));
        assert_int_equal(errno, ENOMEM);
        assert_null(ctxalloc_malloc(context, SIZE_MAX));
        assert_null(ctxalloc_calloc(context, SIZE_MAX / 2, 3));
        assert_null(ctxalloc_memalign(context, 4096, PTRDIFF_MAX));
        assert_null(ctxalloc_malloc(context, ((size_t)1 << 44) + 4096));
        errno = 0;
        assert_null(ctxalloc_memalign(context, 48, 1));
        assert_int_equal(errno, EINVAL);
        ctxalloc_usage_t u = usage_of(context);
        assert_true(u.live_blocks == 0 && u.held_bytes <= u.peak_bytes && u.peak_bytes < 1024 * MIB);
        (void)ctxalloc_switch(CTXALLOC_GLOBAL);
        assert_int_equal(ctxalloc_destroy(context), 0);
    }
}

/* As libraries want it that take their allocator as one function. */
static void *one_function(void *context, void *p, size_t old, size_t size) {
    (void)old;
    if (size)
        return ctxalloc_realloc((ctxalloc_context *)context, p, size);
    free(p);
    return NULL;
}

static void ca25_a_context_is_somebodys_allocator(void **state) {
    (void)state;
    EACH_LIFETIME(l) {
        ctxalloc_context *context = CREATE(.lifetime = *l, .escape = CTXALLOC_REFUSE);
        void *(*allocator)(void *, void *, size_t, size_t) = one_function;
        void *p[10] = {NULL};
        for (size_t round = 0; round < 10; round++)
            for (size_t i = 0; i < 10; i++) {
                size_t old = round ? kinds_of_sizes[(round - 1 + i) % 10] : 0, size = kinds_of_sizes[(round + i) % 10];
                void *seed = p[i];
                p[i] = allocator(context, p[i], old, size);
                assert_non_null(p[i]);
                if (old)
                    assert_filled(p[i], old < size ? old : size, seed);
                assert_ptr_equal(ctxalloc_owner(p[i]), context);
                (void)filled(p[i], size);
            }
        for (size_t i = 0; i < 10; i++)
            assert_null(allocator(context, p[i], 1, 0));
        assert_int_equal(ctxalloc_destroy(context), 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(ca11_lifetime_and_block_size_choose_the_engine),
        TEST(ca11_the_block_size_is_the_unit_of_a_medium_context),
        TEST(ca11_wrong_options_are_refused),
        TEST(ca12_the_last_block_of_a_short_context_grows_in_place),
        TEST(ca12_the_size_of_a_block_does_not_change_by_what_follows),
        TEST(ca13_a_medium_context_reuses_what_is_freed),
        TEST(ca13_empty_chunks_make_room_under_a_limit),
        TEST(ca14_neighbours_that_are_no_buddies_merge),
        TEST(ca14_any_neighbours_merge_in_a_medium_context),
        TEST(ca15_contains_says_whose_an_address_is),
        TEST(ca15_contains_counts_free_space_alike),
        TEST(ca16_resize_moves_nothing),
        TEST(ca16_realloc_can_change_the_alignment),
        TEST(ca16_realloc_aligned_by_two_threads),
        TEST(ca17_the_excess_is_told_and_may_be_used),
        TEST(ca18_zero_sized_requests_are_blocks_of_their_own),
        TEST(ca18_all_lifetimes_serve_any_size_and_alignment),
        TEST(ca25_a_context_is_somebodys_allocator),
    };
    return cmocka_run_group_tests_name("engines", tests, NULL, NULL);
}
