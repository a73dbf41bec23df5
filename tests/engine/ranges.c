/* The rows OR (orderly-allocator) and OA (offset-allocator) of what is promised, one test or more each, named by the row; and the
 * known defects of the originals.  Every test runs on all four engines.  docs/engines.md has the table. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/unit/cmocka_face.h"
#include "tests/engine/engine.h"

#define FOR_EACH_ENGINE(e) for (const engine *e = engines; e < engines + ENGINES; e++)

#define assert_valid(e, it)                            \
    do {                                               \
        int which_ = -1;                               \
        assert_true((e)->is_valid((it), &which_));     \
        assert_int_equal(which_, 0);                   \
    } while (0)

static void *created(const engine *e, uint64_t capacity, uint32_t max_blocks)
{
    void *it = e->create(capacity, max_blocks);
    assert_non_null(it);
    return it;
}

/* A block of `size`, which must lie at `offset` where that is not CTXALLOC_NONE. */
static handle given(const engine *e, void *it, uint64_t size, uint64_t offset)
{
    handle h;
    assert_true(e->alloc(it, size, 0, &h));
    assert_int_equal(e->size(it, h), size);
    if (offset != CTXALLOC_NONE)
        assert_true(h.offset == offset);
    return h;
}

static bool refused(const engine *e, void *it, uint64_t size, uint64_t align)
{
    handle h;
    uint64_t before = e->free_total(it);
    bool no = !e->alloc(it, size, align, &h);
    return no && e->free_total(it) == before;
}

static void ended(const engine *e, void *it)
{
    assert_valid(e, it);
    e->destroy(it);
}

/* --- OR ------------------------------------------------------------------------------------------------ */

static void or1_new_is_one_free_range(void **state)
{
    (void)state;
    FOR_EACH_ENGINE(e) {
        void *it = created(e, 65536, 10);
        assert_true(e->capacity(it) == 65536 && e->free_total(it) == 65536 && e->free_largest(it) == 65536 && e->empty(it));
        ended(e, it);
        errno = 0;
        assert_null(e->create(0, 10));
        assert_int_equal(errno, EINVAL);
        assert_null(e->create(10, 0));
        errno = 0;
        assert_null(e->create(e->most_capacity, e->most_blocks + 1)); /* more nodes than can be numbered */
        assert_int_equal(errno, EOVERFLOW);
        assert_true(e->memory(10, e->most_blocks + 1) == 0 && e->memory(10, e->most_blocks) > e->most_blocks);
        assert_true(e->most_capacity == CTXALLOC_NONE - 1 || !e->create(e->most_capacity + 1, 10));
        e->destroy(NULL);
    }
}

/* Fit: the smallest range that fits, exactly.  TLSF: good fit, from the first bin that has one. */
static void or2_best_fit(void **state)
{
    (void)state;
    FOR_EACH_ENGINE(e) {
        void *it = created(e, 10000, 20);
        static const uint64_t holes[] = {130, 104, 100, 121, 109};
        handle hole[5];
        for (int i = 0; i < 5; i++) {
            hole[i] = given(e, it, holes[i], CTXALLOC_NONE);
            (void)given(e, it, 1, CTXALLOC_NONE);
        }
        for (int i = 0; i < 5; i++)
            assert_int_equal(e->free(it, hole[i]), 0);
        assert_valid(e, it);
        if (!e->may_round) { /* ascending requests take the holes in order of size */
            (void)given(e, it, 99, hole[2].offset);
            (void)given(e, it, 101, hole[1].offset);
            (void)given(e, it, 105, hole[4].offset);
            (void)given(e, it, 110, hole[3].offset);
            (void)given(e, it, 122, hole[0].offset);
        } else {
            handle h = given(e, it, 120, CTXALLOC_NONE);
            assert_true(h.offset == hole[0].offset || h.offset == hole[3].offset); /* not the large rest at the end */
        }
        ended(e, it);
    }
}

