/* The engine of short contexts against a list of what it handed out: random allocations, resizes, frees by the owner and by another thread, marks,
 * rollbacks and drops; after each, every block is where it was, as large as it was, and nobody else's. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "heap/bump.h"
#include "tests/unit/cmocka_face.h"
#include "tests/unit/heap_face.h"

enum { MOST = 1500, MARKS = 24, NUMBER = 77, DEAD = 78, ELSEWHERE = 40 };

typedef struct block {
    unsigned char *p;
    size_t size; /* ca_bump_size, which stays */
    bool live;
    unsigned char byte;
} block;

typedef struct model {
    ca_bump bump;
    ca_account account;
    block blocks[MOST];
    size_t count, live;
    struct {
        uint64_t mark;
        size_t count;
    } marks[MARKS];
    size_t mark_count;
    uint64_t random;
} model;

static int setup(void **state)
{
    (void)state;
    return !face_start(&ca_source_mmap, (size_t)4 << 30);
}

static model *model_create(uint64_t seed)
{
    model *m = calloc(1, sizeof *m);
    assert_non_null(m);
    m->account.parent = &ca_account_process;
    m->random = seed;
    return m;
}

static void model_free(model *m)
{
    ca_bump_drop(&m->bump, &m->account, DEAD, false);
    ca_bump_retire(&m->bump, &m->account, DEAD);
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
    return kind < 80 ? below(m, 200) : kind < 98 ? below(m, 5000) : below(m, 200000);
}

static void block_add(model *m, void *p, size_t wanted)
{
    assert_non_null(p);
    block *b = &m->blocks[m->count++];
    *b = (block){p, ca_bump_size(&m->bump, p), true, (unsigned char)(test_random(&m->random) | 1)};
    assert_true(b->size >= wanted && b->size % CA_GRANULE == 0);
    memset(p, b->byte, b->size);
    m->live++;
}

static void step_alloc(model *m)
{
    size_t size = some_size(m), align = below(m, 4) ? CA_GRANULE : (size_t)16 << below(m, 10);
    void *p = align == CA_GRANULE && below(m, 2) ? ca_bump_quick(&m->bump, size) : NULL;
    if (!p)
        p = ca_bump_alloc(&m->bump, &m->account, NUMBER, size, align);
    assert_true((uintptr_t)p % align == 0);
    block_add(m, p, size);
}

static bool is_filled(const block *b)
{
    return b->p[0] == b->byte && !memcmp(b->p, b->p + 1, b->size - 1);
}

/* The owner's quick ways know the last block, the chunk in use, and chunks; what they refuse is the other's business. */
static bool free_by_owner(model *m, void *p)
{
    return (below(m, 4) && (ca_bump_free_last(&m->bump, p) || ca_bump_free_quick(&m->bump, p) || ca_bump_free_own(&m->bump, NUMBER, p))) || ca_bump_free(&m->bump, p, true);
}

static void step_free(model *m)
{
    block *b = &m->blocks[below(m, 2) ? m->count - 1 : below(m, m->count)];
    if (!b->live) { /* its place may have been given again, to a block that the list has, too */
        for (size_t i = 0; i < m->count; i++)
            if (m->blocks[i].live && m->blocks[i].p == b->p)
                return;
        assert_false(ca_bump_is_live(&m->bump, b->p));
        assert_false(ca_bump_free_last(&m->bump, b->p) || ca_bump_free_quick(&m->bump, b->p) || ca_bump_free_quick(&m->bump, b->p + 1));
        assert_false(ca_bump_free_own(&m->bump, NUMBER, b->p) || ca_bump_free(&m->bump, b->p, true));
        return;
    }
    assert_true(is_filled(b));
    assert_true(below(m, 4) ? free_by_owner(m, b->p) : ca_bump_free(&m->bump, b->p, false));
    b->live = false;
    m->live--;
}

static void step_resize(model *m)
{
    block *b = &m->blocks[below(m, 2) ? m->count - 1 : below(m, m->count)];
    size_t size = some_size(m);
    if (!b->live || !ca_bump_resize(&m->bump, b->p, size))
        return;
    size_t after = ca_bump_size(&m->bump, b->p);
    assert_true(after >= size);
    assert_true(b->p[0] == b->byte && !memcmp(b->p, b->p + 1, (after < b->size ? after : b->size) - 1));
    b->size = after;
    memset(b->p, b->byte, after);
}

