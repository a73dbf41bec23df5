/* Attributes of contexts, each as the kernel shows it: N11, CA22. */
#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "tests/sources/sources.h"

static int write_there(void *p) {
    *(volatile char *)p = 1;
    return 0;
}

static int read_there(void *p) { return *(volatile unsigned char *)p; }

/* Blocks of all sizes and lifetimes, and some bytes beside them that are no block of the context. */
static void each_block_has(unsigned attribute, const char *flag) {
    EACH_LIFETIME(l) {
        ctxalloc_context *c = CREATE(.flags = attribute, .lifetime = *l, .name = "attribute"), *plain = CREATE(.lifetime = *l);
        EACH_SIZE(s) {
            char *p = filled(ctxalloc_malloc(c, *s), *s);
            assert_true(has_flag(p, flag) && has_flag(p + *s - 1, flag));
            assert_false(has_flag(ctxalloc_malloc(plain, *s), flag));
            assert_false(has_flag(ctxalloc_malloc(CTXALLOC_GLOBAL, *s), flag));
        }
        assert_int_equal(ctxalloc_reset(c), 0);
        assert_true(has_flag(ctxalloc_malloc(c, 100), flag));
        ctxalloc_context *before = ctxalloc_switch(c);
        void *p = malloc(3000), *moved = realloc(malloc(3 << 20), 6 << 20);
        ctxalloc_switch(before);
        assert_true(has_flag(p, flag) && has_flag(moved, flag));
        assert_int_equal(ctxalloc_destroy(c), 0);
        assert_int_equal(ctxalloc_destroy(plain), 0);
        assert_false(has_flag(p, flag)); /* what others get of it is as any memory */
    }
}

static void n11_nodump_is_not_in_core_dumps(void **state) {
    (void)state;
    each_block_has(CTXALLOC_NODUMP, "dd");
}

static void n11_wipe_on_fork(void **state) {
    (void)state;
    each_block_has(CTXALLOC_WIPEONFORK, "wf");
    EACH_LIFETIME(l) EACH_SIZE(s) {
        ctxalloc_context *c = CREATE(.flags = CTXALLOC_WIPEONFORK, .lifetime = *l);
        unsigned char *p = ctxalloc_malloc(c, *s);
        memset(p, 0x5a, *s);
        assert_int_equal(in_child(read_there, p), 0);
        assert_int_equal(in_child(read_there, p + *s - 1), 0);
        assert_int_equal(p[0], 0x5a);
        assert_int_equal(ctxalloc_destroy(c), 0);
    }
}

/* The child has the context, too: its blocks are zero, it can be used and freed. */
static int use_in_child(void *argument) {
    void **blocks = argument;
    ctxalloc_context *c = blocks[0];
    for (int i = 1; i < 100; i++) {
        if (((unsigned char *)blocks[i])[0] || ctxalloc_owner(blocks[i]) != c)
            return 1;
        memset(blocks[i], i, 500);
    }
    for (int i = 1; i < 100; i++)
        free(blocks[i]);
    void *p = ctxalloc_malloc(c, 100000);
    return p && !ctxalloc_destroy(c) ? 0 : 2;
}

static void n11_a_wiped_context_works_on(void **state) {
    (void)state;
    void *blocks[100] = {CREATE(.flags = CTXALLOC_WIPEONFORK)};
    for (int i = 1; i < 100; i++)
        memset(blocks[i] = ctxalloc_malloc(blocks[0], 500), i, 500);
    assert_int_equal(in_child(use_in_child, blocks), 0);
    for (int i = 1; i < 100; i++)
        assert_int_equal(((unsigned char *)blocks[i])[499], i);
    assert_int_equal(ctxalloc_destroy(blocks[0]), 0);
}

static void n11_prefaulted_memory_is_resident(void **state) {
    (void)state;
    EACH_LIFETIME(l) {
        ctxalloc_context *c = CREATE(.flags = CTXALLOC_PREFAULT, .lifetime = *l), *plain = CREATE(.lifetime = *l);
        char *p = ctxalloc_malloc(c, 2 << 20), *q = ctxalloc_malloc(plain, 2 << 20);
        assert_true(is_resident(p, 2 << 20));
        assert_false(is_resident(q, 2 << 20));
        free(p);
        malloc_trim(0);
        assert_true(is_resident(p, 2 << 20));
        assert_int_equal(ctxalloc_destroy(c), 0);
        assert_int_equal(resident_pages(p, 2 << 20), 0);
        assert_int_equal(ctxalloc_destroy(plain), 0);
    }
}

static void n11_no_page_fault_in_prefaulted_memory(void **state) {
    (void)state;
    ctxalloc_context *c = CREATE(.flags = CTXALLOC_PREFAULT);
    struct rusage before, after;
    char *p = ctxalloc_malloc(c, 8 << 20);
    getrusage(RUSAGE_SELF, &before);
    for (size_t i = 0; i < 8 << 20; i += 4096)
        p[i] = 1;
    getrusage(RUSAGE_SELF, &after);
    assert_true(after.ru_minflt - before.ru_minflt < 100); /* of 2,048: the kernel may be moving pages */
    assert_int_equal(ctxalloc_destroy(c), 0);
}

