/* Size to bin and back, at chosen sizes of all 64 bits; bin_exhaustive.c tries every 32-bit size. */
#include "engine/bin.h"

#include "tests/unit/cmocka_face.h"

static void small_sizes_have_a_bin_each(void **state)
{
    (void)state;
    for (unsigned size = 0; size < 2 * CA_BIN_SECOND_LEVELS; size++) {
        assert_int_equal(ca_bin_floor(size), size);
        assert_int_equal(ca_bin_ceil(size), size);
        assert_int_equal(ca_bin_size(size), size);
    }
}

static void known_bins(void **state)
{
    (void)state;
    static const struct {
        uint64_t size;
        unsigned floor, ceil;
    } known[] = {
        {16, 16, 16},
        {17, 16, 17}, /* steps of 2 from here */
        {18, 17, 17},
        {31, 23, 24},
        {32, 24, 24},
        {33, 24, 25}, /* steps of 4 */
        {1ULL << 20, (20 - 3 + 1) * 8, (20 - 3 + 1) * 8},
        {(1ULL << 20) - 1, (20 - 3 + 1) * 8 - 1, (20 - 3 + 1) * 8},
        {1ULL << 63, (63 - 3 + 1) * 8, (63 - 3 + 1) * 8},
        {UINT64_MAX, CA_BIN_COUNT - 1, CA_BIN_COUNT},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        assert_int_equal(ca_bin_floor(known[i].size), known[i].floor);
        assert_int_equal(ca_bin_ceil(known[i].size), known[i].ceil);
    }
}

static void every_bin_is_its_smallest_sizes_bin(void **state)
{
    (void)state;
    for (unsigned bin = 0; bin < CA_BIN_COUNT; bin++) {
        uint64_t size = ca_bin_size(bin);
        assert_int_equal(ca_bin_floor(size), bin);
        assert_int_equal(ca_bin_ceil(size), bin);
        if (bin == 0)
            continue;
        assert_true(ca_bin_size(bin - 1) < size);
        assert_int_equal(ca_bin_floor(size - 1), bin - 1);
        assert_int_equal(ca_bin_ceil(ca_bin_size(bin - 1) + 1), bin);
    }
}

static void bins_are_at_most_an_eighth_wide(void **state)
{
    (void)state;
    for (unsigned bin = 1; bin < CA_BIN_COUNT; bin++) {
        uint64_t size = ca_bin_size(bin);
        uint64_t last = bin + 1 < CA_BIN_COUNT ? ca_bin_size(bin + 1) - 1 : UINT64_MAX;
        assert_true(last - size <= size / 8);
    }
}

static void large_sizes_lie_between_their_bins(void **state)
{
    (void)state;
    uint64_t seed = 88172645463325252ULL;
    for (int i = 0; i < 1000000; i++) {
        uint64_t size = test_random(&seed) >> (i % 32);
        unsigned floor = ca_bin_floor(size), ceil = ca_bin_ceil(size);
        assert_true(ca_bin_size(floor) <= size);
        assert_true(ceil == CA_BIN_COUNT || ca_bin_size(ceil) >= size);
        assert_true(ceil - floor <= 1);
        assert_true((ceil == floor) == (ca_bin_size(floor) == size));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_sizes_have_a_bin_each),      cmocka_unit_test(known_bins),
        cmocka_unit_test(every_bin_is_its_smallest_sizes_bin), cmocka_unit_test(bins_are_at_most_an_eighth_wide),
        cmocka_unit_test(large_sizes_lie_between_their_bins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
