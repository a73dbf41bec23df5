/* Contexts on sources: of the caller's making, in the caller's memory, shared, full, refusing. CA19 and the sources' part of CA22. */
#include <errno.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "tests/sources/sources.h"

enum { BUFFER = 4 << 20 };

static char buffer[BUFFER] __attribute__((aligned(16384)));

static bool in_buffer(const void *p) { return (const char *)p >= buffer && (const char *)p < buffer + BUFFER; }

/* A source as a user would write one: gives parts of a fixed buffer, one after the other, and takes back the last. */
struct fixed {
    ctxalloc_source source;
    size_t used;
    unsigned reserves, commits, purges, releases;
    bool refuse_commit;
};

static void *fixed_reserve(const ctxalloc_source *s, size_t least, size_t *bytes) {
    struct fixed *f = s->context;
    size_t give = least > 1 << 20 ? least : 1 << 20;
    if (give > BUFFER - f->used)
        return NULL;
    f->reserves++;
    *bytes = give;
    f->used += give;
    return buffer + f->used - give;
}

static bool fixed_commit(const ctxalloc_source *s, void *p, size_t bytes) {
    struct fixed *f = s->context;
    if (f->refuse_commit)
        return false;
    assert_true(in_buffer(p) && in_buffer((char *)p + bytes - 1) && (uintptr_t)p % 4096 == 0 && bytes % 4096 == 0 && bytes);
    f->commits++;
    memset(p, 0, bytes);
    return true;
}

static bool fixed_purge(const ctxalloc_source *s, void *p, size_t bytes) {
    struct fixed *f = s->context;
    assert_true(in_buffer(p) && in_buffer((char *)p + bytes - 1));
    f->purges++;
    memset(p, 0, bytes);
    return true;
}

static void fixed_release(const ctxalloc_source *s, void *p, size_t bytes) {
    struct fixed *f = s->context;
    f->releases++;
    if ((char *)p + bytes == buffer + f->used)
        f->used -= bytes;
}

static struct fixed fixed_make(void) {
    return (struct fixed){.source = {.size = sizeof(ctxalloc_source), .reserve = fixed_reserve, .commit = fixed_commit, .purge = fixed_purge, .release = fixed_release}};
}

/* Blocks until there is no memory: all in the buffer, no two overlap; then half are freed, and resized. Returns how many. */
static int fill(ctxalloc_context *c, size_t size) {
    static char *block[60000];
    int n = 0;
    assert_non_null(ctxalloc_switch(c));
    while (n < 60000 && (block[n] = malloc(size)) != NULL)
        n++;
    ctxalloc_switch(CTXALLOC_GLOBAL);
    for (int i = 0; i < n; i++) {
        assert_true(in_buffer(block[i]) && in_buffer(block[i] + size - 1));
        assert_ptr_equal(ctxalloc_owner(block[i]), c);
        filled(block[i], size);
    }
    for (int i = 0; i < n; i++)
        assert_filled(block[i], size, block[i]);
    for (int i = 0; i < n; i++)
        free(block[i]);
    return n;
}

static void ca19_a_heap_on_a_users_source_lives_in_it(void **state) {
    (void)state;
    EACH_LIFETIME(l) {
        struct fixed f = fixed_make();
        f.source.context = &f;
        ctxalloc_context *c = CREATE(.source = &f.source, .lifetime = *l, .name = "fixed");
        assert_non_null(c);
        assert_int_equal(ctxalloc_source_users(&f.source), 1);
        EACH_SIZE(s) {
            int n = fill(c, *s);
            assert_true((size_t)n * *s <= BUFFER);
            assert_true((size_t)n * (*s + 4096) > BUFFER / 2 || *s < 100 || *s > 100000);
            assert_true(n > 0 || *s > 1 << 20);
            assert_int_equal(ctxalloc_reset(c), 0);
        }
        assert_true(f.reserves > 0 && f.commits > 0 && f.releases == 0);
        assert_int_equal(ctxalloc_destroy(c), 0);
        assert_int_equal(f.releases, f.reserves);
        assert_int_equal(f.used, 0);
        assert_int_equal(ctxalloc_source_users(&f.source), 0);
    }
}

