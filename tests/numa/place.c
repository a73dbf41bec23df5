/* Where pages lie, in a guest with several nodes: see run.  Each case is a process of its own; cases for one machine say so in the list at the end. */
#include "tests/numa/numa.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>

enum { MIB = 1 << 20, BLOCKS = 20000 };

/* --- for run --self --- */

static void self_pass(void) {}
static void self_fail(void) { MUST(node_of(&(int){1}) == 7); }
static void self_hang(void) { pause(); }

/* --- what the kernel does, and the tests rest on --- */

static void *touched(void *argument)
{
    size_t bytes = *(size_t *)argument;
    char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    MUST(p != MAP_FAILED);
    memset(p, 1, bytes);
    return p;
}

static void kernel_places_at_first_touch(void)
{
    size_t bytes = 4 << 20;
    for (int node = 0; node < 2; node++) {
        struct spread s = spread_of(on_node(node, touched, &bytes), bytes);
        MUST_EQUAL(s.all, bytes / PAGE);
        MUST_EQUAL(s.on[node], s.all);
    }
}


/* --- blocks of all kinds, and where they are --- */

/* Of an object in a slab, a large block, a huge one. */
static const size_t sizes[] = {40, 300, 2000, 9000, 40000, 700000, 3 * MIB};

struct blocks {
    void *p[BLOCKS];
    size_t size[BLOCKS], count;
};

/* About `bytes` of all sizes, from malloc as it stands, touched. */
static void blocks_take(struct blocks *b, size_t bytes)
{
    b->count = 0;
    for (size_t i = 0; bytes && b->count < BLOCKS; i++) {
        size_t size = sizes[i % 64 == 63 ? 6 : i % 16 == 15 ? 5 : i % 5];
        size = size < bytes ? size : bytes;
        char *p = malloc(size);
        MUST(p);
        memset(p, 0x5a, size);
        b->p[b->count] = p;
        b->size[b->count++] = size;
        bytes -= size;
    }
    MUST(!bytes);
}

static struct spread blocks_spread(const struct blocks *b)
{
    struct spread s = {{0}, 0, 0};
    for (size_t i = 0; i < b->count; i++)
        spread_add(&s, b->p[i], b->size[i]);
    MUST(s.all > 0);
    return s;
}

static void blocks_free(struct blocks *b)
{
    for (size_t i = 0; i < b->count; i++)
        free(b->p[i]);
    b->count = 0;
}

/* Every page of every block is on the node. */
static void must_be_on(const struct blocks *b, int node)
{
    struct spread s = blocks_spread(b);
    for (size_t i = 0; s.on[node] != s.all && i < b->count; i++) {
        struct spread one = spread_of(b->p[i], b->size[i]);
        if (one.on[node] != one.all) {
            printf("block %zu of %zu bytes at %p: %zu of %zu pages on node %d\n", i, b->size[i], b->p[i], one.on[node], one.all, node);
            (void)ctxalloc_numa_report(1);
            break;
        }
    }
    MUST_EQUAL(s.on[node], s.all);
}

static uint64_t misplaced(ctxalloc_context *context)
{
    ctxalloc_numa_usage_t usage;
    MUST_EQUAL(ctxalloc_numa_usage(context, &usage), 0);
    return usage.misplaced;
}

static ctxalloc_context *context_on(const char *policy, enum ctxalloc_lifetime lifetime)
{
    ctxalloc_context *c = ctxalloc_create(&(ctxalloc_options){.size = sizeof(ctxalloc_options), .name = policy, .lifetime = lifetime, .numa = policy});
    MUST(c);
    return c;
}

static const enum ctxalloc_lifetime lifetimes[] = {CTXALLOC_LONG, CTXALLOC_MEDIUM, CTXALLOC_SHORT};

/* --- thread heaps --- */

static struct blocks first, second, third;

static void *take_some(void *argument)
{
    blocks_take((struct blocks *)argument, 8 * MIB);
    return NULL;
}

static void n9_a_threads_memory_is_on_its_node(void)
{
    blocks_take(&third, 4 * MIB); /* the first thread's, wherever it runs: where it touches it */
    for (int node = 0; node < 2; node++) {
        (void)on_node(node, take_some, &first);
        must_be_on(&first, node);
        blocks_free(&first);
    }
    MUST_EQUAL(misplaced(NULL), 0);
}

static void *take_and_move(void *argument)
{
    int node = *(int *)argument;
    blocks_take(&first, 4 * MIB);
    run_on_node(!node);
    blocks_take(&second, 8 * MIB);
    return NULL;
}

static void n9_a_heap_stays_on_its_node_when_the_thread_moves(void)
{
    int node = 1; /* first, so that it is known from then on that there are several */
    (void)on_node(node, take_and_move, &node);
    must_be_on(&first, node);
    must_be_on(&second, node);
    blocks_free(&first);
    blocks_free(&second);
    node = 0;
    (void)on_node(node, take_and_move, &node);
    must_be_on(&first, node);
    must_be_on(&second, node);
}

struct ended {
    void *kept[64];
    int node;
};

/* Leaves a heap with something live on each of 64 places. */
static void *leave_some(void *argument)
{
    struct ended *e = (struct ended *)argument;
    static _Thread_local struct blocks b;
    blocks_take(&b, 4 * MIB);
    for (size_t i = 0, n = b.count / 64; i < 64; i++) {
        e->kept[i] = b.p[i * n];
        b.p[i * n] = NULL;
    }
    blocks_free(&b);
    return NULL;
}