static void or3_any_alignment(void **state)
{
    (void)state;
    FOR_EACH_ENGINE(e)
        for (uint64_t align = 1; align <= 300; align++) {
            void *it = created(e, 7 + 64 + align - 1, 3);
            (void)given(e, it, 7, 0);
            handle h;
            assert_true(e->alloc(it, 64, align, &h)); /* size + align - 1 units are free */
            assert_true(h.offset % align == 0 && h.offset >= 7 && h.offset + 64 <= e->capacity(it));
            assert_valid(e, it);
            assert_int_equal(e->free(it, h), 0);
            assert_true(e->free_largest(it) == 64 + align - 1);
            ended(e, it);
        }
}

static void or3_an_aligned_block_that_just_fits(void **state)
{
    (void)state;
    FOR_EACH_ENGINE(e) {
        void *it = created(e, 256, 3);
        handle h;
        assert_true(e->alloc(it, 256, 256, &h) && h.offset == 0); /* no room for 256 + 255 */
        ended(e, it);
        it = created(e, 1000, 3);
        assert_true(refused(e, it, 1, 0) == false);
        e->reset(it);
        assert_true(e->alloc(it, 500, UINT64_MAX, &h) && h.offset == 0); /* only 0 is a multiple */
        assert_true(refused(e, it, 1, UINT64_MAX));
        assert_true(refused(e, it, UINT64_MAX, 1ULL << 63));
        handle none;
        assert_false(e->alloc(it, 0, 0, &none) || e->alloc(it, 0, 8, &none));
        ended(e, it);
    }
}