static void ca19_contexts_share_a_source_and_give_it_back_together(void **state) {
    (void)state;
    struct fixed f = fixed_make();
    f.source.context = &f;
    ctxalloc_context *a = CREATE(.source = &f.source), *b = CREATE(.source = &f.source, .lifetime = CTXALLOC_SHORT), *child = CREATE(.source = &f.source, .parent = a);
    void *p = filled(ctxalloc_malloc(a, 1000), 1000), *q = filled(ctxalloc_malloc(b, 1000), 1000), *r = filled(ctxalloc_malloc(child, 1000), 1000);
    assert_true(in_buffer(p) && in_buffer(q) && in_buffer(r));
    assert_int_equal(f.reserves, 1);
    assert_int_equal(ctxalloc_source_users(&f.source), 3);
    assert_int_equal(ctxalloc_destroy(a), 0); /* and child */
    assert_int_equal(ctxalloc_source_users(&f.source), 1);
    assert_filled(q, 1000, q);
    assert_int_equal(f.releases, 0);
    assert_int_equal(ctxalloc_destroy(b), 0);
    assert_int_equal(f.releases, 1);
    assert_int_equal(ctxalloc_inspect(p, NULL), CTXALLOC_FOREIGN); /* the buffer is the caller's again */
}

static void ca19_a_private_source_is_asked_for_each_context(void **state) {
    (void)state;
    struct fixed f = fixed_make();
    f.source.context = &f;
    f.source.flags = CTXALLOC_SOURCE_PRIVATE;
    ctxalloc_context *a = CREATE(.source = &f.source), *b = CREATE(.source = &f.source);
    assert_true(in_buffer(ctxalloc_malloc(a, 10)) && in_buffer(ctxalloc_malloc(b, 10)));
    assert_int_equal(f.reserves, 2);
    assert_int_equal(ctxalloc_source_users(&f.source), 2);
    assert_int_equal(ctxalloc_destroy(b), 0);
    assert_int_equal(f.releases, 1);
    assert_int_equal(ctxalloc_destroy(a), 0);
    assert_int_equal(f.used, 0);
}

static void ca19_a_source_that_refuses_is_out_of_memory_and_loses_nothing(void **state) {
    (void)state;
    struct fixed f = fixed_make();
    f.source.context = &f;
    EACH_LIFETIME(l) {
        ctxalloc_context *c = CREATE(.source = &f.source, .lifetime = *l);
        void *p = filled(ctxalloc_malloc(c, 100), 100);
        f.refuse_commit = true;
        errno = 0;
        assert_null(ctxalloc_malloc(c, 2 << 20));
        assert_int_equal(errno, ENOMEM);
        f.refuse_commit = false;
        assert_filled(p, 100, p);
        assert_non_null(ctxalloc_malloc(c, 1 << 20));
        errno = 0;
        assert_null(ctxalloc_malloc(c, BUFFER));
        assert_int_equal(errno, ENOMEM);
        assert_filled(p, 100, p);
        assert_int_equal(ctxalloc_destroy(c), 0);
        assert_int_equal(f.used, 0);
    }
}

