/* The live map: an object's bit is its own, and a second clear is seen. */
#include <pthread.h>

#include "tests/unit/cmocka_face.h"
#include "tests/unit/heap_face.h"

enum { PAGES = 16, GRANULES = PAGES * CA_PAGE / CA_GRANULE };

static ca_granule start;

static int setup(void **state)
{
    (void)state;
    if (!face_start(&ca_source_mmap, (size_t)64 << 20))
        return 1;
    ca_run run = ca_region_take(NULL, PAGES, 1, NULL);
    start = ca_page_granule(run.page);
    return run.pages < PAGES;
}

static void a_bit_a_granule(void **state)
{
    (void)state;
    for (ca_granule g = start; g < start + GRANULES; g++)
        assert_false(ca_live_test(g));
    for (ca_granule g = start; g < start + GRANULES; g += 3)
        ca_live_set(g);
    for (ca_granule g = start; g < start + GRANULES; g++)
        assert_int_equal(ca_live_test(g), (g - start) % 3 == 0);
    for (ca_granule g = start; g < start + GRANULES; g++)
        assert_int_equal(ca_live_clear(g), (g - start) % 3 == 0);
    for (ca_granule g = start; g < start + GRANULES; g++)
        assert_false(ca_live_test(g));
}

static void a_second_clear_is_seen_and_changes_nothing(void **state)
{
    (void)state;
    for (int round = 0; round < 3; round++) {
        ca_live_set(start + 5);
        assert_true(ca_live_clear(start + 5));
        assert_false(ca_live_clear(start + 5));
        assert_false(ca_live_clear(start + 5));
        assert_false(ca_live_test(start + 5));
    }
}

static void *clearer(void *wins)
{
    for (ca_granule g = start; g < start + GRANULES; g += CA_LIVE_GRANULES)
        *(unsigned *)wins += ca_live_clear_shared(g);
    return NULL;
}

static void of_two_clears_at_once_one_wins(void **state)
{
    (void)state;
    for (int round = 0; round < 20; round++) {
        pthread_t other;
        unsigned wins[2] = {0, 0};
        for (ca_granule g = start; g < start + GRANULES; g += CA_LIVE_GRANULES) /* only one bit a word, that both go for */
            ca_live_set(g);
        assert_int_equal(pthread_create(&other, NULL, clearer, &wins[0]), 0);
        clearer(&wins[1]);
        assert_int_equal(pthread_join(other, NULL), 0);
        assert_int_equal(wins[0] + wins[1], GRANULES / CA_LIVE_GRANULES);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bit_a_granule),
        cmocka_unit_test(a_second_clear_is_seen_and_changes_nothing),
        cmocka_unit_test(of_two_clears_at_once_one_wins),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