static void *come_after(void *argument)
{
    struct ended *e = (struct ended *)argument;
    ctxalloc_numa_usage_t usage;
    void *p = malloc(100);
    MUST(p);
    memset(p, 1, 100);
    MUST_EQUAL(ctxalloc_numa_usage(CTXALLOC_GLOBAL, &usage), 0);
    /* The heap that a thread of this node left: what is live in it is counted here. */
    MUST(usage.resident[e->node] >= 64 * 40 && usage.resident[!e->node] == 0);
    MUST_EQUAL(usage.misplaced, 0);
    static _Thread_local struct blocks b;
    blocks_take(&b, 8 * MIB);
    must_be_on(&b, e->node);
    for (int i = 0; i < 64; i++)
        MUST_EQUAL(node_of(e->kept[i]), e->node);
    blocks_free(&b);
    free(p);
    return (void *)(uintptr_t)(usage.resident[e->node] + usage.absent);
}

static void n9_heaps_of_ended_threads_are_adopted_on_their_node(void)
{
    struct ended left[2] = {{{0}, 0}, {{0}, 1}};
    run_on_node(0);
    free(malloc(1));
    (void)on_node(1, leave_some, &left[1]);
    (void)on_node(0, leave_some, &left[0]);
    /* The heap of node 0 was left last, and is on top; who comes on node 1 takes the other one. */
    uintptr_t one = (uintptr_t)on_node(1, come_after, &left[1]);
    uintptr_t zero = (uintptr_t)on_node(0, come_after, &left[0]);
    MUST(one > 64 * 1024 && zero > 64 * 1024);
    MUST_EQUAL(misplaced(NULL), 0);
}

static void *free_first(void *argument)
{
    (void)argument;
    blocks_free(&first);
    return NULL;
}

static void *take_second(void *argument)
{
    (void)argument;
    blocks_take(&second, 8 * MIB);
    return NULL;
}

static void n9_remote_frees_return_home(void)
{
    run_on_node(0);
    free(malloc(1));
    (void)on_node(1, take_some, &first);
    must_be_on(&first, 1);
    uintptr_t low = UINTPTR_MAX, high = 0;
    for (size_t i = 0; i < first.count; i++) {
        low = (uintptr_t)first.p[i] < low ? (uintptr_t)first.p[i] : low;
        high = (uintptr_t)first.p[i] + first.size[i] > high ? (uintptr_t)first.p[i] + first.size[i] : high;
    }
    (void)on_node(0, free_first, NULL); /* of a heap that nobody has: it is drained */
    (void)on_node(0, take_second, NULL);
    must_be_on(&second, 0);
    for (size_t i = 0; i < second.count; i++) /* nothing of it came to the freeing thread */
        MUST((uintptr_t)second.p[i] + second.size[i] <= low || (uintptr_t)second.p[i] >= high);
    blocks_free(&second);
    (void)on_node(1, take_second, NULL);
    must_be_on(&second, 1);
    size_t again = 0;
    for (size_t i = 0; i < second.count; i++)
        again += (uintptr_t)second.p[i] >= low && (uintptr_t)second.p[i] < high;
    MUST(again > second.count / 2); /* it is used again at home */
    MUST_EQUAL(misplaced(NULL), 0);
}

/* Requests: a context of each kind, some pages, and all of it goes. */
static void *serve(void *argument)
{
    int node = *(int *)argument;
    for (int i = 0; i < 40; i++)
        for (int kind = 0; kind < 3; kind++) {
            ctxalloc_context *c = ctxalloc_create(&(ctxalloc_options){.size = sizeof(ctxalloc_options), .lifetime = lifetimes[kind]});
            MUST(c);
            for (int k = 0; k < 30; k++) {
                char *p = ctxalloc_malloc(c, 1000);
                MUST(p);
                memset(p, 1, 1000);
                MUST_EQUAL(node_of(p), node);
            }
            MUST_EQUAL(ctxalloc_destroy(c), 0);
        }
    return NULL;
}

static void n9_contexts_are_on_their_threads_node(void)
{
    run_on_node(0);
    free(malloc(1));
    for (int i = 0; i < 4; i++) /* each node after the other: what the other one left is not taken */
        (void)on_node(!(i & 1), serve, &(int){!(i & 1)});
    MUST_EQUAL(misplaced(NULL), 0);
}

/* Blocks that are made on one node and freed on the other, by threads that come and go. */
struct belt {
    void *volatile slot[256];
    int rounds;
};

static struct belt belts[2];

static void *drift_worker(void *argument)
{
    int node = (int)(intptr_t)argument;
    uint64_t x = (uint64_t)node * 77 + 5;
    for (int i = 0; i < belts[0].rounds; i++) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        size_t size = sizes[x % 5];
        char *p = malloc(size);
        MUST(p);
        memset(p, 1, size);
        MUST(i % 64 || node_of(p) == node);
        free(__atomic_exchange_n(&belts[!node].slot[x >> 32 & 255], p, __ATOMIC_ACQ_REL)); /* mostly the other thread's */
        free(__atomic_exchange_n(&belts[node].slot[x >> 40 & 255], NULL, __ATOMIC_ACQ_REL));
    }
    return NULL;
}

static void *take_one(void *bytes)
{
    void *p = malloc(*(size_t *)bytes);
    MUST(p);
    return memset(p, 1, *(size_t *)bytes);
}

