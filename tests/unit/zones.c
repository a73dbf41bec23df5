/* Zones: heaps and runs on other sources, in far parts and inner ones, beside the first zone. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/unit/cmocka_face.h"
#include "tests/unit/heap_face.h"

enum { BUFFER = 8 << 20, BLOCKS = 3000 };

static unsigned reserved, committed, released, purged;
static size_t committed_bytes;

static void *count_reserve(const ca_source *s, size_t least, size_t *bytes)
{
    reserved++;
    return ca_source_mmap.reserve(s, least, bytes);
}
static bool count_commit(const ca_source *s, void *p, size_t bytes)
{
    committed++;
    committed_bytes += bytes;
    return s->reserve ? ca_source_mmap.commit(s, p, bytes) : true;
}
static bool count_purge(const ca_source *s, void *p, size_t bytes)
{
    purged++;
    return ca_source_mmap.purge(s, p, bytes);
}
static void count_release(const ca_source *s, void *p, size_t bytes)
{
    released++;
    if (s->reserve)
        ca_source_mmap.release(s, p, bytes);
}

static void *buffer_reserve(const ca_source *s, size_t least, size_t *bytes)
{
    bool first = reserved++ == 0;
    *bytes = BUFFER;
    return first && least <= BUFFER ? s->context : NULL;
}

static int setup(void **state)
{
    (void)state;
    return !face_start(&ca_source_mmap, (size_t)1 << 40);
}

static void counts_reset(void)
{
    reserved = committed = released = purged = 0;
    committed_bytes = 0;
}

static size_t size_of(int i)
{
    return i % 50 == 49 ? 40000 : i % 500 == 77 ? 3 << 20 : 16 + (size_t)i % 900;
}

/* Blocks of a heap in the zone: right addresses, no overlap, seen as live, all freed again. Returns how many there were. */
static int heap_works(ca_zone *zone, bool far)
{
    static char *block[BLOCKS];
    ca_heap *heap = ca_heap_create_for(NULL, &ca_account_process, 0, zone);
    int n = 0;
    assert_non_null(heap);
    for (; n < BLOCKS && (block[n] = ca_heap_malloc(heap, size_of(n))) != NULL; n++) {
        ca_page page = face_page(block[n]);
        assert_true(ca_region_is_far(page) == far && ca_region_zone(page) == zone && ca_region_contains(block[n]));
        assert_true(face_is_live(block[n]));
        memset(block[n], (char)n, size_of(n));
    }
    assert_true(face_is_valid(heap));
    for (int i = 0; i < n; i++) {
        assert_true(block[i][0] == (char)i && block[i][size_of(i) - 1] == (char)i);
        assert_true(face_free(heap, block[i]));
    }
    ca_heap_trim(heap);
    assert_true(heap->extent_pages == 0);
    ca_heap_drop(heap, 0, false);
    ca_heap_retire(heap);
    return n;
}

static void a_far_zone_has_memory_of_its_own_and_gives_it_back(void **state)
{
    (void)state;
    ca_source source = {sizeof source, NULL, 0, count_reserve, count_commit, count_purge, count_release, NULL, NULL};
    ca_region_usage before = ca_region_get_usage();
    for (int round = 0; round < 3; round++) {
        counts_reset();
        ca_zone *zone = ca_zone_hold(&source);
        assert_non_null(zone);
        assert_ptr_equal(ca_zone_hold(&source), zone);
        assert_int_equal(heap_works(zone, true), BLOCKS);
        assert_true(reserved > 0 && committed > 0);
        ca_zone_drop(zone);
        assert_int_equal(released, 0);
        ca_zone_drop(zone);
        assert_int_equal(released, reserved);
        ca_region_usage after = ca_region_get_usage();
        assert_true(after.committed == before.committed && after.given == before.given);
    }
}

