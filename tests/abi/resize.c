/* realloc and its relatives keep the contents over every pair of size ranges, and a random model finds no two live blocks that
 * share a byte. */
#include "tests/abi/abi.h"

static const size_t steps[] = {1, 16, 100, 1000, 4096, 10000, 40000, 100000, 300000, MIB, 3 * MIB, 20 * MIB};

static size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

static void realloc_keeps_contents_between_all_ranges(void **state) {
    (void)state;
    for (size_t from = 0; from < ARRAY_LENGTH(steps); from++)
        for (size_t to = 0; to < ARRAY_LENGTH(steps); to++) {
            uint64_t seed = from * 100 + to;
            void *p = malloc(steps[from]);
            assert_non_null(p);
            payload_write(p, steps[from], seed);
            p = realloc(p, steps[to]);
            assert_non_null(p);
            assert_true(is_aligned(p, 16));
            assert_true(malloc_usable_size(p) >= steps[to]);
            assert_true(payload_holds(p, smaller(steps[from], steps[to]), seed));
            payload_write(p, steps[to], seed + 1);
            p = __libc_realloc(p, steps[from]);
            assert_non_null(p);
            assert_true(payload_holds(p, smaller(steps[from], steps[to]), seed + 1));
            free(p);
        }
}

static void relatives_of_realloc_keep_contents(void **state) {
    (void)state;
    void *p = NULL;
    size_t have = 0;
    uint64_t random = 3, seed = 0;
    for (int i = 0; i < 3000; i++) {
        size_t want = random_size(&random, 19) + 1;
        switch (random_next(&random) % 4) {
        case 0:
            p = reallocf(p, want);
            break;
        case 1:
            p = reallocarray(p, want, 1);
            break;
        case 2:
            assert_int_equal(reallocarr(&p, 1, want), 0);
            break;
        default:
            p = realloc(p, want);
        }
        assert_non_null(p);
        assert_true(payload_holds(p, smaller(have, want), seed));
        have = want;
        payload_write(p, have, ++seed);
    }
    free(p);
}

/* A buffer that grows a little at a time, and one that shrinks: the common use, through every border there is. */
static void small_steps_keep_contents(void **state) {
    (void)state;
    void *p = NULL;
    size_t have = 0;
    while (have < 3 * MIB) {
        size_t want = have + have / 7 + 9;
        p = realloc(p, want);
        assert_non_null(p);
        assert_true(payload_holds(p, have, 5));
        payload_write(p, want, 5);
        have = want;
    }
    while (have > 16) {
        size_t want = have - have / 9 - 1;
        p = realloc(p, want);
        assert_non_null(p);
        assert_true(payload_holds(p, want, 5));
        have = want;
    }
    free(p);
}

/* Hundreds of MiB, sparse: one word a MiB is written and followed through the moves. */
static void huge_blocks_keep_contents(void **state) {
    (void)state;
    static const size_t huge[] = {5, 64, 200, 700, 300, 701, 130, 64, 2, 256};
    size_t have = huge[0];
    char *p = (char *)malloc(have * MIB);
    assert_non_null(p);
    for (size_t i = 0; i < have; i++)
        memcpy(p + i * MIB, &i, sizeof i);
    for (size_t step = 1; step < ARRAY_LENGTH(huge); step++) {
        size_t want = huge[step];
        p = (char *)realloc(p, want * MIB);
        assert_non_null(p);
        assert_true(is_aligned(p, 16));
        assert_true(malloc_usable_size(p) >= want * MIB);
        for (size_t i = 0; i < want; i++) {
            size_t word = i;
            if (i < have)
                memcpy(&word, p + i * MIB, sizeof word);
            else
                memcpy(p + i * MIB, &word, sizeof word);
            assert_int_equal(word, i);
        }
        p[want * MIB - 1] = 1;
        have = want;
    }
    p = (char *)realloc(p, 100);
    assert_non_null(p);
    size_t first = 1;
    memcpy(&first, p, sizeof first);
    assert_int_equal(first, 0);
    free(p);
}

