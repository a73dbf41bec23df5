/* The rows BA of the features, one test each, by its name. */
#include "tests/unit/cmocka_face.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "ctxalloc/blocks.h"

enum { COUNT = 5, SIZE = 24 };

/* A size that cannot be had is a test here, not a finding. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

static int make(void **state)
{
    *state = ctxalloc_blocks_create(SIZE, COUNT);
    return *state == NULL;
}

static int unmake(void **state)
{
    ctxalloc_blocks_destroy(*state);
    return 0;
}

static void assert_valid(const ctxalloc_blocks *pool)
{
    int which = 0;
    ctxalloc_blocks_is_valid(pool, &which);
    assert_int_equal(which, 0);
}

/* The count-th allocation succeeds, the next one fails, and so it is again after all were freed, in any order. */
static void ba_last_block_is_given(void **state)
{
    ctxalloc_blocks *pool = *state;
    for (int round = 0; round < 3; round++) {
        void *p[COUNT];
        for (int i = 0; i < COUNT; i++) {
            assert_non_null(p[i] = ctxalloc_blocks_alloc(pool));
            for (int j = 0; j < i; j++)
                assert_true((char *)p[i] >= (char *)p[j] + SIZE || (char *)p[j] >= (char *)p[i] + SIZE);
            memset(p[i], 0xff, SIZE);
        }
        assert_null(ctxalloc_blocks_alloc(pool));
        assert_int_equal(ctxalloc_blocks_live(pool), COUNT);
        for (int i = 0; i < COUNT; i++)
            assert_int_equal(ctxalloc_blocks_free(pool, p[(i * 2 + round) % COUNT]), 0);
        assert_int_equal(ctxalloc_blocks_live(pool), 0);
        assert_valid(pool);
    }
}

/* Of the pool's own state nothing lies in the blocks: they may be overwritten whole, allocated or not. */
static void ba_table_is_out_of_band(void **state)
{
    static unsigned char storage[COUNT * SIZE];
    _Alignas(64) static unsigned char mem[512];
    (void)state;
    assert_true(ctxalloc_blocks_memory(0, COUNT) <= sizeof mem);
    ctxalloc_blocks *pool = ctxalloc_blocks_init_over(mem, sizeof mem, storage, sizeof storage, SIZE, COUNT, COUNT);
    void *p = ctxalloc_blocks_alloc(pool), *q = ctxalloc_blocks_alloc(pool);
    assert_ptr_equal(p, storage);
    assert_int_equal(ctxalloc_blocks_free(pool, p), 0);
    memset(storage, 0xa5, sizeof storage);
    assert_valid(pool);
    assert_ptr_equal(ctxalloc_blocks_alloc(pool), p);
    assert_int_equal(ctxalloc_blocks_free(pool, q), 0);
    for (size_t i = 0; i < sizeof storage; i++)
        assert_int_equal(storage[i], 0xa5);
}

static void ba_null_is_einval(void **state)
{
    assert_int_equal(ctxalloc_blocks_free(*state, NULL), EINVAL);
}

static void ba_out_of_range_and_foreign_are_einval(void **state)
{
    ctxalloc_blocks *pool = *state, *other = ctxalloc_blocks_create(SIZE, COUNT);
    char *p = ctxalloc_blocks_alloc(pool), *q = ctxalloc_blocks_alloc(other);
    char local[SIZE];
    assert_int_equal(ctxalloc_blocks_free(pool, p - SIZE), EINVAL);
    assert_int_equal(ctxalloc_blocks_free(pool, p + 1000 * SIZE), EINVAL);
    assert_int_equal(ctxalloc_blocks_free(pool, local), EINVAL);
    assert_int_equal(ctxalloc_blocks_free(pool, q), EINVAL);
    assert_int_equal(ctxalloc_blocks_free(pool, (void *)UINTPTR_MAX), EINVAL);
    assert_int_equal(ctxalloc_blocks_free_index(pool, COUNT), EINVAL);
    assert_int_equal(ctxalloc_blocks_free_index(pool, CTXALLOC_NONE), EINVAL);
    assert_int_equal(ctxalloc_blocks_free(other, q), 0);
    ctxalloc_blocks_destroy(other);
    assert_int_equal(ctxalloc_blocks_live(pool), 1);
    assert_valid(pool);
}

