/* What the programs that run in a guest with several nodes share: cases by name, and what the kernel says of pages and nodes.
 *
 *   program --list     a line a case: its name, and the machines it is for (none: all; "long": not in the quick form), see run
 *   program CASE       status 0: passed, 1: failed, 2: no such case
 */
#ifndef CTXALLOC_TESTS_NUMA_H
#define CTXALLOC_TESTS_NUMA_H

#include <errno.h>
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "include/ctxalloc.h"

struct numa_case {
    const char *name, *machines;
    void (*run)(void);
};

#define MUST(condition)                                                                  \
    do {                                                                                 \
        if (!(condition)) {                                                              \
            printf("%s:%d: not so: %s (errno %d)\n", __FILE__, __LINE__, #condition, errno); \
            exit(1);                                                                     \
        }                                                                                \
    } while (0)

#define MUST_EQUAL(a, b)                                                                             \
    do {                                                                                             \
        long long a_ = (long long)(a), b_ = (long long)(b);                                          \
        if (a_ != b_) {                                                                              \
            printf("%s:%d: %s is %lld, %s is %lld\n", __FILE__, __LINE__, #a, a_, #b, b_);           \
            exit(1);                                                                                 \
        }                                                                                            \
    } while (0)

enum { PAGE = 4096, NODES = 4 };

/* The node that a page is on; negative: -errno (-ENOENT: not resident). */
static inline int node_of(const void *p)
{
    void *page = (void *)((uintptr_t)p & ~(uintptr_t)(PAGE - 1));
    int node = -1;
    MUST(syscall(SYS_move_pages, 0, 1UL, &page, NULL, &node, 0) == 0);
    return node;
}

/* Pages of a range: how many are on each node; absent: not resident. Every page is asked for. */
struct spread {
    size_t on[NODES], absent, all;
};

static inline void spread_add(struct spread *s, const void *start, size_t bytes)
{
    uintptr_t first = (uintptr_t)start & ~(uintptr_t)(PAGE - 1), end = (uintptr_t)start + bytes;
    while (first < end) {
        void *pages[256];
        int nodes[256];
        unsigned long n = 0;
        for (; n < 256 && first < end; n++, first += PAGE)
            pages[n] = (void *)first;
        MUST(syscall(SYS_move_pages, 0, n, pages, NULL, nodes, 0) == 0);
        for (unsigned long i = 0; i < n; i++) {
            MUST(nodes[i] < NODES && (nodes[i] >= 0 || nodes[i] == -ENOENT));
            if (nodes[i] < 0)
                s->absent++;
            else
                s->on[nodes[i]]++;
            s->all++;
        }
    }
}

static inline struct spread spread_of(const void *start, size_t bytes)
{
    struct spread s = {{0}, 0, 0};
    spread_add(&s, start, bytes);
    return s;
}

static inline void run_on_cpu(int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)cpu, &set);
    MUST(sched_setaffinity(0, sizeof set, &set) == 0);
}

/* The node's first CPU. */
static inline int cpu_of(int node)
{
    char path[80], text[80] = "";
    snprintf(path, sizeof path, "/sys/devices/system/node/node%d/cpulist", node);
    int fd = open(path, O_RDONLY);
    MUST(fd >= 0 && read(fd, text, sizeof text - 1) > 0);
    close(fd);
    MUST(text[0] >= '0' && text[0] <= '9');
    return atoi(text);
}

static inline void run_on_node(int node) { run_on_cpu(cpu_of(node)); }

/* KiB of the node that nothing uses. */
static inline long node_free(int node)
{
    char path[80], text[4096] = "";
    snprintf(path, sizeof path, "/sys/devices/system/node/node%d/meminfo", node);
    int fd = open(path, O_RDONLY);
    MUST(fd >= 0 && read(fd, text, sizeof text - 1) > 0);
    close(fd);
    const char *line = strstr(text, "MemFree:");
    MUST(line);
    return atol(line + 8);
}

/* fn(argument) in a thread that runs on the node and has ended when this returns. */
struct numa_thread {
    void *(*fn)(void *);
    void *argument;
    int node;
};

static void *numa_thread_start(void *argument)
{
    struct numa_thread *t = (struct numa_thread *)argument;
    run_on_node(t->node);
    return t->fn(t->argument);
}

static inline void *on_node(int node, void *(*fn)(void *), void *argument)
{
    struct numa_thread t = {fn, argument, node};
    pthread_t thread;
    void *result;
    MUST(pthread_create(&thread, NULL, numa_thread_start, &t) == 0 && pthread_join(thread, &result) == 0);
    return result;
}

static inline int numa_main(int argc, char **argv, const struct numa_case *cases, size_t count)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (size_t i = 0; i < count; i++)
        if (argc == 2 && !strcmp(argv[1], "--list")) {
            if (strncmp(cases[i].name, "self_", 5) != 0)
                printf("%s %s\n", cases[i].name, cases[i].machines);
        } else if (argc == 2 && !strcmp(argv[1], cases[i].name)) {
            cases[i].run();
            return 0;
        }
    return argc == 2 && !strcmp(argv[1], "--list") ? 0 : 2;
}

#endif
