/* A timer's signals interrupt malloc and free at any instruction. The handler does not allocate (nobody promises that), and every
 * call it interrupts must go on as if nothing had been. A process that ends inside such a handler must not hang. */
#include <signal.h>
#include <stdatomic.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "tests/stress/stress.h"

static _Atomic int ticks; /* lock-free: also for the handler */
static volatile sig_atomic_t end_at;

static void tick(int signal_number) {
    (void)signal_number;
    ticks++;
    if (CA_INTERPOSE) /* ThreadSanitizer reports it */
        errno = EBADF; /* a careless handler; the main loop does not look at errno */
    if (end_at != 0 && ticks >= end_at)
        _exit(0);
}

static void start_timer(void) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = tick;
    action.sa_flags = SA_RESTART;
    CHECK(sigaction(SIGALRM, &action, NULL) == 0);
    struct itimerval often = {{0, 200}, {0, 200}};
    CHECK(setitimer(ITIMER_REAL, &often, NULL) == 0);
}

static void *work(void *argument) {
    uint64_t random = (uint64_t)(uintptr_t)argument;
    struct block *blocks[500] = {NULL};
    while (ticks < 4000) {
        size_t i = random_next(&random) % 500;
        if (blocks[i] != NULL && i % 3 == 0)
            blocks[i] = block_resize(blocks[i], &random);
        else {
            block_free(blocks[i]);
            blocks[i] = block_allocate(&random);
        }
    }
    for (size_t i = 0; i < 500; i++)
        block_free(blocks[i]);
    return NULL;
}

int main(void) {
    /* A child that ends in its handler, wherever that finds it. */
    for (int i = 0; i < 50; i++) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            end_at = 1 + i % 5;
            start_timer();
            work((void *)(uintptr_t)(i + 1));
            _exit(1);
        }
        int status;
        CHECK(waitpid(child, &status, 0) == child);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    start_timer();
    pthread_t other;
    CHECK(pthread_create(&other, NULL, work, (void *)(uintptr_t)3) == 0);
    work((void *)(uintptr_t)4);
    CHECK(pthread_join(other, NULL) == 0);
    return 0;
}
