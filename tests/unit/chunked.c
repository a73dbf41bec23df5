/* The engine of medium contexts against a list of what it handed out: random allocations, resizes, frees by the owner and by another thread, trims and drops; after
 * each, every block is where it was, as large as it was, and nobody else's. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "heap/chunked.h"
#include "tests/unit/cmocka_face.h"
#include "tests/unit/heap_face.h"

enum { MOST = 1500, NUMBER = 77, DEAD = 78, ELSEWHERE = 40 };

typedef struct block {
    unsigned char *p;
    size_t size; /* ca_chunked_size, which stays */
    unsigned char byte;
} block;

typedef struct model {
    ca_chunked heap;
    ca_account account;
    block blocks[MOST];
    size_t count, resized;
    size_t allocs, frees; /* of 1000 steps, the latter with the former */
    uint64_t random;
} model;

static int setup(void **state)
{
    (void)state;
    return !face_start(&ca_source_mmap, (size_t)4 << 30);
}

static model *model_create(uint64_t seed, size_t block_size)
{
    model *m = calloc(1, sizeof *m);
    assert_non_null(m);
    m->account.parent = &ca_account_process;
    m->random = seed;
    ca_chunked_set_unit(&m->heap, block_size);
    return m;
}

static void model_free(model *m)
{
    ca_chunked_drop(&m->heap, &m->account, DEAD, false);
    ca_chunked_retire(&m->heap, &m->account, DEAD);
    assert_int_equal(m->account.used, 0);
    free(m);
}

static size_t below(model *m, size_t n)
{
    return test_random(&m->random) % n;
}

static size_t some_size(model *m)
{
    size_t kind = below(m, 100);
    return kind < 80 ? below(m, 200) : kind < 98 ? below(m, 5000) : below(m, CA_CHUNKED_MOST + 1);
}

static void block_add(model *m, void *p, size_t wanted)
{
    assert_non_null(p);
    block *b = &m->blocks[m->count++];
    *b = (block){p, ca_chunked_size(&m->heap, p), (unsigned char)(test_random(&m->random) | 1)};
    assert_true(b->size >= wanted && b->size % m->heap.unit == 0);
    memset(p, b->byte, b->size);
}

static void step_alloc(model *m)
{
    size_t size = some_size(m), align = below(m, 4) ? CA_GRANULE : (size_t)16 << below(m, 9);
    void *p = align == CA_GRANULE && below(m, 2) ? ca_chunked_quick(&m->heap, size) : NULL;
    if (!p)
        p = ca_chunked_alloc(&m->heap, &m->account, NUMBER, size, align);
    assert_true((uintptr_t)p % align == 0);
    block_add(m, p, size);
}

static bool is_filled(const block *b)
{
    return b->p[0] == b->byte && !memcmp(b->p, b->p + 1, b->size - 1);
}

/* What is freed leaves the list: its place may be given again at once. */
static void step_free(model *m)
{
    size_t at = below(m, m->count);
    block *b = &m->blocks[at];
    bool mine = below(m, 4) != 0;
    assert_true(is_filled(b));
    if (!mine || !below(m, 2) || !ca_chunked_free_quick(&m->heap, b->p))
        assert_true(ca_chunked_free(&m->heap, b->p, mine));
    assert_false(ca_chunked_is_live(&m->heap, b->p));
    assert_false(ca_chunked_free_quick(&m->heap, b->p));
    assert_false(ca_chunked_free(&m->heap, b->p, mine));
    assert_true(ca_chunked_was_block(&m->heap, b->p));
    *b = m->blocks[--m->count];
}

static void step_resize(model *m)
{
    block *b = &m->blocks[below(m, 2) ? m->count - 1 : below(m, m->count)];
    size_t size = below(m, 2) ? some_size(m) : b->size + below(m, 64);
    if (!ca_chunked_resize(&m->heap, b->p, size)) {
        assert_true(size > b->size);
        return;
    }
    m->resized += size > b->size;
    size_t after = ca_chunked_size(&m->heap, b->p);
    assert_true(after >= size && after == ca_chunked_round(&m->heap, size));
    assert_true(b->p[0] == b->byte && !memcmp(b->p, b->p + 1, (after < b->size ? after : b->size) - 1));
    b->size = after;
    memset(b->p, b->byte, after);
}