/* Block 0 lies right after the table here, and looks like the word of a live block. */
static void ba_end_is_einval(void **state)
{
    enum { EIGHT = 8 };
    (void)state;
    ctxalloc_blocks *pool = ctxalloc_blocks_create(SIZE, EIGHT);
    char *first = ctxalloc_blocks_address(pool, 0);
    for (int i = 0; i < EIGHT; i++)
        assert_non_null(ctxalloc_blocks_alloc(pool));
    memset(first, 0xff, EIGHT * SIZE);
    assert_int_equal(ctxalloc_blocks_free(pool, first + EIGHT * SIZE), EINVAL);
    assert_int_equal(ctxalloc_blocks_free_index(pool, EIGHT), EINVAL);
    assert_false(ctxalloc_blocks_is_live(pool, EIGHT));
    assert_int_equal(ctxalloc_blocks_free(pool, first + (EIGHT - 1) * SIZE), 0);
    ctxalloc_blocks_destroy(pool);
}

/* Every address in and around the blocks, for block sizes with and without a power of two in them. */
static void ba_misaligned_is_einval(void **state)
{
    static const size_t sizes[] = {1, 2, 3, 7, 8, 12, 24, 31, 64, 96};
    (void)state;
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        ctxalloc_blocks *pool = ctxalloc_blocks_create(sizes[s], COUNT);
        char *first = ctxalloc_blocks_address(pool, 0);
        for (int i = 0; i < COUNT; i++)
            assert_non_null(ctxalloc_blocks_alloc(pool));
        for (ptrdiff_t at = -200; at < (ptrdiff_t)(COUNT * sizes[s]) + 200; at++) {
            bool is_block = at >= 0 && at % (ptrdiff_t)sizes[s] == 0 && at < (ptrdiff_t)(COUNT * sizes[s]);
            assert_int_equal(ctxalloc_blocks_free(pool, first + at), is_block ? 0 : EINVAL);
        }
        assert_int_equal(ctxalloc_blocks_live(pool), 0);
        ctxalloc_blocks_destroy(pool);
    }
}

static void ba_wrong_length_is_einval(void **state)
{
    _Alignas(64) static unsigned char mem[1024];
    void *p = ctxalloc_blocks_alloc(*state);
    assert_int_equal(ctxalloc_blocks_free_sized(*state, p, SIZE - 1), EINVAL);
    assert_true(ctxalloc_blocks_is_live(*state, 0));
    assert_int_equal(ctxalloc_blocks_free_sized(*state, p, SIZE), 0);
    size_t needed = ctxalloc_blocks_memory(SIZE, COUNT);
    assert_true(needed <= sizeof mem);
    assert_non_null(ctxalloc_blocks_init(mem, needed, SIZE, COUNT, COUNT));
    assert_null(ctxalloc_blocks_init(mem, needed - 1, SIZE, COUNT, COUNT));
    assert_null(ctxalloc_blocks_init(mem + 8, needed, SIZE, COUNT, COUNT));
    assert_null(ctxalloc_blocks_init(NULL, needed, SIZE, COUNT, COUNT));
    assert_null(ctxalloc_blocks_init(mem, needed, SIZE, COUNT + 1, COUNT));
    assert_null(ctxalloc_blocks_init_over(mem, needed, mem, 2 * SIZE - 1, SIZE, 2, 2));
    assert_null(ctxalloc_blocks_init_over(mem, needed, NULL, 2 * SIZE, SIZE, 2, 2));
    assert_null(ctxalloc_blocks_init_over(mem, needed, mem, 2 * SIZE, 0, 2, 2));
}

static void ba_map_failure_is_enomem(void **state)
{
    (void)state;
    errno = 0;
    assert_null(ctxalloc_blocks_create((size_t)1 << 50, 1000));
    assert_int_equal(errno, ENOMEM);
    assert_null(ctxalloc_blocks_create(SIZE_MAX / 2, 3));
    assert_int_equal(errno, EINVAL);
    assert_null(ctxalloc_blocks_create(SIZE, 0));
    assert_int_equal(errno, EINVAL);
    assert_null(ctxalloc_blocks_create_growable(SIZE, 3, 2));
    assert_int_equal(errno, EINVAL);
    assert_int_equal(ctxalloc_blocks_memory(1, CTXALLOC_BLOCKS_MAX), 0);
    assert_int_equal(ctxalloc_blocks_memory(SIZE_MAX, 2), 0);
}

static void ba_no_memory_is_null(void **state)
{
    for (int i = 0; i < COUNT; i++)
        assert_non_null(ctxalloc_blocks_alloc(*state));
    assert_null(ctxalloc_blocks_alloc(*state));
    assert_int_equal(ctxalloc_blocks_alloc_index(*state), CTXALLOC_NONE);
}

