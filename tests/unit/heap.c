/* One heap, owned by one thread: what it gives is aligned, live, writable, apart from all else, and comes back whole. */
#include <stdlib.h>
#include <string.h>

#include "tests/unit/cmocka_face.h"
#include "tests/unit/heap_face.h"

enum { BLOCKS = 400, OPERATIONS = 60000 };

static int setup(void **state)
{
    (void)state;
    return !face_start(&ca_source_mmap, (size_t)4 << 30);
}

static ca_heap *heap_new(void)
{
    ca_heap *heap = ca_heap_create(NULL);
    assert_non_null(heap);
    assert_true(face_is_valid(heap));
    return heap;
}

static ca_heap_usage usage_of(const ca_heap *heap)
{
    ca_heap_usage u;
    memset(&u, 0, sizeof u);
    ca_heap_add_usage(heap, &u);
    return u;
}

static void assert_gone(ca_heap *heap)
{
    ca_heap_usage u = usage_of(heap);
    assert_true(u.small_count == 0 && u.small_bytes == 0 && u.large_count == 0 && u.large_bytes == 0);
    ca_heap_flush(heap);
    u = usage_of(heap);
    assert_true(u.cached_bytes == 0 && u.slab_bytes == 0);
    for (unsigned i = 0; i < CA_CLASSES; i++)
        assert_int_equal(heap->class_bins[i].out, 0);
    assert_true(face_is_valid(heap));
    ca_heap_trim(heap);
    assert_true(usage_of(heap).extent_bytes == 0);
    assert_true(face_is_valid(heap));
}

static void every_size_is_served(void **state)
{
    (void)state;
    ca_heap *heap = heap_new();
    for (size_t size = 0; size < 80000; size += size < 2000 ? 1 : 333) {
        unsigned char *p = ca_heap_malloc(heap, size);
        assert_non_null(p);
        assert_true((uintptr_t)p % CA_GRANULE == 0 && face_is_live(p));
        memset(p, 0xa5, size);
        assert_true(face_free(heap, p));
        assert_false(face_is_live(p));
    }
    assert_gone(heap);
}

static void no_two_blocks_overlap(void **state)
{
    (void)state;
    ca_heap *heap = heap_new();
    static unsigned char *block[5000];
    for (unsigned i = 0; i < 5000; i++) {
        block[i] = ca_heap_malloc(heap, 48);
        assert_non_null(block[i]);
        memset(block[i], (int)(i & 0xff), 48);
    }
    assert_true(usage_of(heap).small_count == 5000);
    for (unsigned i = 0; i < 5000; i++)
        for (unsigned k = 0; k < 48; k++)
            assert_int_equal(block[i][k], i & 0xff);
    for (unsigned i = 0; i < 5000; i++)
        assert_true(face_free(heap, block[i]));
    assert_gone(heap);
}

static void calloc_is_zero_also_for_recycled_memory(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 100, 1024, 5000, 32768, 32769, 100000, 1000000, (size_t)5 << 20};
    ca_heap *heap = heap_new();
    for (int round = 0; round < 4; round++)
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            unsigned char *p = ca_heap_calloc(heap, sizes[i]);
            assert_non_null(p);
            for (size_t k = 0; k < sizes[i]; k++)
                if (p[k])
                    fail_msg("byte %zu of %zu is %u", k, sizes[i], p[k]);
            memset(p, 0xff, sizes[i]);
            assert_true(face_free(heap, p));
            if (round == 2)
                ca_region_purge_all();
        }
    assert_gone(heap);
}

static void alignments_up_to_16_mib(void **state)
{
    (void)state;
    ca_heap *heap = heap_new();
    for (size_t align = 1; align <= (size_t)16 << 20; align *= 2)
        for (size_t size = 0; size < 70000; size = size * 3 + 1) {
            char *p = ca_heap_memalign(heap, align, size), *q = ca_heap_memalign(heap, align, size);
            assert_non_null(p);
            assert_non_null(q);
            assert_true((uintptr_t)p % align == 0 && (uintptr_t)q % align == 0);
            assert_true(p + size <= q || q + size <= p);
            memset(p, 1, size);
            memset(q, 2, size);
            assert_true(face_free(heap, q) && face_free(heap, p));
        }
    assert_gone(heap);
}