static void step_trim(model *m)
{
    uint64_t used = m->account.used;
    ca_chunked_trim(&m->heap, &m->account);
    assert_true(m->account.used <= used);
    if (!m->count)
        assert_int_equal(m->heap.chunk_bytes, 0);
}

static void step_drop(model *m)
{
    bool keep = below(m, 2);
    uint64_t used = m->account.used;
    ca_chunked_drop(&m->heap, &m->account, DEAD, keep);
    assert_true(keep ? m->account.used <= used : m->account.used <= CA_PIECE_BYTES);
    for (size_t i = 0; i < m->count; i += 7)
        assert_false(face_tag(m->blocks[i].p) && ca_chunk_owner(face_page(m->blocks[i].p), face_tag(m->blocks[i].p), m->blocks[i].p) == NUMBER &&
                     ca_chunked_is_live(&m->heap, m->blocks[i].p));
    m->count = 0;
}

static bool block_seen(const void *p, size_t size, void *argument)
{
    uint64_t *walked = argument;
    walked[0]++;
    walked[1] += size;
    return p != NULL;
}

/* Everything that can be asked. */
static void model_check(model *m)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < m->count; i++) {
        const block *b = &m->blocks[i];
        bytes += b->size;
        assert_true(is_filled(b));
        assert_true(ca_chunked_is_live(&m->heap, b->p));
        assert_int_equal(ca_chunked_size(&m->heap, b->p), b->size);
        assert_ptr_equal(ca_chunked_start(&m->heap, b->p + below(m, b->size)), b->p);
        assert_int_equal(ca_chunk_owner(face_page(b->p), face_tag(b->p), b->p), NUMBER);
        assert_false(ca_chunked_is_live(&m->heap, b->p + 8));
    }
    uint64_t walked[2] = {0, 0};
    assert_true(ca_chunked_walk(&m->heap, block_seen, walked));
    assert_int_equal(m->heap.blocks - m->heap.freed, m->count);
    assert_int_equal(walked[0], m->count);
    assert_int_equal(walked[1], bytes);
    int which;
    assert_true(ca_chunked_is_valid(&m->heap, &which));
    assert_int_equal(m->account.used, (m->heap.piece ? CA_PIECE_BYTES : 0) + m->heap.chunk_bytes);
}

static void step(model *m)
{
    size_t what = below(m, 1000);
    if (what < m->allocs && m->count < MOST)
        step_alloc(m);
    else if (what < m->frees && m->count)
        step_free(m);
    else if (what < 990 && m->count)
        step_resize(m);
    else if (what < 997)
        step_trim(m);
    else if (what >= 997)
        step_drop(m);
}

static void random_work_against_the_model(void **state)
{
    (void)state;
    static const size_t hints[] = {0, 100, 64, 1, 5000, 2048};
    size_t resized = 0;
    for (uint64_t seed = 1; seed <= 48; seed++) {
        model *m = model_create(seed * 7919, hints[seed % 6]);
        for (int i = 0; i < 4000; i++) {
            if (i % 500 == 0) { /* now it grows, now it shrinks */
                m->allocs = below(m, 2) ? 550 : 400;
                m->frees = 900;
            }
            step(m);
            if (i % 16 == 0)
                model_check(m);
        }
        model_check(m);
        resized += m->resized;
        model_free(m);
    }
    assert_true(resized > 500); /* blocks did grow in place */
}

