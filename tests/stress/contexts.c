/* Tasks that move: 8 threads run 10,000 tasks, each with a context of its own (all lifetimes), in steps. A step takes the task from wherever it was last,
 * switches to its context, checks and changes its blocks, frees a lot at once now and then, gives some away and frees some that others gave away, resets or destroys the context now and then,
 * and lets go of it. A task is taken by one thread at a time, as a scheduler would; blocks that were given away are anybody's.
 *
 *   tests/stress/contexts                            about 10^6 switches
 *   CTXALLOC_STRESS_SWITCHES=100000000 tests/stress/contexts      the long form
 *
 * Prints how many switches, migrations, remote frees, resets and destructions there were. */
#include <sched.h>

#include "include/ctxalloc.h"
#include "tests/stress/stress.h"

#define THREADS 8
#define TASKS 10000
#define TASK_BLOCKS 12
#define SHARED 4096

struct task {
    atomic_flag taken;
    atomic_uint given; /* blocks of this context that are under way */
    ctxalloc_context *context;
    struct block *blocks[TASK_BLOCKS];
    unsigned last_thread;
    uint64_t random;
    enum ctxalloc_lifetime lifetime;
};

/* A block that its task gave away; who frees it says so to the task. */
struct gift {
    struct block *block;
    struct task *task;
};

static struct task tasks[TASKS];
static struct gift gifts[SHARED];
static atomic_flag gift_taken[SHARED];
static ctxalloc_context *root[4]; /* parents of some */
static atomic_ulong switches, migrations, remote_frees, resets, destroys, resizes;
static unsigned long wanted;

static struct block *block_make(uint64_t *random) {
    size_t size = random_next(random) % 100 ? random_next(random) % 300 : random_next(random) % 20000;
    struct block *b = (struct block *)malloc(sizeof *b + size);
    CHECK(b != NULL);
    block_fill(b, size, random_next(random));
    return b;
}

static void context_make(struct task *t) {
    t->lifetime = (enum ctxalloc_lifetime)(random_next(&t->random) % 3);
    ctxalloc_options options = {.size = sizeof options, .name = "task", .lifetime = t->lifetime, .hard_limit = (size_t)64 << 20,
                                .parent = random_next(&t->random) % 4 ? NULL : root[random_next(&t->random) % 4]};
    t->context = ctxalloc_create(&options);
    CHECK(t->context != NULL);
}

/* One gift is swapped for another: the old one is freed here, whatever is current. */
static void give(struct task *t, struct block *b, uint64_t *random) {
    size_t at = random_next(random) % SHARED;
    if (atomic_flag_test_and_set_explicit(&gift_taken[at], memory_order_acquire)) {
        block_free(b);
        return;
    }
    struct gift old = gifts[at];
    atomic_fetch_add(&t->given, 1);
    gifts[at] = (struct gift){b, t};
    atomic_flag_clear_explicit(&gift_taken[at], memory_order_release);
    if (!old.block)
        return;
    if (random_next(random) % 8 == 0) { /* realloc finds the owner, too */
        size_t size = old.block->size;
        block_check(old.block, size);
        struct block *grown = (struct block *)realloc(old.block, sizeof *grown + size + 100);
        CHECK(grown != NULL);
        block_check(grown, size);
        old.block = grown;
        free(grown);
        atomic_fetch_add(&resizes, 1);
    } else {
        block_free(old.block);
    }
    atomic_fetch_add(&remote_frees, 1);
    atomic_fetch_sub(&old.task->given, 1);
}

static void blocks_forget(struct task *t) { memset(t->blocks, 0, sizeof t->blocks); }

/* So that it goes on with a heap, if it began with less. */
static void make_busy(void) {
    for (int i = 0; i < 600; i++) {
        void *volatile p = malloc(100);
        CHECK(p != NULL);
        free(p);
    }
}