static void ba_double_free_is_einval(void **state)
{
    ctxalloc_blocks *pool = *state;
    void *p = ctxalloc_blocks_alloc(pool), *q = ctxalloc_blocks_alloc(pool);
    assert_int_equal(ctxalloc_blocks_free(pool, p), 0);
    assert_int_equal(ctxalloc_blocks_free(pool, p), EINVAL);
    assert_int_equal(ctxalloc_blocks_free(pool, q), 0);
    assert_int_equal(ctxalloc_blocks_free(pool, p), EINVAL);
    assert_int_equal(ctxalloc_blocks_free(pool, q), EINVAL);
    assert_int_equal(ctxalloc_blocks_free(pool, ctxalloc_blocks_address(pool, 4)), EINVAL); /* never allocated */
    assert_valid(pool);
    assert_ptr_equal(ctxalloc_blocks_alloc(pool), q); /* last in, first out */
    assert_ptr_equal(ctxalloc_blocks_alloc(pool), p);
}

static void ba_many_instances(void **state)
{
    enum { POOLS = 200 };
    ctxalloc_blocks *pool[POOLS];
    void *p[POOLS];
    (void)state;
    for (size_t i = 0; i < POOLS; i++) {
        assert_non_null(pool[i] = ctxalloc_blocks_create(i + 1, 2));
        assert_non_null(p[i] = ctxalloc_blocks_alloc(pool[i]));
        memset(p[i], (int)i, i + 1);
    }
    for (size_t i = 0; i < POOLS; i++) {
        for (size_t j = 0; j <= i; j++)
            assert_int_equal(((unsigned char *)p[i])[j], i);
        assert_int_equal(ctxalloc_blocks_free(pool[i], p[(i + 1) % POOLS]), EINVAL);
        assert_int_equal(ctxalloc_blocks_free(pool[i], p[i]), 0);
    }
    for (size_t i = 0; i < POOLS; i++)
        ctxalloc_blocks_destroy(pool[i]);
}

/* After any history, as many blocks can be had as at the start. */
static void ba_no_fragmentation(void **state)
{
    uint64_t random = 1, held[COUNT], n = 0;
    for (int step = 0; step < 100000; step++) {
        if (test_random(&random) % 2 && n < COUNT) {
            held[n++] = ctxalloc_blocks_alloc_index(*state);
        } else if (n) {
            uint64_t k = test_random(&random) % n;
            assert_int_equal(ctxalloc_blocks_free_index(*state, held[k]), 0);
            held[k] = held[--n];
        }
    }
    while (n)
        assert_int_equal(ctxalloc_blocks_free_index(*state, held[--n]), 0);
    for (int i = 0; i < COUNT; i++)
        assert_true(ctxalloc_blocks_alloc_index(*state) < COUNT);
    assert_valid(*state);
}

/* More blocks than 32 bits can count; the last of them, and blocks beyond 4 GiB of the first. */
static void ba_counts_of_64_bits(void **state)
{
    const uint64_t count = (1ULL << 32) + 10;
    size_t bytes = ctxalloc_blocks_memory(3, count);
    (void)state;
    void *mem = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mem == MAP_FAILED)
        skip(); /* a sanitizer or a limit leaves no 48 GiB of address space */
    ctxalloc_blocks *pool = ctxalloc_blocks_init_zeroed(mem, bytes, 3, count, count);
    assert_non_null(pool);
    assert_int_equal(ctxalloc_blocks_count(pool), count);
    char *first = ctxalloc_blocks_alloc(pool);
    assert_int_equal(ctxalloc_blocks_index(pool, first + 3 * (count - 1)), count - 1);
    assert_int_equal(ctxalloc_blocks_index(pool, first + 3 * count), CTXALLOC_NONE);
    assert_int_equal(ctxalloc_blocks_free(pool, first + 3 * (1ULL << 32)), EINVAL);
    /* As if all but the last ten had been allocated: the number of blocks used so far is the word at 128 (see the source). */
    *(uint64_t *)(void *)((char *)mem + 128) = count - 10;
    for (uint64_t i = count - 10; i < count; i++)
        assert_ptr_equal(ctxalloc_blocks_alloc(pool), first + 3 * i);
    assert_null(ctxalloc_blocks_alloc(pool));
    for (uint64_t i = count - 10; i < count; i++) {
        assert_int_equal(ctxalloc_blocks_free_index(pool, i - (1ULL << 32) + (i == 1ULL << 32)), EINVAL); /* not the same modulo 2^32 */
        assert_int_equal(ctxalloc_blocks_free(pool, first + 3 * i), 0);
        assert_int_equal(ctxalloc_blocks_free(pool, first + 3 * i), EINVAL);
    }
    for (uint64_t i = count; i > count - 10; i--)
        assert_int_equal(ctxalloc_blocks_alloc_index(pool), i - 1);
    munmap(mem, bytes);
}