static void large_blocks_are_resized_in_place(void **state)
{
    (void)state;
    ca_heap *heap = heap_new();
    char *p = ca_heap_malloc(heap, 100000);
    assert_non_null(p);
    ca_page page = face_page(p);
    assert_true(ca_large_size(page) >= 100000 && ca_large_size(page) < 100000 + CA_PAGE);
    assert_true(ca_large_resize(heap, page, 50000));
    assert_true(ca_large_size(page) >= 50000 && ca_large_size(page) < 50000 + CA_PAGE);
    assert_true(usage_of(heap).large_bytes == ca_large_size(page));
    assert_true(ca_large_resize(heap, page, 100000));
    memset(p, 3, 100000);
    assert_true(face_is_valid(heap) && usage_of(heap).large_count == 1);
    assert_true(face_free(heap, p));
    assert_gone(heap);
}

/* The run freed last waits for a request of as many pages, and for nothing else. */
static void a_large_block_comes_back_to_who_asks_for_as_much(void **state)
{
    (void)state;
    ca_heap *heap = heap_new();
    void *keep = ca_heap_malloc(heap, 40000), *p = ca_heap_malloc(heap, 100000);
    assert_true(keep && p);
    memset(p, 0xff, 100000);
    assert_true(face_free(heap, p) && heap->held && face_is_valid(heap));
    assert_true(!face_is_live(p) && face_tag(p) == 0 && usage_of(heap).large_count == 1);
    assert_ptr_equal(ca_heap_malloc(heap, 100001 - CA_PAGE / 2), p); /* 25 pages, too */
    assert_true(!heap->held && face_is_live(p) && usage_of(heap).large_count == 2);
    assert_true(face_free(heap, p) && heap->held);
    unsigned char *zero = ca_heap_calloc(heap, 100000);
    assert_ptr_equal(zero, p);
    for (size_t i = 0; i < 100000; i++)
        assert_int_equal(zero[i], 0);
    assert_true(face_free(heap, p) && face_free(heap, keep));
    assert_gone(heap);
    assert_true(!heap->held);
}

/* Neighbours merge whatever was freed last: three thirds are one block again, without another extent. */
static void what_is_held_is_merged_before_pages_are_looked_for(void **state)
{
    (void)state;
    enum { THIRD = 16 * CA_PAGE };
    ca_heap *heap = heap_new();
    char *all = ca_heap_malloc(heap, 4 * THIRD); /* in one extent, with a block behind the thirds */
    assert_true(all && face_free(heap, all));
    assert_ptr_equal(ca_heap_malloc(heap, 3 * THIRD), all);
    char *behind = ca_heap_malloc(heap, THIRD);
    assert_true(behind == all + 3 * THIRD && face_free(heap, all));
    uint64_t extents = usage_of(heap).extent_bytes;
    for (unsigned last = 0; last < 3; last++) {
        char *p[3];
        for (unsigned i = 0; i < 3; i++)
            assert_non_null(p[i] = ca_heap_malloc(heap, THIRD));
        assert_true(face_free(heap, p[(last + 1) % 3]) && face_free(heap, p[(last + 2) % 3]) && face_free(heap, p[last]));
        assert_true(face_is_valid(heap));
        assert_ptr_equal(ca_heap_malloc(heap, 3 * THIRD), all);
        assert_true(usage_of(heap).extent_bytes == extents && face_is_valid(heap));
        assert_true(face_free(heap, all));
    }
    char *p = ca_heap_malloc(heap, THIRD), *q = ca_heap_malloc(heap, THIRD); /* growing in place finds it, too */
    assert_true(p == all && q == all + THIRD && face_free(heap, q) && heap->held);
    assert_true(ca_large_resize(heap, face_page(p), 2 * THIRD) && !heap->held && face_is_valid(heap));
    assert_true(face_free(heap, p) && face_free(heap, behind));
    assert_gone(heap);
}

/* Nor is it merged for a request that would not find room there. */
static void what_is_held_stays_where_it_would_not_do(void **state)
{
    (void)state;
    enum { THIRD = 16 * CA_PAGE, MUCH = (CA_HUGE_PAGES - 1) * CA_PAGE };
    for (unsigned free_beside = 0; free_beside < 2; free_beside++) {
        ca_heap *heap = heap_new();
        char *p[3], *all = ca_heap_malloc(heap, 3 * THIRD);
        assert_true(all && face_free(heap, all));
        for (unsigned i = 0; i < 3; i++)
            assert_ptr_equal(p[i] = ca_heap_malloc(heap, THIRD), all + i * THIRD);
        assert_true(!free_beside || face_free(heap, p[2]));
        assert_true(face_free(heap, p[1]) && heap->held);
        char *more = ca_heap_malloc(heap, MUCH);
        assert_true(more && heap->held && face_is_valid(heap));
        assert_ptr_equal(ca_heap_malloc(heap, THIRD), p[1]);
        assert_true(face_free(heap, p[0]) && face_free(heap, p[1]) && face_free(heap, more));
        assert_true(free_beside || face_free(heap, p[2]));
        assert_gone(heap);
    }
}