static void a_zone_of_a_buffer_stays_in_it(void **state)
{
    (void)state;
    char *buffer = malloc(BUFFER);
    ca_source source = {sizeof source, buffer, 0, buffer_reserve, NULL, NULL, NULL, NULL, NULL};
    counts_reset();
    ca_zone *zone = ca_zone_hold(&source);
    ca_run run = ca_region_take(zone, 1, 1, NULL);
    char *p = ca_region_address(run.page);
    assert_true(run.pages == CA_CHUNK && p >= buffer && p < buffer + 2 * CA_CHUNK * CA_PAGE && (uintptr_t)p % (CA_CHUNK * CA_PAGE) == 0);
    assert_true(ca_region_granule(buffer + BUFFER) == UINT64_MAX && !ca_region_contains(p - 1));
    ca_run aligned = ca_region_take(zone, 16, 256, NULL);
    assert_true(aligned.pages && (uintptr_t)ca_region_address(aligned.page) % ((size_t)256 * CA_PAGE) == 0);
    ca_region_give(aligned.page, NULL);
    ca_region_give(run.page, NULL);
    int n = heap_works(zone, true);
    assert_true(n > 500 && n < BLOCKS);
    assert_int_equal(heap_works(zone, true), n); /* all of it came back */
    ca_zone_drop(zone);
    assert_true(ca_region_granule(p) == UINT64_MAX);
    free(buffer);
}

static void an_inner_zone_is_part_of_the_first_range(void **state)
{
    (void)state;
    int which;
    ca_source source = {sizeof source, NULL, CTXALLOC_SOURCE_EXACT, NULL, count_commit, count_purge, count_release, NULL, NULL};
    for (int round = 0; round < 3; round++) {
        ca_region_usage before = ca_region_get_usage();
        counts_reset();
        ca_zone *zone = ca_zone_hold(&source);
        ca_run run = ca_region_take(zone, 3, 1, NULL), other = ca_region_take(NULL, 3, 1, NULL);
        assert_true(run.pages == CA_CHUNK && run.mark == 0);
        assert_true(committed == 1 && committed_bytes == (size_t)run.pages * CA_PAGE);
        assert_true(ca_region_zone(run.page) == zone && !ca_region_is_far(run.page));
        assert_null(ca_region_zone(other.page));
        char *p = ca_region_address(run.page);
        assert_true(ca_region_granule(p) == ca_page_granule(run.page) && p[0] == 0 && p[CA_PAGE - 1] == 0);
        memset(p, 1, CA_PAGE);
        ca_region_give(run.page, NULL);
        ca_region_give(other.page, NULL);
        assert_int_equal(heap_works(zone, false), BLOCKS);
        ca_region_purge_all();
        assert_true(purged > 0);
        ca_zone_drop(zone);
        assert_true(released > 0);
        assert_null(ca_region_zone(run.page));
        assert_true(ca_region_get_usage().given == before.given && ca_region_is_valid(&which));
    }
}

/* What one zone's end clears of the side arrays is its own. */
static void a_zone_that_ends_takes_nothing_from_others(void **state)
{
    (void)state;
    enum { ZONES = 6 };
    static ca_source source[ZONES];
    ca_zone *zone[ZONES];
    ca_heap *heap[ZONES + 1];
    char *block[ZONES + 1];
    for (int i = 0; i <= ZONES; i++) {
        if (i < ZONES) {
            source[i] = (ca_source){sizeof source[i], NULL, 0, count_reserve, count_commit, count_purge, count_release, NULL, NULL};
            zone[i] = ca_zone_hold(&source[i]);
        }
        heap[i] = ca_heap_create_for(NULL, &ca_account_process, 0, i < ZONES ? zone[i] : NULL);
        block[i] = ca_heap_malloc(heap[i], 100);
        assert_non_null(block[i]);
    }
    for (int i = ZONES - 1; i >= 0; i--) {
        for (int j = 0; j <= i; j++)
            assert_true(face_is_live(block[j]) && face_tag(block[j]) != 0);
        assert_true(face_is_live(block[ZONES]) && face_tag(block[ZONES]) != 0);
        assert_true(face_free(heap[i], block[i]));
        ca_heap_drop(heap[i], 0, false);
        ca_heap_retire(heap[i]);
        ca_zone_drop(zone[i]);
    }
    assert_true(face_free(heap[ZONES], block[ZONES]));
    ca_heap_drop(heap[ZONES], 0, false);
    ca_heap_retire(heap[ZONES]);
}