static bool step(struct task *t, unsigned thread, uint64_t *random) {
    if (atomic_flag_test_and_set_explicit(&t->taken, memory_order_acquire))
        return false;
    if (!t->context)
        context_make(t);
    atomic_fetch_add_explicit(&migrations, t->last_thread != thread, memory_order_relaxed);
    t->last_thread = thread;
    ctxalloc_context *before = ctxalloc_switch(t->context);
    CHECK(before == CTXALLOC_GLOBAL);
    if (random_next(random) % 64 == 0)
        make_busy();
    for (int i = 0; i < 4; i++) {
        struct block **slot = &t->blocks[random_next(random) % TASK_BLOCKS];
        if (*slot)
            block_check(*slot, (*slot)->size);
        switch (*slot ? random_next(random) % 8 : 7) {
        case 0:
            give(t, *slot, random);
            *slot = NULL;
            break;
        case 1:
            *slot = block_resize(*slot, random);
            break;
        case 2:
        case 3:
            block_free(*slot);
            *slot = NULL;
            break;
        default:
            block_free(*slot);
            *slot = block_make(random);
            CHECK(ctxalloc_owner(*slot) == t->context);
        }
    }
    CHECK(ctxalloc_switch(CTXALLOC_GLOBAL) == t->context);
    atomic_fetch_add_explicit(&switches, 2, memory_order_relaxed);
    if (random_next(random) % 32 == 0) {
        /* Blocks under way would be freed after their death: that is for the program to see to. */
        bool whole = random_next(random) % 2;
        if (atomic_load(&t->given) == 0) {
            CHECK((whole ? ctxalloc_destroy(t->context) : ctxalloc_reset(t->context)) == 0);
            atomic_fetch_add_explicit(whole ? &destroys : &resets, 1, memory_order_relaxed);
            if (whole)
                t->context = NULL;
            blocks_forget(t);
        }
    }
    atomic_flag_clear_explicit(&t->taken, memory_order_release);
    return true;
}

static void *work(void *argument) {
    unsigned thread = (unsigned)(uintptr_t)argument;
    uint64_t random = thread * 7919u + 1;
    while (atomic_load_explicit(&switches, memory_order_relaxed) < wanted)
        for (int i = 0; i < 64; i++)
            if (!step(&tasks[random_next(&random) % TASKS], thread, &random))
                sched_yield();
    return NULL;
}

int main(void) {
    const char *text = getenv("CTXALLOC_STRESS_SWITCHES");
    wanted = text ? strtoul(text, NULL, 10) : 1000000;
    pthread_t thread[THREADS];
    ctxalloc_usage_t u;
    for (size_t i = 0; i < 4; i++) {
        ctxalloc_options options = {.size = sizeof options, .name = "root", .escape = CTXALLOC_REFUSE};
        root[i] = ctxalloc_create(&options);
        CHECK(root[i] != NULL);
    }
    for (size_t i = 0; i < TASKS; i++) {
        atomic_flag_clear(&tasks[i].taken);
        tasks[i].random = i + 1;
    }
    for (size_t i = 0; i < THREADS; i++)
        CHECK(pthread_create(&thread[i], NULL, work, (void *)(i + 1)) == 0);
    for (size_t i = 0; i < THREADS; i++)
        CHECK(pthread_join(thread[i], NULL) == 0);

    for (size_t i = 0; i < SHARED; i++)
        block_free(gifts[i].block);
    for (size_t i = 0; i < TASKS; i++) {
        struct task *t = &tasks[i];
        if (!t->context)
            continue;
        uint64_t live = 0;
        CHECK(ctxalloc_switch(t->context) == CTXALLOC_GLOBAL);
        for (size_t j = 0; j < TASK_BLOCKS; j++)
            if (t->blocks[j]) {
                CHECK(ctxalloc_owner(t->blocks[j]) == t->context);
                live++;
            }
        CHECK(ctxalloc_usage(t->context, &u) && u.live_blocks >= live && u.held_bytes <= u.hard_limit);
        for (size_t j = 0; j < TASK_BLOCKS; j++)
            block_free(t->blocks[j]);
        CHECK(ctxalloc_switch(CTXALLOC_GLOBAL) == t->context);
        CHECK(ctxalloc_destroy(t->context) == 0);
    }
    for (size_t i = 0; i < 4; i++) {
        CHECK(ctxalloc_usage(root[i], &u) && u.held_bytes == 0 && u.live_blocks == 0); /* all accounts are even */
        CHECK(ctxalloc_destroy(root[i]) == 0);
    }
    printf("%lu switches, %lu migrations, %lu remote frees (%lu resized before), %lu resets, %lu destructions\n", atomic_load(&switches),
           atomic_load(&migrations), atomic_load(&remote_frees), atomic_load(&resizes), atomic_load(&resets), atomic_load(&destroys));
    return 0;
}