static void drift(int generations, int rounds)
{
    /* One block of each node stays: when a thread runs to its end before the other one begins, nothing of its node need be left on the belts. */
    size_t stays = 40000;
    void *kept[2];
    for (int node = 0; node < 2; node++)
        kept[node] = on_node(node, take_one, &stays);
    belts[0].rounds = rounds;
    for (int g = 0; g < generations; g++) {
        pthread_t thread[2];
        struct numa_thread t[2];
        for (int node = 0; node < 2; node++) {
            t[node] = (struct numa_thread){drift_worker, (void *)(intptr_t)node, node};
            MUST(!pthread_create(&thread[node], NULL, numa_thread_start, &t[node]));
        }
        for (int node = 0; node < 2; node++)
            MUST(!pthread_join(thread[node], NULL));
    }
    MUST_EQUAL(misplaced(NULL), 0);
    ctxalloc_numa_usage_t usage;
    MUST_EQUAL(ctxalloc_numa_usage(NULL, &usage), 0);
    MUST(usage.resident[0] >= stays && usage.resident[1] >= stays);
    MUST(usage.resident[0] + usage.resident[1] < 200 * (uint64_t)MIB);
    for (int node = 0; node < 2; node++)
        free(kept[node]);
}

static void n9_memory_does_not_drift(void) { drift(4, 2000); }
static void n9_memory_does_not_drift_in_long_runs(void) { drift(12, 8000); }

/* --- policies of contexts, threads, and the process --- */

static void ca21_bind_places_every_page(void)
{
    run_on_node(0);
    for (size_t l = 0; l < 3; l++)
        for (int node = 1; node >= 0; node--) {
            ctxalloc_context *c = context_on(node ? "bind:1" : "bind:0", lifetimes[l]);
            MUST(ctxalloc_switch(c) == CTXALLOC_GLOBAL);
            blocks_take(&first, 24 * MIB);
            MUST(ctxalloc_switch(CTXALLOC_GLOBAL) == c);
            must_be_on(&first, node);
            /* what another thread takes for it, and what is resized */
            char *p = ctxalloc_malloc(c, 5 * MIB);
            MUST(p && (p = realloc(p, 9 * MIB)));
            memset(p, 1, 9 * MIB);
            MUST_EQUAL(spread_of(p, 9 * MIB).on[node], 9 * MIB / PAGE);
            MUST_EQUAL(misplaced(c), 0);
            MUST_EQUAL(ctxalloc_destroy(c), 0);
        }
}

static void ca21_memory_given_back_keeps_its_policy(void)
{
    run_on_node(0);
    ctxalloc_context *c = context_on("preferred:1", CTXALLOC_LONG);
    for (int round = 0; round < 3; round++) {
        MUST(ctxalloc_switch(c) == CTXALLOC_GLOBAL);
        blocks_take(&first, 16 * MIB);
        must_be_on(&first, 1);
        char *big = malloc(8 * MIB);
        MUST(big);
        memset(big, 1, 8 * MIB);
        big = realloc(big, 40 * MIB); /* its pages are moved by their tables */
        MUST(big);
        memset(big, 2, 40 * MIB);
        MUST_EQUAL(spread_of(big, 40 * MIB).on[1], 40 * MIB / PAGE);
        free(big);
        blocks_free(&first);
        MUST(ctxalloc_switch(CTXALLOC_GLOBAL) == c);
        MUST_EQUAL(ctxalloc_reset(c), 0);
        (void)malloc_trim(0); /* all pages go back to the kernel */
    }
    MUST_EQUAL(ctxalloc_destroy(c), 0);
}

/* The shares of `count` nodes: within 2 %. Where the kernel uses huge pages, these are what is interleaved: the cases go without. */
static void without_huge_pages(void) { MUST(!prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0)); }

static void must_be_even(struct spread s, unsigned nodes)
{
    size_t fair = s.all / (size_t)__builtin_popcount(nodes);
    for (int node = 0; node < NODES; node++) {
        if (!(nodes >> node & 1)) {
            MUST_EQUAL(s.on[node], 0);
            continue;
        }
        size_t off = s.on[node] > fair ? s.on[node] - fair : fair - s.on[node];
        printf("node %d: %zu of %zu pages\n", node, s.on[node], s.all);
        MUST(off * 1000 <= fair * 20);
    }
}

static void ca21_interleave_spreads_within_two_percent(void)
{
    without_huge_pages();
    run_on_node(0);
    ctxalloc_context *c = context_on("interleave", CTXALLOC_LONG);
    MUST(ctxalloc_switch(c) == CTXALLOC_GLOBAL);
    blocks_take(&first, 64 * MIB);
    MUST(ctxalloc_switch(CTXALLOC_GLOBAL) == c);
    must_be_even(blocks_spread(&first), ctxalloc_numa_nodes() == 3 ? 0xb : (1U << ctxalloc_numa_nodes()) - 1);
    MUST_EQUAL(misplaced(c), 0);
    MUST_EQUAL(ctxalloc_destroy(c), 0);
}

static void ca21_interleave_over_some(void)
{
    without_huge_pages();
    ctxalloc_context *c = context_on("interleave:1-2", CTXALLOC_LONG);
    MUST(ctxalloc_switch(c) == CTXALLOC_GLOBAL);
    blocks_take(&first, 32 * MIB);
    MUST(ctxalloc_switch(CTXALLOC_GLOBAL) == c);
    struct spread s = blocks_spread(&first);
    MUST_EQUAL(s.on[1] + s.on[2], s.all);
    must_be_even(s, 6);
}