static void ba_grows(void **state)
{
    ctxalloc_blocks *pool = ctxalloc_blocks_create_growable(SIZE, 1, 1000000);
    (void)state;
    assert_non_null(ctxalloc_blocks_alloc(pool));
    assert_null(ctxalloc_blocks_alloc(pool));
    assert_int_equal(ctxalloc_blocks_grow(pool, 2), 0);
    assert_int_equal(ctxalloc_blocks_count(pool), 3);
    assert_non_null(ctxalloc_blocks_alloc(pool));
    assert_non_null(ctxalloc_blocks_alloc(pool));
    assert_null(ctxalloc_blocks_alloc(pool));
    assert_int_equal(ctxalloc_blocks_grow(pool, 1000000 - 2), ENOMEM);
    assert_int_equal(ctxalloc_blocks_grow(pool, UINT64_MAX), EOVERFLOW);
    assert_int_equal(ctxalloc_blocks_count(pool), 3);
    assert_int_equal(ctxalloc_blocks_grow(pool, 1000000 - 3), 0);
    for (uint64_t i = 3; i < 1000000; i++)
        assert_int_equal(ctxalloc_blocks_alloc_index(pool), i);
    assert_null(ctxalloc_blocks_alloc(pool));
    assert_int_equal(ctxalloc_blocks_max_count(pool), 1000000);
    ctxalloc_blocks_destroy(pool);
}

static void ba_any_block_size(void **state)
{
    (void)state;
    for (size_t size = 1; size < 300; size++) {
        ctxalloc_blocks *pool = ctxalloc_blocks_create(size, 7);
        char *first = NULL;
        assert_int_equal(ctxalloc_blocks_block_size(pool), size);
        for (size_t i = 0; i < 7; i++) {
            char *p = ctxalloc_blocks_alloc(pool);
            first = i ? first : p;
            assert_ptr_equal(p, first + i * size);
            assert_int_equal(ctxalloc_blocks_index(pool, p), i);
            assert_true(ctxalloc_blocks_contains(pool, p + size - 1));
            memset(p, 0xff, size);
        }
        assert_int_equal((uintptr_t)first % 64, 0);
        assert_false(ctxalloc_blocks_contains(pool, first + 7 * size));
        assert_false(ctxalloc_blocks_contains(pool, first - 1));
        assert_valid(pool);
        ctxalloc_blocks_destroy(pool);
    }
}

static void ba_slots_have_no_memory(void **state)
{
    (void)state;
    ctxalloc_blocks *pool = ctxalloc_blocks_create(0, 3);
    assert_null(ctxalloc_blocks_alloc(pool));
    assert_int_equal(ctxalloc_blocks_alloc_index(pool), 0);
    assert_int_equal(ctxalloc_blocks_alloc_index(pool), 1);
    assert_int_equal(ctxalloc_blocks_free(pool, (char *)pool + ctxalloc_blocks_memory(0, 3)), EINVAL);
    assert_int_equal(ctxalloc_blocks_free(pool, NULL), EINVAL);
    assert_null(ctxalloc_blocks_address(pool, 0));
    assert_int_equal(ctxalloc_blocks_index(pool, pool), CTXALLOC_NONE);
    assert_int_equal(ctxalloc_blocks_free_index(pool, 0), 0);
    assert_int_equal(ctxalloc_blocks_free_index(pool, 0), EINVAL);
    assert_false(ctxalloc_blocks_is_live(pool, 0));
    assert_true(ctxalloc_blocks_is_live(pool, 1));
    ctxalloc_blocks_destroy(pool);
}

/* Moved bytes are a pool as well: so it does not matter where a process maps it. */
static void ba_pool_has_no_addresses(void **state)
{
    _Alignas(64) static unsigned char here[1024], there[1024];
    (void)state;
    ctxalloc_blocks *pool = ctxalloc_blocks_init(here, sizeof here, SIZE, COUNT, COUNT);
    unsigned char *p = ctxalloc_blocks_alloc(pool);
    memcpy(there, here, sizeof here);
    pool = (ctxalloc_blocks *)(void *)there;
    assert_int_equal(ctxalloc_blocks_free(pool, p), EINVAL);
    assert_int_equal(ctxalloc_blocks_free(pool, there + (p - here)), 0);
    assert_ptr_equal(ctxalloc_blocks_alloc(pool), there + (p - here));
}