/* An empty extent that the heap does not need goes at once, as if nothing was ever held. */
static void an_extent_does_not_stay_for_the_block_freed_last(void **state)
{
    (void)state;
    enum { SIZE = 300 * CA_PAGE };
    ca_heap *heap = heap_new();
    char *p = ca_heap_malloc(heap, SIZE), *q = ca_heap_malloc(heap, SIZE);
    assert_true(p && q);
    uint64_t both = usage_of(heap).extent_bytes;
    assert_true(face_free(heap, p) && face_free(heap, q));
    assert_true(usage_of(heap).extent_bytes < both && usage_of(heap).extent_bytes >= SIZE);
    assert_gone(heap);
}

static void huge_blocks_are_the_regions(void **state)
{
    (void)state;
    ca_heap *heap = heap_new();
    size_t size = (size_t)10 << 20;
    char *p = ca_heap_malloc(heap, size);
    assert_non_null(p);
    assert_int_equal(face_tag(p), CA_TAG_HUGE);
    assert_true(ca_huge_get_usage().count == 1 && ca_huge_get_usage().bytes == ca_large_size(face_page(p)));
    memset(p, 7, size);
    char *q = ca_huge_move(face_page(p), size * 2);
    if (q) { /* a kernel without the call says no, and nothing has changed */
        assert_false(face_is_live(p));
        for (size_t i = 0; i < size; i += 4096)
            assert_int_equal(q[i], 7);
        p = q;
    }
    assert_true(face_is_live(p));
    assert_true(ca_large_resize(heap, face_page(p), (size_t)4 << 20));
    assert_true(ca_huge_get_usage().bytes == (size_t)4 << 20 && p[(4 << 20) - 1] == 7);
    assert_true(face_free(heap, p));
    assert_false(ca_huge_free(face_page(p), true)); /* a second time: the process would end here */
    (void)ca_live_clear_shared(ca_region_granule(p)); /* it does not, so undo what finding out has flipped */
    assert_true(ca_huge_get_usage().count == 0 && ca_huge_get_usage().bytes == 0);
    assert_gone(heap);
}

/* --- what is kept free --------------------------------------------------------------------------------------- */

static uint64_t cached(const ca_heap *heap, size_t size)
{
    return ca_heap_class_usage(heap, ca_class_of(size)).cached;
}

/* `count` blocks, and none of them any more. */
static void batch(ca_heap *heap, size_t size, unsigned count)
{
    static void *p[5000];
    assert_true(count <= 5000);
    for (unsigned i = 0; i < count; i++)
        assert_non_null(p[i] = ca_heap_malloc(heap, size));
    for (unsigned i = 0; i < count; i++)
        assert_true(face_free(heap, p[i]));
}

static void a_class_keeps_what_its_use_has_shown_to_pay(void **state)
{
    (void)state;
    enum { ONE_STEP = 24 }; /* objects: the hand counts magazines, and one that it has begun to empty is one */
    const ca_class *c = &ca_classes[ca_class_of(256)];
    ca_heap *heap = heap_new();
    batch(heap, 256, 500);
    assert_true(cached(heap, 256) <= c->room); /* once may be the only time */
    for (int i = 0; i < 20; i++)
        batch(heap, 256, 500);
    assert_true(cached(heap, 256) > c->capacity);
    uint64_t most = cached(heap, 256);
    /* Used, but less of it: what was not needed goes, magazine after magazine, and not what is in use. */
    for (int i = 0; i < 20000; i++) {
        batch(heap, 256, c->capacity + 10U);
        batch(heap, 1024, 200); /* slow calls, for the hand */
        assert_true(cached(heap, 256) + ONE_STEP >= c->capacity + 10U);
    }
    assert_true(cached(heap, 256) < most);
    /* Not used: next to nothing stays. */
    for (int i = 0; i < 2000; i++)
        batch(heap, 1024, 200);
    assert_true(cached(heap, 256) <= 2);
    batch(heap, 256, 500);
    assert_true(cached(heap, 256) <= c->room); /* nor what it has learnt */
    assert_gone(heap);
}