static void *with_policy(void *argument)
{
    MUST_EQUAL(ctxalloc_numa_set(CTXALLOC_GLOBAL, (const char *)argument), 0);
    blocks_take(&first, 8 * MIB);
    return NULL;
}

static void ca21_a_thread_has_a_policy(void)
{
    (void)on_node(0, with_policy, (char[]){"bind:1"});
    must_be_on(&first, 1);
    blocks_free(&first);
    (void)on_node(0, take_some, &first); /* the next one has none */
    must_be_on(&first, 0);
}

static void ca21_a_policy_can_be_changed_and_pages_moved(void)
{
    run_on_node(0);
    ctxalloc_context *c = context_on("bind:0", CTXALLOC_LONG);
    MUST(ctxalloc_switch(c) == CTXALLOC_GLOBAL);
    blocks_take(&first, 16 * MIB);
    MUST_EQUAL(ctxalloc_numa_set(c, "bind:1"), 0);
    blocks_take(&second, 8 * MIB); /* some of it may come from what the heap has still */
    MUST(ctxalloc_switch(CTXALLOC_GLOBAL) == c);
    must_be_on(&first, 0);
    MUST(misplaced(c) >= 16 * MIB);
    uint64_t before = misplaced(c), moved = 0;
    MUST_EQUAL(ctxalloc_numa_migrate(c, &moved), 0);
    printf("%llu bytes misplaced, %llu moved\n", (unsigned long long)before, (unsigned long long)moved);
    MUST_EQUAL(moved, before);
    MUST_EQUAL(misplaced(c), 0);
    must_be_on(&first, 1);
    must_be_on(&second, 1);
    for (size_t i = 0; i < first.count; i++)
        for (size_t k = 0; k < first.size[i]; k += 37)
            MUST(((unsigned char *)first.p[i])[k] == 0x5a);
    MUST_EQUAL(ctxalloc_destroy(c), 0);
}

static void ca21_bad_policies_are_refused(void)
{
    static const char *const bad[] = {"", "bund:0", "bind", "bind:9", "strict:900", "preferred:0-1", "bind:0,"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        errno = 0;
        MUST_EQUAL(ctxalloc_numa_set(CTXALLOC_GLOBAL, bad[i]), EINVAL);
        MUST(!ctxalloc_create(&(ctxalloc_options){.size = sizeof(ctxalloc_options), .numa = bad[i]}) && errno == EINVAL);
    }
    MUST_EQUAL(ctxalloc_numa_set(NULL, "local"), EINVAL);
    ctxalloc_context *c = context_on("bind:1,9", CTXALLOC_LONG); /* what has no memory is left out */
    MUST_EQUAL(ctxalloc_destroy(c), 0);
}

/* --- the process: this program again, with an option --- */

static void again(const char *options, const char *name)
{
    pid_t child = fork();
    MUST(child >= 0);
    if (!child) {
        if (options)
            setenv("CTXALLOC_OPTIONS", options, 1);
        execl("/proc/self/exe", "place", name, (char *)NULL);
        _exit(126);
    }
    int status;
    MUST(waitpid(child, &status, 0) == child);
    MUST_EQUAL(status, 0);
}

static void self_all_on_one(void)
{
    run_on_node(0);
    blocks_take(&first, 16 * MIB);
    must_be_on(&first, 1);
    (void)on_node(0, take_some, &second);
    must_be_on(&second, 1);
    MUST_EQUAL(misplaced(NULL), 0);
}

static void self_even(void)
{
    without_huge_pages();
    run_on_node(0);
    blocks_take(&first, 64 * MIB);
    must_be_even(blocks_spread(&first), 3);
    (void)on_node(1, take_some, &second);
    must_be_even(blocks_spread(&second), 3);
}

static void self_by_touch(void) /* numa=off: where a thread runs when it touches a page */
{
    int node = 1;
    (void)on_node(node, take_and_move, &node);
    must_be_on(&first, 1);
    struct spread s = blocks_spread(&second);
    MUST(s.on[0] > s.all / 2);
}

static void ca21_the_process_has_a_policy(void)
{
    again("numa=bind:1", "self_all_on_one");
    again("numa=preferred:1", "self_all_on_one");
    again("numa=strict:1", "self_all_on_one");
    again("numa=interleave:0+1", "self_even");
    again("numa=off", "self_by_touch");
    again("numa=local", "n9_a_threads_memory_is_on_its_node");
    again("numa=local,check=off", "n9_a_heap_stays_on_its_node_when_the_thread_moves");
    again("check=full", "n9_a_threads_memory_is_on_its_node");
}

static void self_told(void) /* as numactl does: the policy is the process's */
{
    int node = 0;
    (void)on_node(node, take_and_move, &node);
    must_be_on(&first, 1);
    must_be_on(&second, 1);
}

static void ca21_what_numactl_said_holds(void)
{
    unsigned long one = 2;
    MUST(!syscall(SYS_set_mempolicy, MPOL_BIND, &one, 65UL));
    again(NULL, "self_told");
    again("numa=default", "self_told");
    MUST(!syscall(SYS_set_mempolicy, MPOL_DEFAULT, NULL, 0UL));
}

static size_t said_by(void (*fn)(void), char *text, size_t size);

/* --- with contexts' other promises --- */