/* Blocks of one size come and go, a few dozen live: the memory stays as it is. */
static void what_is_freed_is_used_again(void **state)
{
    (void)state;
    for (size_t size = 16; size <= 2048; size *= 2) {
        model *m = model_create(size, 0);
        uint64_t used = 0;
        for (int i = 0; i < 20000; i++) {
            block_add(m, ca_chunked_alloc(&m->heap, &m->account, NUMBER, size, CA_GRANULE), size);
            if (m->count == 40)
                step_free(m);
            if (i == 2000)
                used = m->account.used;
        }
        assert_int_equal(m->account.used, used);
        model_check(m);
        model_free(m);
    }
}

/* [CA14] Any freed neighbours make room for a block of their sum. */
static void freed_neighbours_are_one_run(void **state)
{
    (void)state;
    model *m = model_create(1, 0);
    enum { COUNT = 300, SIZE = 48 };
    char *p[COUNT];
    for (int i = 0; i < COUNT; i++) {
        p[i] = ca_chunked_alloc(&m->heap, &m->account, NUMBER, SIZE, CA_GRANULE);
        assert_non_null(p[i]);
    }
    uint64_t used = m->account.used;
    int first = 200; /* odd places, an odd number */
    while (p[first + 6] != p[first] + 6 * (size_t)SIZE)
        first++;
    for (int i = 6; i >= 0; i--)
        assert_true(ca_chunked_free(&m->heap, p[first + (i * 3) % 7], i % 2));
    while (m->account.used == used) {
        char *q = ca_chunked_alloc(&m->heap, &m->account, NUMBER, 7 * SIZE, CA_GRANULE);
        if (q == p[first])
            break;
    }
    assert_int_equal(m->account.used, used);
    assert_int_equal(ca_chunked_size(&m->heap, p[first]), 7 * SIZE);
    m->count = 0;
    model_free(m);
}

/* Over and over, in the piece and in chunks: nothing is searched for, nothing is used up. */
static void the_block_cut_last_is_taken_back(void **state)
{
    (void)state;
    static const size_t sizes[] = {16, 100, 1024, 5000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        model *m = model_create(1, 0);
        char *before = ca_chunked_alloc(&m->heap, &m->account, NUMBER, sizes[i], CA_GRANULE);
        char *p = ca_chunked_alloc(&m->heap, &m->account, NUMBER, sizes[i], CA_GRANULE);
        uint64_t used = m->account.used;
        for (int again = 0; again < 1000; again++) {
            assert_true(ca_chunked_free_quick(&m->heap, p));
            assert_ptr_equal(m->heap.at, p);
            assert_false(ca_chunked_is_live(&m->heap, p));
            assert_false(ca_chunked_free_quick(&m->heap, p)); /* twice */
            assert_true(ca_chunked_was_block(&m->heap, p));
            assert_int_equal(ca_chunked_size(&m->heap, before), ca_chunked_round(&m->heap, sizes[i]));
            assert_ptr_equal(ca_chunked_quick(&m->heap, sizes[i]), p);
        }
        assert_int_equal(m->account.used, used);
        int which;
        assert_true(ca_chunked_is_valid(&m->heap, &which));
        m->count = 0;
        model_free(m);
    }
}

enum { ORDERED = 600 };

/* Which block is freed as the i-th: the oldest or the newest first, outwards from the middle, every other one. */
static size_t in_order(unsigned order, size_t i)
{
    size_t middle = ORDERED / 2;
    switch (order) {
    case 0: return i;
    case 1: return ORDERED - 1 - i;
    case 2: return i % 2 ? middle - 1 - i / 2 : middle + i / 2;
    default: return i < middle ? 2 * i + 1 : 2 * (i - middle);
    }
}

/* [K4] after each free; also in the next life, and when a search found nothing in between. */
static void frees_in_order_are_noted(void **state)
{
    (void)state;
    model *m = model_create(3, 0);
    for (unsigned life = 0; life < 24; life++) {
        static char *p[ORDERED];
        int which;
        size_t most = life % 3 ? 300 : 20; /* in chunks, or a few in the piece */
        for (size_t i = 0; i < ORDERED; i++)
            assert_non_null(p[i] = ca_chunked_alloc(&m->heap, &m->account, NUMBER, below(m, most), CA_GRANULE));
        for (size_t i = 0; i < ORDERED; i++) {
            char *freed = p[in_order(life % 4, i)];
            if (i % 7 || !ca_chunked_free_quick(&m->heap, freed))
                assert_true(ca_chunked_free(&m->heap, freed, true));
            assert_true(ca_chunked_is_valid(&m->heap, &which));
        }
        ca_chunked_drop(&m->heap, &m->account, DEAD, life % 2);
    }
    model_free(m);
}

