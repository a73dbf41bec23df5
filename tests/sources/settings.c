/* Settings of the mmap source, each as the kernel shows it: CA20, CA22.  Huge pages: CA20. */
#include <errno.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "tests/sources/sources.h"

static ctxalloc_mmap_source m;

static void set(unsigned flags) {
    assert_int_equal(ctxalloc_source_users(&m.source), 0);
    assert_int_equal(ctxalloc_source_mmap(&m, &(ctxalloc_mmap_settings){.size = sizeof(ctxalloc_mmap_settings), .flags = flags}), 0);
}

static ctxalloc_context *on(unsigned flags) {
    set(flags);
    return CREATE(.source = &m.source);
}

static void ca20_without_settings_it_is_private_memory_that_is_purged(void **state) {
    (void)state;
    assert_int_equal(ctxalloc_source_mmap(&m, NULL), 0);
    EACH_LIFETIME(l) {
        ctxalloc_context *c = CREATE(.source = &m.source, .lifetime = *l);
        EACH_SIZE(s) {
            void *p = filled(ctxalloc_malloc(c, *s), *s);
            assert_string_equal(mapping_of(p).access, "rw-p");
            p = ctxalloc_realloc(c, p, 2 * *s);
            assert_true(p && ctxalloc_owner(p) == c);
            free(p);
        }
        char *large = ctxalloc_malloc(c, 8 << 20);
            memset(large, 1, 8 << 20);
        assert_true(is_resident(large, 8 << 20));
        free(large);
        malloc_trim(0);
        if (*l == CTXALLOC_LONG)
            assert_int_equal(resident_pages(large, 8 << 20), 0);
        assert_int_equal(ctxalloc_destroy(c), 0);
        assert_true(mapping_of(large).start == 0); /* unmapped */
    }
}

static void ca20_protection_executable(void **state) {
    (void)state;
    ctxalloc_context *c = on(CTXALLOC_MMAP_EXECUTABLE);
    unsigned char *p = ctxalloc_malloc(c, 100);
    assert_non_null(p);
    assert_string_equal(mapping_of(p).access, "rwxp");
#if defined(__x86_64__)
    static const unsigned char code[] = {0xb8, 0x2a, 0, 0, 0, 0xc3}; /* mov eax, 42; ret */
    int (*f)(void);
    memcpy(p, code, sizeof code);
    memcpy(&f, &p, sizeof f);
    assert_int_equal(f(), 42);
#endif
    assert_int_equal(ctxalloc_destroy(c), 0);
}

static int write_there(void *p) {
    *(char *)p = 7;
    return 0;
}

static int read_there(void *p) { return *(volatile unsigned char *)p; }

static void ca20_sharing(void **state) {
    (void)state;
    ctxalloc_context *c = on(CTXALLOC_MMAP_SHARED);
    char *p = ctxalloc_calloc(c, 1, 100), *large = ctxalloc_malloc(c, 4 << 20);
    assert_string_equal(mapping_of(p).access, "rw-s");
    assert_int_equal(in_child(write_there, p), 0);
    assert_int_equal(*p, 7);
    memset(large, 1, 4 << 20);
    free(large);
    malloc_trim(0);
    char *zero = ctxalloc_calloc(c, 1, 4 << 20);
    for (size_t i = 0; i < 4 << 20; i += 1000)
        assert_int_equal(zero[i], 0);
    assert_int_equal(ctxalloc_destroy(c), 0);
    c = on(0);
    p = ctxalloc_calloc(c, 1, 100);
    assert_int_equal(in_child(write_there, p), 0);
    assert_int_equal(*p, 0);
    assert_int_equal(ctxalloc_destroy(c), 0);
}

static void ca20_flags_that_the_kernel_shows(void **state) {
    (void)state;
    static const struct {
        unsigned flag;
        const char *shown;
    } all[] = {{CTXALLOC_MMAP_HUGE, "hg"}, {CTXALLOC_MMAP_NOT_HUGE, "nh"}, {CTXALLOC_MMAP_NODUMP, "dd"}, {CTXALLOC_MMAP_DONTFORK, "dc"}, {CTXALLOC_MMAP_WIPEONFORK, "wf"}, {CTXALLOC_MMAP_LOCK, "lo"}};
    for (unsigned i = 0; i < ARRAY_LENGTH(all); i++) {
        EACH_LIFETIME(l) {
            set(all[i].flag);
            ctxalloc_context *c = CREATE(.source = &m.source, .lifetime = *l);
            void *small = ctxalloc_malloc(c, 100), *large = ctxalloc_malloc(c, 300000);
            assert_true(has_flag(small, all[i].shown) && has_flag(large, all[i].shown));
            assert_int_equal(m.unheeded, 0);
            assert_int_equal(ctxalloc_destroy(c), 0);
        }
        ctxalloc_context *c = on(0);
        assert_false(has_flag(ctxalloc_malloc(c, 100), all[i].shown)); /* so the check can fail */
        assert_int_equal(ctxalloc_destroy(c), 0);
    }
}