static void n11_locked(void **state) {
    (void)state;
    EACH_LIFETIME(l) {
        ctxalloc_context *c = CREATE(.flags = CTXALLOC_LOCK, .lifetime = *l);
        char *p = ctxalloc_malloc(c, 1 << 20), *small = ctxalloc_malloc(c, 10);
        assert_true(p && small && has_flag(p, "lo") && has_flag(small, "lo"));
        assert_true(is_resident(p, 1 << 20));
        struct mapping at = mapping_of(p);
        assert_true(at.locked * 1024 >= 1 << 20 && at.end - at.start < 3 << 20); /* not what nobody uses */
        assert_int_equal(ctxalloc_destroy(c), 0);
        assert_false(has_flag(p, "lo"));
    }
}

static int lock_too_much(void *unused) {
    (void)unused;
    struct rlimit little = {1 << 20, 1 << 20};
    if (setrlimit(RLIMIT_MEMLOCK, &little) || setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534))
        return 77;
    EACH_LIFETIME(l) {
        ctxalloc_context *c = CREATE(.flags = CTXALLOC_LOCK, .lifetime = *l);
        char *p = ctxalloc_malloc(c, 10000);
        errno = 0;
        if (!p || ctxalloc_malloc(c, 3 << 20) || errno != ENOMEM)
            return 1;
        memset(p, 1, 10000);
        if (!has_flag(p, "lo") || ctxalloc_destroy(c))
            return 2;
    }
    return 0;
}

static void n11_rlimit_memlock_is_out_of_memory(void **state) {
    (void)state;
    int result = in_child(lock_too_much, NULL);
    if (result == 77)
        skip();
    assert_int_equal(result, 0);
}

static void n11_attributes_go_together(void **state) {
    (void)state;
    ctxalloc_context *c = CREATE(.flags = CTXALLOC_PREFAULT | CTXALLOC_LOCK | CTXALLOC_NODUMP | CTXALLOC_WIPEONFORK);
    char *p = ctxalloc_malloc(c, 100000);
    memset(p, 1, 100000);
    assert_true(has_flag(p, "lo") && has_flag(p, "dd") && has_flag(p, "wf"));
    assert_int_equal(in_child(read_there, p), 0);
    assert_int_equal(ctxalloc_destroy(c), 0);
}

static void n11_what_cannot_be_is_refused(void **state) {
    (void)state;
    for (unsigned flag = 1; flag <= CTXALLOC_WIPEONFORK; flag <<= 1) {
        errno = 0;
        assert_null(CREATE(.flags = flag, .escape = CTXALLOC_ADOPT));
        assert_int_equal(errno, EINVAL);
    }
}

static void n11_a_frozen_context_is_read_only_and_frees_are_legal(void **state) {
    (void)state;
    static const enum ctxalloc_lifetime kind = CTXALLOC_LONG;
    for (unsigned flags = 0; flags <= CTXALLOC_NODUMP; flags += CTXALLOC_NODUMP) {
        ctxalloc_context *c = CREATE(.lifetime = kind, .flags = flags);
        void *block[2 * ARRAY_LENGTH(kinds_of_sizes)], *by_annex = NULL;
        for (unsigned i = 0; i < ARRAY_LENGTH(block); i++) {
            size_t size = kinds_of_sizes[i / 2];
            block[i] = filled(ctxalloc_malloc(c, size), size);
        }
        assert_non_null(ctxalloc_switch(c));
        assert_int_equal(ctxalloc_freeze(c, true), EBUSY);
        void *own = filled(malloc(500), 500);
        ctxalloc_switch(CTXALLOC_GLOBAL);
        by_annex = filled(ctxalloc_malloc(c, 700), 700); /* it was switched to: from the annex */
        assert_int_equal(ctxalloc_freeze(c, true), 0);
        assert_int_equal(ctxalloc_freeze(c, true), 0);
        for (unsigned i = 0; i < ARRAY_LENGTH(block); i++) {
            size_t size = kinds_of_sizes[i / 2];
            assert_filled(block[i], size, block[i]);
            assert_string_equal(mapping_of(block[i]).access, "r--p");
            assert_string_equal(mapping_of((char *)block[i] + size - 1).access, "r--p");
            if (i % 5 == 0)
                assert_int_equal(in_child(write_there, block[i]), 128 + SIGSEGV);
        }
        assert_int_equal(in_child(write_there, own), 128 + SIGSEGV);
        assert_int_equal(in_child(write_there, by_annex), 128 + SIGSEGV);
        errno = 0;
        assert_true(!ctxalloc_switch(c) && errno == EPERM);
        errno = 0;
        assert_true(!ctxalloc_malloc(c, 10) && errno == EPERM);
        assert_true(!ctxalloc_calloc(c, 1, 5 << 20) && !ctxalloc_memalign(c, 64, 64));
        assert_true(!ctxalloc_run(c, free_it, NULL) && errno == EPERM);
        errno = 0;
        assert_null(realloc(block[2], 100000));
        assert_int_equal(errno, ENOMEM);
        assert_null(realloc(block[ARRAY_LENGTH(block) - 1], 9 << 20));
        assert_int_equal(ctxalloc_resize(block[ARRAY_LENGTH(block) - 1], 9 << 20), ENOMEM);
        for (unsigned i = 0; i < ARRAY_LENGTH(block); i += 2) /* every other one, some by another thread */
            if (i % 4)
                free(block[i]);
            else
                in_thread(free_it, block[i]);
        malloc_trim(0);
        void *elsewhere = filled(ctxalloc_malloc(CTXALLOC_GLOBAL, 3 << 20), 3 << 20); /* a huge block's memory went back writable */
        free(elsewhere);
        assert_true(usage_of(c).held_bytes > 0);
        assert_int_equal(ctxalloc_freeze(c, false), 0);
        assert_int_equal(ctxalloc_freeze(c, false), 0);
        for (unsigned i = 1; i < ARRAY_LENGTH(block); i += 2) {
            size_t size = kinds_of_sizes[i / 2];
            assert_filled(block[i], size, block[i]);
            filled(block[i], size);
        }
        assert_non_null(ctxalloc_switch(c));
        for (int i = 0; i < 1000; i++)
            memset(malloc(1000), i, 1000);
        ctxalloc_switch(CTXALLOC_GLOBAL);
        assert_int_equal(ctxalloc_freeze(c, true), 0);
        if (!flags) {
            assert_int_equal(ctxalloc_reset(c), 0); /* thaws */
            memset(ctxalloc_malloc(c, 3 << 20), 1, 3 << 20);
            assert_int_equal(ctxalloc_freeze(c, true), 0);
        }
        assert_int_equal(ctxalloc_destroy(c), 0);
        for (int i = 0; i < 50; i++) { /* what comes next finds nothing read-only */
            ctxalloc_context *next = CREATE(.flags = flags);
            memset(ctxalloc_malloc(next, 100000), 1, 100000);
            memset(ctxalloc_malloc(next, 10), 1, 10);
            assert_int_equal(ctxalloc_destroy(next), 0);
        }
    }
}

