/* What cannot be had: sizes above PTRDIFF_MAX, products that overflow, and alignments that are none. The answer is NULL with
 * ENOMEM or EINVAL, and nothing else has changed. */
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/abi/abi.h"

static const size_t impossible_sizes[] = {
    (size_t)PTRDIFF_MAX + 1, (size_t)PTRDIFF_MAX + 2, (size_t)PTRDIFF_MAX + 4096, SIZE_MAX / 4 * 3,
    SIZE_MAX - 8 * MIB,      SIZE_MAX - 65536,        SIZE_MAX - 4096,            SIZE_MAX - 4095,
    SIZE_MAX - 64,           SIZE_MAX - 16,           SIZE_MAX - 15,              SIZE_MAX - 1,
    SIZE_MAX,
};

/* At most PTRDIFF_MAX, but more than any machine has, and so close that rounding up for pages or alignment passes the limit. */
static const size_t hopeless_sizes[] = {
    (size_t)PTRDIFF_MAX,        (size_t)PTRDIFF_MAX - 1,    (size_t)PTRDIFF_MAX - 16,
    (size_t)PTRDIFF_MAX - 4095, (size_t)PTRDIFF_MAX - 4096, (size_t)PTRDIFF_MAX - 2 * MIB,
    (size_t)PTRDIFF_MAX / 2,    (size_t)1 << 60,            (size_t)1 << 50,
};

static void refuses(const struct entry *entry, size_t size) {
    errno = 0;
    void *p = entry->allocate(size);
    if (p != NULL)
        fail_msg("%s of %#zx gives %p", entry->name, size, p);
    if (errno != ENOMEM)
        fail_msg("%s of %#zx: errno %d", entry->name, size, errno);
}

static void impossible_sizes_are_enomem(void **state) {
    (void)state;
    for (size_t e = 0; e < ARRAY_LENGTH(entries); e++) {
        for (size_t s = 0; s < ARRAY_LENGTH(impossible_sizes); s++)
            refuses(&entries[e], impossible_sizes[s]);
        for (size_t s = 0; s < ARRAY_LENGTH(hopeless_sizes); s++)
            refuses(&entries[e], hopeless_sizes[s]);
    }
}

static void impossible_sizes_are_enomem_at_every_alignment(void **state) {
    (void)state;
    for (size_t alignment = 1; alignment != 0; alignment <<= 1)
        for (size_t s = 0; s < ARRAY_LENGTH(impossible_sizes) + ARRAY_LENGTH(hopeless_sizes); s++) {
            size_t size = s < ARRAY_LENGTH(impossible_sizes) ? impossible_sizes[s]
                                                             : hopeless_sizes[s - ARRAY_LENGTH(impossible_sizes)];
            errno = 0;
            assert_null(aligned_alloc(hide_size(alignment), hide_size(size)));
            assert_int_equal(errno, ENOMEM);
            errno = 0;
            assert_null(memalign(hide_size(alignment), hide_size(size)));
            assert_int_equal(errno, ENOMEM);
            errno = 0;
            assert_null(__libc_memalign(hide_size(alignment), hide_size(size)));
            assert_int_equal(errno, ENOMEM);
            if (alignment >= sizeof(void *)) {
                void *p = &size;
                errno = 4711;
                assert_int_equal(posix_memalign(&p, hide_size(alignment), hide_size(size)), ENOMEM);
                assert_ptr_equal(p, &size);
                assert_int_equal(errno, 4711);
            }
        }
}

static void impossible_alignments_are_enomem(void **state) {
    (void)state;
    for (size_t alignment = (size_t)1 << 50; alignment != 0; alignment <<= 1) {
        errno = 0;
        assert_null(memalign(hide_size(alignment), 16));
        assert_int_equal(errno, ENOMEM);
        errno = 0;
        assert_null(aligned_alloc(hide_size(alignment), 16));
        assert_int_equal(errno, ENOMEM);
        void *p = NULL;
        assert_int_equal(posix_memalign(&p, hide_size(alignment), 16), ENOMEM);
        assert_null(p);
    }
}

