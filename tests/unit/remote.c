/* Frees from other threads: outbox, inbox, the heap whose thread ended, and the next thread that takes it over. */
#include <pthread.h>
#include <string.h>

#include "heap/context.h"
#include "tests/unit/cmocka_face.h"
#include "tests/unit/heap_face.h"

enum { COUNT = 1000, ROUNDS = 300, BATCH = 200 };

static int setup(void **state)
{
    (void)state;
    return !face_start(&ca_source_mmap, (size_t)1 << 30);
}

static ca_heap_usage usage_of(const ca_heap *heap)
{
    ca_heap_usage u;
    memset(&u, 0, sizeof u);
    ca_heap_add_usage(heap, &u);
    return u;
}

static void a_full_outbox_is_sent_and_a_flush_sends_the_rest(void **state)
{
    (void)state;
    static void *p[COUNT];
    ca_heap *a = ca_heap_create(NULL), *b = ca_heap_create(NULL);
    assert_true(a && b && a != b && a->tag != b->tag);
    for (int i = 0; i < COUNT; i++)
        assert_non_null(p[i] = ca_heap_malloc(a, i % 10 ? 64 : 50000));
    assert_false(ca_remote_drain(a));
    assert_true(face_free(b, p[1]));
    assert_false(ca_remote_drain(a)); /* it waits in the outbox */
    assert_true(face_is_live(p[1]));
    for (int i = 0; i < COUNT; i++)
        if (i != 1)
            assert_true(face_free(b, p[i]));
    assert_true(ca_remote_drain(a));
    ca_remote_flush(b);
    assert_true(ca_remote_drain(a));
    assert_false(ca_remote_drain(a));
    for (int i = 0; i < COUNT; i++)
        assert_false(face_is_live(p[i]));
    assert_true(usage_of(a).small_count == 0 && usage_of(a).large_count == 0);
    assert_true(face_is_valid(a) && face_is_valid(b));
    ca_heap_abandon(a);
    ca_heap_abandon(b);
    assert_true(ca_region_get_usage().given == 0);
}

/* A magazine that was begun before a context's heap was dropped takes no block of the heap's next life: it would be void with the others. */
static void what_waits_is_of_one_life(void **state)
{
    (void)state;
    static ca_context context;
    enum { DEAD = 77 };
    ca_heap *a = ca_heap_create_for(&context, &ca_account_process, 0, NULL), *b = ca_heap_adopt(NULL, 0);
    assert_true(a && b);
    for (int life = 0; life < 3; life++) {
        void *p[10];
        for (int i = 0; i < 10; i++)
            assert_non_null(p[i] = ca_heap_malloc(a, 64));
        for (int i = 0; i < 10; i++)
            assert_true(face_free(b, p[i]));
        if (life < 2) {
            ca_heap_drop(a, DEAD, false);
            continue;
        }
        ca_remote_flush(b);
        assert_true(ca_remote_drain(a));
        assert_true(usage_of(a).small_count == 0 && face_is_valid(a));
    }
    ca_heap_drop(a, DEAD, false);
    ca_heap_retire(a);
    ca_heap_abandon(b);
    assert_true(ca_region_get_usage().given == 0);
}

/* A free that was half-way when its block's context went, and when a thread's heap got the record: what comes after it is not taken for its like. */
static void a_late_free_voids_nothing_but_itself(void **state)
{
    (void)state;
    static ca_context context;
    ca_heap *a = ca_heap_create_for(&context, &ca_account_process, 0, NULL), *b = ca_heap_adopt(NULL, 0);
    assert_true(a && b);
    void *late = ca_heap_malloc(a, 64);
    uint32_t tag = face_tag(late), generation = ca_remote_generation(tag);
    ca_heap_drop(a, 77, false);
    ca_heap_retire(a);
    ca_heap *again = ca_heap_create(NULL);
    assert_ptr_equal(again, a);
    ca_remote_free(b, tag, generation, late);
    void *p[10];
    for (int i = 0; i < 10; i++)
        assert_non_null(p[i] = ca_heap_malloc(again, 64));
    assert_int_equal(face_tag(p[0]), tag);
    for (int i = 0; i < 10; i++)
        assert_true(face_free(b, p[i]));
    ca_remote_flush(b);
    assert_true(ca_remote_drain(again));
    assert_true(usage_of(again).small_count == 0 && face_is_valid(again));
    ca_heap_abandon(again);
    ca_heap_abandon(b);
    assert_true(ca_region_get_usage().given == 0);
}

/* Large blocks that one heap gives and others free come home, whichever call asks for the next one. */
static void what_others_free_is_used_again_by_every_call(void **state)
{
    (void)state;
    enum { BYTES = 100000 };
    ca_heap *a = ca_heap_adopt(NULL, 0), *b = ca_heap_adopt(NULL, 0);
    assert_true(a && b);
    for (int i = 0; i < COUNT; i++) {
        void *p = i < COUNT / 2 ? ca_heap_calloc(a, BYTES) : ca_heap_memalign(a, (size_t)2 * CA_PAGE, BYTES);
        assert_non_null(p);
        assert_true(face_free(b, p));
    }
    assert_true(usage_of(a).extent_bytes <= 16 * BYTES);
    ca_heap_abandon(a);
    ca_heap_abandon(b);
}