static void ca20_prefault_and_lock_are_resident(void **state) {
    (void)state;
    static const unsigned flags[] = {CTXALLOC_MMAP_PREFAULT, CTXALLOC_MMAP_LOCK, CTXALLOC_MMAP_PREFAULT | CTXALLOC_MMAP_SHARED};
    for (unsigned i = 0; i < ARRAY_LENGTH(flags); i++) {
        ctxalloc_context *c = on(flags[i]);
        char *p = ctxalloc_malloc(c, 1 << 20);
        assert_non_null(p);
        assert_true(is_resident(p, 1 << 20));
        struct mapping at = mapping_of(p);
        assert_true(flags[i] != CTXALLOC_MMAP_LOCK || at.locked * 1024 >= 1 << 20);
        assert_true(at.end - at.start <= (4 << 20)); /* what is not used is not committed, nor locked */
        free(p);
        malloc_trim(0);
        assert_true(is_resident(p, 1 << 20));
        assert_int_equal(ctxalloc_destroy(c), 0);
    }
    ctxalloc_context *c = on(0);
    assert_int_equal(resident_pages(ctxalloc_malloc(c, 1 << 20), 1 << 20), 0); /* so the check can fail */
    assert_int_equal(ctxalloc_destroy(c), 0);
}

static void ca20_dontfork_and_wipeonfork(void **state) {
    (void)state;
    ctxalloc_context *c = on(CTXALLOC_MMAP_DONTFORK);
    char *p = ctxalloc_malloc(c, 100);
    memset(p, 9, 100);
    assert_int_equal(in_child(read_there, p), 128 + SIGSEGV);
    assert_int_equal(ctxalloc_destroy(c), 0);
    c = on(CTXALLOC_MMAP_WIPEONFORK);
    p = ctxalloc_malloc(c, 100);
    memset(p, 9, 100);
    assert_int_equal(in_child(read_there, p), 0);
    assert_int_equal(p[0], 9);
    assert_int_equal(ctxalloc_destroy(c), 0);
    c = on(0);
    p = ctxalloc_malloc(c, 100);
    memset(p, 9, 100);
    assert_int_equal(in_child(read_there, p), 9);
    assert_int_equal(ctxalloc_destroy(c), 0);
}

static void ca20_an_address_is_taken_as_a_hint_or_insisted_on(void **state) {
    (void)state;
    size_t bytes = 16 << 20;
    char *free_place = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_true(free_place != MAP_FAILED);
    ctxalloc_mmap_settings s = {.size = sizeof s, .flags = CTXALLOC_MMAP_HINT_ONLY, .hint = free_place, .reserve = bytes};
    assert_int_equal(ctxalloc_source_mmap(&m, &s), 0);
    ctxalloc_context *c = CREATE(.source = &m.source);
    errno = 0;
    assert_null(ctxalloc_malloc(c, 100)); /* it is taken */
    assert_int_equal(errno, ENOMEM);
    munmap(free_place, bytes);
    char *p = ctxalloc_malloc(c, 100);
    assert_true(p >= free_place && p < free_place + bytes);
    assert_null(ctxalloc_malloc(c, bytes)); /* and there is no other */
    assert_int_equal(ctxalloc_destroy(c), 0);
    s.flags = 0;
    assert_int_equal(ctxalloc_source_mmap(&m, &s), 0);
    c = CREATE(.source = &m.source);
    p = ctxalloc_malloc(c, 100);
    assert_true(p >= free_place && p < free_place + bytes);
    assert_non_null(ctxalloc_malloc(c, bytes)); /* elsewhere */
    assert_int_equal(ctxalloc_destroy(c), 0);
}

