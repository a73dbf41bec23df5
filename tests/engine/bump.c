/* What the features' rows CA12 and CA15 to CA18 ask of the bump engine, one test each, by its name. */
#include "tests/unit/cmocka_face.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ctxalloc/bump.h"
#include "engine/bump.h"

enum { SIZE = 256 };

static _Alignas(64) unsigned char memory[SIZE];
static ctxalloc_bump bump = CTXALLOC_BUMP_INIT(memory);

static int clear(void **state)
{
    (void)state;
    assert_int_equal(ctxalloc_bump_over(&bump, memory, SIZE), 0);
    return 0;
}

/* This one runs first, without `clear`. */
static void ca12_static_bump_needs_no_call(void **state)
{
    (void)state;
    assert_ptr_equal(ctxalloc_bump_alloc(&bump, 3, 1), memory);
    assert_ptr_equal(ctxalloc_bump_alloc(&bump, 3, 1), memory + 3);
    assert_int_equal(ctxalloc_bump_capacity(&bump), SIZE);
}

static void ca12_last_byte_is_given(void **state)
{
    (void)state;
    assert_ptr_equal(ctxalloc_bump_alloc(&bump, SIZE, 1), memory);
    assert_null(ctxalloc_bump_alloc(&bump, 1, 1));
    ctxalloc_bump_reset(&bump);
    assert_true(ctxalloc_bump_empty(&bump));
    assert_null(ctxalloc_bump_alloc(&bump, SIZE + 1, 1));
    assert_null(ctxalloc_bump_alloc(&bump, SIZE_MAX, 1));
    for (int i = 0; i < SIZE; i++)
        assert_ptr_equal(ctxalloc_bump_alloc(&bump, 1, 1), memory + i);
    assert_null(ctxalloc_bump_alloc(&bump, 1, 1));
    assert_int_equal(ctxalloc_bump_used(&bump), SIZE);
}

static void ca12_last_block_grows_in_place(void **state)
{
    size_t available;
    (void)state;
    unsigned char *p = ctxalloc_bump_alloc(&bump, 10, 1), *q = ctxalloc_bump_alloc(&bump, 10, 1);
    assert_int_equal(ctxalloc_bump_resize(&bump, q, SIZE - 10, &available), 0);
    assert_int_equal(available, SIZE - 10);
    assert_int_equal(ctxalloc_bump_size(&bump, q), SIZE - 10);
    assert_int_equal(ctxalloc_bump_resize(&bump, q, SIZE - 9, &available), ENOMEM);
    assert_int_equal(ctxalloc_bump_size(&bump, q), SIZE - 10);
    assert_int_equal(ctxalloc_bump_resize(&bump, q, 1, NULL), 0);
    assert_int_equal(ctxalloc_bump_used(&bump), 11);
    assert_int_equal(ctxalloc_bump_resize(&bump, p, 5, &available), ENOMEM);
    assert_int_equal(available, 0);
    assert_ptr_equal(ctxalloc_bump_realloc(&bump, q, 1, 100, 1), q);
    assert_ptr_equal(ctxalloc_bump_realloc(&bump, q, 100, 2, 1), q);
    assert_int_equal(ctxalloc_bump_used(&bump), 12);
}

static void ca12_wrong_frees_are_einval(void **state)
{
    (void)state;
    unsigned char *p = ctxalloc_bump_alloc(&bump, 10, 1), *q = ctxalloc_bump_alloc(&bump, 10, 1), local[1];
    void *wrong[] = {NULL, local, (void *)((uintptr_t)memory - 1), memory + 20, memory + 21, memory + SIZE, q + 1, q + 9};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(ctxalloc_bump_free(&bump, wrong[i]), EINVAL);
        assert_int_equal(ctxalloc_bump_resize(&bump, wrong[i], 1, NULL), EINVAL);
        if (wrong[i])
            assert_null(ctxalloc_bump_realloc(&bump, wrong[i], 1, 1, 1));
        assert_int_equal(ctxalloc_bump_used(&bump), 20);
    }
    assert_int_equal(ctxalloc_bump_free(&bump, p), 0); /* an earlier block: nothing */
    assert_int_equal(ctxalloc_bump_used(&bump), 20);
    assert_int_equal(ctxalloc_bump_free(&bump, q), 0);
    assert_int_equal(ctxalloc_bump_used(&bump), 10);
    assert_int_equal(ctxalloc_bump_free(&bump, q), EINVAL);
    assert_int_equal(ctxalloc_bump_resize(&bump, q, 1, NULL), EINVAL);
    assert_ptr_equal(ctxalloc_bump_alloc(&bump, 1, 1), q);
}