static void bytes_must_be(const struct blocks *b, int byte)
{
    for (size_t i = 0; i < b->count; i++) {
        const unsigned char *p = b->p[i];
        MUST(p[0] == byte && !memcmp(p, p + 1, b->size[i] - 1));
    }
}

static void take_of(ctxalloc_context *c, struct blocks *b, size_t bytes)
{
    MUST(ctxalloc_switch(c) == CTXALLOC_GLOBAL);
    blocks_take(b, bytes);
    MUST(ctxalloc_switch(CTXALLOC_GLOBAL) == c);
}

/* Where frozen memory lies is known, and it can be moved: only its bytes stay what they are. */
static void n11_a_frozen_context_has_its_nodes(void)
{
    run_on_node(0);
    ctxalloc_context *c = context_on("bind:1", CTXALLOC_LONG);
    take_of(c, &first, 16 * MIB);
    MUST_EQUAL(ctxalloc_freeze(c, true), 0);
    must_be_on(&first, 1);
    MUST_EQUAL(misplaced(c), 0);
    MUST_EQUAL(ctxalloc_numa_set(c, "bind:0"), 0);
    MUST(misplaced(c) >= 16 * MIB);
    uint64_t moved = 0;
    MUST_EQUAL(ctxalloc_numa_migrate(c, &moved), 0);
    MUST(moved >= 16 * MIB);
    must_be_on(&first, 0);
    bytes_must_be(&first, 0x5a);
    pid_t child = fork();
    MUST(child >= 0);
    if (!child) {
        *(volatile char *)first.p[5] = 1; /* still a fault */
        _exit(0);
    }
    int status;
    MUST(waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    for (size_t i = 0; i < first.count; i += 2) { /* frees are legal */
        free(first.p[i]);
        first.p[i] = first.p[first.count - 1];
        first.size[i] = first.size[--first.count];
    }
    MUST_EQUAL(ctxalloc_freeze(c, false), 0);
    take_of(c, &second, 24 * MIB); /* what is new lies where the policy says now */
    ctxalloc_numa_usage_t usage;
    MUST_EQUAL(ctxalloc_numa_usage(c, &usage), 0);
    MUST(usage.resident[0] >= 24 * MIB);
    bytes_must_be(&first, 0x5a);
    MUST_EQUAL(ctxalloc_destroy(c), 0);
}

/* Destroyed contexts whose blocks stay: these are where they were, are told of, and used again there when they are freed. */
static void ca21_adopted_memory_stays_on_its_node(void)
{
    run_on_node(0);
    for (size_t l = 0; l < 3; l++)
        for (int with_parent = 0; with_parent < 2; with_parent++) {
            ctxalloc_context *parent = with_parent ? context_on("bind:0", CTXALLOC_LONG) : NULL;
            ctxalloc_context *c = ctxalloc_create(
                &(ctxalloc_options){.size = sizeof(ctxalloc_options), .name = "to be adopted", .parent = parent, .lifetime = lifetimes[l], .escape = CTXALLOC_ADOPT, .numa = "bind:1"});
            MUST(c);
            take_of(c, &first, 12 * MIB);
            ctxalloc_numa_usage_t before, after;
            MUST_EQUAL(ctxalloc_numa_usage(NULL, &before), 0);
            MUST(before.resident[1] >= 12 * MIB);
            MUST_EQUAL(ctxalloc_destroy(c), 0);
            must_be_on(&first, 1);
            bytes_must_be(&first, 0x5a);
            MUST_EQUAL(ctxalloc_numa_usage(NULL, &after), 0);
            MUST(after.resident[1] >= 12 * MIB);
            MUST_EQUAL(after.misplaced, 0);
            take_of(parent ? parent : CTXALLOC_GLOBAL, &second, 8 * MIB); /* the heir's own policy holds for what is new */
            must_be_on(&second, 0);
            (void)on_node(0, take_some, &third); /* and a thread's node for a thread, whoever's heap it gets */
            must_be_on(&third, 0);
            blocks_free(&third);
            must_be_on(&first, 1);
            blocks_free(&first);
            blocks_free(&second);
            if (parent)
                MUST_EQUAL(ctxalloc_destroy(parent), 0);
            c = context_on("bind:1", lifetimes[l]); /* it is node 1's memory still */
            take_of(c, &first, 12 * MIB);
            must_be_on(&first, 1);
            MUST_EQUAL(ctxalloc_destroy(c), 0);
            MUST_EQUAL(misplaced(NULL), 0);
        }
}

static void report_of_adopted(void)
{
    ctxalloc_context *c = ctxalloc_create(&(ctxalloc_options){.size = sizeof(ctxalloc_options), .name = "heirless", .escape = CTXALLOC_ADOPT, .numa = "bind:1"});
    MUST(c);
    char *p = ctxalloc_malloc(c, 4 * MIB), *q = ctxalloc_malloc(c, 1 * MIB);
    MUST(p && q);
    memset(p, 1, 4 * MIB);
    memset(q, 1, 1 * MIB);
    MUST_EQUAL(ctxalloc_destroy(c), 0);
    MUST_EQUAL(ctxalloc_numa_report(2), 0);
}

static void ca21_the_report_tells_of_adopted_memory(void)
{
    char text[4000];
    run_on_node(0);
    MUST(said_by(report_of_adopted, text, sizeof text) > 0);
    puts(text);
    const char *heap = strstr(text, "heap without a thread"), *huge = strstr(text, "huge blocks");
    MUST(heap && huge && strstr(heap, "(bind:1): node 1: ") && strstr(huge, "node 1: 4096 KiB"));
    const char *wrong = strstr(text, "misplaced");
    for (; wrong; wrong = strstr(wrong + 1, "misplaced"))
        MUST(!strncmp(wrong, "misplaced 0 KiB", 15));
}

/* --- full nodes --- */

/* Leaves about `kib` free on the node; a child holds the rest. */
static pid_t fill_node(int node, long kib)
{
    int ready[2];
    MUST(!pipe(ready));
    pid_t child = fork();
    MUST(child >= 0);
    if (!child) {
        unsigned long mask = 1UL << node;
        MUST(!prctl(PR_SET_PDEATHSIG, SIGKILL));
        MUST(!syscall(SYS_set_mempolicy, MPOL_BIND, &mask, 65UL));
        for (long left; (left = node_free(node) - kib) > 0;) {
            size_t bytes = ((size_t)(left > 8192 ? left / 2 : left) << 10 & ~(size_t)(PAGE - 1)) + PAGE;
            char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            MUST(p != MAP_FAILED);
            memset(p, 1, bytes);
        }
        MUST(write(ready[1], "", 1) == 1);
        pause();
        _exit(0);
    }
    char c;
    close(ready[1]);
    MUST(read(ready[0], &c, 1) == 1);
    close(ready[0]);
    return child;
}

static void fill_end(pid_t child)
{
    MUST(!kill(child, SIGKILL) && waitpid(child, NULL, 0) == child);
}

static void ca21_preferred_goes_elsewhere_when_full(void)
{
    pid_t filler = fill_node(1, 24 * 1024);
    run_on_node(0);
    ctxalloc_context *c = context_on("preferred:1", CTXALLOC_LONG);
    MUST(ctxalloc_switch(c) == CTXALLOC_GLOBAL);
    blocks_take(&first, 64 * MIB); /* more than there is */
    MUST(ctxalloc_switch(CTXALLOC_GLOBAL) == c);
    struct spread s = blocks_spread(&first);
    printf("%zu pages on node 1, %zu on node 0\n", s.on[1], s.on[0]);
    MUST(s.on[0] > 16 * MIB / PAGE && !s.absent);
    MUST(misplaced(c) >= 16 * MIB);
    fill_end(filler);
    uint64_t moved;
    MUST_EQUAL(ctxalloc_numa_migrate(c, &moved), 0); /* there is room now */
    MUST_EQUAL(misplaced(c), 0);
    must_be_on(&first, 1);
}

static void n9_local_goes_elsewhere_when_the_node_is_full(void)
{
    run_on_node(0);
    free(malloc(1));
    pid_t filler = fill_node(1, 12 * 1024);
    (void)on_node(1, take_some, &first);
    (void)on_node(1, take_some, &second);
    (void)on_node(1, take_some, &third); /* 24 MiB, of which half can be on node 1 */
    size_t here = blocks_spread(&first).on[1] + blocks_spread(&second).on[1] + blocks_spread(&third).on[1];
    struct spread s = blocks_spread(&third);
    printf("%zu pages on node 1\n", here);
    MUST(here > 4 * MIB / PAGE && s.on[0] > s.all / 2 && !s.absent);
    MUST(misplaced(NULL) >= 8 * MIB);
    fill_end(filler);
}

static size_t strict_fill(ctxalloc_context *c, size_t size, void **chain)
{
    size_t all = 0;
    for (void **p; (p = ctxalloc_malloc(c, size)); all += size) {
        memset(p, 1, size);
        *p = *chain;
        *chain = p;
        if (size >= PAGE)
            MUST(node_of(p) == 1 && node_of((char *)p + size - 1) == 1);
    }
    MUST_EQUAL(errno, ENOMEM);
    return all;
}

/* Of a node without free memory the kernel moves pages together, and a page on its way is said to be nowhere: look again, for a second. */
static void must_be_resident_on_1(ctxalloc_context *c, size_t all)
{
    ctxalloc_numa_usage_t usage;
    for (int looks = 0; looks < 100; looks++) {
        MUST_EQUAL(ctxalloc_numa_usage(c, &usage), 0);
        MUST_EQUAL(usage.resident[0], 0);
        if (usage.resident[1] >= all)
            return;
        printf("%llu bytes of %zu on node 1, %llu absent\n", (unsigned long long)usage.resident[1], all, (unsigned long long)usage.absent);
        MUST(!usleep(10000));
    }
    MUST(usage.resident[1] >= all);
}

static void ca21_strict_fails_cleanly_when_the_node_is_full(void)
{
    static const size_t of[] = {100, 5000, 100000, 4 * MIB};
    pid_t filler = fill_node(1, 60 * 1024); /* quicker than to fill all of it */
    run_on_node(0);
    for (size_t i = 0; i < 4; i++) {
        ctxalloc_context *c = context_on("strict:1", CTXALLOC_LONG);
        void *chain = NULL;
        long before = node_free(1);
        size_t all = strict_fill(c, of[i], &chain);
        printf("blocks of %zu: %zu KiB of %ld KiB, %ld KiB left\n", of[i], all >> 10, before, node_free(1));
        MUST(all > (size_t)before * 1024 / 4);
        MUST_EQUAL(misplaced(c), 0);
        must_be_resident_on_1(c, all);
        /* Others go on, and what is freed can be had again. */
        void *other = malloc(MIB);
        MUST(other);
        memset(other, 1, MIB);
        free(other);
        int some = of[i] < MIB ? 10 : 3;
        MUST(all >= (size_t)some * of[i]);
        for (int n = 0; n < some; n++) {
            void *p = chain;
            chain = *(void **)p;
            free(p);
        }
        void *back[10];
        for (int n = 0; n < some; n++)
            MUST((back[n] = ctxalloc_malloc(c, of[i])) && node_of(back[n]) == 1);
        MUST_EQUAL(ctxalloc_destroy(c), 0);
        (void)malloc_trim(0);
    }
    fill_end(filler);
}

static void n9_a_node_goes_to_a_hundred_percent(void)
{
    /* Bound memory on a full node: the kernel ends a process, and that is the one that says it may. */
    pid_t child = fork();
    MUST(child >= 0);
    if (!child) {
        int fd = open("/proc/self/oom_score_adj", O_WRONLY);
        MUST(fd >= 0 && write(fd, "1000", 4) == 4);
        close(fd);
        ctxalloc_context *c = context_on("bind:1", CTXALLOC_LONG);
        for (;;) {
            void *p = ctxalloc_malloc(c, MIB);
            MUST(p);
            memset(p, 1, MIB);
        }
    }
    int status;
    MUST(waitpid(child, &status, 0) == child);
    MUST(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    /* Local memory goes on to the next node, all of it. */
    pid_t filler = fill_node(1, 4 * 1024);
    (void)on_node(1, take_some, &first);
    struct spread s = blocks_spread(&first);
    MUST(!s.absent && s.on[0] > 0);
    MUST(misplaced(NULL) > 0);
    fill_end(filler);
}

/* --- odd nodes: 2 has a CPU and no memory, 3 has memory and no CPU --- */

static void n9_a_node_without_memory_uses_the_nearest(void)
{
    (void)on_node(1, take_some, &first); /* the look */
    (void)on_node(2, take_and_move, &(int){1});
    must_be_on(&first, 1);
    must_be_on(&second, 1);
    MUST_EQUAL(misplaced(NULL), 0);
    MUST_EQUAL(ctxalloc_numa_nodes(), 3);
    MUST_EQUAL(ctxalloc_numa_set(CTXALLOC_GLOBAL, "bind:2"), EINVAL);
    MUST_EQUAL(ctxalloc_numa_set(CTXALLOC_GLOBAL, "bind:1-2"), 0);
}

static void n9_a_node_without_cpus_can_be_bound_to(void)
{
    ctxalloc_context *c = context_on("bind:3", CTXALLOC_LONG);
    MUST(ctxalloc_switch(c) == CTXALLOC_GLOBAL);
    blocks_take(&first, 16 * MIB);
    MUST(ctxalloc_switch(CTXALLOC_GLOBAL) == c);
    must_be_on(&first, 3);
    MUST_EQUAL(ctxalloc_destroy(c), 0);
}

/* --- refusals --- */

static void refuse(long call)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)call, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof code / sizeof code[0], code};
    MUST(!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) && !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program));
}