static void step_rollback(model *m)
{
    size_t to = below(m, m->mark_count);
    assert_true(ca_bump_rollback(&m->bump, m->marks[to].mark));
    for (; m->count > m->marks[to].count; m->count--)
        m->live -= m->blocks[m->count - 1].live;
    for (size_t i = to + 1; i < m->mark_count; i++)
        assert_false(ca_bump_rollback(&m->bump, m->marks[i].mark));
    m->mark_count = to + 1; /* the mark itself can be gone back to again */
}

static void step_drop(model *m)
{
    bool keep = below(m, 2);
    uint64_t used = m->account.used;
    ca_bump_drop(&m->bump, &m->account, DEAD, keep);
    assert_true(keep ? m->account.used <= used : m->account.used <= CA_PIECE_BYTES);
    for (size_t i = 0; i < m->count; i += 7)
        assert_false(face_tag(m->blocks[i].p) && ca_chunk_owner(face_page(m->blocks[i].p), face_tag(m->blocks[i].p), m->blocks[i].p) == NUMBER &&
                     (ca_bump_is_live(&m->bump, m->blocks[i].p) || ca_bump_free_quick(&m->bump, m->blocks[i].p) || ca_bump_free_own(&m->bump, NUMBER, m->blocks[i].p)));
    for (size_t i = 0; i < m->mark_count; i++)
        assert_false(ca_bump_rollback(&m->bump, m->marks[i].mark));
    m->count = m->live = m->mark_count = 0;
}

/* Everything that can be asked. */
static void model_check(model *m)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < m->count; i++) {
        const block *b = &m->blocks[i];
        if (!b->live)
            continue;
        bytes += b->size;
        assert_true(is_filled(b));
        assert_true(ca_bump_is_live(&m->bump, b->p));
        assert_int_equal(ca_bump_size(&m->bump, b->p), b->size);
        assert_ptr_equal(ca_bump_start(&m->bump, b->p + below(m, b->size)), b->p);
        assert_int_equal(ca_chunk_owner(face_page(b->p), face_tag(b->p), b->p), NUMBER);
        assert_false(ca_bump_is_live(&m->bump, b->p + 8));
    }
    assert_int_equal(ca_bump_live(&m->bump), m->live);
    assert_int_equal(ca_bump_live_bytes(&m->bump), bytes);
    assert_int_equal(m->account.used, (m->bump.piece ? CA_PIECE_BYTES : 0) + m->bump.chunk_bytes);
}

static void step(model *m)
{
    size_t what = below(m, 1000);
    if (what < 600 && m->count < MOST)
        step_alloc(m);
    else if (what < 850 && m->count)
        step_free(m);
    else if (what < 920 && m->count)
        step_resize(m);
    else if (what < 950 && m->mark_count < MARKS) {
        m->marks[m->mark_count].count = m->count;
        assert_true((m->marks[m->mark_count++].mark = ca_bump_mark(&m->bump)) != 0);
    } else if (what < 990 && m->mark_count)
        step_rollback(m);
    else if (what >= 997)
        step_drop(m);
}

static void random_work_against_the_model(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        model *m = model_create(seed * 7919);
        for (int i = 0; i < 4000; i++) {
            step(m);
            if (i % 16 == 0)
                model_check(m);
        }
        model_check(m);
        model_free(m);
    }
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
        if (ca_bump_size(&b->m->bump, b->p[i]) != b->size[i] || !ca_bump_is_live(&b->m->bump, b->p[i]) ||
            !ca_bump_free(&b->m->bump, b->p[i], false) || ca_bump_free(&b->m->bump, b->p[i], false))
            return NULL;
    }
    return b;
}

