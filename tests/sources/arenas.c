/* Arenas of fixed blocks with an initialiser (CA23), coroutines' heaps of a fixed size and their stacks (CA24). */
#include <errno.h>
#include <stdlib.h>
#include <ucontext.h>
#include <unistd.h>

#include "tests/sources/sources.h"

enum { BLOCK = 256 << 10, MANY = 3000, PATIENCE = 100 /* s */ };

static struct prepared {
    unsigned calls, firsts;
    bool refuse;
} prepared;

static bool prepare(void *block, size_t bytes, bool first, void *arg) {
    struct prepared *p = arg;
    if (p->refuse)
        return false;
    assert_int_equal(bytes, BLOCK);
    if (first)
        for (size_t i = 0; i < bytes; i += 512)
            assert_int_equal(((char *)block)[i], 0);
    memset(block, 0x11, 64);
    p->calls++;
    p->firsts += first;
    return true;
}

static void start(ctxalloc_arena *a, const ctxalloc_source *from, size_t most, bool with_prepare) {
    prepared = (struct prepared){0};
    ctxalloc_arena_settings s = {.size = sizeof s, .from = from, .block_bytes = BLOCK, .most = most, .prepare = with_prepare ? prepare : NULL, .arg = &prepared};
    assert_int_equal(ctxalloc_source_arena(a, &s), 0);
}

static void ca23_blocks_are_apart_initialised_and_recycled(void **state) {
    (void)state;
    ctxalloc_arena a;
    static char *block[MANY];
    start(&a, NULL, 0, true);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < MANY; i++) {
            block[i] = ctxalloc_arena_take(&a);
            assert_true(block[i] && block[i][0] == 0x11 && block[i][63] == 0x11);
            memset(block[i], i, 64);
            block[i][BLOCK - 1] = (char)i;
        }
        assert_int_equal(ctxalloc_arena_out(&a), MANY);
        for (int i = 0; i < MANY; i++)
            assert_true(block[i][0] == (char)i && block[i][BLOCK - 1] == (char)i);
        assert_int_equal(ctxalloc_arena_end(&a), EBUSY);
        for (int i = 0; i < MANY; i++)
            assert_int_equal(ctxalloc_arena_give(&a, block[i]), 0);
    }
    assert_true(prepared.calls == 3 * MANY && prepared.firsts == MANY);
    assert_int_equal(ctxalloc_arena_end(&a), 0);
    assert_true(mapping_of(block[0]).start == 0);
    assert_non_null(block[0] = ctxalloc_arena_take(&a)); /* it can be used again */
    assert_int_equal(ctxalloc_arena_give(&a, block[0]), 0);
    assert_int_equal(ctxalloc_arena_end(&a), 0);
}

static void ca23_what_is_not_a_block_that_is_out_is_refused(void **state) {
    (void)state;
    ctxalloc_arena a;
    int other;
    start(&a, NULL, 3, true);
    char *one = ctxalloc_arena_take(&a), *two = ctxalloc_arena_take(&a), *three = ctxalloc_arena_take(&a);
    assert_true(one && two && three);
    errno = 0;
    assert_null(ctxalloc_arena_take(&a));
    assert_int_equal(errno, ENOSPC);
    assert_int_equal(ctxalloc_arena_give(&a, &other), EINVAL);
    assert_int_equal(ctxalloc_arena_give(&a, one + 4096), EINVAL);
    assert_int_equal(ctxalloc_arena_give(&a, two), 0);
    assert_int_equal(ctxalloc_arena_give(&a, two), EINVAL);
    assert_int_equal(ctxalloc_arena_give(&a, NULL), EINVAL);
    prepared.refuse = true;
    errno = 0;
    assert_null(ctxalloc_arena_take(&a));
    assert_int_equal(errno, ENOMEM);
    prepared.refuse = false;
    assert_ptr_equal(ctxalloc_arena_take(&a), two);
    assert_int_equal(ctxalloc_arena_give(&a, one), 0);
    assert_int_equal(ctxalloc_arena_give(&a, two), 0);
    assert_int_equal(ctxalloc_arena_give(&a, three), 0);
    assert_int_equal(ctxalloc_arena_end(&a), 0);
    static const ctxalloc_arena_settings bad[] = {{.size = 1, .block_bytes = 4096}, {.size = sizeof *bad}, {.size = sizeof *bad, .block_bytes = 5000}};
    for (unsigned i = 0; i < ARRAY_LENGTH(bad); i++)
        assert_int_equal(ctxalloc_source_arena(&a, &bad[i]), EINVAL);
    assert_int_equal(ctxalloc_source_arena(&a, NULL), EINVAL);
}