/* What fn writes on stderr. */
static size_t said_by(void (*fn)(void), char *text, size_t size)
{
    int ends[2], before = dup(2);
    MUST(before >= 0 && !pipe(ends) && dup2(ends[1], 2) == 2);
    close(ends[1]);
    fn();
    MUST(dup2(before, 2) == 2);
    close(before);
    ssize_t n = read(ends[0], text, size - 1);
    close(ends[0]);
    MUST(n >= 0);
    text[n] = '\0';
    return (size_t)n;
}

static void local_work(void)
{
    int node = 1;
    (void)on_node(node, take_and_move, &node);
}

static void bound_work(void)
{
    for (int i = 0; i < 3; i++) {
        ctxalloc_context *c = context_on(i ? "bind:1" : "interleave", CTXALLOC_LONG);
        MUST(ctxalloc_switch(c) == CTXALLOC_GLOBAL);
        blocks_take(&third, 8 * MIB);
        MUST(ctxalloc_switch(CTXALLOC_GLOBAL) == c);
        MUST_EQUAL(ctxalloc_destroy(c), 0);
    }
}

static void report_work(void) { MUST_EQUAL(ctxalloc_numa_report(2), 0); }

static void n9_a_refused_mbind_is_told_once(void)
{
    char text[4000];
    refuse(SYS_mbind);
    MUST_EQUAL(said_by(local_work, text, sizeof text), 0); /* nobody asked for it */
    must_be_on(&first, 1);
    MUST(said_by(bound_work, text, sizeof text) > 0);
    MUST(strstr(text, "refuses mbind") && strchr(text, '\n') == text + strlen(text) - 1);
    MUST(said_by(report_work, text, sizeof text) > 0);
    const char *line = strstr(text, "refused");
    MUST(line);
    puts(text);
}