static const struct {
    size_t count, size;
} overflows[] = {
    {SIZE_MAX, 2},
    {2, SIZE_MAX},
    {SIZE_MAX / 2 + 1, 2},
    {SIZE_MAX / 16 + 1, 16},
    {SIZE_MAX / 16 + 2, 16}, /* the product wraps around to 16 */
    {(size_t)1 << 32, (size_t)1 << 32},
    {((size_t)1 << 32) + 1, (size_t)1 << 32},
    {SIZE_MAX, SIZE_MAX},
    {(size_t)PTRDIFF_MAX / 8 + 1, 8}, /* no overflow, but above the limit */
};

static void overflowing_products_are_enomem(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(overflows); i++) {
        size_t count = hide_size(overflows[i].count), size = hide_size(overflows[i].size);
        errno = 0;
        assert_null(calloc(count, size));
        assert_int_equal(errno, ENOMEM);
        errno = 0;
        assert_null(__libc_calloc(count, size));
        assert_int_equal(errno, ENOMEM);
        errno = 0;
        assert_null(reallocarray(NULL, count, size));
        assert_int_equal(errno, ENOMEM);

        void *p = malloc(100);
        assert_non_null(p);
        void *before = p;
        payload_write(p, 100, i);
        errno = 0;
        assert_null(reallocarray(p, count, size));
        assert_int_equal(errno, ENOMEM);
        assert_int_equal(reallocarr(&p, count, size), ENOMEM);
        assert_ptr_equal(p, before);
        assert_true(payload_holds(p, 100, i));
        free(p);
    }
}

/* A realloc that fails has touched nothing; reallocf, and only reallocf, frees. */
static void failed_realloc_keeps_the_block(void **state) {
    (void)state;
    for (size_t s = 0; s < ARRAY_LENGTH(sizes_of_every_range); s++) {
        size_t size = sizes_of_every_range[s];
        void *p = malloc(size);
        assert_non_null(p);
        payload_write(p, size, size);
        size_t usable = malloc_usable_size(p);
        for (size_t i = 0; i < ARRAY_LENGTH(impossible_sizes); i++) {
            errno = 0;
            assert_null(realloc(p, hide_size(impossible_sizes[i])));
            assert_int_equal(errno, ENOMEM);
        }
        for (size_t i = 0; i < ARRAY_LENGTH(hopeless_sizes); i++) {
            errno = 0;
            assert_null(realloc(p, hide_size(hopeless_sizes[i])));
            assert_int_equal(errno, ENOMEM);
            assert_int_equal(reallocarr(&p, hide_size(hopeless_sizes[i]), 1), ENOMEM);
        }
        assert_int_equal(malloc_usable_size(p), usable);
        assert_true(payload_holds(p, size, size));
        free(p);
    }
}

static void failed_reallocf_frees(void **state) {
    (void)state;
    struct mallinfo2 at_start = mallinfo2();
    size_t before = at_start.uordblks + at_start.hblkhd;
    for (size_t i = 0; i < 100; i++) {
        void *p = malloc(8 * MIB);
        assert_non_null(p);
        errno = 0;
        assert_null(reallocf(p, hide_size(impossible_sizes[i % ARRAY_LENGTH(impossible_sizes)])));
        assert_int_equal(errno, ENOMEM);
    }
    struct mallinfo2 at_end = mallinfo2();
    assert_true(at_end.uordblks + at_end.hblkhd < before + 64 * MIB);
}

