/* NUMA on any machine, so that the common one with a single node is shown, too; those with several: tests/numa. */
#include "tests/contexts/contexts.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

static void ca21_a_context_has_a_policy(void **state)
{
    (void)state;
    static const char *const policies[] = {"default", "local", "preferred:0", "bind:0", "interleave", "interleave:0", "strict:0"};
    for (size_t i = 0; i < ARRAY_LENGTH(policies); i++)
        EACH_LIFETIME(l) {
            ctxalloc_context *c = CREATE(.name = policies[i], .lifetime = *l, .numa = policies[i]);
            assert_non_null(c);
            EACH_SIZE(s) {
                void *p = ctxalloc_malloc(c, *s);
                filled(p, *s);
                assert_filled(p, *s, p);
                assert_ptr_equal(ctxalloc_owner(p), c);
            }
            assert_int_equal(ctxalloc_numa_set(c, "local"), 0);
            void *p = ctxalloc_malloc(c, 100000);
            filled(p, 100000);
            assert_int_equal(ctxalloc_reset(c), 0);
            assert_non_null(ctxalloc_malloc(c, 100));
            assert_int_equal(ctxalloc_destroy(c), 0);
        }
}

static void ca21_what_is_no_policy_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "bind", "bind:x", "bind:1023", "off", "local:0", "preferred:0-1", "strict:5-2"};
    ctxalloc_numa_source source;
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        errno = 0;
        assert_null(CREATE(.numa = bad[i]));
        assert_int_equal(errno, EINVAL);
        errno = 0;
        assert_int_equal(ctxalloc_numa_set(CTXALLOC_GLOBAL, bad[i]), EINVAL);
        assert_int_equal(ctxalloc_source_numa(&source, NULL, bad[i]), EINVAL);
        assert_int_equal(errno, 0);
    }
    assert_int_equal(ctxalloc_source_numa(&source, NULL, "default"), EINVAL);
    assert_int_equal(ctxalloc_source_numa(NULL, NULL, "local"), EINVAL);
    assert_int_equal(ctxalloc_source_numa(&source, NULL, NULL), EINVAL);
    assert_int_equal(ctxalloc_numa_set(CTXALLOC_GLOBAL, NULL), EINVAL);
    assert_int_equal(ctxalloc_numa_set(NULL, "local"), EINVAL);
    assert_int_equal(ctxalloc_source_numa(&source, NULL, "bind:0"), 0);
    errno = 0;
    assert_null(CREATE(.numa = "local", .source = &source.source));
    assert_int_equal(errno, EINVAL);
}

static void ca21_a_source_has_a_policy(void **state)
{
    (void)state;
    ctxalloc_mmap_source mapped;
    ctxalloc_numa_source source;
    assert_int_equal(ctxalloc_source_mmap(&mapped, NULL), 0);
    for (int over = 0; over < 2; over++) {
        assert_int_equal(ctxalloc_source_numa(&source, over ? &mapped.source : NULL, "strict:0"), 0);
        ctxalloc_context *c = CREATE(.source = &source.source);
        assert_non_null(c);
        EACH_SIZE(s) {
            void *p = ctxalloc_malloc(c, *s);
            filled(p, *s);
            p = realloc(p, *s * 3);
            assert_non_null(p);
        }
        assert_int_equal(ctxalloc_numa_set(c, "local"), EINVAL);
        assert_int_equal(ctxalloc_destroy(c), 0);
    }
}

static uint64_t resident_in(const ctxalloc_numa_usage_t *usage)
{
    uint64_t all = usage->resident_above;
    for (int node = 0; node < CTXALLOC_NUMA_NODES; node++)
        all += usage->resident[node];
    return all;
}

static void n9_usage_counts_every_page(void **state)
{
    (void)state;
    assert_true(ctxalloc_numa_nodes() >= 1);
    ctxalloc_context *c = CREATE(.numa = "preferred:0");
    size_t size = 3 << 20;
    char *p = ctxalloc_malloc(c, size);
    ctxalloc_numa_usage_t usage;
    int error = ctxalloc_numa_usage(c, &usage);
    if (error) { /* a container */
        assert_true(error == EPERM || error == ENOSYS);
        return;
    }
    assert_true(resident_in(&usage) + usage.absent >= size);
    memset(p, 1, size / 3 * 2);
    assert_int_equal(ctxalloc_numa_usage(c, &usage), 0);
    uint64_t held = resident_in(&usage) + usage.absent, two_thirds = resident_in(&usage);
    assert_true(two_thirds >= size / 3 * 2);
    memset(p, 1, size);
    assert_int_equal(ctxalloc_numa_usage(c, &usage), 0);
    assert_true(resident_in(&usage) >= size && resident_in(&usage) >= two_thirds);
    assert_int_equal(resident_in(&usage) + usage.absent, held);
    uint64_t moved = 42;
    assert_int_equal(ctxalloc_numa_migrate(c, &moved), 0);
    assert_true(moved == 0 || ctxalloc_numa_nodes() > 1);
    ctxalloc_numa_usage_t all, mine;
    assert_int_equal(ctxalloc_numa_usage(NULL, &all), 0);
    assert_int_equal(ctxalloc_numa_usage(CTXALLOC_GLOBAL, &mine), 0);
    assert_true(all.absent + resident_in(&all) >= size);
    assert_int_equal(ctxalloc_destroy(c), 0);
    assert_int_equal(ctxalloc_numa_usage(c, &usage), EINVAL);
    assert_int_equal(ctxalloc_numa_usage(CTXALLOC_GLOBAL, NULL), EINVAL);
    assert_int_equal(ctxalloc_numa_migrate(NULL, NULL), EINVAL);
}

static void n9_the_report_names_contexts(void **state)
{
    (void)state;
    char text[8000];
    int ends[2];
    ctxalloc_context *c = CREATE(.name = "reported");
    memset(ctxalloc_malloc(c, 100000), 1, 100000);
    assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
    int error = ctxalloc_numa_report(ends[1]);
    ssize_t n = read(ends[0], text, sizeof text - 1);
    close(ends[0]);
    close(ends[1]);
    assert_true(n > 0);
    text[n] = '\0';
    assert_int_equal(strncmp(text, "ctxalloc: NUMA: memory of ", 26), 0);
    assert_true(error || (strstr(text, "  context reported: node ") && strstr(text, "misplaced 0 KiB")));
    assert_int_equal(ctxalloc_destroy(c), 0);
}

static void *set_it(void *policy)
{
    free(malloc(100));
    assert_int_equal(ctxalloc_numa_set(CTXALLOC_GLOBAL, policy), 0);
    assert_int_equal(ctxalloc_numa_set(CTXALLOC_THREAD, policy), 0);
    void *p = malloc(200000);
    filled(p, 200000);
    return p;
}

static void ca21_a_thread_has_a_policy(void **state)
{
    (void)state;
    char policy[] = "bind:0";
    for (int i = 0; i < 10; i++)
        free(in_thread(set_it, policy));
    assert_int_equal(ctxalloc_numa_set(CTXALLOC_GLOBAL, "default"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(ca21_a_context_has_a_policy), TEST(ca21_what_is_no_policy_is_refused), TEST(ca21_a_source_has_a_policy),
        TEST(n9_usage_counts_every_page),  TEST(n9_the_report_names_contexts),      TEST(ca21_a_thread_has_a_policy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