/* Slow calls of another class until the hand is at `class`. */
static void hand_to(ca_heap *heap, unsigned class)
{
    for (int i = 0; heap->idle_hand != class; i++) {
        assert_true(i < 100000);
        batch(heap, 32768, 6); /* few enough for the hand to stop at every class */
    }
}

static void the_hand_takes_no_more_than_was_not_needed(void **state)
{
    (void)state;
    enum { CLASS = 3 /* 64 bytes */ };
    ca_heap *heap = heap_new();
    const ca_bin *bin = &heap->class_bins[CLASS];
    for (int i = 0; i < 20; i++)
        batch(heap, 64, 1000);
    hand_to(heap, CLASS - 1);
    batch(heap, 64, 1000); /* whatever went on the way there is back */
    hand_to(heap, CLASS + 1);
    batch(heap, 64, 3U * ca_classes[CLASS].capacity); /* two or three magazines of the depot */
    hand_to(heap, CLASS - 1);
    unsigned all = bin->depot_count, low = heap->habits[CLASS].low;
    assert_true(low >= 2 && low + 2 <= all);
    hand_to(heap, CLASS + 1);
    assert_int_equal(bin->depot_count, all - low);
    assert_gone(heap);
}

/* Of every class, while its room grows. */
static void a_class_fills_its_room(void **state)
{
    (void)state;
    ca_heap *heap = heap_new();
    for (unsigned class = 0; class < CA_CLASSES; class++) {
        const ca_class *c = &ca_classes[class];
        for (int i = 0; i < 12; i++) {
            batch(heap, c->size, (c->depot + 2U) * c->capacity + 200U);
            uint32_t room = (uint32_t)c->room << heap->habits[class].level, magazines = room < c->capacity ? 0 : room / c->capacity - 1;
            assert_int_equal(heap->class_bins[class].depot_count, magazines < c->depot ? magazines : c->depot);
            assert_true(cached(heap, c->size) <= room + 1U); /* one waits */
        }
    }
    assert_gone(heap);
}

static void slow_calls_look_at_the_clock_now_and_then(void **state)
{
    (void)state;
    ca_heap *heap = heap_new();
    unsigned rises = 0, before = heap->slow_calls;
    for (unsigned i = 0; i < 20000; i++) {
        batch(heap, 32768, 3);
        assert_true(heap->slow_calls <= CA_TICK_CALLS);
        rises += heap->slow_calls > before;
        before = heap->slow_calls;
    }
    assert_in_range(rises, 20000 / CA_TICK_CALLS, 20000 * 6 / CA_TICK_CALLS + 1); /* one to six slow calls a batch */
    assert_gone(heap);
}

/* One object is free in each word of bits. */
static void a_refill_of_scattered_objects_is_small(void **state)
{
    (void)state;
    enum { COUNT = 20000 };
    static void *p[COUNT + CA_SLAB_OBJECTS];
    ca_heap *heap = heap_new();
    unsigned class = ca_class_of(64), n = 0;
    for (; n < COUNT || heap->class_bins[class].partial; n++) { /* and all of the slab begun last */
        assert_true(n < COUNT + CA_SLAB_OBJECTS);
        assert_non_null(p[n] = ca_heap_malloc(heap, 64));
        if (n >= COUNT)
            ca_heap_flush(heap);
    }
    for (unsigned i = 0; i < n; i++) {
        const ca_slab *slab = ca_slab_at(ca_region.entries[face_page(p[i])].number);
        if (ca_slab_index(slab, p[i]) % 64 == 17) {
            assert_true(face_free(heap, p[i]));
            p[i] = NULL;
        }
    }
    ca_heap_flush(heap);
    heap->slow_calls = heap->idle_calls = 8; /* nothing beside */
    heap->habits[class].level = 2;
    uint32_t out = heap->class_bins[class].out;
    void *one = ca_heap_malloc(heap, 64);
    assert_in_range(heap->class_bins[class].out - out, 3, 16); /* the first slabs are small */
    assert_true(face_free(heap, one));
    for (unsigned i = 0; i < n; i++)
        assert_true(!p[i] || face_free(heap, p[i]));
    assert_gone(heap);
}

