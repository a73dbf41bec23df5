/* The TLSF engine, function by function.  tlsf_audit.c breaks its invariants, tlsf_exhaustive.c compares it
 * with a naive model. */
#include "tests/unit/cmocka_face.h"
#include "tests/unit/tlsf_fixture.h"

#define assert_valid(f)                                      \
    do {                                                     \
        int which_ = 0;                                      \
        assert_true(ca_tlsf_is_valid(&(f)->tlsf, &which_));  \
        assert_int_equal(which_, 0);                         \
    } while (0)

#define assert_block(f, node, at, length)                    \
    do {                                                     \
        ca_node node_ = (node);                              \
        assert_int_not_equal(node_, CA_NODE_NONE);           \
        assert_true((f)->nodes[node_].offset == (at));       \
        assert_true((f)->nodes[node_].size == (length));     \
    } while (0)

/* All nodes, and one range. */
static void fixture_with(fixture *f, uint64_t offset, uint64_t size)
{
    fixture_init(f, FIXTURE_NODES - 1);
    assert_int_not_equal(ca_tlsf_add(&f->tlsf, offset, size), CA_NODE_NONE);
}

static void an_empty_one_has_nothing(void **state)
{
    (void)state;
    fixture f;
    fixture_init(&f, 8);
    assert_valid(&f);
    assert_int_equal(f.tlsf.spare, 8);
    assert_int_equal(ca_tlsf_alloc(&f.tlsf, 1, 1), CA_NODE_NONE);
    assert_int_equal(f.tlsf.spare, 8);
}

static void bins_with_blocks_are_found_in_order(void **state)
{
    (void)state;
    fixture f;
    fixture_init(&f, FIXTURE_NODES - 1);
    assert_int_equal(ca_tlsf_bin_from(&f.tlsf, 0), CA_BIN_COUNT);
    const uint64_t sizes[] = {1, 9, 1000, (uint64_t)1 << 40};
    unsigned from = 0;
    for (int i = 0; i < 4; i++)
        assert_int_not_equal(ca_tlsf_add(&f.tlsf, (uint64_t)i << 41, sizes[i]), CA_NODE_NONE);
    for (int i = 0; i < 4; i++) {
        unsigned bin = ca_tlsf_bin_from(&f.tlsf, from);
        assert_int_equal(bin, ca_bin_floor(sizes[i]));
        assert_int_equal(ca_tlsf_bin_from(&f.tlsf, bin), bin);
        from = bin + 1;
    }
    assert_int_equal(ca_tlsf_bin_from(&f.tlsf, from), CA_BIN_COUNT);
    assert_int_equal(ca_tlsf_bin_from(&f.tlsf, CA_BIN_COUNT), CA_BIN_COUNT);
}

static void nodes_are_used_from_the_lowest(void **state)
{
    (void)state;
    fixture f;
    fixture_init(&f, 8);
    assert_int_equal(ca_tlsf_add(&f.tlsf, 0, 100), 1);
    assert_int_equal(ca_tlsf_alloc(&f.tlsf, 10, 1), 1);
    assert_int_equal(f.tlsf.spare, 6);
}

static void blocks_follow_each_other(void **state)
{
    (void)state;
    fixture f;
    fixture_with(&f, 1000, 100);
    ca_node a = ca_tlsf_alloc(&f.tlsf, 10, 1), b = ca_tlsf_alloc(&f.tlsf, 20, 1), c = ca_tlsf_alloc(&f.tlsf, 70, 1);
    assert_block(&f, a, 1000, 10);
    assert_block(&f, b, 1010, 20);
    assert_block(&f, c, 1030, 70);
    assert_true(ca_tlsf_is_used(&f.tlsf, a) && ca_tlsf_is_used(&f.tlsf, c));
    assert_true(f.tlsf.free_total == 0);
    assert_int_equal(ca_tlsf_alloc(&f.tlsf, 1, 1), CA_NODE_NONE);
    assert_valid(&f);
}