static void ca23_an_arena_out_of_another_source(void **state) {
    (void)state;
    static char buffer[8 << 20] __attribute__((aligned(4096)));
    ctxalloc_user_source u;
    ctxalloc_mmap_source m;
    ctxalloc_arena a;
    assert_int_equal(ctxalloc_source_user(&u, buffer, sizeof buffer), 0);
    start(&a, &u.source, 0, false);
    int n = 0;
    char *block[100];
    while (n < 100 && (block[n] = ctxalloc_arena_take(&a)) != NULL) {
        assert_true(block[n] >= buffer && block[n] + BLOCK <= buffer + sizeof buffer);
        memset(block[n], 1, BLOCK);
        n++;
    }
    assert_int_equal(n, sizeof buffer / BLOCK);
    while (n)
        assert_int_equal(ctxalloc_arena_give(&a, block[--n]), 0);
    assert_int_equal(ctxalloc_arena_end(&a), 0);
    assert_int_equal(ctxalloc_source_mmap(&m, &(ctxalloc_mmap_settings){.size = sizeof(ctxalloc_mmap_settings), .flags = CTXALLOC_MMAP_NODUMP}), 0);
    start(&a, &m.source, 0, true);
    char *p = ctxalloc_arena_take(&a);
    assert_true(has_flag(p, "dd") && has_flag(p + BLOCK - 1, "dd"));
    assert_int_equal(ctxalloc_arena_give(&a, p), 0);
    assert_int_equal(ctxalloc_arena_end(&a), 0);
}

struct taker {
    ctxalloc_arena *arena;
    int id;
};

static void *take_and_give(void *argument) {
    struct taker *t = argument;
    for (int round = 0; round < 300; round++) {
        char *block[20];
        for (int i = 0; i < 20; i++) {
            block[i] = ctxalloc_arena_take(t->arena);
            assert_non_null(block[i]);
            block[i][100] = (char)t->id;
        }
        for (int i = 0; i < 20; i++) {
            assert_int_equal(block[i][100], t->id);
            assert_int_equal(ctxalloc_arena_give(t->arena, block[i]), 0);
        }
    }
    return NULL;
}

static void ca23_any_thread(void **state) {
    (void)state;
    ctxalloc_arena a;
    pthread_t thread[4];
    struct taker taker[4];
    start(&a, NULL, 0, false);
    for (int i = 0; i < 4; i++) {
        taker[i] = (struct taker){&a, i + 1};
        assert_int_equal(pthread_create(&thread[i], NULL, take_and_give, &taker[i]), 0);
    }
    for (int i = 0; i < 4; i++)
        pthread_join(thread[i], NULL);
    assert_int_equal(ctxalloc_arena_end(&a), 0);
}

/* A source that takes its time, with the arena's lock held. */
static struct slow {
    ctxalloc_mmap_source under;
    ctxalloc_source source;
    int inside;
} slow;

static void *slow_reserve(const ctxalloc_source *s, size_t least, size_t *bytes) {
    (void)s;
    __atomic_store_n(&slow.inside, 1, __ATOMIC_RELEASE);
    usleep(50000);
    return slow.under.source.reserve(&slow.under.source, least, bytes);
}

static bool slow_commit(const ctxalloc_source *s, void *p, size_t bytes) {
    (void)s;
    return slow.under.source.commit(&slow.under.source, p, bytes);
}

