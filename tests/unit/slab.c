/* Classes and slabs: every size and every offset. */
#include <string.h>

#include "tests/unit/cmocka_face.h"
#include "tests/unit/heap_face.h"

static ca_run run;

static int setup(void **state)
{
    (void)state;
    if (!face_start(&ca_source_mmap, (size_t)64 << 20))
        return 1;
    run = ca_region_take(NULL, UINT8_MAX, 1, NULL);
    return run.pages < UINT8_MAX;
}

static void every_size_has_the_smallest_class_that_fits(void **state)
{
    (void)state;
    for (size_t size = 0; size <= CA_SMALL_MAX; size++) {
        unsigned class = ca_class_of(size);
        assert_true(class < CA_CLASSES && ca_classes[class].size >= size);
        assert_true(class == 0 || ca_classes[class - 1].size < size);
        if (size > 128)
            assert_true((ca_classes[class].size - size) * 5 < ca_classes[class].size); /* wasted: less than 20 % */
        if (size <= CA_FAST_MAX)
            assert_int_equal(ca_class_table[(size + 15) / 16], class);
    }
    assert_int_equal(ca_classes[CA_CLASSES - 1].size, CA_SMALL_MAX);
}

/* That loses no more than this part of itself. */
static size_t smallest_slab(size_t size, size_t part)
{
    size_t bytes = CA_PAGE;
    while (bytes < size || bytes % size > bytes / part)
        bytes += CA_PAGE;
    return bytes;
}

static size_t grown_slab(size_t size, size_t bytes)
{
    size_t limit = size <= 2560 ? (size_t)64 << 10 : ca_size_max((size_t)32 << 10, size * 2);
    while (bytes * 2 <= limit && bytes * 2 / size <= CA_SLAB_OBJECTS)
        bytes *= 2;
    return bytes;
}

static void classes_are_within_their_limits(void **state)
{
    (void)state;
    for (unsigned i = 0; i < CA_CLASSES; i++) {
        const ca_class *c = &ca_classes[i];
        size_t first = c->first_pages * (size_t)CA_PAGE, most = c->most_pages * (size_t)CA_PAGE;
        assert_true(c->size % CA_GRANULE == 0 && c->capacity >= 1 && c->capacity <= CA_MAGAZINE_SLOTS && c->depot >= 1);
        assert_true(first >= c->size && most >= first && most / c->size <= CA_SLAB_OBJECTS);
        size_t smallest = smallest_slab(c->size, 8), grown = grown_slab(c->size, smallest);
        assert_int_equal(first, grown % c->size <= grown / 20 ? smallest : smallest_slab(c->size, SIZE_MAX));
        assert_int_equal(most, grown_slab(c->size, first));
        assert_true(c->capacity == CA_MAGAZINE_SLOTS || c->capacity == 2 || c->capacity == ((size_t)48 << 10) / c->size);
        assert_true(c->room == CA_MAGAZINE_SLOTS || c->room == 1 || c->room == ((size_t)8 << 10) / c->size);
        assert_true(c->room <= c->capacity && c->depot <= 16);
        assert_true(c->depot == 1 || c->depot * c->capacity * (size_t)c->size <= (size_t)64 << 10);
        assert_true(c->colors == 64 || c->colors == 1 || c->colors == CA_PAGE / c->size);
    }
}

static void the_reciprocal_divides_every_offset(void **state)
{
    (void)state;
    for (unsigned i = 0; i < CA_CLASSES; i++) {
        ca_slab slab;
        ca_slab_init(&slab, i, run.page, ca_classes[i].most_pages, 1, 0);
        size_t size = ca_classes[i].size, bytes = slab.pages * (size_t)CA_PAGE;
        for (size_t offset = 0; offset < bytes; offset++) {
            bool starts = offset % size == 0 && offset / size < slab.objects;
            uint32_t index = ca_slab_index(&slab, slab.start + offset);
            assert_true(index == (starts ? offset / size : UINT32_MAX));
        }
    }
}

static void aligned_classes_are_aligned(void **state)
{
    (void)state;
    for (size_t align = 1; align <= CA_PAGE; align *= 2)
        for (size_t size = 0; size <= CA_SMALL_MAX; size += 5) {
            unsigned class = ca_class_of_aligned(size, align);
            if (class < CA_CLASSES)
                assert_true(ca_classes[class].size >= size && ca_classes[class].size % align == 0);
            else
                assert_true(ca_round_up(size, align) > CA_SMALL_MAX);
        }
    assert_int_equal(ca_class_of_aligned(CA_SMALL_MAX + 1, 16), CA_CLASSES);
}