struct model_block {
    unsigned char *p;
    size_t size;
    uint64_t seed;
};

static int compare_blocks(const void *a, const void *b) {
    const struct model_block *x = (const struct model_block *)a, *y = (const struct model_block *)b;
    return x->p < y->p ? -1 : x->p > y->p;
}

/* All live blocks sorted by address: none may reach into the next. */
static void assert_no_overlap(const struct model_block *blocks, size_t count) {
    static struct model_block sorted[4096];
    size_t live = 0;
    for (size_t i = 0; i < count; i++)
        if (blocks[i].p != NULL)
            sorted[live++] = blocks[i];
    qsort(sorted, live, sizeof *sorted, compare_blocks);
    for (size_t i = 1; i < live; i++) {
        size_t usable = malloc_usable_size(sorted[i - 1].p);
        assert_true(sorted[i - 1].p + usable <= sorted[i].p);
        assert_true(sorted[i - 1].p + 1 <= sorted[i].p);
    }
}

static void model_allocate(struct model_block *block, uint64_t *random, size_t size) {
    size_t alignment = 16;
    void *p;
    switch (random_next(random) % 6) {
    case 0:
        p = calloc(size, 1);
        assert_non_null(p);
        assert_true(is_zero(p, size));
        break;
    case 1:
        alignment = (size_t)1 << (random_next(random) % 17);
        p = memalign(alignment, size);
        break;
    case 2:
        alignment = (size_t)16 << (random_next(random) % 8);
        p = aligned_alloc(alignment, size);
        break;
    default:
        p = malloc(size);
    }
    assert_non_null(p);
    assert_true(is_aligned(p, alignment));
    block->p = (unsigned char *)p;
    block->size = size;
    block->seed = random_next(random);
    payload_write(p, size, block->seed);
}

static void random_model(uint64_t random, size_t slots, unsigned max_bits, size_t operations) {
    static struct model_block blocks[4096];
    memset(blocks, 0, sizeof blocks);
    for (size_t i = 0; i < operations; i++) {
        struct model_block *block = &blocks[random_next(&random) % slots];
        size_t size = random_size(&random, max_bits);
        if (block->p == NULL)
            model_allocate(block, &random, size);
        else if (random_next(&random) % 4 == 0) {
            void *p = realloc(block->p, size + 1);
            assert_non_null(p);
            assert_true(payload_holds(p, smaller(block->size, size + 1), block->seed));
            block->p = (unsigned char *)p;
            block->size = size + 1;
            payload_write(p, block->size, block->seed);
        } else {
            assert_true(payload_holds(block->p, block->size, block->seed));
            free(block->p);
            block->p = NULL;
        }
        if (i % (operations / 8) == 0)
            assert_no_overlap(blocks, slots);
    }
    assert_no_overlap(blocks, slots);
    for (size_t i = 0; i < slots; i++)
        if (blocks[i].p != NULL) {
            assert_true(payload_holds(blocks[i].p, blocks[i].size, blocks[i].seed));
            free(blocks[i].p);
        }
}

static void random_model_of_small_blocks(void **state) {
    (void)state;
    random_model(11, 4096, 9, 300000);
}

static void random_model_of_mixed_blocks(void **state) {
    (void)state;
    random_model(12, 1024, 15, 80000);
}

static void random_model_of_large_blocks(void **state) {
    (void)state;
    random_model(13, 64, 23, 3000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(realloc_keeps_contents_between_all_ranges),
        cmocka_unit_test(relatives_of_realloc_keep_contents),
        cmocka_unit_test(small_steps_keep_contents),
        cmocka_unit_test(huge_blocks_keep_contents),
        cmocka_unit_test(random_model_of_small_blocks),
        cmocka_unit_test(random_model_of_mixed_blocks),
        cmocka_unit_test(random_model_of_large_blocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