/* A spill stops after as much work, and objects that lie apart are more work than neighbours. */
static void a_spill_of_scattered_objects_is_small(void **state)
{
    (void)state;
    enum { COUNT = 20000, NEIGHBOURS_LEAST = 20, NEIGHBOURS_MOST = 40, APART_MOST = 18 };
    static void *p[COUNT];
    for (int apart = 0; apart < 2; apart++) {
        ca_heap *heap = heap_new();
        for (unsigned i = 0; i < COUNT; i++)
            assert_non_null(p[i] = ca_heap_malloc(heap, 64));
        uint64_t most = 0;
        for (unsigned i = 0; i < COUNT; i++) {
            uint64_t before = cached(heap, 64);
            assert_true(face_free(heap, p[apart ? i * 4999ULL % COUNT : i])); /* 4,999: prime, and more than a slab has */
            uint64_t after = cached(heap, 64), moved = before + 1 > after ? before + 1 - after : 0;
            most = i < COUNT / 2 && moved > most ? moved : most; /* before slabs are given back */
        }
        assert_true(apart ? most <= APART_MOST : most >= NEIGHBOURS_LEAST && most <= NEIGHBOURS_MOST);
        assert_gone(heap);
    }
}

/* A spill that emptied a slab after much else leaves it to the next slow call: */
enum { DEAD = 77, LEFT_COUNT = 20000, LEFT_FROM = 1000 };
static void *left[LEFT_COUNT];

/* A heap with such a slab behind another that has a few free objects: left[0] to left[LEFT_FROM] but for FEW, and from *next on, are live. */
static ca_heap *heap_with_emptied(unsigned *next)
{
    enum { FEW = 5 };
    ca_heap *heap = heap_new();
    for (unsigned i = 0; i < LEFT_COUNT; i++)
        assert_non_null(left[i] = ca_heap_malloc(heap, 64));
    for (unsigned i = 0; i < FEW; i++) {
        assert_true(face_free(heap, left[i]));
        left[i] = NULL;
    }
    ca_heap_flush(heap);
    for (*next = LEFT_FROM; !heap->emptied; ++*next) {
        assert_true(*next < LEFT_COUNT);
        assert_true(face_free(heap, left[*next]));
    }
    assert_true(face_is_valid(heap));
    return heap;
}

static void the_rest_goes(ca_heap *heap, unsigned next)
{
    for (unsigned i = 0; i < LEFT_COUNT; i++)
        if (left[i] && (i < LEFT_FROM || i >= next))
            assert_true(face_free(heap, left[i]));
    assert_gone(heap);
}

static void a_slab_emptied_late_goes_with_the_next_slow_call(void **state)
{
    (void)state;
    unsigned next, count = 0;
    ca_heap *heap = heap_with_emptied(&next);
    for (uint32_t emptied = heap->emptied; next < LEFT_COUNT; next++) {
        uint64_t before = cached(heap, 64);
        assert_true(face_free(heap, left[next]));
        if (cached(heap, 64) != before + 1) { /* a slow call */
            assert_true(!emptied || heap->emptied != emptied);
            count += emptied != 0;
            emptied = heap->emptied;
            assert_true(face_is_valid(heap));
        }
    }
    assert_true(count >= 10);
    the_rest_goes(heap, next);
}

static void a_slab_emptied_late_may_be_used_before(void **state)
{
    (void)state;
    for (uint64_t beyond = 0; beyond < 100; beyond += 9) {
        unsigned next, count = 0;
        static void *again[LEFT_COUNT];
        ca_heap *heap = heap_with_emptied(&next);
        for (uint64_t more = cached(heap, 64) + beyond; more; more--)
            assert_non_null(again[count++] = ca_heap_malloc(heap, 64));
        assert_true(face_is_valid(heap));
        while (count)
            assert_true(face_free(heap, again[--count]));
        assert_true(face_is_valid(heap));
        the_rest_goes(heap, next);
    }
}

static void a_slab_emptied_late_goes_with_a_flush_or_a_drop(void **state)
{
    (void)state;
    for (int drop = 0; drop < 2; drop++) {
        unsigned next;
        ca_heap *heap = heap_with_emptied(&next);
        uint64_t held = usage_of(heap).slab_bytes, count = cached(heap, 64) - 1;
        for (uint64_t i = 0; i < count; i++) /* nothing is cached but what waits, which is in another slab: this one would not be looked at */
            assert_non_null(left[LEFT_FROM + i] = ca_heap_malloc(heap, 64));
        assert_true(heap->emptied != 0 && cached(heap, 64) == 1);
        if (drop) {
            ca_heap_drop(heap, DEAD, false);
            assert_int_equal(heap->emptied, 0);
            assert_gone(heap);
            continue;
        }
        ca_heap_flush(heap);
        assert_true(face_is_valid(heap) && heap->emptied == 0 && usage_of(heap).slab_bytes < held);
        for (uint64_t i = 0; i < count; i++)
            assert_true(face_free(heap, left[LEFT_FROM + i]));
        the_rest_goes(heap, next);
    }
}