static void ca19_a_context_lives_wholly_in_the_callers_buffer(void **state) {
    (void)state;
    ctxalloc_user_source u;
    memset(buffer, 0xa5, BUFFER);
    EACH_LIFETIME(l) {
        assert_int_equal(ctxalloc_source_user(&u, buffer + 1, BUFFER - 1), 0); /* whatever the alignment */
        ctxalloc_context *c = CREATE(.source = &u.source, .lifetime = *l);
        assert_non_null(c);
        int n = fill(c, 1000);
        assert_true(n > 3500 && n <= BUFFER / 1000);
        assert_int_equal(ctxalloc_reset(c), 0);
        unsigned char *zero = ctxalloc_calloc(c, 1, 100000); /* the buffer is not */
        for (int i = 0; i < 100000; i++)
            assert_int_equal(zero[i], 0);
        void *aligned = ctxalloc_memalign(c, 1 << 18, 100);
        assert_true(in_buffer(aligned) && (uintptr_t)aligned % (1 << 18) == 0);
        assert_null(ctxalloc_malloc(c, BUFFER));
        assert_int_equal(ctxalloc_destroy(c), 0);
    }
    assert_int_equal(ctxalloc_source_user(&u, buffer, 100), 0); /* too small for anything */
    ctxalloc_context *c = CREATE(.source = &u.source);
    assert_non_null(c);
    assert_null(ctxalloc_malloc(c, 1));
    assert_int_equal(ctxalloc_destroy(c), 0);
}

static void work(void) {
    void *block[300] = {NULL};
    for (unsigned i = 0, x = 1; i < 200000; i++) {
        x = x * 1664525 + 1013904223;
        unsigned k = (x >> 16) % 300;
        free(block[k]);
        block[k] = malloc((x >> 8) % (x % 61 ? 700 : 50000));
    }
    for (int k = 0; k < 300; k++)
        free(block[k]);
}

/* Everything but read, write, sigreturn and exit is death. */
static int work_without_system_calls(void *context) {
    if (!ctxalloc_switch(context) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT))
        return 1;
    work();
    syscall(SYS_exit, 42);
    return 1;
}

static void ca19_a_heap_on_a_buffer_never_calls_the_system(void **state) {
    (void)state;
    ctxalloc_user_source u;
    assert_int_equal(ctxalloc_source_user(&u, buffer, BUFFER), 0);
    ctxalloc_context *c = CREATE(.source = &u.source), *plain = CREATE(.name = "plain");
    assert_non_null(ctxalloc_malloc(c, 1)); /* made: with the first block */
    ctxalloc_context *large = CREATE(.name = "large");
    assert_int_equal(in_child(work_without_system_calls, c), 42);
    assert_int_equal(in_child(work_without_system_calls, plain), 128 + SIGKILL); /* so the check can fail */
    assert_int_equal(ctxalloc_destroy(c), 0);
    assert_int_equal(ctxalloc_destroy(plain), 0);
    assert_int_equal(ctxalloc_destroy(large), 0);
}

static void *allocate_in(void *context) {
    ctxalloc_switch(context);
    work();
    void *p = malloc(100);
    ctxalloc_switch(CTXALLOC_GLOBAL);
    return p;
}

static void ca19_any_thread_may_use_and_free(void **state) {
    (void)state;
    struct fixed f = fixed_make();
    f.source.context = &f;
    ctxalloc_context *c = CREATE(.source = &f.source), *d = CREATE(.source = &f.source);
    pthread_t one, two;
    void *p, *q;
    assert_int_equal(pthread_create(&one, NULL, allocate_in, c), 0);
    assert_int_equal(pthread_create(&two, NULL, allocate_in, d), 0);
    pthread_join(one, &p);
    pthread_join(two, &q);
    assert_true(in_buffer(p) && in_buffer(q));
    in_thread(free_it, p);
    free(q);
    assert_int_equal(ctxalloc_destroy(c), 0);
    assert_int_equal(ctxalloc_destroy(d), 0);
    assert_int_equal(f.used, 0);
}

/* In a source's function, malloc outside the contexts on it is allowed. */
static void *noted;

static void *noting_reserve(const ctxalloc_source *s, size_t least, size_t *bytes) {
    noted = ctxalloc_malloc(CTXALLOC_GLOBAL, 100);
    return fixed_reserve(s, least, bytes);
}

static void noting_release(const ctxalloc_source *s, void *p, size_t bytes) {
    free(noted);
    fixed_release(s, p, bytes);
}