static void freeing_merges_both_ways(void **state)
{
    (void)state;
    static const int order[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    for (int i = 0; i < 6; i++) {
        fixture f;
        fixture_with(&f, 0, 60);
        ca_node block[3], node = CA_NODE_NONE;
        for (int k = 0; k < 3; k++)
            block[k] = ca_tlsf_alloc(&f.tlsf, 20, 1);
        for (int k = 0; k < 3; k++) {
            node = ca_tlsf_free(&f.tlsf, block[order[i][k]]);
            assert_false(ca_tlsf_is_used(&f.tlsf, node));
            assert_valid(&f);
        }
        assert_block(&f, node, 0, 60);
        assert_true(ca_tlsf_is_whole(&f.tlsf, node));
        assert_int_equal(f.tlsf.spare, FIXTURE_NODES - 2);
        assert_true(f.tlsf.free_total == 60);
    }
}

static void ranges_never_join(void **state)
{
    (void)state;
    fixture f;
    fixture_with(&f, 0, 10);
    ca_node second = ca_tlsf_add(&f.tlsf, 10, 10);
    assert_int_not_equal(second, CA_NODE_NONE);
    assert_int_equal(ca_tlsf_alloc(&f.tlsf, 11, 1), CA_NODE_NONE);
    ca_node a = ca_tlsf_alloc(&f.tlsf, 10, 1), b = ca_tlsf_alloc(&f.tlsf, 10, 1);
    a = ca_tlsf_free(&f.tlsf, a);
    b = ca_tlsf_free(&f.tlsf, b);
    assert_true(f.nodes[a].size == 10 && f.nodes[b].size == 10);
    assert_valid(&f);
}

static void a_whole_range_can_be_removed(void **state)
{
    (void)state;
    fixture f;
    fixture_with(&f, 0, 100);
    ca_node a = ca_tlsf_alloc(&f.tlsf, 100, 1);
    assert_false(ca_tlsf_is_whole(&f.tlsf, a)); /* all of its range, but in use */
    a = ca_tlsf_free(&f.tlsf, a);
    ca_node b = ca_tlsf_alloc(&f.tlsf, 1, 1);
    ca_node rest = f.nodes[b].next;
    assert_false(ca_tlsf_is_whole(&f.tlsf, rest));
    a = ca_tlsf_free(&f.tlsf, b);
    assert_true(ca_tlsf_is_whole(&f.tlsf, a));
    ca_tlsf_remove(&f.tlsf, a);
    assert_true(f.tlsf.free_total == 0 && !f.second[0] && !f.second[1]);
    assert_int_equal(f.tlsf.spare, FIXTURE_NODES - 1);
    assert_int_equal(ca_tlsf_alloc(&f.tlsf, 1, 1), CA_NODE_NONE);
    assert_valid(&f);
}

static void an_exact_fit_in_the_floor_bin_is_found(void **state)
{
    (void)state;
    /* 33 lies in the bin of 32 to 35, and the search by rounded-up size starts at 36. */
    for (uint64_t size = 1; size < 5000; size++) {
        fixture f;
        fixture_with(&f, 7, size);
        ca_node a = ca_tlsf_alloc(&f.tlsf, size, 1);
        assert_block(&f, a, 7, size);
    }
}

static void the_scan_limit_bounds_the_last_resort(void **state)
{
    (void)state;
    fixture f;
    fixture_init(&f, 16);
    assert_true(ca_tlsf_add(&f.tlsf, 0, 35) && ca_tlsf_add(&f.tlsf, 100, 32) && ca_tlsf_add(&f.tlsf, 200, 32));
    f.tlsf.scan_limit = 0;
    assert_int_equal(ca_tlsf_alloc(&f.tlsf, 33, 1), CA_NODE_NONE);
    assert_true(f.tlsf.scans == 0);
    f.tlsf.scan_limit = 2; /* the 35 was filed first and lies last */
    assert_int_equal(ca_tlsf_alloc(&f.tlsf, 33, 1), CA_NODE_NONE);
    assert_true(f.tlsf.scans == 1);
    f.tlsf.scan_limit = 3;
    ca_node a = ca_tlsf_alloc(&f.tlsf, 33, 1);
    assert_block(&f, a, 0, 33);
    assert_true(f.tlsf.scans == 2);
    assert_valid(&f);
}

enum { USED_MOST = 24 };

/* One time in two, and when there can be no more: any of the blocks in use. false: none was. */
static bool one_is_freed(fixture *f, ca_node *used, int *count, uint64_t *seed)
{
    if (*count < USED_MOST && (!*count || test_random(seed) % 2 == 0))
        return false;
    int at = (int)(test_random(seed) % (unsigned)*count);
    (void)ca_tlsf_free(&f->tlsf, used[at]);
    used[at] = used[--*count];
    return true;
}

static void find_names_the_block_that_alloc_cuts(void **state)
{
    (void)state;
    fixture f;
    uint64_t seed = 3;
    ca_node used[USED_MOST];
    int count = 0, found = 0;
    fixture_with(&f, 0, 3000);
    f.tlsf.scan_limit = 0;
    for (int step = 0; step < 20000; step++) {
        if (!one_is_freed(&f, used, &count, &seed)) {
            uint64_t size = 1 + test_random(&seed) % 700;
            ca_node there = ca_tlsf_find(&f.tlsf, size);
            assert_int_equal(ca_tlsf_alloc(&f.tlsf, size, 1), there);
            if (there)
                used[count++] = there;
            found += there != CA_NODE_NONE;
        }
    }
    assert_true(found > 5000 && found < 10000); /* both happened */
    assert_int_equal(ca_tlsf_find(&f.tlsf, UINT64_MAX), CA_NODE_NONE);
    assert_valid(&f);
}

/* find_below: against a look at all blocks; what is found is cut. */
static void the_largest_smaller_block_is_found(void **state)
{
    (void)state;
    fixture f;
    uint64_t seed = 5;
    ca_node used[USED_MOST];
    int count = 0, found = 0;
    fixture_with(&f, 0, 3000);
    for (int step = 0; step < 20000; step++) {
        if (!one_is_freed(&f, used, &count, &seed)) {
            uint64_t size = 1 + test_random(&seed) % (test_random(&seed) % 3 ? 300 : 4000);
            unsigned most = ca_bin_floor(size), best = 0;
            ca_node there = ca_tlsf_find_below(&f.tlsf, size);
            for (ca_node node = 1; node < FIXTURE_NODES; node++)
                if (f.nodes[node].size && !ca_tlsf_is_used(&f.tlsf, node) && ca_bin_floor(f.nodes[node].size) <= most && ca_bin_floor(f.nodes[node].size) > best)
                    best = ca_bin_floor(f.nodes[node].size);
            assert_int_equal(there ? ca_bin_floor(f.nodes[there].size) : 0, best);
            if (there) {
                uint64_t free_total = f.tlsf.free_total, part = 1 + test_random(&seed) % 300 % f.nodes[there].size;
                if (f.tlsf.spare < 2)
                    break;
                ca_tlsf_cut(&f.tlsf, there, part);
                assert_true(ca_tlsf_is_used(&f.tlsf, there) && f.nodes[there].size == part && f.tlsf.free_total == free_total - part);
                used[count++] = there;
                found++;
            }
        }
        assert_valid(&f);
    }
    assert_true(found > 1000 && found < 9000); /* both happened */
    while (count)
        (void)ca_tlsf_free(&f.tlsf, used[--count]);
    ca_node all = ca_tlsf_find_below(&f.tlsf, UINT64_MAX); /* beyond all bins */
    assert_block(&f, all, 0, 3000);
    assert_int_equal(ca_tlsf_find_below(&f.tlsf, 100), CA_NODE_NONE);
}

static void a_range_begins_with_a_block_in_use(void **state)
{
    (void)state;
    fixture f;
    fixture_init(&f, 3);
    ca_node a = ca_tlsf_add_used(&f.tlsf, 500, 100, 30, 9), rest = f.nodes[a].next;
    assert_true(ca_tlsf_is_used(&f.tlsf, a) && !ca_tlsf_is_used(&f.tlsf, rest));
    assert_block(&f, a, 500, 30);
    assert_block(&f, rest, 530, 70);
    assert_true(f.tlsf.free_total == 70 && f.marks[a] == 9 && f.marks[rest] == 9);
    assert_valid(&f);
    assert_int_equal(ca_tlsf_add_used(&f.tlsf, 0, 10, 5, 0), CA_NODE_NONE); /* one spare node, two might be needed */
    ca_tlsf_give_nodes(&f.tlsf, 4, 1);
    ca_node b = ca_tlsf_add_used(&f.tlsf, 0, 10, 10, 0);
    assert_true(ca_tlsf_is_used(&f.tlsf, b) && !f.nodes[b].next && f.tlsf.spare == 1);
    assert_true(ca_tlsf_is_whole(&f.tlsf, ca_tlsf_free(&f.tlsf, b)));
    assert_true(ca_tlsf_is_whole(&f.tlsf, ca_tlsf_free(&f.tlsf, a)));
    assert_valid(&f);
}

static void any_alignment_holds(void **state)
{
    (void)state;
    for (uint64_t align = 1; align <= 100; align++)
        for (uint64_t offset = 0; offset < 50; offset += 7)
            for (uint64_t size = 1; size < 40; size += 13) {
                fixture f;
                fixture_with(&f, offset, size + align - 1); /* enough wherever it begins */
                ca_node a = ca_tlsf_alloc(&f.tlsf, size, align);
                assert_int_not_equal(a, CA_NODE_NONE);
                assert_true(f.nodes[a].offset % align == 0 && f.nodes[a].offset >= offset);
                assert_true(f.nodes[a].size == size && f.nodes[a].offset + size <= offset + size + align - 1);
                assert_valid(&f);
                a = ca_tlsf_free(&f.tlsf, a);
                assert_block(&f, a, offset, size + align - 1);
            }
}

static void an_aligned_block_that_just_fits_is_found(void **state)
{
    (void)state;
    fixture f;
    fixture_with(&f, 96, 33);
    ca_node a = ca_tlsf_alloc(&f.tlsf, 33, 48); /* 96 = 2 * 48; not room for 33 + 47 */
    assert_block(&f, a, 96, 33);
    fixture g;
    fixture_with(&g, 97, 33);
    assert_int_equal(ca_tlsf_alloc(&g.tlsf, 33, 48), CA_NODE_NONE);
    assert_int_equal(ca_tlsf_alloc(&g.tlsf, UINT64_MAX - 1, 48), CA_NODE_NONE); /* padding must not wrap round */
    assert_valid(&g);
}

static void too_few_nodes_change_nothing(void **state)
{
    (void)state;
    fixture f;
    fixture_init(&f, 2);
    assert_int_not_equal(ca_tlsf_add(&f.tlsf, 0, 100), CA_NODE_NONE);
    assert_int_equal(ca_tlsf_alloc(&f.tlsf, 10, 1), CA_NODE_NONE); /* one spare node, two might be needed */
    ca_tlsf_give_nodes(&f.tlsf, 3, 1);
    ca_node a = ca_tlsf_alloc(&f.tlsf, 10, 1);
    assert_block(&f, a, 0, 10);
    assert_valid(&f);
    fixture_init(&f, 0);
    assert_int_equal(ca_tlsf_add(&f.tlsf, 0, 100), CA_NODE_NONE);
}

static void every_node_can_hold_a_block(void **state)
{
    (void)state;
    fixture f;
    fixture_with(&f, 0, 1000);
    uint64_t next = 0;
    while (f.tlsf.spare >= 2)
        assert_block(&f, ca_tlsf_alloc(&f.tlsf, 1, 1), next++, 1);
    assert_true(next == FIXTURE_NODES - 3);
    assert_int_equal(ca_tlsf_alloc(&f.tlsf, 1, 1), CA_NODE_NONE);
    assert_valid(&f);
    ca_tlsf_give_nodes(&f.tlsf, 0, 0);
    assert_int_equal(f.tlsf.spare, 1);
}

static void resize_grows_and_shrinks_in_place(void **state)
{
    (void)state;
    fixture f;
    fixture_with(&f, 0, 100);
    uint64_t available = 0;
    ca_node a = ca_tlsf_alloc(&f.tlsf, 10, 1);
    assert_true(ca_tlsf_resize(&f.tlsf, a, 40, &available)); /* into the free block after it */
    assert_true(available == 100);
    assert_block(&f, a, 0, 40);
    assert_true(ca_tlsf_resize(&f.tlsf, a, 20, NULL)); /* what is cut off merges with it */
    assert_true(f.nodes[f.nodes[a].next].size == 80);
    assert_valid(&f);
    ca_node b = ca_tlsf_alloc(&f.tlsf, 30, 1); /* 20 … 50 */
    assert_false(ca_tlsf_resize(&f.tlsf, a, 21, &available));
    assert_true(available == 20);
    assert_block(&f, a, 0, 20);
    assert_true(ca_tlsf_resize(&f.tlsf, a, 5, &available)); /* between used ones: a free block of its own */
    assert_true(f.tlsf.free_total == 15 + 50);
    assert_true(ca_tlsf_resize(&f.tlsf, a, 20, NULL)); /* all of the free block after it */
    assert_int_equal(f.nodes[a].next, b);
    assert_true(ca_tlsf_resize(&f.tlsf, b, 80, &available));
    assert_false(ca_tlsf_resize(&f.tlsf, b, 81, NULL));
    assert_true(ca_tlsf_resize(&f.tlsf, b, 80, NULL));
    assert_true(f.tlsf.free_total == 0);
    assert_valid(&f);
}

static void resize_without_a_node_is_refused(void **state)
{
    (void)state;
    fixture f;
    fixture_init(&f, 3);
    assert_true(ca_tlsf_add(&f.tlsf, 0, 30));
    ca_node a = ca_tlsf_alloc(&f.tlsf, 10, 1);
    assert_int_not_equal(a, CA_NODE_NONE);
    ca_node last = f.nodes[a].next;
    ca_tlsf_claim(&f.tlsf, last);
    ca_tlsf_claim(&f.tlsf, ca_tlsf_add(&f.tlsf, 100, 1)); /* the last spare node */
    assert_int_equal(f.tlsf.spare, 0);
    assert_false(ca_tlsf_resize(&f.tlsf, a, 5, NULL));
    assert_block(&f, a, 0, 10);
    assert_true(ca_tlsf_resize(&f.tlsf, a, 10, NULL));
    (void)ca_tlsf_free(&f.tlsf, last);
    assert_true(ca_tlsf_resize(&f.tlsf, a, 5, NULL)); /* the free block's own node serves */
    assert_valid(&f);
}

static void claim_takes_a_block_whole(void **state)
{
    (void)state;
    fixture f;
    fixture_with(&f, 5, 77);
    ca_node a = 1;
    assert_false(ca_tlsf_is_used(&f.tlsf, a));
    ca_tlsf_claim(&f.tlsf, a);
    assert_true(ca_tlsf_is_used(&f.tlsf, a));
    assert_block(&f, a, 5, 77);
    assert_true(f.tlsf.free_total == 0);
    assert_int_equal(ca_tlsf_free(&f.tlsf, a), a);
    assert_valid(&f);
}

static void marks_are_copied_by_splits_and_the_larger_survives_a_merge(void **state)
{
    (void)state;
    fixture f;
    fixture_with(&f, 0, 90);
    f.marks[1] = 7;
    ca_node a = ca_tlsf_alloc(&f.tlsf, 30, 1), b = ca_tlsf_alloc(&f.tlsf, 30, 1), c = ca_tlsf_alloc(&f.tlsf, 30, 1);
    assert_int_equal(f.marks[a], 7);
    assert_int_equal(f.marks[b], 7);
    assert_int_equal(f.marks[c], 7);
    f.marks[a] = 3;
    f.marks[b] = 0;
    f.marks[c] = 9;
    assert_int_equal(f.marks[ca_tlsf_free(&f.tlsf, a)], 3);
    assert_int_equal(f.marks[ca_tlsf_free(&f.tlsf, b)], 3);
    assert_int_equal(f.marks[ca_tlsf_free(&f.tlsf, c)], 9);
    ca_tlsf_remove(&f.tlsf, a);
    assert_int_equal(f.marks[ca_tlsf_add(&f.tlsf, 0, 1)], 0); /* a new range has none */
}

static void it_works_without_marks(void **state)
{
    (void)state;
    fixture f;
    fixture_with(&f, 0, 90);
    f.tlsf.marks = NULL;
    ca_node a = ca_tlsf_alloc(&f.tlsf, 30, 4);
    assert_true(ca_tlsf_resize(&f.tlsf, a, 50, NULL));
    assert_block(&f, ca_tlsf_free(&f.tlsf, a), 0, 90);
    assert_valid(&f);
}

static void capacities_of_64_bits(void **state)
{
    (void)state;
    fixture f;
    fixture_with(&f, 0, UINT64_MAX);
    ca_node a = ca_tlsf_alloc(&f.tlsf, 1ULL << 63, 1), b = ca_tlsf_alloc(&f.tlsf, (1ULL << 62) + 12345, 1);
    assert_block(&f, a, 0, 1ULL << 63);
    assert_block(&f, b, 1ULL << 63, (1ULL << 62) + 12345);
    ca_node c = ca_tlsf_alloc(&f.tlsf, 1, 1ULL << 61); /* aligned, past b */
    assert_int_not_equal(c, CA_NODE_NONE);
    assert_true(f.nodes[c].offset % (1ULL << 61) == 0);
    assert_true(f.nodes[c].offset >= (1ULL << 63) + (1ULL << 62) + 12345);
    assert_valid(&f);
    (void)ca_tlsf_free(&f.tlsf, c);
    (void)ca_tlsf_free(&f.tlsf, a);
    ca_node all = ca_tlsf_free(&f.tlsf, b);
    assert_block(&f, all, 0, UINT64_MAX);
    assert_block(&f, ca_tlsf_alloc(&f.tlsf, UINT64_MAX, 1), 0, UINT64_MAX);
    assert_valid(&f);
}

static void instances_share_one_array_of_nodes(void **state)
{
    (void)state;
    fixture f;
    fixture_init(&f, 10);
    ca_node bins[CA_BIN_COUNT] = {0};
    uint64_t second[CA_TLSF_WORDS(CA_BIN_FIRST_LEVELS)] = {0};
    ca_tlsf other;
    ca_tlsf_init(&other, f.nodes, f.marks, bins, second, CA_BIN_FIRST_LEVELS);
    ca_tlsf_give_nodes(&other, 11, 10);
    assert_true(ca_tlsf_add(&f.tlsf, 0, 50) && ca_tlsf_add(&other, 50, 50));
    ca_node a = ca_tlsf_alloc(&f.tlsf, 50, 1), b = ca_tlsf_alloc(&other, 50, 1);
    assert_true(a <= 10 && b > 10);
    assert_block(&f, b, 50, 50);
    int which;
    (void)ca_tlsf_free(&other, b);
    assert_true(ca_tlsf_is_valid(&other, &which) && other.free_total == 50 && f.tlsf.free_total == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_one_has_nothing),
        cmocka_unit_test(bins_with_blocks_are_found_in_order),
        cmocka_unit_test(nodes_are_used_from_the_lowest),
        cmocka_unit_test(blocks_follow_each_other),
        cmocka_unit_test(freeing_merges_both_ways),
        cmocka_unit_test(ranges_never_join),
        cmocka_unit_test(a_whole_range_can_be_removed),
        cmocka_unit_test(an_exact_fit_in_the_floor_bin_is_found),
        cmocka_unit_test(the_scan_limit_bounds_the_last_resort),
        cmocka_unit_test(find_names_the_block_that_alloc_cuts),
        cmocka_unit_test(the_largest_smaller_block_is_found),
        cmocka_unit_test(a_range_begins_with_a_block_in_use),
        cmocka_unit_test(any_alignment_holds),
        cmocka_unit_test(an_aligned_block_that_just_fits_is_found),
        cmocka_unit_test(too_few_nodes_change_nothing),
        cmocka_unit_test(every_node_can_hold_a_block),
        cmocka_unit_test(resize_grows_and_shrinks_in_place),
        cmocka_unit_test(resize_without_a_node_is_refused),
        cmocka_unit_test(claim_takes_a_block_whole),
        cmocka_unit_test(marks_are_copied_by_splits_and_the_larger_survives_a_merge),
        cmocka_unit_test(it_works_without_marks),
        cmocka_unit_test(capacities_of_64_bits),
        cmocka_unit_test(instances_share_one_array_of_nodes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