static void ca20_guard_pages(void **state) {
    (void)state;
    ctxalloc_mmap_settings s = {.size = sizeof s, .reserve = 1 << 20, .guard = 1 << 16};
    assert_int_equal(ctxalloc_source_mmap(&m, &s), 0);
    char *range;
    size_t bytes = 0;
    range = m.source.reserve(&m.source, 1 << 20, &bytes);
    assert_true(range && bytes == 1 << 20 && m.source.commit(&m.source, range, bytes));
    memset(range, 1, bytes);
    assert_int_equal(in_child(read_there, range - 1), 128 + SIGSEGV);
    assert_int_equal(in_child(read_there, range + bytes), 128 + SIGSEGV);
    assert_int_equal(in_child(read_there, range + bytes - 1), 1);
    assert_true(mapping_of(range - (1 << 16)).start == (uintptr_t)range - (1 << 16) && mapping_of(range + bytes).end >= (uintptr_t)range + bytes + (1 << 16));
    m.source.release(&m.source, range, bytes);
    assert_true(mapping_of(range - 1).start == 0 && mapping_of(range + bytes).start == 0);
}

static void ca20_a_name_is_shown_where_the_kernel_has_names(void **state) {
    (void)state;
    ctxalloc_mmap_settings s = {.size = sizeof s, .name = "ctxalloc test"};
    assert_int_equal(ctxalloc_source_mmap(&m, &s), 0);
    char *probe = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    bool has_names = prctl(0x53564d41, 0UL, (unsigned long)probe, 4096UL, (unsigned long)"probe") == 0;
    munmap(probe, 4096);
    ctxalloc_context *c = CREATE(.source = &m.source);
    void *p = ctxalloc_malloc(c, 100);
    assert_non_null(p);
    assert_int_equal(m.unheeded, !has_names);
    assert_string_equal(mapping_of(p).name, has_names ? "[anon:ctxalloc" : ""); /* sscanf: up to the space */
    assert_int_equal(ctxalloc_destroy(c), 0);
}

static void ca20_lazily_purged_memory_is_not_taken_for_zero(void **state) {
    (void)state;
    ctxalloc_context *c = on(CTXALLOC_MMAP_LAZY_PURGE);
    for (int i = 0; i < 20; i++) {
        char *p = ctxalloc_calloc(c, 1, 1 << 20);
        for (size_t j = 0; j < 1 << 20; j += 512)
            assert_int_equal(p[j], 0);
        memset(p, 1, 1 << 20);
        free(p);
        malloc_trim(0);
    }
    assert_int_equal(ctxalloc_destroy(c), 0);
}

static void ca20_bad_settings_are_refused(void **state) {
    (void)state;
    static const ctxalloc_mmap_settings bad[] = {
        {.size = 4},
        {.size = sizeof *bad, .flags = 0x1000},
        {.size = sizeof *bad, .flags = CTXALLOC_MMAP_SHARED | CTXALLOC_MMAP_WIPEONFORK},
        {.size = sizeof *bad, .flags = CTXALLOC_MMAP_SHARED | CTXALLOC_MMAP_LAZY_PURGE},
        {.size = sizeof *bad, .flags = CTXALLOC_MMAP_HUGE | CTXALLOC_MMAP_NOT_HUGE},
        {.size = sizeof *bad, .flags = CTXALLOC_MMAP_HINT_ONLY},
        {.size = sizeof *bad, .hint = (void *)1},
        {.size = sizeof *bad, .reserve = 100},
        {.size = sizeof *bad, .guard = 100},
        {.size = sizeof *bad, .guard = ~(size_t)4095},
        {.size = sizeof *bad, .name = ""},
        {.size = sizeof *bad, .name = "a[b"},
        {.size = sizeof *bad, .name = "123456789 123456789 123456789 123456789 123456789 123456789 123456789 123456789 1"},
    };
    for (unsigned i = 0; i < ARRAY_LENGTH(bad); i++)
        assert_int_equal(ctxalloc_source_mmap(&m, &bad[i]), EINVAL);
    assert_int_equal(ctxalloc_source_mmap(NULL, NULL), EINVAL);
}