static void n9_a_refused_move_pages_is_told(void)
{
    refuse(SYS_move_pages);
    ctxalloc_numa_usage_t usage;
    free(malloc(10));
    MUST_EQUAL(ctxalloc_numa_usage(NULL, &usage), EPERM);
    uint64_t moved;
    ctxalloc_context *c = context_on("bind:1", CTXALLOC_LONG);
    MUST(ctxalloc_malloc(c, 100));
    MUST_EQUAL(ctxalloc_numa_migrate(c, &moved), EPERM);
    ctxalloc_context *s = context_on("strict:1", CTXALLOC_LONG); /* cannot be looked at, and is carried on with */
    MUST(ctxalloc_malloc(s, 100));
}

/* --- the report --- */

static void n9_the_report_says_where_pages_are(void)
{
    run_on_node(0);
    ctxalloc_context *c = context_on("bind:1", CTXALLOC_LONG);
    char text[4000], *line;
    char *p = ctxalloc_malloc(c, 4 * MIB);
    MUST(p);
    memset(p, 1, 4 * MIB);
    (void)on_node(1, take_some, &first);
    MUST(said_by(report_work, text, sizeof text) > 0);
    puts(text);
    MUST((line = strstr(text, "context bind:1")));
    *strchr(line, '\n') = '\0';
    MUST(strstr(line, "node 1: 4.0 MiB") || strstr(line, "node 1: 4096 KiB"));
    MUST(!strstr(line, "node 0"));
}