static void a_slab_gives_each_object_once_the_lowest_first(void **state)
{
    (void)state;
    for (unsigned i = 0; i < CA_CLASSES; i++) {
        ca_slab slab;
        int which;
        void *taken[CA_SLAB_OBJECTS];
        ca_slab_init(&slab, i, run.page, ca_classes[i].most_pages, 1, 0);
        assert_true(ca_slab_is_valid(&slab, &which) && slab.free == slab.objects);
        uint32_t n = 0;
        while (slab.free) { /* a few at a time, stored downwards */
            void *some[7];
            unsigned work = UINT32_MAX, got = ca_slab_take(&slab, &some[6], 7, &work);
            assert_true(got == (slab.objects - n < 7 ? slab.objects - n : 7));
            for (unsigned k = 0; k < got; k++)
                taken[n++] = some[6 - k];
            assert_true(ca_slab_is_valid(&slab, &which));
        }
        assert_int_equal(n, slab.objects);
        for (uint32_t k = 0; k < n; k++)
            assert_ptr_equal(taken[k], slab.start + (size_t)k * ca_classes[i].size);
        unsigned plenty = UINT32_MAX;
        assert_int_equal(ca_slab_take(&slab, &taken[0], 1, &plenty), 0);
        for (uint32_t k = 0; k < n / 2; k++) { /* last to first, */
            void *swapped = taken[k];
            taken[k] = taken[n - 1 - k];
            taken[n - 1 - k] = swapped;
        }
        uint32_t put = 0;
        char *const around[] = {slab.start - ca_classes[i].size, slab.start + (size_t)slab.pages * CA_PAGE};
        while (put < n) { /* a few at a time, and none that lies before or behind the slab */
            uint32_t few = n - put < 5 ? n - put : 5;
            void *some[6] = {[5] = NULL};
            memcpy(some, &taken[put], few * sizeof *some);
            some[few] = around[put % 2];
            void *const *end = ca_slab_put(&slab, some, &some[few + (put % 3 > 0)], ca_classes[i].reciprocal);
            assert_ptr_equal(end, &some[few]);
            put += few;
            assert_int_equal(slab.free, put);
        }
        assert_true(ca_slab_is_valid(&slab, &which) && slab.free == slab.objects);
        slab.bits[0] &= ~1ULL; /* [S1] */
        assert_false(ca_slab_is_valid(&slab, &which));
        assert_int_equal(which, 1);
    }
}

/* One object of each word is free: work bounds how many words they come from. */
static void a_scattered_slab_gives_as_many_as_work_allows(void **state)
{
    (void)state;
    ca_slab slab;
    ca_slab_init(&slab, 0, run.page, ca_classes[0].first_pages, 1, 0);
    memset(slab.bits, 0, sizeof slab.bits);
    uint32_t words = slab.objects / 64;
    for (uint32_t w = 0; w < words; w++)
        slab.bits[w] = 1;
    slab.free = words;
    slab.color = 0;
    assert_in_range(words, 3, CA_SLAB_WORDS);
    void *some[CA_SLAB_OBJECTS];
    unsigned work = CA_SLAB_TAKE_WORK + 2 * (1 + CA_SLAB_WORD_WORK);
    assert_int_equal(ca_slab_take(&slab, &some[9], 10, &work), 2);
    assert_int_equal(work, 0);
    assert_int_equal(slab.free, words - 2);
    work = 1;
    assert_int_equal(ca_slab_take(&slab, &some[9], 10, &work), 1); /* one in any case */
    assert_int_equal(work, 0);
    assert_ptr_equal(some[9], slab.start + (size_t)2 * 64 * ca_classes[0].size);
    work = 1000;
    assert_int_equal(ca_slab_take(&slab, &some[9], 10, &work), words - 3);
    assert_int_equal(work, 1000 - CA_SLAB_TAKE_WORK - (words - 3) * (1 + CA_SLAB_WORD_WORK));
    int which;
    assert_true(ca_slab_is_valid(&slab, &which));
}

