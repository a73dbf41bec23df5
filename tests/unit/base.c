/* The base layer: print, pool, lock. */
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "base/lock.h"
#include "base/os.h"
#include "base/pool.h"
#include "base/print.h"
#include "tests/unit/cmocka_face.h"

enum { THREADS = 4, ROUNDS = 200000 };

static void formats(void **state)
{
    (void)state;
    char text[200];
    size_t n = ca_format(text, sizeof text, "%s|%c|%d|%d|%u|%z|%x|%%", "word", 'c', -2147483647 - 1, 7, 4294967295U,
                         SIZE_MAX, (uint64_t)0xdeadbeef);
    assert_string_equal(text, "word|c|-2147483648|7|4294967295|18446744073709551615|0xdeadbeef|%");
    assert_int_equal(n, strlen(text));
    (void)ca_format(text, sizeof text, "%z %x", (size_t)0, (uint64_t)0);
    assert_string_equal(text, "0 0x0");
    assert_int_equal(ca_format(text, 5, "abcdefgh"), 4);
    assert_string_equal(text, "abcd");
    assert_int_equal(ca_format(text, 1, "%d", 12345), 0);
    assert_string_equal(text, "");
}

static void a_line_is_one_write(void **state)
{
    (void)state;
    int ends[2];
    char text[100];
    assert_int_equal(pipe(ends), 0);
    ca_print(ends[1], "%s %d\n", "number", 42);
    ssize_t n = read(ends[0], text, sizeof text);
    assert_int_equal(n, 10);
    assert_memory_equal(text, "number 42\n", 10);
    close(ends[0]);
    close(ends[1]);
    ca_print(-1, "lost\n");
}

/* --- pool ----------------------------------------------------------------------------------------------------- */

enum { RECORD = 128, STORE_BYTES = 1 << 20, SIDE_PAGE = 512, RECORDS = (STORE_BYTES - CA_PAGE) / RECORD };

static ca_store store;

static ca_pool pool_new(size_t committed)
{
    ca_pool pool;
    char *range = ca_os_reserve(STORE_BYTES), *side = ca_os_reserve(STORE_BYTES / CA_PAGE * SIDE_PAGE);
    assert_non_null(range);
    assert_non_null(side);
    if (committed) {
        assert_true(ca_os_commit(range + STORE_BYTES - committed, committed));
        assert_true(ca_os_commit(side, STORE_BYTES / CA_PAGE * SIDE_PAGE));
    }
    ca_store_init(&store, range, STORE_BYTES, committed, side, SIDE_PAGE);
    ca_pool_init(&pool, &store, RECORD);
    return pool;
}

static void pool_drop(void)
{
    ca_os_release(store.base, STORE_BYTES);
    ca_os_release(store.side, STORE_BYTES / CA_PAGE * SIDE_PAGE);
}

static void a_pool_gives_each_record_once_until_none_is_left(void **state)
{
    (void)state;
    static const char zero[RECORD];
    static bool seen[STORE_BYTES / RECORD];
    ca_pool pool = pool_new(0);
    uint32_t count = 0, number, last = 0, first = 0;
    while ((number = ca_pool_take(&pool)) != 0) {
        assert_in_range(number, CA_PAGE / RECORD, STORE_BYTES / RECORD - 1); /* the store's first page has number 0 */
        assert_false(seen[number]);
        seen[number] = true;
        assert_memory_equal(ca_pool_at(&pool, number), zero, RECORD);
        memset(ca_pool_at(&pool, number), 0xff, RECORD);
        memset(store.side + number * (SIDE_PAGE * RECORD / CA_PAGE), 0xff, SIDE_PAGE * RECORD / CA_PAGE);
        last = number;
        first = first ? first : number;
        count++;
    }
    assert_int_equal(count, RECORDS);
    assert_true(store.base < store.committed && store.committed <= store.low && store.low <= store.end);
    *ca_pool_link(&pool, last) = first; /* two of them, linked, come back in that order */
    ca_pool_give_list(&pool, last, first);
    assert_int_equal(ca_pool_take(&pool), last);
    assert_int_equal(ca_pool_take(&pool), first);
    assert_int_equal(ca_pool_take(&pool), 0);
    pool_drop();
}

static void a_list_is_linked_and_may_be_short(void **state)
{
    (void)state;
    ca_pool pool = pool_new(CA_PAGE);
    uint32_t n = 0;
    for (uint32_t r = ca_pool_take_list(&pool, 5); r; r = *ca_pool_link(&pool, r))
        n++;
    assert_int_equal(n, 5);
    for (uint32_t first, fewest = CA_PAGE / RECORD - 5; (first = ca_pool_take_list(&pool, UINT32_MAX)) != 0; fewest = CA_PAGE / RECORD) { /* no more than the page has that they begin in */
        uint32_t before = n;
        for (uint32_t r = first; r; r = *ca_pool_link(&pool, r))
            n++;
        assert_int_equal(n - before, fewest);
    }
    assert_int_equal(n, RECORDS);
    assert_int_equal(ca_pool_take_list(&pool, 1), 0);
    pool_drop();
}

