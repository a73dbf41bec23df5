/* fork under load: threads allocate all the time, and every child allocates at once in many sizes, frees what its parent had, starts a
 * thread, forks again and ends. Also vfork, posix_spawn and clone, and atfork handlers that allocate. A hang ends by alarm: a child or
 * a round that takes PATIENCE (all of them together may take long, where much else runs). */
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "tests/stress/stress.h"

extern char **environ;

#define LOAD_THREADS 3
#define SHARED 64
#define PATIENCE 100 /* s */
static atomic_bool stop;
static _Atomic(struct block *) shared[SHARED];
static const char *program;

static void *load(void *argument) {
    uint64_t random = (uint64_t)(uintptr_t)argument;
    while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
        struct block *block = block_allocate(&random);
        block_free(atomic_exchange(&shared[random_next(&random) % SHARED], block));
    }
    return NULL;
}

static void *allocate_in_thread(void *argument) {
    uint64_t random = 5;
    for (int i = 0; i < 100; i++)
        block_free(block_allocate(&random));
    return argument;
}

static void allocate_at_once(uint64_t seed) {
    struct block *blocks[100];
    for (size_t i = 0; i < 100; i++)
        blocks[i] = block_allocate(&seed);
    for (size_t i = 0; i < 100; i++)
        block_free(blocks[i]);
    void *large = malloc(3 << 20), *huge = malloc((size_t)300 << 20);
    CHECK(large != NULL && huge != NULL);
    *(char *)large = *(char *)huge = 1;
    free(large);
    free(huge);
}

static void reap(pid_t child) {
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* In the child: the threads are gone, what they had stays. */
static void live_in_child(uint64_t seed, struct block *inherited) {
    alarm(PATIENCE); /* an alarm is not inherited */
    allocate_at_once(seed);
    block_free(inherited);
    for (size_t i = 0; i < SHARED; i++)
        block_free(atomic_exchange(&shared[i], NULL));
    pthread_t thread;
    if (CA_INTERPOSE) { /* ThreadSanitizer refuses threads after a fork with threads */
        CHECK(pthread_create(&thread, NULL, allocate_in_thread, NULL) == 0);
        CHECK(pthread_join(thread, NULL) == 0);
    }
    malloc_trim(0);
    pid_t grandchild = fork();
    CHECK(grandchild >= 0);
    if (grandchild == 0) {
        alarm(PATIENCE);
        allocate_at_once(seed + 1);
        _exit(0);
    }
    reap(grandchild);
    allocate_at_once(seed + 2);
}

static void fork_under_load(int times) {
    uint64_t random = 77;
    for (int i = 0; i < times; i++) {
        alarm(PATIENCE);
        struct block *mine = block_allocate(&random);
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            live_in_child((uint64_t)i + 1, mine);
            if (i % 8 == 0)
                exit(0); /* with all handlers */
            _exit(0);
        }
        reap(child);
        block_free(mine);
    }
}

/* Two threads fork at the same time. */
static void *fork_in_thread(void *argument) {
    fork_under_load(30);
    return argument;
}

static void spawn_under_load(int times) {
    char *arguments[] = {(char *)(uintptr_t)program, (char *)(uintptr_t)"child", NULL};
    for (int i = 0; i < times; i++) {
        alarm(PATIENCE);
        pid_t child;
        CHECK(posix_spawn(&child, program, NULL, NULL, arguments, environ) == 0);
        reap(child);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
        child = vfork();
#pragma GCC diagnostic pop
        if (child == 0) {
            execv(program, arguments);
            _exit(3);
        }
        reap(child);
        /* The bare system call: no atfork handler runs. Only the exec is safe then, and nothing may be broken after it. */
        child = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
        CHECK(child >= 0);
        if (child == 0) {
            execv(program, arguments);
            _exit(3);
        }
        reap(child);
        allocate_at_once((uint64_t)i + 9);
    }
}

/* clone with shared memory: a child on a stack of its own that allocates nothing, as container tools do it. */
static int shared_memory_child(void *argument) {
    *(volatile int *)argument = 1;
    return 0;
}

static void clone_with_shared_memory(void) {
    volatile int ran = 0;
    char *stack = (char *)malloc(64 << 10);
    CHECK(stack != NULL);
    pid_t child = clone(shared_memory_child, stack + (64 << 10), CLONE_VM | CLONE_VFORK | SIGCHLD, (void *)(uintptr_t)&ran);
    CHECK(child > 0);
    reap(child);
    CHECK(ran == 1);
    free(stack);
}

static atomic_int prepared, continued;
static void *kept_by_handler;

static void prepare(void) {
    kept_by_handler = malloc(1000);
    CHECK(kept_by_handler != NULL);
    atomic_fetch_add(&prepared, 1);
}

static void go_on(void) {
    void *p = malloc(5000);
    CHECK(p != NULL);
    free(p);
    free(kept_by_handler);
    atomic_fetch_add(&continued, 1);
}

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "child") == 0) {
        allocate_at_once(1);
        return 0;
    }
    program = "/proc/self/exe";
    pthread_t threads[LOAD_THREADS];
    for (uintptr_t i = 0; i < LOAD_THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, load, (void *)(i + 1)) == 0);
    fork_under_load(60);
    spawn_under_load(30);
    if (CA_INTERPOSE) /* ThreadSanitizer cannot follow it */
        clone_with_shared_memory();
    pthread_t forking[2];
    for (size_t i = 0; i < 2; i++)
        CHECK(pthread_create(&forking[i], NULL, fork_in_thread, NULL) == 0);
    for (size_t i = 0; i < 2; i++)
        CHECK(pthread_join(forking[i], NULL) == 0);

    /* One thread at a time: the handlers' variable is not shared well. */
    CHECK(pthread_atfork(prepare, go_on, go_on) == 0);
    fork_under_load(30);
    CHECK(atomic_load(&prepared) == 30 && atomic_load(&continued) == 30);
    atomic_store(&stop, true);
    for (size_t i = 0; i < LOAD_THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    for (size_t i = 0; i < SHARED; i++)
        block_free(atomic_exchange(&shared[i], NULL));
    return 0;
}
