/* What the tests of sources share: what the kernel says of an address. */
#ifndef CTXALLOC_TESTS_SOURCES_H
#define CTXALLOC_TESTS_SOURCES_H

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "tests/contexts/contexts.h"

/* A mapping as /proc/self/smaps tells it. */
struct mapping {
    uintptr_t start, end;
    char access[5]; /* rw-p */
    char name[128];
    char flags[160]; /* VmFlags: " rd wr … " */
    size_t locked;   /* KiB */
};

static inline struct mapping mapping_of(const void *p) {
    struct mapping m = {0};
    static char line[512];
    FILE *file = fopen("/proc/self/smaps", "r");
    assert_non_null(file);
    bool in = false;
    while (fgets(line, sizeof line, file)) {
        uintptr_t start, end;
        char access[5], name[128] = "";
        if (sscanf(line, "%lx-%lx %4s %*s %*s %*s %127s", &start, &end, access, name) >= 3) {
            if (in)
                break;
            in = (uintptr_t)p >= start && (uintptr_t)p < end;
            if (in) {
                m.start = start;
                m.end = end;
                memcpy(m.access, access, sizeof access);
                memcpy(m.name, name, sizeof name);
            }
        } else if (in && strncmp(line, "VmFlags:", 8) == 0) {
            snprintf(m.flags, sizeof m.flags, "%s", line + 8);
        } else if (in) {
            (void)sscanf(line, "Locked: %zu kB", &m.locked);
        }
    }
    fclose(file);
    return m;
}

/* "dd", say: a flag of VmFlags. */
static inline bool has_flag(const void *p, const char *flag) {
    char spaced[8];
    snprintf(spaced, sizeof spaced, " %s", flag);
    struct mapping m = mapping_of(p);
    char *newline = strchr(m.flags, '\n');
    if (newline)
        *newline = ' ';
    strcat(spaced, " ");
    return strstr(m.flags, spaced) != NULL;
}

static inline size_t whole_pages(const void *p, size_t bytes) { return (((uintptr_t)p + bytes) / 4096) - ((uintptr_t)p + 4095) / 4096; }

/* How many of the block's whole pages are resident, by mincore. */
static inline size_t resident_pages(const void *p, size_t bytes) {
    static unsigned char map[65536];
    uintptr_t start = ((uintptr_t)p + 4095) & ~(uintptr_t)4095;
    size_t all = whole_pages(p, bytes), n = 0;
    assert_true(all <= sizeof map && mincore((void *)start, all * 4096, map) == 0);
    for (size_t i = 0; i < all; i++)
        n += map[i] & 1;
    return n;
}

static inline bool is_resident(const void *p, size_t bytes) { return resident_pages(p, bytes) == whole_pages(p, bytes); }

/* What a child after fork makes of it: fn's result as exit status, or 128 and the signal that ended it. */
static inline int in_child(int (*fn)(void *), void *argument) {
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (!pid) {
        signal(SIGSEGV, SIG_DFL); /* cmocka has a handler */
        _exit(fn(argument));
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

#endif