static void alignments_that_are_no_power_of_two_are_einval(void **state) {
    (void)state;
    static const size_t bad[] = {3, 5, 6, 12, 24, 48, 100, 1000, 4095, 4097, 65535, 3 * MIB, SIZE_MAX, SIZE_MAX - 1};
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++)
        for (size_t size = 1; size <= MIB; size *= 1024) {
            errno = 0;
            assert_null(aligned_alloc(hide_size(bad[i]), size));
            assert_int_equal(errno, EINVAL);
            errno = 0;
            assert_null(memalign(hide_size(bad[i]), size));
            assert_int_equal(errno, EINVAL);
            errno = 0;
            assert_null(__libc_memalign(hide_size(bad[i]), size));
            assert_int_equal(errno, EINVAL);
        }
    errno = 0;
    assert_null(aligned_alloc(hide_size(0), 16));
    assert_int_equal(errno, EINVAL);
}

static void posix_memalign_wants_multiples_of_a_pointer(void **state) {
    (void)state;
    static const size_t bad[] = {0, 1, 2, 3, 4, 6, 7, 12, 24, 40, 48, 1000, 4097, SIZE_MAX, SIZE_MAX - 7};
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        int anything;
        void *p = &anything;
        errno = 4711;
        assert_int_equal(posix_memalign(&p, hide_size(bad[i]), 100), EINVAL);
        assert_ptr_equal(p, &anything);
        assert_int_equal(errno, 4711);
    }
}

/* Less than the process has already: what is there works on, and may be had again. */
static int limited_while_it_runs(__rlimit_resource_t limit) {
    enum { BLOCKS = 5 };
    char *block[BLOCKS];
    for (int i = 0; i < BLOCKS; i++)
        memset(block[i] = by_malloc((i == 2 ? 16 : 6) * MIB), i, 6 * MIB);
    free(block[2]);
    struct rlimit little = {64 * MIB, RLIM_INFINITY}, all = {RLIM_INFINITY, RLIM_INFINITY};
    if (setrlimit(limit, &little))
        return 2;
    for (int i = 0; i < 5; i++) { /* there is free memory for it; the kernel may refuse to move pages there */
        char *moved = realloc(block[0], 14 * MIB);
        block[0] = moved ? moved : block[0];
        for (size_t k = 0; k < 6 * MIB; k += 512)
            if (block[0][k])
                return 3;
        if (moved)
            memset(moved + 6 * MIB, i, 8 * MIB);
        char *other = by_malloc(15 * MIB);
        if (other)
            memset(other, 6, 15 * MIB);
        free(other);
        malloc_trim(0);
    }
    if (setrlimit(limit, &all))
        return 4;
    for (int i = 0; i < 20; i++) {
        char *p = by_malloc(15 * MIB), *grown = realloc(p, 31 * MIB);
        if (!grown)
            return 5;
        memset(grown, i, 31 * MIB);
        free(grown);
    }
    return block[1][6 * MIB - 1] == 1 && block[3][6 * MIB - 1] == 3 ? 0 : 6;
}

static void a_limit_that_comes_later_loses_nothing(void **state) {
    (void)state;
    static const __rlimit_resource_t limits[] = {RLIMIT_AS, RLIMIT_DATA};
    for (size_t i = 0; i < ARRAY_LENGTH(limits); i++) {
        fflush(NULL);
        pid_t child = fork();
        assert_true(child >= 0);
        if (!child) {
            signal(SIGSEGV, SIG_DFL); /* cmocka has a handler */
            _exit(limited_while_it_runs(limits[i]));
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(impossible_sizes_are_enomem),
        cmocka_unit_test(impossible_sizes_are_enomem_at_every_alignment),
        cmocka_unit_test(impossible_alignments_are_enomem),
        cmocka_unit_test(overflowing_products_are_enomem),
        cmocka_unit_test(failed_realloc_keeps_the_block),
        cmocka_unit_test(failed_reallocf_frees),
        cmocka_unit_test(alignments_that_are_no_power_of_two_are_einval),
        cmocka_unit_test(posix_memalign_wants_multiples_of_a_pointer),
        cmocka_unit_test(a_limit_that_comes_later_loses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