/* However few blocks one call looks at, wherever the one before it ended, and however many there are in a bin: each free block is given back once. */
static void purging_goes_round(void **state)
{
    (void)state;
    enum { RUNS = 29, FREE = (RUNS + 1) / 2 };
    ca_source source = {sizeof source, NULL, 0, count_reserve, count_commit, count_purge, count_release, NULL, NULL};
    ca_zone *zone = ca_zone_hold(&source);
    for (unsigned round = 0; round < 12; round++) {
        const unsigned looks = 1 + round % 4, most = 1 + round % 3, sizes = 1 + round % 5; /* in one bin to five */
        ca_run run[RUNS];
        for (unsigned i = 0; i < RUNS; i++) {
            run[i] = ca_region_take(zone, ((uint64_t)CA_CHUNK << i / 2 % sizes) + round % 2 * CA_CHUNK, 1, NULL);
            memset(ca_region_address(run[i].page), 1, run[i].pages * (size_t)CA_PAGE);
        }
        for (unsigned i = 0; i < RUNS; i += 2)
            ca_region_give(run[i].page, NULL);
        counts_reset();
        for (unsigned calls = 0, before = 0; calls < 4 * FREE; calls++, before = purged) {
            ca_region_purge(zone, 0, looks, most);
            assert_true(purged - before <= looks && purged - before <= most);
        }
        assert_int_equal(purged, FREE);
        for (unsigned i = 0; i < RUNS; i++) {
            if (i % 2 == 0)
                assert_int_equal(*(char *)ca_region_address(run[i].page), 0);
            else
                ca_region_give(run[i].page, NULL);
        }
        if (round % 2)
            ca_region_purge_all();
    }
    ca_zone_drop(zone);
}

/* The zone's part is 1,024 pages: runs of 32 from its start on, of which every second is free again, and 160 pages at its end that nobody has touched. */
static void a_choice_prefers_what_was_used_before(void **state)
{
    (void)state;
    enum { PART = 1024, RUNS = 27, PAGES = 32 };
    ca_source source = {sizeof source, NULL, 0, buffer_reserve, NULL, NULL, NULL, NULL, NULL};
    source.context = aligned_alloc(1 << 16, BUFFER);
    assert_non_null(source.context);
    counts_reset();
    ca_zone *zone = ca_zone_hold(&source);
    ca_run_list list = {0};
    ca_run run[RUNS], rest;
    uint64_t all = ca_region_take(zone, 1, 1, &list).pages; /* whatever its part has beyond what is wanted here is taken */
    for (ca_run more; all < BUFFER / CA_PAGE - PART && (more = ca_region_take(zone, CA_CHUNK, 1, &list)).pages;)
        all += more.pages;
    for (int i = 0; i < RUNS; i++)
        assert_int_equal((run[i] = ca_region_take(zone, PAGES, 1, &list)).pages, PAGES);
    for (int i = 0; i < RUNS - 1; i += 2)
        ca_region_give(run[i].page, &list);
    ca_page last = run[RUNS - 1].page;
    ca_choice choice = ca_region_choose(zone, 16, 4096); /* nothing has as many, and what has the most, the end, was never used */
    ca_region_choose_nothing(zone);
    assert_true(choice.node && choice.pages == PAGES);
    ca_region_give(last, &list); /* it joins the end */
    choice = ca_region_choose(zone, 16, 64); /* the end has as many, and its first pages were used; but so was all of a smaller one */
    ca_region_choose_nothing(zone);
    assert_true(choice.node && choice.pages == PAGES);
    choice = ca_region_choose(zone, 16, 128);
    rest = ca_region_take_chosen(zone, choice, &list);
    assert_true(choice.node && rest.pages == PAGES && !rest.fresh);
    ca_region_give(rest.page, &list);
    choice = ca_region_choose(zone, 64, 64); /* no less will do */
    rest = ca_region_take_chosen(zone, choice, &list);
    assert_true(rest.page == last && rest.pages == 64);
    ca_region_give(rest.page, &list);
    for (int i = 0; i < RUNS; i += 2) /* the smaller ones are gone */
        if (run[i].page != last)
            assert_int_equal((run[i] = ca_region_take(zone, PAGES, 1, &list)).pages, PAGES);
    choice = ca_region_choose(zone, 16, 128); /* so what was used of the end is left: 64 pages */
    ca_region_choose_nothing(zone);
    assert_int_equal(choice.pages, 64);
    choice = ca_region_choose(zone, 1, (uint64_t)1 << 40);
    ca_region_choose_nothing(zone);
    assert_int_equal(choice.pages, 0);
    ca_region_give_all(&list);
    ca_zone_drop(zone);
    free(source.context);
}