static void a_large_class_keeps_one_at_first(void **state)
{
    (void)state;
    ca_heap *heap = heap_new();
    batch(heap, 32768, 10);
    assert_int_equal(cached(heap, 32768), 2); /* and one waits */
    assert_gone(heap);
}

/* Extents that came back are used again before others are touched for the first time, even if only smaller ones did. */
static void extents_are_made_of_what_was_used_before(void **state)
{
    (void)state;
    enum { RUNS = 40, PAGES = 32, TAKEN = RUNS / 2 * PAGES / 4 };
    ca_heap *heap = heap_new();
    ca_run run[RUNS];
    static void *p[TAKEN];
    ca_page end = 0;
    for (int i = 0; i < RUNS; i++) {
        assert_int_equal((run[i] = ca_region_take(NULL, PAGES, 1, NULL)).pages, PAGES);
        end = run[i].page + PAGES > end ? run[i].page + PAGES : end;
    }
    for (int i = 0; i < RUNS; i += 2)
        ca_region_give(run[i].page, NULL);
    for (unsigned i = 0; i < TAKEN; i++) { /* half of what was given */
        assert_non_null(p[i] = ca_heap_malloc(heap, (size_t)2 * CA_PAGE));
        assert_true(face_page(p[i]) < end);
    }
    for (unsigned i = 0; i < TAKEN; i++)
        assert_true(face_free(heap, p[i]));
    for (int i = 1; i < RUNS; i += 2)
        ca_region_give(run[i].page, NULL);
    assert_gone(heap);
}

enum { DROPPED = 4000 };

static uint32_t list_length(const ca_pool *pool, uint32_t first)
{
    uint32_t length = 0;
    for (; first; first = *ca_pool_link(pool, first))
        length++;
    return length;
}

static void a_drop_gives_back_all_records_and_says_who_is_dead(void **state)
{
    (void)state;
    static void *p[DROPPED];
    ca_heap *other = heap_new(), *small = heap_new(), *heap = heap_new();
    void *stays = ca_heap_malloc(other, 100);
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < DROPPED; i++)
            assert_non_null(p[i] = ca_heap_malloc(heap, i % 50 ? i * 37 % 3000 : i * 40 + 40000));
        for (unsigned i = 0; i < DROPPED; i += 3)
            if (i < DROPPED / 2 || i % 2)
                assert_true(face_free(heap, p[i]));
        for (unsigned i = 0; i < DROPPED; i += 7)
            assert_non_null(ca_heap_malloc(small, i % 1000 + 16));
        assert_true(face_is_valid(heap) && face_is_valid(small));
        ca_heap_drop(small, DEAD, false);
        uint32_t free_slabs = list_length(&ca_region.slabs, ca_region.slabs.free) + list_length(&ca_region.slabs, heap->slabs.first);
        uint32_t free_nodes = list_length(&ca_region.nodes, ca_region.nodes.free) + list_length(&ca_region.nodes, heap->node_batches.newest);
        ca_heap_drop(heap, DEAD, false);
        assert_int_equal(list_length(&ca_region.slabs, ca_region.slabs.free), free_slabs);
        assert_int_equal(list_length(&ca_region.nodes, ca_region.nodes.free), free_nodes - 1); /* it keeps one */
        assert_true(usage_of(heap).extent_bytes == 0 && heap->slabs.first == 0);
        for (unsigned i = 0; i < DROPPED; i++)
            assert_true(face_tag(p[i]) == 0 && ca_region.entries[face_page(p[i])].number == DEAD);
        assert_true(face_is_valid(other));
    }
    assert_true(face_free(other, stays));
    assert_gone(other);
    assert_gone(small);
    assert_gone(heap);
}

static void what_cannot_be_had_is_null(void **state)
{
    (void)state;
    ca_heap *heap = heap_new();
    assert_null(ca_heap_malloc(heap, CA_MAX_SIZE));
    assert_null(ca_heap_calloc(heap, (size_t)1 << 50));
    assert_null(ca_heap_memalign(heap, (size_t)1 << 40, 10));
    assert_gone(heap);
}

/* --- random operations ------------------------------------------------------------------------------------- */