/* Within a word, too. And an object that was freed twice, as can be without checks, leads nowhere else. */
static void a_full_slab_gives_no_more_than_work_allows(void **state)
{
    (void)state;
    ca_slab slab;
    void *some[CA_SLAB_OBJECTS];
    ca_slab_init(&slab, 3, run.page, 1, 1, 0);
    slab.color = 0;
    unsigned work = CA_SLAB_TAKE_WORK + 9;
    assert_int_equal(ca_slab_take(&slab, &some[40], 40, &work), 9 * CA_SLAB_RUN_PART);
    work = 1000;
    uint32_t rest = slab.free;
    assert_int_equal(ca_slab_take(&slab, &some[CA_SLAB_OBJECTS - 1], CA_SLAB_OBJECTS, &work), rest);
    slab.free = 1;
    work = 1000;
    assert_int_equal(ca_slab_take(&slab, &some[9], 10, &work), 0);
    assert_int_equal(slab.free, 0);
}

static void no_more_objects_are_put_than_wanted(void **state)
{
    (void)state;
    ca_slab slab;
    void *some[10];
    unsigned work = UINT32_MAX;
    ca_slab_init(&slab, 2, run.page, 1, 1, 0);
    assert_int_equal(ca_slab_take(&slab, &some[9], 10, &work), 10);
    uint32_t before = slab.free;
    assert_ptr_equal(ca_slab_put(&slab, &some[0], &some[3], ca_classes[2].reciprocal), &some[3]);
    assert_int_equal(slab.free, before + 3);
    assert_ptr_equal(ca_slab_put(&slab, &some[3], &some[1], ca_classes[2].reciprocal), &some[4]); /* one in any case */
    assert_int_equal(slab.free, before + 4);
    int which;
    assert_true(ca_slab_is_valid(&slab, &which));
}

static void neighbours_are_less_work(void **state)
{
    (void)state;
    const size_t size = ca_classes[0].size;
    ca_slab slab;
    void *some[20];
    ca_slab_init(&slab, 0, run.page, ca_classes[0].first_pages, 1, 0);
    assert_true(slab.objects >= 4 * 64);
    slab.color = 0;
    memset(slab.bits, 0, sizeof slab.bits);
    slab.bits[0] = 0x3ffULL << 5;   /* ten in the middle, */
    slab.bits[1] = 0xfULL << 60;    /* four at the end, */
    slab.bits[2] = 0x5;             /* two that are no neighbours, */
    slab.bits[3] = UINT64_MAX;      /* all */
    slab.free = 80;
    unsigned work = 1000;
    assert_int_equal(ca_slab_take(&slab, &some[19], 13, &work), 13);
    assert_int_equal(work, 1000 - CA_SLAB_TAKE_WORK - 2 * CA_SLAB_RUN_WORK - 10 / CA_SLAB_RUN_PART - (3 + CA_SLAB_RUN_PART - 1) / CA_SLAB_RUN_PART);
    for (unsigned k = 0; k < 13; k++)
        assert_ptr_equal(some[19 - k], slab.start + (k < 10 ? 5 + k : 64 + 60 + k - 10) * size);
    assert_true(slab.bits[0] == 0 && slab.bits[1] == 1ULL << 63 && slab.bits[2] == 0x5);
    work = 1000;
    assert_int_equal(ca_slab_take(&slab, &some[19], 4, &work), 4);
    assert_ptr_equal(some[19], slab.start + (64 + 63) * size);
    assert_ptr_equal(some[18], slab.start + 2 * 64 * size);
    assert_ptr_equal(some[17], slab.start + (2 * 64 + 2) * size);
    assert_ptr_equal(some[16], slab.start + 3 * 64 * size);
    assert_true(slab.bits[1] == 0 && slab.bits[2] == 0 && slab.bits[3] == UINT64_MAX - 1);
    assert_int_equal(slab.free, 63);
    work = CA_SLAB_TAKE_WORK + 2;
    assert_int_equal(ca_slab_take(&slab, &some[19], 20, &work), 2 * CA_SLAB_RUN_PART);
    assert_int_equal(work, 0);
    int which;
    assert_true(ca_slab_is_valid(&slab, &which));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_size_has_the_smallest_class_that_fits),
        cmocka_unit_test(classes_are_within_their_limits),
        cmocka_unit_test(the_reciprocal_divides_every_offset),
        cmocka_unit_test(aligned_classes_are_aligned),
        cmocka_unit_test(a_slab_gives_each_object_once_the_lowest_first),
        cmocka_unit_test(a_scattered_slab_gives_as_many_as_work_allows),
        cmocka_unit_test(a_full_slab_gives_no_more_than_work_allows),
        cmocka_unit_test(no_more_objects_are_put_than_wanted),
        cmocka_unit_test(neighbours_are_less_work),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