static void an_abandoned_heap_takes_frees_and_is_adopted(void **state)
{
    (void)state;
    ca_heap *b = ca_heap_adopt(NULL, 0), *a = ca_heap_adopt(NULL, 0); /* the one left last comes first */
    if (!a || !b || a == b || ca_heap_adopt(NULL, 0))
        fail();
    void *p = ca_heap_malloc(a, 64), *q = ca_heap_malloc(a, 100000), *r = ca_heap_malloc(a, 64);
    assert_true(p && q && r);
    ca_heap_abandon(a);
    assert_true(face_is_live(p) && usage_of(a).small_count == 2);
    assert_true(face_free(b, p) && face_free(b, q));
    ca_remote_flush(b); /* nobody owns a: the sender takes them in */
    assert_false(face_is_live(p));
    assert_true(usage_of(a).small_count == 1 && usage_of(a).large_count == 0 && a->inbox == 0);
    ca_remote_free(NULL, face_tag(r), ca_remote_generation(face_tag(r)), r); /* a thread without a heap sends at once */
    assert_false(face_is_live(r));
    assert_true(usage_of(a).extent_bytes == 0);
    assert_ptr_equal(ca_heap_adopt(NULL, 0), a);
    assert_int_equal(a->state, CA_HEAP_OWNED);
    assert_true(face_is_valid(a));
    ca_heap_abandon(a);
    ca_heap_abandon(b);
    assert_true(ca_remote_lost == 0);
}

/* --- two threads: one allocates and fills, the other checks and frees, and heaps change hands all the while --- */

static void *slot[BATCH];

static void *freer(void *unused)
{
    (void)unused;
    bool right = true;
    for (int round = 0; round < ROUNDS; round++) {
        ca_heap *heap = ca_heap_adopt(NULL, 0);
        if (!heap)
            heap = ca_heap_create(NULL);
        for (int i = 0; heap && i < BATCH; i++) {
            char *p = NULL;
            while (!(p = __atomic_exchange_n(&slot[i], NULL, __ATOMIC_ACQUIRE)))
                ;
            right = right && p[0] == (char)i && p[63] == (char)i && face_free(heap, p);
        }
        if (heap)
            ca_heap_abandon(heap);
        else
            right = false;
    }
    return right ? NULL : slot;
}

static void two_threads(void **state)
{
    (void)state;
    pthread_t thread;
    void *failed;
    assert_int_equal(pthread_create(&thread, NULL, freer, NULL), 0);
    for (int round = 0; round < ROUNDS; round++) {
        ca_heap *heap = ca_heap_adopt(NULL, 0);
        if (!heap)
            heap = ca_heap_create(NULL);
        assert_non_null(heap);
        for (int i = 0; i < BATCH; i++) {
            char *p = ca_heap_malloc(heap, i % 16 ? 64 : 40000);
            assert_non_null(p);
            memset(p, i, 64);
            while (CA_LOAD(&slot[i]))
                ;
            CA_STORE_RELEASE(&slot[i], p);
        }
        ca_heap_abandon(heap);
    }
    assert_int_equal(pthread_join(thread, &failed), 0);
    assert_null(failed);
    ca_heap *heap[8];
    int n = 0;
    while (n < 8 && (heap[n] = ca_heap_adopt(NULL, 0)) != NULL) {
        (void)ca_remote_drain(heap[n]);
        assert_true(usage_of(heap[n]).small_count == 0 && usage_of(heap[n]).large_count == 0);
        assert_true(face_is_valid(heap[n++]));
    }
    assert_true(n >= 2 && ca_remote_lost == 0);
    while (n)
        ca_heap_abandon(heap[--n]);
    assert_true(ca_region_get_usage().given == 0);
}

/* Of several heaps that nobody has, the first leave their pages as they are, for the next threads; what others held goes to the kernel. */
static void few_heaps_stay_warm(void **state)
{
    (void)state;
    enum { HEAPS = 6, BYTES = 50000, WARM = 2 };
    ca_heap *heap[HEAPS], *more;
    while ((more = ca_heap_adopt(NULL, 0)) != NULL) /* of the tests before: they stay, but are not counted */
        assert_true(usage_of(more).extent_bytes == 0);
    for (int i = 0; i < HEAPS; i++)
        assert_non_null(heap[i] = ca_heap_create(NULL));
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < HEAPS; i++) {
            void *p = ca_heap_malloc(heap[i], BYTES);
            assert_non_null(p);
            memset(p, 1, BYTES);
            assert_true(face_free(heap[i], p));
        }
        for (int i = 0; i < HEAPS; i++) {
            uint64_t purged = ca_region_get_usage().purged;
            ca_heap_abandon(heap[i]);
            purged = ca_region_get_usage().purged - purged;
            assert_true(i < WARM ? purged == 0 : purged >= BYTES);
        }
        for (int i = 0; i < HEAPS; i++) /* the count goes down, too */
            assert_non_null(heap[i] = ca_heap_adopt(NULL, 0));
        assert_null(ca_heap_adopt(NULL, 0));
    }
    assert_true(ca_region_get_usage().given == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_outbox_is_sent_and_a_flush_sends_the_rest),
        cmocka_unit_test(what_waits_is_of_one_life),
        cmocka_unit_test(what_others_free_is_used_again_by_every_call),
        cmocka_unit_test(an_abandoned_heap_takes_frees_and_is_adopted),
        cmocka_unit_test(two_threads),
        cmocka_unit_test(a_late_free_voids_nothing_but_itself),
        cmocka_unit_test(few_heaps_stay_warm),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