static void *take_one(void *arena) { return ctxalloc_arena_take(arena); }

static int use_arena(void *arena) {
    alarm(PATIENCE); /* a lock that nobody has any more is waited for for ever */
    for (int i = 0; i < 40; i++) {
        char *p = ctxalloc_arena_take(arena);
        if (!p)
            return 1;
        memset(p, i, BLOCK);
        if (i % 2 && ctxalloc_arena_give(arena, p))
            return 2;
    }
    return 0;
}

static void ca23_a_child_has_arenas_that_others_used_at_the_fork(void **state) {
    (void)state;
    ctxalloc_arena a, over;
    pthread_t thread;
    void *block;
    assert_int_equal(ctxalloc_source_mmap(&slow.under, NULL), 0);
    slow.source = (ctxalloc_source){.size = sizeof slow.source, .reserve = slow_reserve, .commit = slow_commit};
    start(&a, &slow.source, 0, false);
    start(&over, &a.source, 0, false); /* its blocks are the other one's, and so it has both locks */
    for (int i = 0; i < 2; i++) {
        ctxalloc_arena *arena = i ? &over : &a;
        slow.inside = 0;
        assert_int_equal(pthread_create(&thread, NULL, take_one, arena), 0);
        while (!__atomic_load_n(&slow.inside, __ATOMIC_ACQUIRE) && !(i && ctxalloc_arena_out(&over)))
            usleep(100);
        assert_int_equal(in_child(use_arena, &a), 0);
        assert_int_equal(pthread_join(thread, &block), 0);
        assert_non_null(block);
        assert_int_equal(ctxalloc_arena_give(arena, block), 0);
    }
    assert_int_equal(ctxalloc_arena_end(&over), 0);
    assert_int_equal(ctxalloc_arena_end(&a), 0);
}

/* Threads that take and give in two arenas, one over the other, while others fork. */
static volatile bool enough;

static void *take_until_enough(void *arena) {
    while (!enough) {
        void *p = ctxalloc_arena_take(arena);
        if (p)
            (void)ctxalloc_arena_give(arena, p);
    }
    return NULL;
}

static int use_both(void *arenas) {
    ctxalloc_arena **arena = arenas;
    alarm(PATIENCE);
    for (int i = 0; i < 2; i++) {
        void *p = ctxalloc_arena_take(arena[i]);
        if (!p || ctxalloc_arena_give(arena[i], p))
            return 1;
    }
    return 0;
}

static void ca23_forks_while_others_use_arenas(void **state) {
    (void)state;
    ctxalloc_arena a, over, ended, *both[] = {&a, &over};
    pthread_t thread[2];
    start(&a, NULL, 0, false);
    start(&over, &a.source, 0, false);
    enough = false;
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, take_until_enough, both[i]), 0);
    for (int i = 0; i < 60; i++) {
        start(&ended, NULL, 0, false); /* locks that come and go */
        void *p = ctxalloc_arena_take(&ended);
        assert_int_equal(in_child(use_both, both), 0);
        assert_int_equal(ctxalloc_arena_give(&ended, p), 0);
        assert_int_equal(ctxalloc_arena_end(&ended), 0);
        assert_int_equal(ctxalloc_arena_give(&ended, p), EINVAL);
    }
    enough = true;
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_join(thread[i], NULL), 0);
    assert_int_equal(ctxalloc_arena_end(&over), 0);
    assert_int_equal(ctxalloc_arena_end(&a), 0);
}