static void ca12_mark_and_release(void **state)
{
    (void)state;
    unsigned char *p = ctxalloc_bump_alloc(&bump, 10, 1);
    ctxalloc_bump_mark outer = ctxalloc_bump_get_mark(&bump);
    assert_non_null(ctxalloc_bump_alloc(&bump, 20, 8));
    ctxalloc_bump_mark inner = ctxalloc_bump_get_mark(&bump);
    assert_non_null(ctxalloc_bump_alloc(&bump, 20, 8));
    assert_int_equal(ctxalloc_bump_release(&bump, inner), 0);
    assert_int_equal(ctxalloc_bump_used(&bump), 36);
    assert_int_equal(ctxalloc_bump_release(&bump, outer), 0);
    assert_int_equal(ctxalloc_bump_used(&bump), 10);
    assert_int_equal(ctxalloc_bump_release(&bump, inner), EINVAL);
    assert_int_equal(ctxalloc_bump_used(&bump), 10);
    assert_int_equal(ctxalloc_bump_resize(&bump, p, 30, NULL), 0); /* last again */
    assert_int_equal(ctxalloc_bump_release(&bump, (ctxalloc_bump_mark){5, 6}), EINVAL);
}

static void ca12_any_alignment(void **state)
{
    (void)state;
    for (size_t align = 1; align <= 300; align++)
        for (size_t before = 1; before < 20; before++) {
            clear(NULL);
            unsigned char *p = ctxalloc_bump_alloc(&bump, before, 1);
            uintptr_t expected = (uintptr_t)p + before, end = (uintptr_t)memory + SIZE;
            while (expected % align)
                expected++;
            size_t largest = ctxalloc_bump_largest(&bump, align);
            unsigned char *q = ctxalloc_bump_alloc(&bump, 1, align);
            assert_ptr_equal(q, expected < end ? (void *)expected : NULL);
            assert_int_equal(largest, q ? end - expected : 0);
            if (!(align & (align - 1))) {
                clear(NULL);
                assert_ptr_equal(ca_bump_engine_alloc(&bump, before, 1), p);
                assert_ptr_equal(ca_bump_engine_alloc(&bump, 1, align), q);
            }
        }
    clear(NULL);
    assert_null(ctxalloc_bump_alloc(&bump, 1, 0));
    assert_non_null(ctxalloc_bump_alloc(&bump, 1, 1));
    assert_null(ctxalloc_bump_alloc(&bump, 1, (size_t)1 << 63));
    assert_null(ctxalloc_bump_alloc(&bump, SIZE_MAX, 64));
}

static void ca15_range_and_contains(void **state)
{
    size_t bytes;
    (void)state;
    assert_ptr_equal(ctxalloc_bump_range(&bump, &bytes), memory);
    assert_int_equal(bytes, SIZE);
    assert_true(ctxalloc_bump_contains(&bump, memory));
    assert_true(ctxalloc_bump_contains(&bump, memory + SIZE - 1));
    assert_false(ctxalloc_bump_contains(&bump, memory + SIZE));
    assert_false(ctxalloc_bump_contains(&bump, (void *)((uintptr_t)memory - 1)));
    assert_false(ctxalloc_bump_contains(&bump, NULL));
}

static void ca16_grow_and_shrink_may_move(void **state)
{
    (void)state;
    unsigned char *p = ctxalloc_bump_realloc(&bump, NULL, 0, 20, 8);
    for (int i = 0; i < 20; i++)
        p[i] = (unsigned char)i;
    assert_non_null(ctxalloc_bump_alloc(&bump, 1, 1));
    assert_ptr_equal(ctxalloc_bump_realloc(&bump, p, 20, 10, 8), p); /* an earlier block that shrinks */
    unsigned char *q = ctxalloc_bump_realloc(&bump, p, 20, 40, 8);
    assert_ptr_equal(q, memory + 24);
    for (int i = 0; i < 20; i++)
        assert_int_equal(q[i], i);
    assert_null(ctxalloc_bump_realloc(&bump, p, 20, SIZE, 8));
    assert_null(ctxalloc_bump_realloc(&bump, p, SIZE, SIZE + 1, 8)); /* it was never so large */
    /* The alignment changes: the last block moves too, and only then. */
    unsigned char *r = ctxalloc_bump_realloc(&bump, q, 40, 40, 64);
    assert_ptr_equal(r, memory + 64);
    assert_int_equal(r[19], 19);
    assert_ptr_equal(ctxalloc_bump_realloc(&bump, r, 40, 41, 32), r);
    assert_null(ctxalloc_bump_realloc(&bump, r, 41, 41, 0));
}