static int allocate_locked(void *unused) {
    (void)unused;
    struct rlimit little = {1 << 20, 1 << 20};
    if (setrlimit(RLIMIT_MEMLOCK, &little) || setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534))
        return 77;
    ctxalloc_context *c = on(CTXALLOC_MMAP_LOCK);
    char *p = ctxalloc_malloc(c, 100000);
    errno = 0;
    if (!p || ctxalloc_malloc(c, 2 << 20) || errno != ENOMEM)
        return 1;
    memset(p, 1, 100000);
    free(p);
    p = ctxalloc_malloc(c, 500000);
    return p && has_flag(p, "lo") && !ctxalloc_destroy(c) ? 0 : 2;
}

static void ca20_rlimit_memlock_is_out_of_memory(void **state) {
    (void)state;
    int result = in_child(allocate_locked, NULL);
    if (result == 77)
        skip();
    assert_int_equal(result, 0);
}

static int allocate_without_room(void *unused) {
    (void)unused;
    ctxalloc_mmap_settings s = {.size = sizeof s, .flags = CTXALLOC_MMAP_CHARGED, .reserve = 1 << 20};
    struct rlimit limit;
    if (ctxalloc_source_mmap(&m, &s))
        return 1;
    ctxalloc_context *c = CREATE(.source = &m.source);
    char *p = ctxalloc_malloc(c, 1000);
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!p || !file || fscanf(file, "%ld", &pages) != 1)
        return 2;
    limit.rlim_cur = limit.rlim_max = (size_t)pages * 4096 + (20 << 20);
    if (setrlimit(RLIMIT_AS, &limit))
        return 3;
    int n = 0;
    while (n < 100 && ctxalloc_malloc(c, 900000))
        n++;
    memset(p, 1, 1000);
    return n > 8 && n < 30 && errno == ENOMEM && !ctxalloc_destroy(c) ? 0 : 4;
}

static void ca20_rlimit_as_is_out_of_memory(void **state) {
    (void)state;
    assert_int_equal(in_child(allocate_without_room, NULL), 0);
}

static void ca20_huge_pages_or_plain_ones_instead(void **state) {
    (void)state;
    ctxalloc_huge_source h;
    for (unsigned shift = 21; shift <= 30; shift += 9) {
        assert_int_equal(ctxalloc_source_hugepage(&h, shift), 0);
        ctxalloc_context *c = CREATE(.source = &h.source), *d = CREATE(.source = &h.source, .lifetime = CTXALLOC_SHORT);
        EACH_SIZE(s) filled(ctxalloc_malloc(c, *s), *s);
        void *p = filled(ctxalloc_malloc(d, 5 << 20), 5 << 20);
        assert_true(h.huge_bytes + h.plain_bytes >= 5 << 20);
        assert_true((h.plain_bytes != 0) == (h.fallbacks != 0));
        if (!h.plain_bytes)
            assert_true(has_flag(p, "ht") && h.huge_bytes % ((size_t)1 << shift) == 0);
        if (!h.huge_bytes)
            assert_true(!has_flag(p, "ht") && has_flag(p, "hg") && mapping_of(p).start % (2 << 20) == 0);
        free(p);
        malloc_trim(0);
        unsigned char *zero = ctxalloc_calloc(c, 1, 3 << 20);
        for (size_t i = 0; i < 3 << 20; i += 512)
            assert_int_equal(zero[i], 0);
        assert_int_equal(ctxalloc_destroy(c), 0);
        assert_int_equal(ctxalloc_destroy(d), 0);
        assert_true(h.huge_bytes == 0 && h.plain_bytes == 0);
    }
    assert_int_equal(ctxalloc_source_hugepage(&h, 12), EINVAL);
    assert_int_equal(ctxalloc_source_hugepage(NULL, 21), EINVAL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(ca20_without_settings_it_is_private_memory_that_is_purged),
        TEST(ca20_protection_executable),
        TEST(ca20_sharing),
        TEST(ca20_flags_that_the_kernel_shows),
        TEST(ca20_prefault_and_lock_are_resident),
        TEST(ca20_dontfork_and_wipeonfork),
        TEST(ca20_an_address_is_taken_as_a_hint_or_insisted_on),
        TEST(ca20_guard_pages),
        TEST(ca20_a_name_is_shown_where_the_kernel_has_names),
        TEST(ca20_lazily_purged_memory_is_not_taken_for_zero),
        TEST(ca20_bad_settings_are_refused),
        TEST(ca20_rlimit_memlock_is_out_of_memory),
        TEST(ca20_rlimit_as_is_out_of_memory),
        TEST(ca20_huge_pages_or_plain_ones_instead),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