typedef struct block {
    unsigned char *p;
    size_t size;
    unsigned char byte;
} block;

static void block_check(const block *b)
{
    for (size_t i = 0; i < b->size; i += i < 64 ? 1 : 61)
        if (b->p[i] != b->byte)
            fail_msg("byte %zu of a block of %zu is %u, not %u", i, b->size, b->p[i], b->byte);
}

static size_t random_size(uint64_t *seed)
{
    unsigned bits = (unsigned)(test_random(seed) % 100);
    unsigned most = bits < 70 ? 10 : bits < 90 ? 15 : bits < 99 ? 18 : 22;
    return test_random(seed) % ((uint64_t)1 << most);
}

static void random_operations(void **state)
{
    static block blocks[BLOCKS];
    (void)state;
    ca_heap *heap = heap_new();
    uint64_t seed = 0x9E3779B97F4A7C15ULL;
    for (int i = 0; i < OPERATIONS; i++) {
        block *b = &blocks[test_random(&seed) % BLOCKS];
        if (b->p) {
            block_check(b);
            assert_true(face_free(heap, b->p));
            b->p = NULL;
        } else {
            b->size = random_size(&seed);
            b->byte = (unsigned char)test_random(&seed);
            uint64_t kind = test_random(&seed) % 8;
            size_t align = kind == 7 ? (size_t)16 << test_random(&seed) % 12 : 16;
            b->p = kind == 6 ? ca_heap_calloc(heap, b->size)
                 : kind == 7 ? ca_heap_memalign(heap, align, b->size)
                             : ca_heap_malloc(heap, b->size);
            assert_non_null(b->p);
            assert_true((uintptr_t)b->p % align == 0);
            if (kind == 6)
                block_check(&(block){b->p, b->size, 0});
            memset(b->p, b->byte, b->size);
        }
        if (i % 500 == 0)
            assert_true(face_is_valid(heap));
        if (i % 9000 == 0)
            ca_heap_trim(heap);
        else if (i % 3000 == 0)
            ca_heap_flush(heap);
    }
    for (int i = 0; i < BLOCKS; i++)
        if (blocks[i].p) {
            block_check(&blocks[i]);
            assert_true(face_free(heap, blocks[i].p));
            blocks[i].p = NULL;
        }
    assert_gone(heap);
}

/* Memory is used up, but for one object that was freed. */
static void an_object_that_waits_is_had_when_there_is_no_other(void **state)
{
    (void)state;
    ca_account account = {.hard = 100000, .parent = &ca_account_process};
    ca_heap *heap = ca_heap_create_for(NULL, &account, 0, NULL);
    void *p, *last = NULL;
    while ((p = ca_heap_malloc(heap, 3000)) != NULL)
        last = p;
    assert_non_null(last);
    for (int i = 0; i < 3; i++) {
        assert_true(face_free(heap, last));
        assert_ptr_equal(ca_heap_malloc(heap, 3000), last);
        assert_null(ca_heap_malloc(heap, 3000));
        assert_true(face_is_valid(heap));
    }
    ca_heap_drop(heap, DEAD, false);
    ca_heap_retire(heap);
}

static void an_object_that_waits_is_free_and_is_not_lost(void **state)
{
    (void)state;
    ca_heap *heap = heap_new();
    void *a = ca_heap_malloc(heap, 100), *b = ca_heap_malloc(heap, 3000);
    assert_true(face_free(heap, a) && heap->freed == a && heap->busy_classes >> CA_CLASSES == 0);
    assert_true(face_is_valid(heap) && usage_of(heap).small_count == 1 && usage_of(heap).cached_bytes >= 100);
    assert_true(ca_heap_malloc(heap, 100) != a); /* not yet */
    assert_true(face_free(heap, b) && heap->freed == b);
    assert_ptr_equal(ca_heap_malloc(heap, 100), a);
    assert_int_equal(usage_of(heap).small_count, 2);
    ca_heap_flush(heap);
    assert_true(!heap->freed && face_is_valid(heap) && usage_of(heap).cached_bytes == 0 && heap->class_bins[ca_class_of(3000)].out == 0);

    b = ca_heap_malloc(heap, 3000);
    assert_true(face_free(heap, b));
    ca_heap_drop(heap, DEAD, false);
    assert_true(!heap->freed && face_is_valid(heap) && usage_of(heap).cached_bytes == 0);
    a = ca_heap_malloc(heap, 100);
    assert_true(face_free(heap, a) && face_free(heap, ca_heap_malloc(heap, 200))); /* what waited before the drop comes into no cache */
    assert_true(face_is_valid(heap));
    assert_gone(heap);
}