static void ba_cache_checks_as_the_pool_does(void **state)
{
    ctxalloc_blocks *pool = *state;
    ctxalloc_blocks_cache cache, other;
    assert_int_equal(ctxalloc_blocks_cache_init(&cache, pool, 0), EINVAL);
    assert_int_equal(ctxalloc_blocks_cache_init(&cache, pool, CTXALLOC_BLOCKS_CACHE_LIMIT + 1), EINVAL);
    assert_int_equal(ctxalloc_blocks_cache_init(&cache, pool, 2), 0);
    assert_int_equal(ctxalloc_blocks_cache_init(&other, pool, 2), 0);
    void *p[COUNT];
    for (int i = 0; i < COUNT; i++)
        assert_non_null(p[i] = ctxalloc_blocks_cache_alloc(&cache));
    assert_null(ctxalloc_blocks_cache_alloc(&cache));
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(ctxalloc_blocks_cache_free(&other, (char *)p[i] + 1), EINVAL);
        assert_int_equal(ctxalloc_blocks_cache_free(i % 2 ? &cache : &other, p[i]), 0);
        assert_int_equal(ctxalloc_blocks_cache_free(&other, p[i]), EINVAL);
        assert_int_equal(ctxalloc_blocks_cache_free(&cache, p[i]), EINVAL);
        assert_int_equal(ctxalloc_blocks_free(pool, p[i]), EINVAL);
        assert_false(ctxalloc_blocks_is_live(pool, (uint64_t)i));
    }
    assert_int_equal(ctxalloc_blocks_cache_free(&cache, NULL), EINVAL);
    ctxalloc_blocks_cache_flush(&cache);
    ctxalloc_blocks_cache_flush(&other);
    ctxalloc_blocks_cache_flush(&other);
    assert_valid(pool);
    for (int i = 0; i < COUNT; i++)
        assert_non_null(ctxalloc_blocks_alloc(pool));
}

static void ba_reset_and_recover(void **state)
{
    ctxalloc_blocks *pool = *state;
    ctxalloc_blocks_cache lost;
    assert_int_equal(ctxalloc_blocks_cache_init(&lost, pool, 4), 0);
    void *p = ctxalloc_blocks_alloc(pool), *q = ctxalloc_blocks_cache_alloc(&lost); /* its cache has one more */
    assert_int_equal(ctxalloc_blocks_recover(pool), 1);
    assert_int_equal(ctxalloc_blocks_recover(pool), 0);
    assert_valid(pool);
    assert_int_equal(ctxalloc_blocks_live(pool), 2);
    assert_int_equal(ctxalloc_blocks_free(pool, p), 0);
    assert_int_equal(ctxalloc_blocks_free(pool, q), 0);
    for (int i = 0; i < COUNT; i++)
        assert_non_null(ctxalloc_blocks_alloc(pool));
    ctxalloc_blocks_reset(pool);
    assert_int_equal(ctxalloc_blocks_live(pool), 0);
    assert_int_equal(ctxalloc_blocks_free(pool, p), EINVAL);
    for (int i = 0; i < COUNT; i++)
        assert_non_null(ctxalloc_blocks_alloc(pool));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make, unmake)
    const struct CMUnitTest tests[] = {
        TEST(ba_last_block_is_given),
        TEST(ba_table_is_out_of_band),
        TEST(ba_null_is_einval),
        TEST(ba_out_of_range_and_foreign_are_einval),
        TEST(ba_end_is_einval),
        TEST(ba_misaligned_is_einval),
        TEST(ba_wrong_length_is_einval),
        TEST(ba_map_failure_is_enomem),
        TEST(ba_no_memory_is_null),
        TEST(ba_double_free_is_einval),
        TEST(ba_many_instances),
        TEST(ba_no_fragmentation),
        TEST(ba_counts_of_64_bits),
        TEST(ba_grows),
        TEST(ba_any_block_size),
        TEST(ba_slots_have_no_memory),
        TEST(ba_pool_has_no_addresses),
        TEST(ba_cache_checks_as_the_pool_does),
        TEST(ba_reset_and_recover),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