/* The block behind the stretch that was noted last is taken back, a search finds nothing large enough, and then the block before the stretch is freed. */
static void what_was_noted_ends_with_the_run_in_use(void **state)
{
    (void)state;
    model *m = model_create(4, 0);
    char *p[10];
    int which;
    for (int i = 0; i < 10; i++)
        assert_non_null(p[i] = ca_chunked_alloc(&m->heap, &m->account, NUMBER, 64, CA_GRANULE));
    assert_true(ca_chunked_free(&m->heap, p[8], true) && ca_chunked_free_quick(&m->heap, p[9]));
    m->account.hard = m->account.used;
    assert_null(ca_chunked_alloc(&m->heap, &m->account, NUMBER, CA_CHUNKED_MOST, CA_GRANULE));
    assert_true(ca_chunked_is_valid(&m->heap, &which));
    assert_true(ca_chunked_free(&m->heap, p[7], true));
    assert_true(ca_chunked_is_valid(&m->heap, &which));
    model_free(m);
}

static size_t size_asked(const void *engine, const void *p)
{
    return ca_chunked_size(engine, p);
}

/* What comes after the block comes and goes, and the block's size stays what it is, whoever asks. */
static void a_size_holds_while_the_owner_takes_back(void **state)
{
    (void)state;
    model *m = model_create(1, 0);
    size_reader r = {.ask = size_asked, .engine = &m->heap, .size = 112, .go_on = 1};
    r.p = ca_chunked_alloc(&m->heap, &m->account, NUMBER, r.size, CA_GRANULE);
    char *behind = ca_chunked_alloc(&m->heap, &m->account, NUMBER, 48, CA_GRANULE);
    pthread_t thread;
    void *result;
    assert_int_equal(pthread_create(&thread, NULL, size_reader_run, &r), 0);
    for (int i = 0; i < 1000000 || !CA_LOAD(&r.reads); i++) {
        assert_true(ca_chunked_free_quick(&m->heap, behind));
        assert_ptr_equal(ca_chunked_quick(&m->heap, 48), behind);
    }
    CA_STORE(&r.go_on, 0);
    assert_int_equal(pthread_join(thread, &result), 0);
    assert_ptr_equal(result, &r);
    m->count = 0;
    model_free(m);
}

/* --- frees by another thread -------------------------------------------------------------------------------------- */

typedef struct batch {
    model *m;
    unsigned char *p[ELSEWHERE];
    size_t size[ELSEWHERE];
    size_t count;
} batch;

static void *free_batch(void *argument)
{
    batch *b = argument;
    for (size_t i = 0; i < b->count; i++) {
        if (ca_chunked_size(&b->m->heap, b->p[i]) != b->size[i] || !ca_chunked_is_live(&b->m->heap, b->p[i]) ||
            !ca_chunked_free(&b->m->heap, b->p[i], false))
            return NULL;
    }
    return b;
}

static void another_thread_frees_while_the_owner_works(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        model *m = model_create(seed * 104729, seed % 3 * 40);
        for (int round = 0; round < 60; round++) {
            batch b = {.m = m};
            pthread_t thread;
            void *result;
            while (m->count < MOST / 2)
                step_alloc(m);
            for (size_t i = 0; i < m->count && b.count < ELSEWHERE; i += 1 + below(m, 20)) {
                b.p[b.count] = m->blocks[i].p;
                b.size[b.count++] = m->blocks[i].size;
                m->blocks[i] = m->blocks[--m->count];
            }
            assert_int_equal(pthread_create(&thread, NULL, free_batch, &b), 0);
            for (int i = 0; i < 200 && m->count < MOST; i++)
                if (i % 4 == 3)
                    step_free(m);
                else if (i % 50 == 48)
                    step_trim(m);
                else
                    step_alloc(m);
            assert_int_equal(pthread_join(thread, &result), 0);
            assert_ptr_equal(result, &b);
            model_check(m);
            if (round % 10 == 9)
                step_drop(m);
        }
        model_free(m);
    }
}

