/* Policies and lists of nodes: what is understood, and what is refused. */
#include "base/numa_policy.h"

#include <string.h>

#include "tests/unit/cmocka_face.h"

static bool list(ca_numa_set *set, const char *text) { return ca_numa_set_parse(set, text, strlen(text)); }
static bool policy(ca_numa_policy *p, const char *text) { return ca_numa_policy_parse(p, text, strlen(text)); }

static void ca21_lists_of_nodes_as_sysfs_writes_them(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t low;   /* nodes 0 to 63 */
        unsigned count; /* of all */
    } good[] = {
        {"0\n", 1, 1},           {"0-3\n", 0xf, 4},      {"0,2\n", 5, 2},    {"0-1,3\n", 0xb, 3}, {"63-64", 1ULL << 63, 2},
        {"0-1023", UINT64_MAX, 1024}, {"\n", 0, 0},      {"", 0, 0},         {"1+5-6", 0x62, 3},  {"7,7,6-7", 0xc0, 2},
        {"1023", 0, 1},          {"000", 1, 1},
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        ca_numa_set set;
        assert_true(list(&set, good[i].text));
        assert_true(set.bits[0] == good[i].low);
        assert_int_equal(ca_numa_set_count(&set), good[i].count);
    }
    static const char *const bad[] = {"a", "0-", "-1", "0,", ",0", "3-1", "1024", "0-1024", "99999999999999999999", "0 1", "0--1", "0-1-2", "0x1", "0,,1"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ca_numa_set set = {{42}};
        assert_false(list(&set, bad[i]));
        assert_int_equal(set.bits[0], 42);
    }
}

static void ca21_sets_are_walked_in_order(void **state)
{
    (void)state;
    ca_numa_set set;
    assert_true(list(&set, "3,64-65,1023"));
    assert_int_equal(ca_numa_set_next(&set, 0), 3);
    assert_int_equal(ca_numa_set_next(&set, 3), 3);
    assert_int_equal(ca_numa_set_next(&set, 4), 64);
    assert_int_equal(ca_numa_set_next(&set, 65), 65);
    assert_int_equal(ca_numa_set_next(&set, 66), 1023);
    assert_int_equal(ca_numa_set_next(&set, 1024), CA_NUMA_NODES);
    assert_false(ca_numa_set_has(&set, 1024));
    set = (ca_numa_set){{0}};
    assert_int_equal(ca_numa_set_next(&set, 0), CA_NUMA_NODES);
}

static void ca21_policies_are_what_they_say(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum ca_numa_mode mode;
        uint64_t low;
        const char *again; /* as it is written */
    } good[] = {
        {"default", CA_NUMA_DEFAULT, 0, "default"},      {"off", CA_NUMA_OFF, 0, "off"},
        {"local", CA_NUMA_LOCAL, 0, "local"},            {"preferred:1", CA_NUMA_PREFERRED, 2, "preferred:1"},
        {"bind:0-1", CA_NUMA_BIND, 3, "bind:0-1"},       {"bind:0+2-3", CA_NUMA_BIND, 13, "bind:0,2-3"},
        {"interleave", CA_NUMA_INTERLEAVE, 0, "interleave"}, {"interleave:1,3", CA_NUMA_INTERLEAVE, 10, "interleave:1,3"},
        {"strict:2", CA_NUMA_STRICT, 4, "strict:2"},
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        ca_numa_policy p, q;
        char text[64];
        assert_true(policy(&p, good[i].text));
        assert_int_equal(p.mode, good[i].mode);
        assert_true(p.nodes.bits[0] == good[i].low);
        assert_string_equal(ca_numa_policy_format(text, sizeof text, &p), good[i].again);
        assert_true(policy(&q, text) && ca_numa_policy_equal(&p, &q));
    }
    static const char *const bad[] = {"",        "loca",    "locall",    "local:0",      "default:",      "off:1", "preferred", "preferred:", "preferred:0-1", "preferred:1024",
                                      "bind",    "bind:",   "bind:\n",   "bind:x",       "interleave:",   "strict", "strict:0,", "Local", " local", "bind:0:1"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ca_numa_policy p = {CA_NUMA_STRICT, {{42}}};
        assert_false(policy(&p, bad[i]));
        assert_true(p.mode == CA_NUMA_STRICT && p.nodes.bits[0] == 42);
    }
}

static void ca21_a_policy_is_cut_to_fit(void **state)
{
    (void)state;
    ca_numa_policy p;
    assert_true(policy(&p, "bind:0,2,4,6,8,10"));
    char small[10];
    assert_string_equal(ca_numa_policy_format(small, sizeof small, &p), "bind:0,2,");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ca21_lists_of_nodes_as_sysfs_writes_them), cmocka_unit_test(ca21_sets_are_walked_in_order),
        cmocka_unit_test(ca21_policies_are_what_they_say), cmocka_unit_test(ca21_a_policy_is_cut_to_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