static void or4_free_merges_at_once(void **state)
{
    (void)state;
    static const int order[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    FOR_EACH_ENGINE(e)
        for (int i = 0; i < 6; i++) {
            void *it = created(e, 60, 5);
            handle h[3];
            for (int k = 0; k < 3; k++)
                h[k] = given(e, it, 20, (uint64_t)k * 20);
            assert_true(e->free_largest(it) == 0 && refused(e, it, 1, 0));
            for (int k = 0; k < 3; k++) {
                assert_int_equal(e->free(it, h[order[i][k]]), 0);
                assert_valid(e, it);
            }
            assert_true(e->free_largest(it) == 60 && e->empty(it));
            ended(e, it);
        }
}

static void or5_double_free_is_einval(void **state)
{
    (void)state;
    FOR_EACH_ENGINE(e) {
        void *it = created(e, 100, 8);
        handle a = given(e, it, 10, 0), b = given(e, it, 20, 10), c = given(e, it, 30, 30);
        assert_int_equal(e->free(it, b), 0);
        assert_int_equal(e->free(it, b), EINVAL); /* free, between used ones */
        assert_int_equal(e->free(it, a), 0);
        assert_int_equal(e->free(it, b), EINVAL); /* merged into what was before it */
        assert_int_equal(e->free(it, a), EINVAL);
        assert_int_equal(e->free(it, c), 0);
        assert_int_equal(e->free(it, c), EINVAL);
        assert_true(e->free_total(it) == 100 && e->empty(it));
        handle d = given(e, it, 5, 0); /* the same place, another block */
        assert_int_equal(e->free(it, c), EINVAL);
        assert_int_equal(e->free(it, b), EINVAL);
        assert_int_equal(e->free(it, d), 0);
        ended(e, it);
    }
}

/* Foreign, misaligned (inside a block), at the end, none: EINVAL, and nothing changed. */
static void or5_a_wrong_free_is_einval(void **state)
{
    (void)state;
    FOR_EACH_ENGINE(e) {
        void *it = created(e, 100, 8);
        handle a = given(e, it, 10, 0), b = given(e, it, 90, 10), wrong = a;
        static const uint64_t offsets[] = {1, 9, 11, 99, 100, 101, UINT32_MAX, UINT64_MAX};
        for (size_t i = 0; i < sizeof offsets / sizeof *offsets; i++)
            for (uint32_t node = 0; node < 20; node++) {
                wrong = (handle){offsets[i], i % 2 ? 10 : 90, node, node};
                assert_int_equal(e->free(it, wrong), EINVAL);
                assert_int_equal(e->resize(it, &wrong, 5, NULL), EINVAL);
                assert_true(e->size(it, wrong) == 0);
            }
        wrong = a;
        wrong.node += 1000000; /* no such node; or, where the size is the key, no such size */
        wrong.size++;
        assert_int_equal(e->free(it, wrong), EINVAL);
        assert_int_equal(e->free(it, (handle){CTXALLOC_NONE, 0, 0, 0}), EINVAL);
        assert_true(e->free_total(it) == 0 && e->live(it) == 2);
        assert_true(e->free(it, a) == 0 && e->free(it, b) == 0);
        assert_int_equal(e->free(it, (handle){100, 0, 2, 0}), EINVAL); /* p == end */
        ended(e, it);
    }
}

static void or6_resize_in_place_says_what_is_available(void **state)
{
    (void)state;
    FOR_EACH_ENGINE(e) {
        void *it = created(e, 100, 8);
        uint64_t available = 0;
        handle a = given(e, it, 10, 0);
        assert_int_equal(e->resize(it, &a, 40, &available), 0);
        assert_true(available == 100 && e->size(it, a) == 40);
        assert_int_equal(e->resize(it, &a, 20, NULL), 0);
        handle b = given(e, it, 30, 20);
        assert_int_equal(e->resize(it, &a, 21, &available), ENOMEM);
        assert_true(available == 20 && e->size(it, a) == 20);
        assert_int_equal(e->resize(it, &a, 0, &available), EINVAL);
        assert_int_equal(e->resize(it, &a, 5, NULL), 0); /* between used ones: a free range of its own */
        assert_true(e->free_total(it) == 65 && e->free_largest(it) == 50);
        assert_int_equal(e->resize(it, &a, 20, NULL), 0); /* all of it again */
        assert_int_equal(e->resize(it, &b, 80, &available), 0);
        assert_int_equal(e->resize(it, &b, 81, &available), ENOMEM);
        assert_true(available == 80 && e->free_total(it) == 0);
        assert_int_equal(e->resize(it, &b, 80, NULL), 0);
        assert_true(e->free(it, a) == 0 && e->free(it, b) == 0);
        ended(e, it);
    }
}

static void or7_grow_and_its_overflow(void **state)
{
    (void)state;
    FOR_EACH_ENGINE(e) {
        void *it = created(e, 10, 8);
        handle a = given(e, it, 10, 0);
        assert_int_equal(e->grow(it, 0), 0);
        assert_int_equal(e->grow(it, 5), 0); /* after a used block */
        assert_int_equal(e->grow(it, 5), 0); /* after a free one */
        assert_true(e->capacity(it) == 20 && e->free_largest(it) == 10);
        assert_valid(e, it);
        handle b = given(e, it, 10, 10);
        assert_int_equal(e->grow(it, e->most_capacity - 19), EOVERFLOW);
        assert_int_equal(e->grow(it, UINT64_MAX), EOVERFLOW);
        assert_true(e->capacity(it) == 20);
        assert_int_equal(e->grow(it, e->most_capacity - 20), 0);
        assert_true(e->free_largest(it) == e->most_capacity - 20);
        handle c = given(e, it, e->most_capacity - 20, 20);
        assert_valid(e, it);
        assert_true(e->free(it, b) == 0 && e->free(it, c) == 0 && e->free(it, a) == 0);
        assert_true(e->free_largest(it) == e->most_capacity);
        ended(e, it);
    }
}

static void or8_reset(void **state)
{
    (void)state;
    FOR_EACH_ENGINE(e) {
        void *it = created(e, 5000, 100);
        handle h[100];
        for (int i = 0; i < 100; i++)
            h[i] = given(e, it, 7, CTXALLOC_NONE);
        for (int i = 0; i < 100; i += 2)
            assert_int_equal(e->free(it, h[i]), 0);
        e->reset(it);
        assert_true(e->empty(it) && e->free_largest(it) == 5000);
        for (int i = 0; i < 100; i++)
            assert_int_equal(e->free(it, h[i]), EINVAL);
        for (int i = 0; i < 100; i++)
            (void)given(e, it, 50, (uint64_t)i * 50);
        ended(e, it);
    }
}

static void or9_largest_is_exact_and_total(void **state)
{
    (void)state;
    FOR_EACH_ENGINE(e) {
        handle h[7];
        static const uint64_t size[] = {1001, 1, 1008, 1, 1005, 1, 1000}; /* one bin's, the largest in none of its ends */
        void *it = created(e, 6000, 20);
        for (int i = 0; i < 7; i++)
            h[i] = given(e, it, size[i], CTXALLOC_NONE);
        (void)given(e, it, e->free_total(it), CTXALLOC_NONE);
        assert_true(e->free_total(it) == 0 && e->free_largest(it) == 0);
        for (int i = 0; i < 7; i += 2)
            assert_int_equal(e->free(it, h[i]), 0);
        assert_true(e->free_largest(it) == 1008 && e->free_total(it) == 1001 + 1008 + 1005 + 1000);
        ended(e, it);
    }
}

static void or10_iterators_and_report(void **state)
{
    (void)state;
    FOR_EACH_ENGINE(e) {
        void *it = created(e, 100, 10);
        handle h[5];
        for (int i = 0; i < 5; i++)
            h[i] = given(e, it, 16, (uint64_t)i * 16);
        assert_true(e->free(it, h[0]) == 0 && e->free(it, h[2]) == 0);
        ctxalloc_range r = {0, 0, 0, 0}, u = {0, 0, 0, 0};
        static const uint64_t free_at[] = {0, 32, 80}, free_size[] = {16, 16, 20}, used_at[] = {16, 48, 64};
        for (int i = 0; i < 3; i++) {
            assert_true(e->next_free(it, &r) && r.offset == free_at[i] && r.size == free_size[i]);
            assert_true(e->next_used(it, &u) && u.offset == used_at[i] && u.size == 16);
            assert_true(e->size(it, (handle){u.offset, u.size, u.node, 0}) == 16); /* a handle again */
        }
        assert_false(e->next_free(it, &r) || e->next_used(it, &u));
        assert_false(e->next_free(it, &r)); /* and stays at the end */
        static ctxalloc_tlsf_report_t report;
        e->report(it, &report);
        assert_true(report.free_total == 52 && report.free_largest == 20 && report.free_ranges == 3);
        for (unsigned bin = 0; bin < CTXALLOC_BINS; bin++)
            assert_true(report.bin[bin].count == (report.bin[bin].size == 16 ? 2 : report.bin[bin].size == 20 ? 1 : 0));
        ended(e, it);
    }
}

static void or11_the_handle_is_8_bytes(void **state)
{
    (void)state;
    assert_int_equal(sizeof(ctxalloc_fit_block), 8);
    assert_int_equal(sizeof(ctxalloc_fit64_block), 16);
    assert_int_equal(sizeof(ctxalloc_block), 16);
}

static void or12_clone(void **state)
{
    (void)state;
    FOR_EACH_ENGINE(e) {
        void *it = created(e, 1000, 10);
        handle a = given(e, it, 10, 0), b = given(e, it, 10, 10);
        void *copy = e->clone(it);
        assert_non_null(copy);
        assert_int_equal(e->free(it, a), 0);
        assert_true(e->live(copy) == 2 && e->size(copy, a) == 10);
        assert_int_equal(e->free(copy, b), 0); /* handles are good for both */
        assert_int_equal(e->free(it, b), 0);
        assert_true(e->free_largest(copy) == 990 && e->free_largest(it) == 1000);
        assert_int_equal(e->grow(copy, 5000), 0); /* a clone can all that the first can */
        assert_valid(e, copy);
        e->destroy(copy);
        ended(e, it);
    }
}

static void *memory_for(const engine *e, uint64_t capacity, uint32_t max_blocks, size_t *bytes)
{
    *bytes = e->memory(capacity, max_blocks);
    assert_true(*bytes && *bytes % 64 == 0);
    unsigned char *memory = aligned_alloc(64, *bytes + 64);
    assert_non_null(memory);
    memset(memory, 0xa5, *bytes + 64);
    return memory;
}

/* The kernel's flags of the mapping that an address is in, as in smaps: "hg": huge pages are wanted, "nh": unwanted. "": it does not say. */
static const char *mapping_flags(const void *p)
{
    static char line[512];
    unsigned long begin, end;
    bool here = false;
    FILE *maps = fopen("/proc/self/smaps", "r");
    while (maps && fgets(line, sizeof line, maps)) {
        if (sscanf(line, "%lx-%lx ", &begin, &end) == 2)
            here = begin <= (uintptr_t)p && (uintptr_t)p < end;
        else if (here && strncmp(line, "VmFlags:", 8) == 0)
            break;
        line[0] = 0;
    }
    if (maps)
        fclose(maps);
    return line;
}

/* Metadata of 4 MiB and more wants huge pages, until it is destroyed; less does not. */
static void a_large_instance_has_huge_pages(void **state)
{
    (void)state;
    if (access("/sys/kernel/mm/transparent_hugepage/enabled", F_OK) != 0 || !*mapping_flags(&state))
        skip();
    FOR_EACH_ENGINE(e) {
        uint32_t large = 200000, small = 1000;
        if (!e->memory(1000, large)) /* tlsf16 has no so many */
            continue;
        assert_true(e->memory(1000, large) >= 4 << 20);
        char *it = created(e, 1000, large), *other = created(e, 1000, small);
        size_t last = e->memory(1000, large) - 1;
        assert_int_equal((uintptr_t)it % (2 << 20), 0);
        assert_non_null(strstr(mapping_flags(it), " hg"));
        assert_non_null(strstr(mapping_flags(it + last), " hg"));
        assert_null(strstr(mapping_flags(other), " hg"));
        e->destroy(it);
        const char *flags = mapping_flags(it); /* "": it is unmapped */
        assert_null(strstr(flags, " hg"));
        e->destroy(other);
    }
}

/* Preallocated nodes: in the caller's memory, of which not one byte more is written, and nothing else is needed. */
static void or13_nodes_are_preallocated(void **state)
{
    (void)state;
    FOR_EACH_ENGINE(e) {
        size_t bytes;
        unsigned char *memory = memory_for(e, 1000, 50, &bytes);
        assert_null(e->init(memory, bytes - 1, 1000, 50));
        assert_null(e->init(memory + 8, bytes, 1000, 50));
        assert_null(e->init(memory, bytes, 0, 50));
        assert_null(e->init(memory, bytes, 1000, 0));
        assert_null(e->init(NULL, bytes, 1000, 50));
        void *it = e->init(memory, bytes, 1000, 50);
        assert_non_null(it);
        handle h[50];
        for (int round = 0; round < 3; round++) { /* every node is in use when every second block is free */
            for (int i = 0; i < 50; i++)
                h[i] = given(e, it, 11, CTXALLOC_NONE);
            assert_true(refused(e, it, 11, 0));
            for (int i = round & 1; i < 50; i += 2)
                assert_int_equal(e->free(it, h[i]), 0);
            for (int i = round & 1; i < 50; i += 2)
                h[i] = given(e, it, 1, CTXALLOC_NONE);
            assert_valid(e, it);
            for (int i = 0; i < 50; i++)
                assert_int_equal(e->free(it, h[i]), 0);
        }
        for (int i = 0; i < 64; i++)
            assert_int_equal(memory[bytes + (size_t)i], 0xa5);
        free(memory);
    }
}

/* --- OA ------------------------------------------------------------------------------------------------ */

/* Defect of the original: the last of max_blocks fails. Also when the space is as fragmented as it can be. */
static void oa1_the_last_of_max_blocks_succeeds(void **state)
{
    (void)state;
    FOR_EACH_ENGINE(e)
        for (uint32_t most = 2; most <= 70; most++) {
            void *it = created(e, 3 * (uint64_t)most + 20, most);
            handle h[70];
            for (uint32_t i = 0; i < most; i++)
                h[i] = given(e, it, 3, CTXALLOC_NONE);
            assert_true(refused(e, it, 1, 0)); /* max_blocks are live, though there is room */
            for (uint32_t i = 0; i < most; i++)
                assert_int_equal(e->resize(it, &h[i], 1, NULL), 0); /* a free range after each */
            assert_valid(e, it);
            assert_int_equal(e->free(it, h[0]), 0);
            /* Too large for the holes, and not at the start of the rest: a free range before the first block, and after each. */
            uint64_t rest = 3 * (uint64_t)most - 2, align = rest % 4 ? 4 : 3;
            handle last;
            assert_true(e->alloc(it, 4, align, &last) && last.offset > rest && last.offset % align == 0);
            ctxalloc_range range = {0, 0, 0, 0};
            uint32_t ranges = 0;
            while (e->next_free(it, &range))
                ranges++;
            assert_true(e->live(it) == most && ranges == most + 1);
            ended(e, it);
        }
}

/* Defect of the original: "no space" although a free range of exactly this size exists. */
static void oa2_an_exact_range_is_found(void **state)
{
    (void)state;
    FOR_EACH_ENGINE(e)
        for (uint64_t size = 1; size < 3000; size += size < 300 ? 1 : 17) {
            void *it = created(e, size, 2);
            (void)given(e, it, size, 0);
            assert_true(e->free_total(it) == 0);
            e->destroy(it);
        }
}

/* The last-resort scan: counted, limited, and turned off. */
static void oa2_the_last_resort_scan(void **state)
{
    (void)state;
    ctxalloc_tlsf *t = ctxalloc_tlsf_create(105, 8);
    assert_non_null(t);
    ctxalloc_block a = ctxalloc_tlsf_alloc(t, 35), x = ctxalloc_tlsf_alloc(t, 1), b = ctxalloc_tlsf_alloc(t, 32);
    (void)ctxalloc_tlsf_alloc(t, 1);
    ctxalloc_block c = ctxalloc_tlsf_alloc(t, 32);
    (void)ctxalloc_tlsf_alloc(t, 4);
    assert_true(ctxalloc_tlsf_free_total(t) == 0 && x.offset == 35);
    uint64_t before = ctxalloc_tlsf_scans(t);
    assert_true(!ctxalloc_tlsf_free(t, a) && !ctxalloc_tlsf_free(t, b) && !ctxalloc_tlsf_free(t, c)); /* one bin: 32 … 35 */
    ctxalloc_tlsf_set_scan_limit(t, 0);
    assert_true(ctxalloc_tlsf_alloc(t, 33).offset == CTXALLOC_NONE && ctxalloc_tlsf_scans(t) == before);
    ctxalloc_tlsf_set_scan_limit(t, 2); /* the 35 was filed first, and is looked at last */
    assert_true(ctxalloc_tlsf_alloc(t, 33).offset == CTXALLOC_NONE && ctxalloc_tlsf_scans(t) == before + 1);
    ctxalloc_tlsf_set_scan_limit(t, 3);
    assert_true(ctxalloc_tlsf_alloc(t, 33).offset == 0 && ctxalloc_tlsf_scans(t) == before + 2);
    ctxalloc_tlsf_set_scan_limit(t, 0);
    assert_true(ctxalloc_tlsf_alloc(t, 32).offset != CTXALLOC_NONE); /* a bin's smallest size needs no scan */
    assert_true(ctxalloc_tlsf_is_valid(t, NULL));
    ctxalloc_tlsf_destroy(t);
}

/* At most 12.5 % of rounding: with the scan off, a range of that much more is always enough. min_capacity says how much. */
static void oa3_rounding_is_at_most_an_eighth(void **state)
{
    (void)state;
    for (uint64_t size = 1; size < 200000; size += 1 + size / 50) {
        uint64_t enough = ctxalloc_tlsf_min_capacity(size);
        assert_true(enough >= size && enough <= size + size / 8 + 1);
        assert_true(ctxalloc_tlsf16_min_capacity(size) == enough && ctxalloc_fit_min_capacity(size) == size);
        ctxalloc_tlsf *t = ctxalloc_tlsf_create(enough, 2);
        assert_non_null(t);
        ctxalloc_tlsf_set_scan_limit(t, 0);
        assert_true(ctxalloc_tlsf_alloc(t, size).offset == 0);
        ctxalloc_tlsf_destroy(t);
    }
    assert_true(ctxalloc_tlsf_min_capacity(UINT64_MAX) == CTXALLOC_NONE);
    assert_true(ctxalloc_tlsf16_min_capacity(UINT32_MAX) == CTXALLOC_NONE);
    assert_true(ctxalloc_fit_min_capacity(UINT32_MAX + 1ULL) == CTXALLOC_NONE && ctxalloc_fit64_min_capacity(UINT64_MAX) == CTXALLOC_NONE);
}

/* 16-bit nodes: 32,766 blocks, and half the metadata. */
static void oa4_16_bit_nodes(void **state)
{
    (void)state;
    enum { MOST = 32766 };
    size_t small = ctxalloc_tlsf16_memory(1000000, MOST), large = ctxalloc_tlsf_memory(1000000, MOST);
    assert_true(small * 2 <= large + large / 64); /* a bit for each node comes on top */
    ctxalloc_tlsf16 *t = ctxalloc_tlsf16_create(2 * MOST + 1, MOST);
    assert_non_null(t);
    static ctxalloc_block h[MOST];
    for (int i = 0; i < MOST; i++)
        assert_true((h[i] = ctxalloc_tlsf16_alloc(t, 2)).offset == 2 * (uint64_t)i);
    assert_true(ctxalloc_tlsf16_alloc(t, 1).offset == CTXALLOC_NONE);
    for (int i = 0; i < MOST; i++)
        assert_int_equal(ctxalloc_tlsf16_resize(t, h[i], 1, NULL), 0); /* all nodes are in use */
    assert_true(ctxalloc_tlsf16_is_valid(t, NULL) && ctxalloc_tlsf16_free_total(t) == MOST + 1);
    for (int i = 0; i < MOST; i += 2)
        assert_int_equal(ctxalloc_tlsf16_free(t, h[i]), 0);
    for (int i = 0; i < MOST; i += 2)
        assert_true((h[i] = ctxalloc_tlsf16_alloc(t, 1)).offset != CTXALLOC_NONE);
    for (int i = 0; i < MOST; i++)
        assert_int_equal(ctxalloc_tlsf16_free(t, h[i]), 0);
    assert_true(ctxalloc_tlsf16_is_valid(t, NULL) && ctxalloc_tlsf16_free_largest(t) == 2 * MOST + 1);
    ctxalloc_tlsf16_destroy(t);
    assert_null(ctxalloc_tlsf16_create(100, MOST + 1));
}

/* Movable: the bytes elsewhere are the engine. */
static void oa5_movable(void **state)
{
    (void)state;
    FOR_EACH_ENGINE(e) {
        size_t bytes;
        unsigned char *memory = memory_for(e, 1000, 20, &bytes), *other = memory_for(e, 1000, 20, &bytes);
        void *it = e->init(memory, bytes, 1000, 20);
        handle a = given(e, it, 10, 0), b = given(e, it, 33, 10);
        assert_null(e->attach(other, bytes)); /* nothing there */
        memcpy(other, memory, bytes);
        memset(memory, 0xee, bytes);
        assert_null(e->attach(memory, bytes));
        assert_null(e->attach(other, 16));
        it = e->attach(other, bytes);
        assert_non_null(it);
        assert_valid(e, it);
        assert_true(e->free(it, a) == 0 && e->size(it, b) == 33);
        void *back = e->clone_at(it, memory, bytes);
        assert_non_null(back);
        assert_null(e->clone_at(it, memory, bytes - 64));
        assert_true(e->free(back, b) == 0 && e->free(it, b) == 0);
        assert_valid(e, back);
        free(memory);
        free(other);
    }
}

/* Unit-agnostic, 64-bit offsets. */
static void oa6_64_bit_offsets(void **state)
{
    (void)state;
    FOR_EACH_ENGINE(e) {
        uint64_t most = e->most_capacity, half = most / 2 + 1;
        void *it = created(e, most, 8);
        handle a = given(e, it, half, 0), b = given(e, it, half / 4 + 12345, half), c;
        assert_true(e->alloc(it, 1, half / 8, &c) && c.offset % (half / 8) == 0 && c.offset > b.offset);
        assert_valid(e, it);
        assert_true(e->free(it, a) == 0 && e->free(it, c) == 0 && e->free(it, b) == 0);
        a = given(e, it, most, 0);
        assert_int_equal(e->free(it, a), 0);
        ended(e, it);
    }
}

/* Growth in the caller's memory goes as far as the memory was sized for. */
static void grow_within_memory_of_ones_own(void **state)
{
    (void)state;
    size_t small = ctxalloc_tlsf_memory(100, 4), large = ctxalloc_tlsf_memory(1ULL << 40, 4);
    assert_true(small < large);
    void *memory = aligned_alloc(64, large);
    assert_non_null(memory);
    ctxalloc_tlsf *t = ctxalloc_tlsf_init(memory, small, 100, 4);
    assert_int_equal(ctxalloc_tlsf_grow(t, 1ULL << 39), EOVERFLOW);
    assert_int_equal(ctxalloc_tlsf_grow(t, 50), 0);
    t = ctxalloc_tlsf_init(memory, large, 100, 4);
    assert_int_equal(ctxalloc_tlsf_grow(t, (1ULL << 40) - 100), 0);
    assert_true(ctxalloc_tlsf_alloc(t, 1ULL << 40).offset == 0 && ctxalloc_tlsf_is_valid(t, NULL));
    free(memory);
}

/* A space that grows past 2^32 units while blocks live in it, in memory that was not zero: their handles stay good, all of them can go. */
static void oa6_grow_past_32_bits(void **state)
{
    (void)state;
    enum { LIVE = 50 };
    ctxalloc_block block[2 * LIVE];
    uint64_t more = (1ULL << 40) - 5000;
    size_t bytes = ctxalloc_tlsf_memory(1ULL << 40, 2 * LIVE);
    void *memory = aligned_alloc(64, bytes);
    assert_non_null(memory);
    memset(memory, 0xa5, bytes);
    ctxalloc_tlsf *t = ctxalloc_tlsf_init(memory, bytes, 5000, 2 * LIVE);
    for (unsigned i = 0; i < LIVE; i++)
        assert_true((block[i] = ctxalloc_tlsf_alloc(t, 1 + i)).offset != CTXALLOC_NONE);
    for (unsigned i = 0; i < LIVE; i += 3)
        assert_int_equal(ctxalloc_tlsf_free(t, block[i]), 0);
    assert_int_equal(ctxalloc_tlsf_grow(t, more), 0);
    assert_true(ctxalloc_tlsf_is_valid(t, NULL));
    for (unsigned i = LIVE; i < 2 * LIVE; i++) {
        block[i] = ctxalloc_tlsf_alloc(t, (1ULL << 33) + i);
        assert_true(block[i].offset != CTXALLOC_NONE && ctxalloc_tlsf_size(t, block[i]) == (1ULL << 33) + i);
        assert_true(ctxalloc_tlsf_is_valid(t, NULL));
    }
    ctxalloc_block other = block[2 * LIVE - 1];
    other.offset &= UINT32_MAX; /* the high half counts */
    assert_int_equal(ctxalloc_tlsf_free(t, other), EINVAL);
    for (unsigned i = 0; i < 2 * LIVE; i++)
        assert_int_equal(ctxalloc_tlsf_free(t, block[i]), i < LIVE && i % 3 == 0 ? EINVAL : 0);
    assert_true(ctxalloc_tlsf_is_valid(t, NULL) && ctxalloc_tlsf_free_largest(t) == 1ULL << 40);
    free(memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(or1_new_is_one_free_range),
        cmocka_unit_test(or2_best_fit),
        cmocka_unit_test(or3_any_alignment),
        cmocka_unit_test(or3_an_aligned_block_that_just_fits),
        cmocka_unit_test(or4_free_merges_at_once),
        cmocka_unit_test(or5_double_free_is_einval),
        cmocka_unit_test(or5_a_wrong_free_is_einval),
        cmocka_unit_test(or6_resize_in_place_says_what_is_available),
        cmocka_unit_test(or7_grow_and_its_overflow),
        cmocka_unit_test(or8_reset),
        cmocka_unit_test(or9_largest_is_exact_and_total),
        cmocka_unit_test(or10_iterators_and_report),
        cmocka_unit_test(or11_the_handle_is_8_bytes),
        cmocka_unit_test(or12_clone),
        cmocka_unit_test(a_large_instance_has_huge_pages),
        cmocka_unit_test(or13_nodes_are_preallocated),
        cmocka_unit_test(oa1_the_last_of_max_blocks_succeeds),
        cmocka_unit_test(oa2_an_exact_range_is_found),
        cmocka_unit_test(oa2_the_last_resort_scan),
        cmocka_unit_test(oa3_rounding_is_at_most_an_eighth),
        cmocka_unit_test(oa4_16_bit_nodes),
        cmocka_unit_test(oa5_movable),
        cmocka_unit_test(oa6_64_bit_offsets),
        cmocka_unit_test(grow_within_memory_of_ones_own),
        cmocka_unit_test(oa6_grow_past_32_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