static void ca17_excess_is_told(void **state)
{
    size_t got;
    (void)state;
    assert_non_null(ctxalloc_bump_alloc_at_least(&bump, 7, 1, &got));
    assert_int_equal(got, 7);
    assert_non_null(ctxalloc_bump_alloc_at_least(&bump, 0, 1, &got));
    assert_int_equal(got, 1);
}

static void ca18_zero_size_is_a_block(void **state)
{
    (void)state;
    unsigned char *p = ctxalloc_bump_alloc(&bump, 0, 1), *q = ctxalloc_bump_alloc(&bump, 0, 1);
    assert_ptr_equal(q, p + 1);
    assert_int_equal(ctxalloc_bump_resize(&bump, q, 0, NULL), 0);
    assert_int_equal(ctxalloc_bump_free(&bump, q), 0);
    assert_int_equal(ctxalloc_bump_used(&bump), 1);
}

static void ca12_grows_with_its_memory(void **state)
{
    (void)state;
    assert_int_equal(ctxalloc_bump_over(&bump, memory, 10), 0);
    assert_non_null(ctxalloc_bump_alloc(&bump, 10, 1));
    assert_null(ctxalloc_bump_alloc(&bump, 1, 1));
    assert_int_equal(ctxalloc_bump_grow(&bump, 5), 0);
    assert_ptr_equal(ctxalloc_bump_alloc(&bump, 5, 1), memory + 10);
    assert_null(ctxalloc_bump_alloc(&bump, 1, 1));
    assert_int_equal(ctxalloc_bump_grow(&bump, SIZE_MAX), EOVERFLOW);
    assert_int_equal(ctxalloc_bump_capacity(&bump), 15);
}

static void ca12_memory_of_the_callers_and_the_librarys(void **state)
{
    _Alignas(16) static unsigned char mem[200];
    (void)state;
    size_t needed = ctxalloc_bump_memory(100);
    assert_true(needed <= sizeof mem);
    assert_null(ctxalloc_bump_init(mem, ctxalloc_bump_memory(0) - 1));
    assert_null(ctxalloc_bump_init(mem + 8, needed));
    assert_null(ctxalloc_bump_init(NULL, needed));
    ctxalloc_bump *b = ctxalloc_bump_init(mem, needed);
    assert_int_equal(ctxalloc_bump_capacity(b), 100);
    unsigned char *p = ctxalloc_bump_alloc(b, 100, 16);
    assert_ptr_equal(p + 100, mem + needed);
    assert_int_equal(ctxalloc_bump_memory(SIZE_MAX), 0);
    assert_int_equal(ctxalloc_bump_over(b, NULL, 1), EINVAL);
    assert_int_equal(ctxalloc_bump_over(b, mem, SIZE_MAX), EINVAL);
    b = ctxalloc_bump_create(1000);
    assert_non_null(ctxalloc_bump_alloc(b, 1000, 16));
    assert_null(ctxalloc_bump_alloc(b, 1, 1));
    ctxalloc_bump_destroy(b);
    errno = 0;
    assert_null(ctxalloc_bump_create(SIZE_MAX));
    assert_int_equal(errno, ENOMEM);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, clear)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ca12_static_bump_needs_no_call),
        TEST(ca12_last_byte_is_given),
        TEST(ca12_last_block_grows_in_place),
        TEST(ca12_wrong_frees_are_einval),
        TEST(ca12_mark_and_release),
        TEST(ca12_any_alignment),
        TEST(ca15_range_and_contains),
        TEST(ca16_grow_and_shrink_may_move),
        TEST(ca17_excess_is_told),
        TEST(ca18_zero_size_is_a_block),
        TEST(ca12_grows_with_its_memory),
        TEST(ca12_memory_of_the_callers_and_the_librarys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