static void n11_a_child_that_is_frozen_goes_with_its_parent(void **state) {
    (void)state;
    ctxalloc_context *c = CREATE(.name = "parent"), *child = CREATE(.parent = c);
    memset(ctxalloc_malloc(child, 4 << 20), 1, 4 << 20);
    assert_int_equal(ctxalloc_freeze(child, true), 0);
    memset(ctxalloc_malloc(c, 100), 1, 100); /* the parent is not */
    assert_int_equal(ctxalloc_destroy(c), 0);
    void *p = filled(ctxalloc_malloc(CTXALLOC_GLOBAL, 4 << 20), 4 << 20);
    free(p);
}

static void n11_what_cannot_be_frozen(void **state) {
    (void)state;
    ctxalloc_context *c = CREATE(.lifetime = CTXALLOC_SHORT);
    assert_int_equal(ctxalloc_freeze(c, true), ENOTSUP);
    assert_int_equal(ctxalloc_freeze(c, false), 0);
    assert_int_equal(ctxalloc_freeze(CTXALLOC_GLOBAL, true), EINVAL);
    assert_int_equal(ctxalloc_freeze(CTXALLOC_THREAD, true), EINVAL);
    assert_int_equal(ctxalloc_freeze(NULL, true), EINVAL);
    assert_int_equal(ctxalloc_destroy(c), 0);
    assert_int_equal(ctxalloc_freeze(c, true), EINVAL);
}

/* Many contexts with attributes share what is reserved for them. */
static void n11_a_thousand_contexts(void **state) {
    (void)state;
    static ctxalloc_context *c[1000];
    static void *p[1000];
    for (int i = 0; i < 1000; i++) {
        c[i] = CREATE(.flags = i % 2 ? CTXALLOC_NODUMP : CTXALLOC_WIPEONFORK);
        p[i] = filled(ctxalloc_malloc(c[i], 1000), 1000);
    }
    for (int i = 0; i < 1000; i++) {
        assert_filled(p[i], 1000, p[i]);
        if (i % 100 < 2)
            assert_true(has_flag(p[i], i % 2 ? "dd" : "wf"));
        assert_int_equal(ctxalloc_destroy(c[i]), 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(n11_nodump_is_not_in_core_dumps),
        TEST(n11_wipe_on_fork),
        TEST(n11_a_wiped_context_works_on),
        TEST(n11_prefaulted_memory_is_resident),
        TEST(n11_no_page_fault_in_prefaulted_memory),
        TEST(n11_locked),
        TEST(n11_rlimit_memlock_is_out_of_memory),
        TEST(n11_attributes_go_together),
        TEST(n11_what_cannot_be_is_refused),
        TEST(n11_a_frozen_context_is_read_only_and_frees_are_legal),
        TEST(n11_a_child_that_is_frozen_goes_with_its_parent),
        TEST(n11_what_cannot_be_frozen),
        TEST(n11_a_thousand_contexts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