static void another_thread_frees_while_the_owner_works(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        model *m = model_create(seed * 104729);
        for (int round = 0; round < 60; round++) {
            batch b = {.m = m};
            pthread_t thread;
            void *result;
            while (m->count < MOST / 2)
                step_alloc(m);
            for (size_t i = 0; i < m->count && b.count < ELSEWHERE; i += 1 + below(m, 20))
                if (m->blocks[i].live) {
                    b.p[b.count] = m->blocks[i].p;
                    b.size[b.count++] = m->blocks[i].size;
                    m->blocks[i].live = false;
                    m->live--;
                }
            assert_int_equal(pthread_create(&thread, NULL, free_batch, &b), 0);
            for (int i = 0; i < 200 && m->count < MOST; i++)
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
    model *m = model_create(3);
    static const size_t sizes[] = {0, 1, 16, 17, CA_PIECE_BYTES - 16, CA_PIECE_BYTES, CA_PIECE_BYTES + 1, CA_PAGE, CA_PAGE + 1, 16 * CA_PAGE, 16 * CA_PAGE + 1, 1 << 20};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (size_t align = CA_GRANULE; align <= 1 << 22; align *= 4) {
            void *p = ca_bump_alloc(&m->bump, &m->account, NUMBER, sizes[i], align);
            assert_true(p && (uintptr_t)p % align == 0);
            block_add(m, p, sizes[i]);
            model_check(m);
            if (m->count % 3 == 0)
                step_drop(m);
        }
    uint64_t used = m->account.used;
    static const size_t too_large[] = {CA_MAX_SIZE, CA_MAX_SIZE / 2, ((size_t)1 << 44) + CA_PAGE, (size_t)1 << 45};
    for (size_t i = 0; i < sizeof too_large / sizeof *too_large; i++) {
        assert_null(ca_bump_quick(&m->bump, too_large[i]));
        assert_null(ca_bump_alloc(&m->bump, &m->account, NUMBER, too_large[i], CA_GRANULE));
        assert_null(ca_bump_alloc(&m->bump, &m->account, NUMBER, too_large[i], 1 << 20));
    }
    assert_null(ca_bump_alloc(&m->bump, &m->account, NUMBER, 1, (size_t)1 << 62));
    assert_int_equal(m->account.used, used);
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
        m[i] = model_create(i + 1);
        block_add(m[i], ca_bump_alloc(&m[i]->bump, &m[i]->account, NUMBER, 100, CA_GRANULE), 100);
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
    model *m = model_create(5);
    m->account.hard = 300000;
    for (int round = 0; round < 20; round++) {
        size_t count = 0;
        while (count < 10000 && ca_bump_alloc(&m->bump, &m->account, NUMBER, 1000, CA_GRANULE))
            count++;
        assert_true(count >= 240 && count < 300);
        assert_true(m->account.used <= 300000 && m->account.used > 300000 - 2 * CA_PAGE);
        assert_null(ca_bump_alloc(&m->bump, &m->account, NUMBER, 1 << 20, CA_GRANULE));
        ca_bump_drop(&m->bump, &m->account, DEAD, round % 2);
    }
    model_free(m);
}

static size_t size_asked(const void *engine, const void *p)
{
    return ca_bump_size(engine, p);
}

/* What comes after the block is taken back, or rolled back, with a chunk or without: the block's size stays what it is, whoever asks. */
static void a_size_holds_while_the_owner_goes_back(void **state)
{
    (void)state;
    for (int way = 0; way < 6; way++) {
        model *m = model_create(1);
        size_reader r = {.ask = size_asked, .engine = &m->bump, .size = 112, .go_on = 1};
        if (way % 2) /* in a chunk, not in the first piece */
            assert_non_null(ca_bump_alloc(&m->bump, &m->account, NUMBER, CA_PIECE_BYTES, CA_GRANULE));
        r.p = ca_bump_alloc(&m->bump, &m->account, NUMBER, r.size, CA_GRANULE);
        uint64_t mark = ca_bump_mark(&m->bump);
        assert_true(r.p && mark);
        pthread_t thread;
        void *result;
        assert_int_equal(pthread_create(&thread, NULL, size_reader_run, &r), 0);
        for (int i = 0; i < 200000 || !CA_LOAD(&r.reads); i++) {
            char *behind = ca_bump_alloc(&m->bump, &m->account, NUMBER, way < 4 ? 48 : 2 * CA_PAGE, CA_GRANULE);
            assert_non_null(behind);
            if (way < 2)
                assert_true(ca_bump_free_last(&m->bump, behind));
            else
                assert_true(ca_bump_rollback(&m->bump, mark));
        }
        CA_STORE(&r.go_on, 0);
        assert_int_equal(pthread_join(thread, &result), 0);
        assert_ptr_equal(result, &r);
        model_free(m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_at_the_edges),
        cmocka_unit_test(pieces_share_pages),
        cmocka_unit_test(a_limit_stops_it_and_nothing_is_lost),
        cmocka_unit_test(random_work_against_the_model),
        cmocka_unit_test(another_thread_frees_while_the_owner_works),
        cmocka_unit_test(a_size_holds_while_the_owner_goes_back),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
