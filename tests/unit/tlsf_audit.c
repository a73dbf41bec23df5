/* ca_tlsf_is_valid sees every invariant broken: a copy of a good structure is broken in one place, and the number
 * that comes back is that of the invariant. */
#include "tests/unit/cmocka_face.h"
#include "tests/unit/tlsf_fixture.h"

/* used 0…10, free 10…30, used 30…40, free 40…100; and a free range of its own 200…220, in the bin of 10…30. */
static fixture good;
static ca_node first, hole, second, tail, apart;

static int setup(void **state)
{
    (void)state;
    fixture_init(&good, 20);
    apart = ca_tlsf_add(&good.tlsf, 200, 20);
    ca_tlsf_claim(&good.tlsf, apart);
    (void)ca_tlsf_add(&good.tlsf, 0, 100);
    first = ca_tlsf_alloc(&good.tlsf, 10, 1);
    hole = ca_tlsf_alloc(&good.tlsf, 20, 1);
    second = ca_tlsf_alloc(&good.tlsf, 10, 1);
    tail = good.nodes[second].next;
    hole = ca_tlsf_free(&good.tlsf, hole);
    apart = ca_tlsf_free(&good.tlsf, apart);
    return !(first && hole && second && tail && apart && fixture_is_valid(&good));
}

static int broken(const fixture *f)
{
    int which = 0;
    return ca_tlsf_is_valid(&f->tlsf, &which) ? 0 : which;
}

/* One copy, one change, the invariant's number. */
#define BREAKS(number, change)                 \
    do {                                       \
        fixture f;                             \
        fixture_copy(&f, &good);               \
        assert_int_equal(broken(&f), 0);       \
        change;                                \
        assert_int_equal(broken(&f), (number)); \
    } while (0)

static void t1_bitmaps(void **state)
{
    (void)state;
    unsigned bin = ca_bin_floor(20);
    BREAKS(1, f.second[bin / 64] &= ~(1ULL << bin % 64));
    BREAKS(1, f.second[0] |= 1);
    BREAKS(1, f.bins[bin] = CA_NODE_NONE);
}

static void t2_blocks_are_in_their_bins(void **state)
{
    (void)state;
    BREAKS(2, f.nodes[apart].size = 99);
    BREAKS(2, f.nodes[apart].size = 0);
    BREAKS(2, f.nodes[f.nodes[apart].next_free].prev_free = tail);
}

static void t3_neighbours_join(void **state)
{
    (void)state;
    BREAKS(3, f.nodes[second].offset++);
    BREAKS(3, f.nodes[first].size--);
    BREAKS(3, f.nodes[second].prev = first);
    BREAKS(3, f.nodes[first].next = second);
    BREAKS(3, f.nodes[tail].offset--);
}

static void t4_free_neighbours_are_merged(void **state)
{
    (void)state;
    BREAKS(4, f.nodes[second].prev_free = CA_NODE_NONE);
    BREAKS(4, f.nodes[first].prev_free = CA_NODE_NONE);
}

static void t5_the_free_total(void **state)
{
    (void)state;
    BREAKS(5, f.tlsf.free_total++);
    BREAKS(5, f.nodes[apart].size++); /* still the same bin: 20 and 21 share one */
}

static void t6_the_spare_nodes(void **state)
{
    (void)state;
    BREAKS(6, f.tlsf.spare++);
    BREAKS(6, f.tlsf.spare--);
    BREAKS(6, f.tlsf.spare_list = CA_NODE_NONE);
    BREAKS(6, f.nodes[f.tlsf.spare_list].next_free = f.tlsf.spare_list); /* a ring must not hang the audit */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(t1_bitmaps),         cmocka_unit_test(t2_blocks_are_in_their_bins),
        cmocka_unit_test(t3_neighbours_join), cmocka_unit_test(t4_free_neighbours_are_merged),
        cmocka_unit_test(t5_the_free_total),  cmocka_unit_test(t6_the_spare_nodes),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