/* --- edges ------------------------------------------------------------------------------------------------------------ */

static void sizes_at_the_edges(void **state)
{
    (void)state;
    model *m = model_create(3, 0);
    static const size_t sizes[] = {0, 1, 16, 17, CA_PIECE_BYTES - 16, CA_PIECE_BYTES, CA_PIECE_BYTES + 1, CA_PAGE, CA_PAGE + 1, CA_CHUNKED_MOST - 1, CA_CHUNKED_MOST};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (size_t align = CA_GRANULE; align <= CA_PAGE; align *= 4) {
            void *p = ca_chunked_alloc(&m->heap, &m->account, NUMBER, sizes[i], align);
            assert_true(p && (uintptr_t)p % align == 0);
            block_add(m, p, sizes[i]);
            model_check(m);
            if (m->count % 3 == 0)
                step_drop(m);
        }
    model_free(m);
}

/* A piece each for as many bumps as there are, in any order: pages are shared, and come back. */
static void pieces_share_pages(void **state)
{
    (void)state;
    enum { COUNT = 3000 };
    static model *m[COUNT];
    uint64_t random = 9, given = ca_region_get_usage().given;
    for (size_t i = 0; i < COUNT; i++) {
        m[i] = model_create(i + 1, 0);
        block_add(m[i], ca_chunked_alloc(&m[i]->heap, &m[i]->account, NUMBER, 100, CA_GRANULE), 100);
        assert_int_equal(m[i]->account.used, CA_PIECE_BYTES);
    }
    assert_true(ca_region_get_usage().given - given <= (COUNT / CA_PIECES + 64) * (uint64_t)CA_PAGE * 5 / 4 + (1 << 20));
    for (size_t i = COUNT; i > 0; i--) {
        size_t at = test_random(&random) % i;
        model *one = m[at];
        m[at] = m[i - 1];
        model_check(one);
        model_free(one);
    }
    assert_true(ca_region_get_usage().given <= given + (2 << 20)); /* an extent or two may stay */
}

static void a_limit_stops_it_and_nothing_is_lost(void **state)
{
    (void)state;
    model *m = model_create(5, 0);
    m->account.hard = 300000;
    for (int round = 0; round < 20; round++) {
        size_t count = 0;
        while (count < 10000 && ca_chunked_alloc(&m->heap, &m->account, NUMBER, 1000, CA_GRANULE))
            count++;
        assert_true(count >= 240 && count < 300);
        assert_true(m->account.used <= 300000 && m->account.used > 300000 - 2 * CA_PAGE);
        assert_null(ca_chunked_alloc(&m->heap, &m->account, NUMBER, 1 << 20, CA_GRANULE));
        ca_chunked_drop(&m->heap, &m->account, DEAD, round % 2);
    }
    model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_at_the_edges),
        cmocka_unit_test(pieces_share_pages),
        cmocka_unit_test(a_limit_stops_it_and_nothing_is_lost),
        cmocka_unit_test(what_is_freed_is_used_again),
        cmocka_unit_test(freed_neighbours_are_one_run),
        cmocka_unit_test(the_block_cut_last_is_taken_back),
        cmocka_unit_test(frees_in_order_are_noted),
        cmocka_unit_test(what_was_noted_ends_with_the_run_in_use),
        cmocka_unit_test(a_size_holds_while_the_owner_takes_back),
        cmocka_unit_test(random_work_against_the_model),
        cmocka_unit_test(another_thread_frees_while_the_owner_works),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