/* A small run beside much free memory comes and goes; the memory is given back although. */
static void what_lies_unused_grows_old_beside_runs_that_come_and_go(void **state)
{
    (void)state;
    enum { AGE = 200, MOST_ROUNDS = 3000 };
    ca_source source = {sizeof source, NULL, 0, count_reserve, count_commit, count_purge, count_release, NULL, NULL};
    ca_zone *zone = ca_zone_hold(&source);
    ca_run large = ca_region_take(zone, 256, 1, NULL), fence = ca_region_take(zone, 16, 1, NULL);
    memset(ca_region_address(large.page), 1, large.pages * (size_t)CA_PAGE);
    (void)ca_region_tick();
    ca_region_give(large.page, NULL);
    counts_reset();
    for (int rounds = 0; !purged && rounds < MOST_ROUNDS; rounds++) { /* 3 seconds at most */
        ca_run small = ca_region_take(zone, 16, 1, NULL);
        assert_int_equal(small.page, large.page);
        *(char *)ca_region_address(small.page) = 1;
        struct timespec millisecond = {0, 1000000};
        nanosleep(&millisecond, NULL);
        ca_region_give(small.page, NULL);
        if (ca_region_tick())
            ca_region_purge(zone, AGE, 8, 8);
    }
    assert_true(purged);
    assert_int_equal(*(char *)ca_region_address(large.page + 255), 0);
    ca_region_give(fence.page, NULL);
    ca_zone_drop(zone);
}

static void many_zones_are_told_apart(void **state)
{
    (void)state;
    enum { ZONES = 200 };
    static ca_source source[ZONES];
    static ca_zone *zone[ZONES];
    static ca_run run[ZONES];
    counts_reset();
    for (int i = 0; i < ZONES; i++) {
        source[i] = (ca_source){sizeof source[i], NULL, 0, i % 4 ? count_reserve : NULL, count_commit, count_purge, count_release, NULL, NULL};
        zone[i] = ca_zone_hold(&source[i]);
        run[i] = ca_region_take(zone[i], 16, 1, NULL);
        assert_int_equal(run[i].pages, 16);
        memset(ca_region_address(run[i].page), i, CA_PAGE);
    }
    for (int i = 0; i < ZONES; i++) {
        const char *p = ca_region_address(run[i].page);
        assert_true(p[5] == (char)i && ca_granule_page(ca_region_granule(p)) == run[i].page && ca_region_zone(run[i].page) == zone[i]);
    }
    for (int i = 0; i < ZONES; i += 2) {
        ca_region_give(run[i].page, NULL);
        ca_zone_drop(zone[i]);
    }
    for (int i = 1; i < ZONES; i += 2) {
        const char *p = ca_region_address(run[i].page);
        assert_true(p[5] == (char)i && ca_granule_page(ca_region_granule(p)) == run[i].page && ca_region_zone(run[i].page) == zone[i]);
        ca_region_give(run[i].page, NULL);
        ca_zone_drop(zone[i]);
    }
    assert_true(ca_region_get_usage().given == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_far_zone_has_memory_of_its_own_and_gives_it_back),
        cmocka_unit_test(a_zone_of_a_buffer_stays_in_it),
        cmocka_unit_test(an_inner_zone_is_part_of_the_first_range),
        cmocka_unit_test(a_zone_that_ends_takes_nothing_from_others),
        cmocka_unit_test(purging_goes_round),
        cmocka_unit_test(a_choice_prefers_what_was_used_before),
        cmocka_unit_test(what_lies_unused_grows_old_beside_runs_that_come_and_go),
        cmocka_unit_test(many_zones_are_told_apart),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