static void ca24_coroutines_heaps_are_of_a_fixed_size(void **state) {
    (void)state;
    ctxalloc_arena a;
    enum { HEAPS = 500 };
    static ctxalloc_context *c[HEAPS];
    static char *p[HEAPS];
    start(&a, NULL, 0, false);
    for (int round = 0; round < 2; round++)
        EACH_LIFETIME(l) {
            for (int i = 0; i < HEAPS; i++) {
                c[i] = CREATE(.source = &a.source, .lifetime = *l);
                p[i] = filled(ctxalloc_calloc(c[i], 1, 1000), 1000);
            }
            assert_int_equal(ctxalloc_arena_out(&a), HEAPS);
            size_t bytes = 0;
            while (ctxalloc_malloc(c[7], 5000))
                bytes += 5000;
            assert_true(bytes > BLOCK / 2 && bytes < BLOCK); /* full, and only this one */
            assert_non_null(ctxalloc_malloc(c[8], 5000));
            for (int i = 0; i < HEAPS; i++) {
                assert_filled(p[i], 1000, p[i]);
                assert_int_equal(ctxalloc_destroy(c[i]), 0);
            }
            assert_int_equal(ctxalloc_arena_out(&a), 0);
        }
    ctxalloc_context *large = CREATE(.source = &a.source);
    assert_null(ctxalloc_malloc(large, BLOCK + 1));
    unsigned char *zero = ctxalloc_calloc(large, 1, 200000); /* the block is not: it was used */
    for (int i = 0; i < 200000; i += 100)
        assert_int_equal(zero[i], 0);
    assert_int_equal(ctxalloc_destroy(large), 0);
    assert_int_equal(ctxalloc_arena_end(&a), 0);
}

static int overflow(void *stack) {
    ((volatile char *)stack)[-1] = 1;
    return 0;
}

static ucontext_t here, there;
static volatile int seen;

static void on_the_stack(void) {
    volatile char local[10000];
    local[0] = local[9999] = 1;
    seen = local[0] + local[9999];
    swapcontext(&there, &here);
    seen = 3;
}

static void ca24_stacks_have_a_guard_and_are_recycled(void **state) {
    (void)state;
    ctxalloc_stacks s;
    enum { STACKS = 200 };
    static char *stack[STACKS];
    assert_int_equal(ctxalloc_stacks_start(&s, 30000, NULL, STACKS), 0);
    assert_int_equal(s.bytes, 32768);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < STACKS; i++) {
            stack[i] = ctxalloc_stack_take(&s);
            assert_non_null(stack[i]);
            memset(stack[i], i, s.bytes);
        }
        errno = 0;
        assert_null(ctxalloc_stack_take(&s));
        assert_int_equal(errno, ENOSPC);
        for (int i = 0; i < STACKS; i += 50) {
            assert_int_equal(in_child(overflow, stack[i]), 128 + SIGSEGV);
            assert_string_equal(mapping_of(stack[i] - 1).access, "---p");
        }
        for (int i = 0; i < STACKS; i++)
            assert_int_equal(ctxalloc_stack_give(&s, stack[i]), 0);
        assert_int_equal(ctxalloc_stack_give(&s, stack[0]), EINVAL);
    }
    char *p = ctxalloc_stack_take(&s);
    getcontext(&there);
    there.uc_stack.ss_sp = p;
    there.uc_stack.ss_size = s.bytes;
    there.uc_link = &here;
    makecontext(&there, on_the_stack, 0);
    swapcontext(&here, &there);
    assert_int_equal(seen, 2);
    swapcontext(&here, &there);
    assert_int_equal(seen, 3);
    assert_int_equal(ctxalloc_stacks_end(&s), EBUSY);
    assert_int_equal(ctxalloc_stack_give(&s, p), 0);
    assert_int_equal(ctxalloc_stacks_end(&s), 0);
    assert_int_equal(ctxalloc_stacks_start(&s, 0, NULL, 0), EINVAL);
    assert_int_equal(ctxalloc_stacks_start(NULL, 4096, NULL, 0), EINVAL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(ca23_blocks_are_apart_initialised_and_recycled),
        TEST(ca23_what_is_not_a_block_that_is_out_is_refused),
        TEST(ca23_an_arena_out_of_another_source),
        TEST(ca23_any_thread),
        TEST(ca23_a_child_has_arenas_that_others_used_at_the_fork),
        TEST(ca23_forks_while_others_use_arenas),
        TEST(ca24_coroutines_heaps_are_of_a_fixed_size),
        TEST(ca24_stacks_have_a_guard_and_are_recycled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