/* --- one source --- */

static void ca21_a_source_over_another_has_a_policy(void)
{
    ctxalloc_numa_source source;
    ctxalloc_mmap_source mapped;
    MUST_EQUAL(ctxalloc_source_mmap(&mapped, NULL), 0);
    run_on_node(0);
    for (int over = 0; over < 2; over++)
        for (int strict = 0; strict < 2; strict++) {
            MUST_EQUAL(ctxalloc_source_numa(&source, over ? &mapped.source : NULL, strict ? "strict:1" : "bind:1"), 0);
            ctxalloc_context *c = ctxalloc_create(&(ctxalloc_options){.size = sizeof(ctxalloc_options), .source = &source.source});
            MUST(c && ctxalloc_switch(c) == CTXALLOC_GLOBAL);
            blocks_take(&first, 16 * MIB);
            MUST(ctxalloc_switch(CTXALLOC_GLOBAL) == c);
            must_be_on(&first, 1);
            MUST_EQUAL(misplaced(c), 0);
            MUST_EQUAL(ctxalloc_numa_set(c, "bind:0"), EINVAL); /* its source is the program's */
            MUST_EQUAL(ctxalloc_destroy(c), 0);
        }
    MUST_EQUAL(ctxalloc_source_numa(&source, NULL, "bind:77"), EINVAL);
    MUST_EQUAL(ctxalloc_source_numa(&source, NULL, "what"), EINVAL);
}

#define ALL(name) {#name, "", name}
static const struct numa_case cases[] = {
    ALL(self_pass), ALL(self_fail), ALL(self_hang), ALL(self_all_on_one), ALL(self_even), ALL(self_by_touch), ALL(self_told),
    ALL(kernel_places_at_first_touch),
    ALL(n9_a_threads_memory_is_on_its_node),
    ALL(n9_a_heap_stays_on_its_node_when_the_thread_moves),
    ALL(n9_heaps_of_ended_threads_are_adopted_on_their_node),
    ALL(n9_remote_frees_return_home),
    ALL(n9_memory_does_not_drift),
    ALL(n9_contexts_are_on_their_threads_node),
    {"n9_memory_does_not_drift_in_long_runs", "two long", n9_memory_does_not_drift_in_long_runs},
    {"ca21_bind_places_every_page", "two", ca21_bind_places_every_page},
    {"ca21_memory_given_back_keeps_its_policy", "two", ca21_memory_given_back_keeps_its_policy},
    ALL(ca21_interleave_spreads_within_two_percent),
    {"ca21_interleave_over_some", "four", ca21_interleave_over_some},
    {"ca21_a_thread_has_a_policy", "two four", ca21_a_thread_has_a_policy},
    {"ca21_a_policy_can_be_changed_and_pages_moved", "two four", ca21_a_policy_can_be_changed_and_pages_moved},
    ALL(ca21_bad_policies_are_refused),
    {"ca21_the_process_has_a_policy", "two", ca21_the_process_has_a_policy},
    {"ca21_what_numactl_said_holds", "two", ca21_what_numactl_said_holds},
    {"ca21_a_source_over_another_has_a_policy", "two", ca21_a_source_over_another_has_a_policy},
    {"n11_a_frozen_context_has_its_nodes", "two", n11_a_frozen_context_has_its_nodes},
    {"ca21_adopted_memory_stays_on_its_node", "two", ca21_adopted_memory_stays_on_its_node},
    {"ca21_the_report_tells_of_adopted_memory", "two", ca21_the_report_tells_of_adopted_memory},
    {"ca21_preferred_goes_elsewhere_when_full", "two", ca21_preferred_goes_elsewhere_when_full},
    {"n9_local_goes_elsewhere_when_the_node_is_full", "two", n9_local_goes_elsewhere_when_the_node_is_full},
    {"ca21_strict_fails_cleanly_when_the_node_is_full", "two", ca21_strict_fails_cleanly_when_the_node_is_full},
    {"n9_a_node_goes_to_a_hundred_percent", "two four long", n9_a_node_goes_to_a_hundred_percent},
    {"n9_a_node_without_memory_uses_the_nearest", "odd", n9_a_node_without_memory_uses_the_nearest},
    {"n9_a_node_without_cpus_can_be_bound_to", "odd", n9_a_node_without_cpus_can_be_bound_to},
    ALL(n9_a_refused_mbind_is_told_once),
    ALL(n9_a_refused_move_pages_is_told),
    ALL(n9_the_report_says_where_pages_are),
};

int main(int argc, char **argv) { return numa_main(argc, argv, cases, sizeof cases / sizeof cases[0]); }