static void ca19_a_source_may_allocate_outside_its_contexts(void **state) {
    (void)state;
    struct fixed f = fixed_make();
    f.source.context = &f;
    f.source.reserve = noting_reserve;
    f.source.release = noting_release;
    ctxalloc_context *c = CREATE(.source = &f.source), *before = ctxalloc_switch(c);
    char *p = malloc(100);
    ctxalloc_switch(before);
    assert_true(in_buffer(p) && noted && !in_buffer(noted) && ctxalloc_owner(noted) == CTXALLOC_GLOBAL);
    assert_int_equal(ctxalloc_destroy(c), 0);
    assert_int_equal(f.used, 0);
}

static void *malloc_reserve(const ctxalloc_source *s, size_t least, size_t *bytes) {
    (void)s;
    (void)least;
    return ctxalloc_memalign(CTXALLOC_GLOBAL, 1 << 14, *bytes = 8 << 20);
}

static void malloc_release(const ctxalloc_source *s, void *p, size_t bytes) {
    (void)s, (void)bytes;
    free(p);
}

static void ca19_memory_of_malloc_is_refused(void **state) {
    (void)state;
    ctxalloc_source s = {.size = sizeof s, .flags = CTXALLOC_SOURCE_DIRTY, .reserve = malloc_reserve, .release = malloc_release};
    ctxalloc_context *c = CREATE(.source = &s);
    errno = 0;
    assert_null(ctxalloc_malloc(c, 100));
    assert_int_equal(errno, ENOMEM);
    assert_int_equal(ctxalloc_destroy(c), 0);
    ctxalloc_user_source u;
    void *p = ctxalloc_malloc(CTXALLOC_GLOBAL, 1 << 20);
    assert_int_equal(ctxalloc_source_user(&u, p, 1 << 20), EINVAL);
    free(p);
}

static void ca19_bad_sources_are_refused(void **state) {
    (void)state;
    struct fixed good = fixed_make();
    ctxalloc_source bad[] = {good.source, good.source, good.source, good.source};
    bad[0].size = 8;
    bad[1].flags = 0x80;
    bad[2].move = (bool (*)(const ctxalloc_source *, void *, void *, size_t))(void (*)(void))abort;
    bad[3].reserve = NULL;
    bad[3].flags = CTXALLOC_SOURCE_DIRTY;
    for (int i = 0; i < 4; i++) {
        errno = 0;
        assert_null(CREATE(.source = &bad[i]));
        assert_int_equal(errno, EINVAL);
    }
    assert_null(CREATE(.source = &good.source, .escape = CTXALLOC_ADOPT));
    assert_null(CREATE(.source = &good.source, .flags = CTXALLOC_NODUMP));
    /* A program that was built before there were sources. */
    struct {
        ctxalloc_options options;
    } old = {{.size = offsetof(ctxalloc_options, source), .source = &bad[0]}};
    ctxalloc_context *c = ctxalloc_create(&old.options);
    assert_non_null(c);
    assert_int_equal(ctxalloc_destroy(c), 0);
    ctxalloc_user_source u;
    assert_int_equal(ctxalloc_source_user(&u, NULL, 100), EINVAL);
    assert_int_equal(ctxalloc_source_user(NULL, buffer, 100), EINVAL);
    assert_int_equal(ctxalloc_source_user(&u, buffer, SIZE_MAX), EINVAL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(ca19_a_heap_on_a_users_source_lives_in_it),
        TEST(ca19_contexts_share_a_source_and_give_it_back_together),
        TEST(ca19_a_private_source_is_asked_for_each_context),
        TEST(ca19_a_source_that_refuses_is_out_of_memory_and_loses_nothing),
        TEST(ca19_a_context_lives_wholly_in_the_callers_buffer),
        TEST(ca19_a_heap_on_a_buffer_never_calls_the_system),
        TEST(ca19_any_thread_may_use_and_free),
        TEST(ca19_a_source_may_allocate_outside_its_contexts),
        TEST(ca19_memory_of_malloc_is_refused),
        TEST(ca19_bad_sources_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