static void first_records_lie_where_they_are_put(void **state)
{
    (void)state;
    ca_pool small = pool_new(2 * CA_PAGE), large;
    ca_pool_init(&large, &store, 2 * RECORD);
    ca_store_cut(&store, CA_PAGE);
    ca_pool_begin(&small, store.end - RECORD, 1);
    ca_pool_begin(&large, store.end - 5 * RECORD - RECORD, 2); /* the store's end is a multiple of both */
    assert_ptr_equal(ca_pool_at(&small, ca_pool_take(&small)), store.end - RECORD);
    assert_ptr_equal(ca_pool_at(&large, ca_pool_take(&large)), store.end - 6 * RECORD);
    assert_ptr_equal(ca_pool_at(&large, ca_pool_take(&large)), store.end - 4 * RECORD);
    assert_ptr_equal(ca_pool_at(&small, ca_pool_take(&small)), store.end - 2 * CA_PAGE); /* then pages of their own, below what was cut off */
    assert_ptr_equal(ca_pool_at(&large, ca_pool_take(&large)), store.end - 3 * CA_PAGE);
    pool_drop();
}

/* Two kinds of records never share a byte, and begin beside each other at the store's end. */
static void pools_of_one_store_lie_together(void **state)
{
    (void)state;
    ca_pool small = pool_new(CA_PAGE), page;
    ca_pool_init(&page, &store, CA_PAGE);
    char *a = ca_pool_at(&small, ca_pool_take(&small)), *b = ca_pool_at(&page, ca_pool_take(&page));
    assert_ptr_equal(a, store.end - CA_PAGE);
    assert_ptr_equal(b, store.end - 2 * CA_PAGE);
    memset(b, 0xff, CA_PAGE);
    for (uint32_t i = 1; i < CA_PAGE / RECORD; i++)
        assert_ptr_equal(ca_pool_at(&small, ca_pool_take(&small)), a + i * RECORD);
    assert_ptr_equal(ca_pool_at(&small, ca_pool_take(&small)), b - CA_PAGE);
    pool_drop();
}

static void *pool_user(void *argument)
{
    ca_pool *pool = argument;
    for (int i = 0; i < ROUNDS; i++) {
        uint32_t number = ca_pool_take(pool);
        uint32_t *words = ca_pool_at(pool, number);
        if (__atomic_exchange_n(&words[1], 1, __ATOMIC_RELAXED)) /* somebody else has it */
            return argument;
        __atomic_store_n(&words[1], 0, __ATOMIC_RELAXED);
        ca_pool_give_list(pool, number, number);
    }
    return NULL;
}

static void run_threads(void *(*run)(void *), void *argument)
{
    pthread_t thread[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, run, argument), 0);
    for (int i = 0; i < THREADS; i++) {
        void *failed;
        assert_int_equal(pthread_join(thread[i], &failed), 0);
        assert_null(failed);
    }
}

static void threads_never_hold_the_same_record(void **state)
{
    (void)state;
    ca_pool pool = pool_new(0);
    run_threads(pool_user, &pool);
    assert_ptr_equal(store.low, store.end - CA_PAGE); /* never more than THREADS in use */
    pool_drop();
}

/* --- lock ------------------------------------------------------------------------------------------------------ */

static struct {
    ca_lock lock;
    unsigned long long counter; /* plain: only the lock keeps it right */
} shared;

static void *lock_user(void *argument)
{
    (void)argument;
    for (int i = 0; i < ROUNDS; i++) {
        ca_lock_take(&shared.lock);
        shared.counter = shared.counter * 3 / 3 + 1;
        if (i % 10000 == 0)
            usleep(1); /* hold it long enough that the others go to sleep */
        ca_lock_drop(&shared.lock);
    }
    return NULL;
}

static void a_lock_keeps_threads_apart(void **state)
{
    (void)state;
    run_threads(lock_user, NULL);
    assert_true(shared.counter == (unsigned long long)THREADS * ROUNDS);
    assert_int_equal(shared.lock.state, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats),
        cmocka_unit_test(a_line_is_one_write),
        cmocka_unit_test(a_pool_gives_each_record_once_until_none_is_left),
        cmocka_unit_test(a_list_is_linked_and_may_be_short),
        cmocka_unit_test(pools_of_one_store_lie_together), cmocka_unit_test(first_records_lie_where_they_are_put),
        cmocka_unit_test(threads_never_hold_the_same_record),
        cmocka_unit_test(a_lock_keeps_threads_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
