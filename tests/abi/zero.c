/* Sizes of zero and null pointers: malloc(0) is a block of its own, realloc(p, 0) frees, free(NULL) does nothing. */
#include "tests/abi/abi.h"

static void zero_size_is_unique_and_freeable(void **state) {
    (void)state;
    void *seen[2 * ARRAY_LENGTH(entries)];
    size_t count = 0;
    for (size_t e = 0; e < ARRAY_LENGTH(entries); e++) {
        if (entries[e].zero_frees)
            continue;
        for (int twice = 0; twice < 2; twice++) {
            void *p = entries[e].allocate(0);
            if (p == NULL)
                fail_msg("%s of 0 is NULL", entries[e].name);
            if (!is_aligned(p, entries[e].alignment))
                fail_msg("%s of 0 gives %p, not aligned to %zu", entries[e].name, p, entries[e].alignment);
            for (size_t i = 0; i < count; i++)
                if (seen[i] == p)
                    fail_msg("%s of 0 gives %p, which is alive already", entries[e].name, p);
            seen[count++] = p;
        }
    }
    for (size_t i = 0; i < count; i++)
        free(seen[i]);
}

static void many_zero_sizes_are_all_different(void **state) {
    (void)state;
    enum { COUNT = 5000 };
    static char *blocks[COUNT];
    static bool taken[COUNT];
    char *lowest = NULL;
    for (size_t i = 0; i < COUNT; i++) {
        blocks[i] = (char *)malloc(hide_size(0));
        assert_non_null(blocks[i]);
        *(blocks[i] + 0) = (char)i; /* it has at least the byte that its alignment implies */
        if (lowest == NULL || blocks[i] < lowest)
            lowest = blocks[i];
    }
    /* Unique: 16 bytes apart each, so no two share a slot of 16 bytes. Compare with a sieve where they are close. */
    for (size_t i = 0; i < COUNT; i++) {
        size_t slot = (size_t)(blocks[i] - lowest) / 16;
        if (slot < COUNT) {
            assert_false(taken[slot]);
            taken[slot] = true;
        }
        assert_int_equal(*blocks[i], (char)i);
    }
    for (size_t i = 0; i < COUNT; i++)
        free(blocks[i]);
}

static void realloc_to_zero_frees(void **state) {
    (void)state;
    struct mallinfo2 at_start = mallinfo2();
    size_t before = at_start.uordblks + at_start.hblkhd;
    for (size_t s = 0; s < ARRAY_LENGTH(sizes_of_every_range); s++) {
        void *p = malloc(sizes_of_every_range[s]);
        assert_non_null(p);
        assert_null(realloc(p, hide_size(0)));
        p = malloc(sizes_of_every_range[s]);
        assert_non_null(p);
        assert_null(__libc_realloc(p, hide_size(0)));
        p = malloc(sizes_of_every_range[s]);
        assert_non_null(p);
        assert_null(reallocarray(p, hide_size(0), 16));
        p = malloc(sizes_of_every_range[s]);
        assert_non_null(p);
        assert_null(reallocarray(p, 16, hide_size(0)));
        p = malloc(sizes_of_every_range[s]);
        assert_non_null(p);
        assert_null(reallocf(p, hide_size(0)));
        p = malloc(sizes_of_every_range[s]);
        assert_non_null(p);
        assert_int_equal(reallocarr(&p, hide_size(0), 16), 0);
        assert_null(p);
        p = malloc(sizes_of_every_range[s]);
        assert_non_null(p);
        assert_int_equal(reallocarr(&p, 16, hide_size(0)), 0);
        assert_null(p);
    }
    /* 7 times the sum of the sizes went through: leaked, it would be a gigabyte. */
    struct mallinfo2 at_end = mallinfo2();
    assert_true(at_end.uordblks + at_end.hblkhd < before + 64 * MIB);
}

static void null_is_accepted_where_a_block_is(void **state) {
    (void)state;
    free(hide_pointer(NULL));
    cfree(NULL);
    free_sized(NULL, 0);
    free_sized(NULL, 100);
    free_aligned_sized(NULL, 64, 0);
    free_aligned_sized(NULL, 64, 128);
    __libc_free(NULL);
    assert_int_equal(malloc_usable_size(NULL), 0);
    assert_int_equal(malloc_size(NULL), 0);
    void *p = NULL;
    assert_int_equal(reallocarr(&p, 0, 8), 0);
    assert_null(p);
}

static void every_way_to_free_frees(void **state) {
    (void)state;
    struct mallinfo2 at_start = mallinfo2();
    size_t before = at_start.uordblks + at_start.hblkhd;
    for (size_t s = 0; s < ARRAY_LENGTH(sizes_of_every_range); s++) {
        size_t size = sizes_of_every_range[s];
        cfree(malloc(size));
        free_sized(malloc(size), size);
        free_aligned_sized(aligned_alloc(256, size), 256, size);
        free_aligned_sized(aligned_alloc(65536, size), 65536, size);
        __libc_free(malloc(size));
        free(__libc_malloc(size));
    }
    struct mallinfo2 at_end = mallinfo2();
    assert_true(at_end.uordblks + at_end.hblkhd < before + 64 * MIB);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zero_size_is_unique_and_freeable),
        cmocka_unit_test(many_zero_sizes_are_all_different),
        cmocka_unit_test(realloc_to_zero_frees),
        cmocka_unit_test(null_is_accepted_where_a_block_is),
        cmocka_unit_test(every_way_to_free_frees),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
