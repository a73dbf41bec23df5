/* Accounts: exact sums up to the root, limits at any level, crossings and peaks, also by several threads at once. */
#include <pthread.h>
#include <string.h>

#include "heap/account.h"
#include "tests/unit/cmocka_face.h"

enum { LEVELS = 4, THREADS = 4, ROUNDS = 100000 };

/* level[0] is the root. */
static void chain_make(ca_account *level)
{
    memset(level, 0, LEVELS * sizeof *level);
    for (int i = 1; i < LEVELS; i++)
        level[i].parent = &level[i - 1];
}

static bool charge(ca_account *a, uint64_t bytes)
{
    bool served = ca_account_charge(a, bytes);
    if (served)
        ca_account_settle(a);
    ca_account_end_request(a, served);
    return served;
}

static void sums_are_exact_at_all_levels(void **state)
{
    (void)state;
    ca_account level[LEVELS];
    uint64_t own[LEVELS] = {0}, random = 3, peak[LEVELS] = {0};
    chain_make(level);
    for (int i = 0; i < 100000; i++) {
        int at = (int)(test_random(&random) % LEVELS);
        uint64_t bytes = test_random(&random) % 1000;
        if (test_random(&random) % 2) {
            assert_true(charge(&level[at], bytes));
            own[at] += bytes;
        } else {
            bytes = bytes < own[at] ? bytes : own[at];
            ca_account_discharge(&level[at], bytes);
            own[at] -= bytes;
        }
        uint64_t sum = 0;
        for (int j = LEVELS; j-- > 0;) {
            sum += own[j];
            peak[j] = sum > peak[j] ? sum : peak[j];
            assert_int_equal(level[j].used, sum);
            assert_int_equal(level[j].peak, peak[j]);
        }
    }
}

static void a_limit_at_any_level_refuses_and_changes_nothing(void **state)
{
    (void)state;
    for (int at = 0; at < LEVELS; at++) {
        ca_account level[LEVELS];
        chain_make(level);
        level[at].hard = 1000;
        assert_true(charge(&level[LEVELS - 1], 1000)); /* to the byte */
        for (uint64_t bytes = 1; bytes < UINT64_MAX / 4; bytes *= 3) {
            ca_account before[LEVELS];
            memcpy(before, level, sizeof level);
            assert_false(charge(&level[LEVELS - 1], bytes));
            before[at].refusals++; /* of the one that refused, and once */
            assert_memory_equal(before, level, sizeof level);
        }
        ca_account_discharge(&level[LEVELS - 1], 1);
        assert_true(charge(&level[LEVELS - 1], 1));
        assert_int_equal(level[0].peak, 1000);
    }
}

static void each_crossing_is_noted_once(void **state)
{
    (void)state;
    ca_account a = {.soft = 100};
    for (int crossing = 0; crossing < 5; crossing++) {
        assert_true(charge(&a, 100));
        assert_int_equal(a.pressed, 0); /* at the limit is not over it */
        assert_true(charge(&a, 1));
        assert_int_equal(a.pressed, 1);
        a.pressed = 0; /* told */
        assert_true(charge(&a, 50));
        assert_int_equal(a.pressed, 0);
        ca_account_discharge(&a, 151);
    }
}

/* Two threads charge before either settles: one of them is the one that crossed it. */
static void a_crossing_by_two_at_once_is_not_lost(void **state)
{
    (void)state;
    ca_account a = {.soft = 10};
    assert_true(ca_account_charge(&a, 8));
    ca_account_settle(&a);
    assert_true(ca_account_charge(&a, 3) && ca_account_charge(&a, 3));
    ca_account_settle(&a);
    ca_account_settle(&a);
    assert_int_equal(a.pressed, 1);
}

static void a_move_takes_all_along(void **state)
{
    (void)state;
    ca_account level[LEVELS], other = {.parent = &level[0]};
    chain_make(level);
    assert_true(charge(&level[3], 100) && charge(&level[2], 10) && charge(&other, 1));
    ca_account_move(&level[3], &other);
    assert_ptr_equal(level[3].parent, &other);
    assert_true(level[3].used == 100 && level[2].used == 10 && level[1].used == 10 && other.used == 101 && level[0].used == 111);
    ca_account_discharge(&level[3], 100);
    assert_true(other.used == 1 && level[0].used == 11);
}

static ca_account shared[LEVELS];

static void *charge_and_discharge(void *argument)
{
    uint64_t random = (uint64_t)(uintptr_t)argument, held = 0;
    ca_account *a = &shared[LEVELS - 1 - (uintptr_t)argument % 2];
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t bytes = test_random(&random) % 100;
        if (test_random(&random) % 2 && charge(a, bytes)) {
            held += bytes;
        } else if (held >= bytes) {
            ca_account_discharge(a, bytes);
            held -= bytes;
        }
    }
    ca_account_discharge(a, held);
    return NULL;
}

static void threads_leave_it_even(void **state)
{
    (void)state;
    pthread_t thread[THREADS];
    chain_make(shared);
    shared[1].hard = 3000;
    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, charge_and_discharge, (void *)(i + 1)), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(thread[i], NULL), 0);
    for (int i = 0; i < LEVELS; i++)
        assert_int_equal(shared[i].used, 0);
    assert_true(shared[1].peak <= 3000 && shared[1].peak > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_are_exact_at_all_levels),
        cmocka_unit_test(a_limit_at_any_level_refuses_and_changes_nothing),
        cmocka_unit_test(each_crossing_is_noted_once),
        cmocka_unit_test(a_crossing_by_two_at_once_is_not_lost),
        cmocka_unit_test(a_move_takes_all_along),
        cmocka_unit_test(threads_leave_it_even),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