/* --- the audit ------------------------------------------------------------------------------------------------ */

static void the_audit_sees_what_is_broken(void **state)
{
    (void)state;
    ca_heap *heap = heap_new();
    int which = 0;
    void *p = ca_heap_malloc(heap, 64);
    assert_non_null(p);
    uint32_t number = ca_region.entries[face_page(p)].number;
    ca_slab *slab = ca_slab_at(number);
    slab->free++; /* [S1] */
    assert_false(ca_heap_is_valid(heap, &which));
    slab->free--;
    heap->class_bins[slab->class].partial = 0; /* [S2] */
    assert_false(ca_heap_is_valid(heap, &which));
    heap->class_bins[slab->class].partial = number;
    heap->class_bins[slab->class].out++; /* [H3] */
    assert_false(ca_heap_is_valid(heap, &which));
    heap->class_bins[slab->class].out--;
    heap->emptied = number; /* [H5] */
    assert_false(ca_heap_is_valid(heap, &which));
    heap->emptied = 0;
    heap->slabs.first = 0; /* [S4] */
    assert_false(ca_heap_is_valid(heap, &which));
    heap->slabs.first = number;
    ca_region.entries[face_page(p)].tag ^= 1U << CA_TAG_CLASS_SHIFT; /* [S3] */
    assert_false(ca_heap_is_valid(heap, &which));
    ca_region.entries[face_page(p)].tag ^= 1U << CA_TAG_CLASS_SHIFT;
    heap->pages.free_total++; /* [T5] */
    assert_false(ca_heap_is_valid(heap, &which));
    heap->pages.free_total--;
    ca_cache *cache = &heap->caches[ca_class_of(64)];
    void **top = cache->top;
    cache->top = cache->limit + 1; /* [C1] */
    assert_false(ca_heap_is_valid(heap, &which));
    cache->top = top;
    assert_true(face_is_valid(heap));
    assert_true(face_free(heap, p));
    assert_gone(heap);
}

static void a_trim_of_all_gives_the_region_everything(void **state)
{
    (void)state; /* all tests before this one trimmed their heaps */
    assert_true(ca_region_get_usage().given == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(extents_are_made_of_what_was_used_before), /* the first: nothing else was */
        cmocka_unit_test(every_size_is_served),
        cmocka_unit_test(no_two_blocks_overlap),
        cmocka_unit_test(calloc_is_zero_also_for_recycled_memory),
        cmocka_unit_test(alignments_up_to_16_mib),
        cmocka_unit_test(large_blocks_are_resized_in_place),
        cmocka_unit_test(a_large_block_comes_back_to_who_asks_for_as_much),
        cmocka_unit_test(what_is_held_is_merged_before_pages_are_looked_for),
        cmocka_unit_test(what_is_held_stays_where_it_would_not_do),
        cmocka_unit_test(an_extent_does_not_stay_for_the_block_freed_last),
        cmocka_unit_test(huge_blocks_are_the_regions),
        cmocka_unit_test(a_class_keeps_what_its_use_has_shown_to_pay),
        cmocka_unit_test(the_hand_takes_no_more_than_was_not_needed),
        cmocka_unit_test(a_class_fills_its_room),
        cmocka_unit_test(slow_calls_look_at_the_clock_now_and_then),
        cmocka_unit_test(a_refill_of_scattered_objects_is_small),
        cmocka_unit_test(a_spill_of_scattered_objects_is_small),
        cmocka_unit_test(a_slab_emptied_late_goes_with_the_next_slow_call),
        cmocka_unit_test(a_slab_emptied_late_may_be_used_before),
        cmocka_unit_test(a_slab_emptied_late_goes_with_a_flush_or_a_drop),
        cmocka_unit_test(a_large_class_keeps_one_at_first),
        cmocka_unit_test(a_drop_gives_back_all_records_and_says_who_is_dead),
        cmocka_unit_test(what_cannot_be_had_is_null),
        cmocka_unit_test(an_object_that_waits_is_had_when_there_is_no_other),
        cmocka_unit_test(an_object_that_waits_is_free_and_is_not_lost),
        cmocka_unit_test(random_operations),
        cmocka_unit_test(the_audit_sees_what_is_broken),
        cmocka_unit_test(a_trim_of_all_gives_the_region_everything),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
