/* Limits that only an administrator can set, in a guest (see run), where nothing of the host is needed or at risk: strict accounting of memory (vm.overcommit_memory=2), limits of
 * control groups (memory, huge pages), and sets of nodes (cpusets).  Each case is a process of its own, with all rights. */
#include "tests/numa/numa.h"

#include <malloc.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "include/ctxalloc/file.h"

enum { MIB = 1 << 20, KIB_PER_MIB = 1024, SLACK = 8 /* MiB: what the kernel's counters and our own steps may be off */ };

#define GROUPS "/sys/fs/cgroup"

/* --- the kernel's files --- */

static void put(const char *path, const char *format, ...)
{
    char text[200];
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    int fd = open(path, O_WRONLY);
    if (fd < 0 || write(fd, text, (size_t)n) != n) {
        printf("%s: cannot write %s (errno %d)\n", path, text, errno);
        exit(1);
    }
    close(fd);
}

/* The number behind `key` ("": the first one) in a file of the kernel's. */
static long number(const char *path, const char *key)
{
    static char text[8192];
    int fd = open(path, O_RDONLY);
    MUST(fd >= 0);
    ssize_t n = read(fd, text, sizeof text - 1);
    MUST(n > 0);
    close(fd);
    text[n] = '\0';
    const char *at = strstr(text, key);
    MUST(at);
    return atol(at + strlen(key));
}

static long meminfo(const char *key) { return number("/proc/meminfo", key); } /* KiB */

static void children_wait(pid_t child, int wanted)
{
    int status;
    MUST(waitpid(child, &status, 0) == child);
    MUST_EQUAL(status, wanted);
}

/* fn in a child. The wait status is to be `wanted`. */
static void in_child(void (*fn)(void), int wanted)
{
    pid_t child = fork();
    MUST(child >= 0);
    if (!child) {
        MUST(!prctl(PR_SET_PDEATHSIG, SIGKILL));
        fn();
        exit(0);
    }
    children_wait(child, wanted);
}

/* The kernel is to keep so much back from a process that has many addresses. */
static void keep_back(int kib) { put("/proc/sys/vm/user_reserve_kbytes", "%d", kib); }

/* Where the kernel uses transparent huge pages, parts of them that were given back are counted until it splits them. */
static void without_huge_pages(void) { MUST(!prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0)); }

/* This program again, another case, with options. `in`: its standard input. kept_back: KiB, from its start on. */
static pid_t start_again(const char *options, const char *name, int in, int kept_back)
{
    pid_t child = fork();
    MUST(child >= 0);
    if (!child) {
        MUST(!prctl(PR_SET_PDEATHSIG, SIGKILL));
        if (in >= 0)
            MUST(dup2(in, 0) == 0);
        if (options)
            setenv("CTXALLOC_OPTIONS", options, 1);
        if (kept_back)
            keep_back(kept_back);
        execl("/proc/self/exe", "limits", name, (char *)NULL);
        _exit(126);
    }
    return child;
}

/* --- blocks --- */

/* A chain of blocks, filled so that no two hold the same. */
struct block {
    struct block *next;
    size_t size;
};

static unsigned char pattern(const void *p) { return (unsigned char)((uintptr_t)p >> 4 ^ (uintptr_t)p >> 12 ^ (uintptr_t)p >> 20); }

static void block_fill(struct block *b, size_t size)
{
    b->size = size;
    memset(b + 1, pattern(b), size - sizeof *b);
}

static void block_check(const struct block *b)
{
    const unsigned char *p = (const unsigned char *)(b + 1);
    size_t n = b->size - sizeof *b;
    MUST(p[0] == pattern(b) && !memcmp(p, p + 1, n - 1));
}

/* NULL: what is current. */
static void *take_from(ctxalloc_context *c, size_t size) { return c ? ctxalloc_malloc(c, size) : malloc(size); }

/* Blocks until there is none; returns the bytes. size 0: all kinds. */
static size_t take_all(ctxalloc_context *c, size_t size, struct block **chain, size_t most)
{
    static const size_t sizes[] = {48, 300, 2000, 9000, 40000, 300000};
    size_t bytes = 0;
    struct block *b;
    for (size_t i = 0; bytes < most; i++, bytes += b->size) {
        errno = 0;
        b = take_from(c, size ? size : sizes[i % 6]);
        if (!b) {
            MUST_EQUAL(errno, ENOMEM);
            return bytes;
        }
        block_fill(b, size ? size : sizes[i % 6]);
        b->next = *chain;
        *chain = b;
    }
    return bytes;
}

/* Every one is as it was; those that are not kept are freed, six (one of each kind) at a time. Returns the freed bytes. */
static size_t give(struct block **chain, unsigned keep_every)
{
    size_t bytes = 0, i = 0;
    for (struct block **link = chain, *b; (b = *link);) {
        block_check(b);
        if (keep_every && i++ / 6 % keep_every == 0) {
            link = &b->next;
            continue;
        }
        *link = b->next;
        bytes += b->size;
        free(b);
    }
    return bytes;
}

/* Takes all there is, gives two thirds back, takes again, and once more after all is given back: each time NULL with ENOMEM at the end, and nothing lost.
 * Returns the bytes of the first time. */
static size_t fill_and_go_on(ctxalloc_context *c, size_t size)
{
    struct block *chain = NULL;
    size_t first = take_all(c, size, &chain, SIZE_MAX), freed = give(&chain, 3), again = take_all(c, size, &chain, SIZE_MAX);
    (void)give(&chain, 0);
    size_t second = take_all(c, size, &chain, SIZE_MAX);
    (void)give(&chain, 0);
    printf("  blocks of %zu: %zu KiB, of %zu KiB freed %zu KiB again, then %zu KiB\n", size, first >> 10, freed >> 10, again >> 10, second >> 10);
    MUST(again >= freed - freed / 8);
    MUST(second >= first - first / 8);
    return first;
}

/* --- strict accounting --- */

static void relaxed(void)
{
    put("/proc/sys/vm/overcommit_memory", "0");
}

/* The kernel promises `mib` MiB more from now on, and not a page more; a process may have the last of it. */
static void strict(long mib)
{
    keep_back(0);
    long most = meminfo("Committed_AS:") + mib * KIB_PER_MIB;
    put("/proc/sys/vm/overcommit_kbytes", "%ld", most > 0 ? most : 4);
    put("/proc/sys/vm/overcommit_memory", "2");
    atexit(relaxed);
}

static size_t room(void)
{
    long kib = meminfo("CommitLimit:") - meminfo("Committed_AS:");
    return kib > 0 ? (size_t)kib << 10 : 0;
}

/* Says on its standard input that it is there, and waits until nobody is at the other end. */
static void self_waits(void)
{
    char c = 0;
    struct block *chain = NULL;
    MUST(take_all(NULL, 100, &chain, MIB) >= MIB);
    MUST(write(0, &c, 1) == 1);
    MUST(read(0, &c, 1) == 0);
    (void)give(&chain, 0);
}

/* What a process reserves costs nothing, and what it costs is what it uses. */
static void ca19_a_process_starts_under_strict_accounting(void)
{
    static const char *const options[] = {"check=on", "check=off", "check=full", "quarantine=64M", "numa=interleave"};
    strict(64);
    run_on_node(0); /* for each node that a process has threads on it reserves 16 MiB or more, which the kernel promises as a whole */
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        char c;
        int ends[2];
        MUST(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends));
        long before = meminfo("Committed_AS:");
        pid_t child = start_again(options[i], "self_waits", ends[0], 0);
        close(ends[0]);
        MUST(read(ends[1], &c, 1) == 1); /* 0: it ended instead */
        long used = meminfo("Committed_AS:") - before;
        printf("%s: %ld KiB\n", options[i], used);
        MUST(used > KIB_PER_MIB && used < SLACK * KIB_PER_MIB);
        close(ends[1]);
        children_wait(child, 0);
    }
    /* The kernel keeps back more from a process the more addresses it has: less than that is left, and a smaller region will do. */
    int none = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        strict(16);
        children_wait(start_again(options[i], "self_waits", none, 100 * KIB_PER_MIB), 0);
        keep_back(0);
    }
}

static void self_fills(void)
{
    static const size_t sizes[] = {100, 5000, 100000, 3 * MIB};
    for (size_t i = 0; i < 4; i++) {
        size_t there = room(), had = fill_and_go_on(NULL, sizes[i]);
        MUST(i || had >= there / 4); /* check=full and small blocks: canaries, and a poisoned rest */
        malloc_trim(0);
    }
    /* A fork would promise all of it once more: it is refused, and leaves nothing locked. */
    struct block *chain = NULL;
    (void)take_all(NULL, 5000, &chain, SIZE_MAX);
    errno = 0;
    MUST(fork() == -1 && errno == ENOMEM);
    MUST(give(&chain, 2) > 0 && take_all(NULL, 5000, &chain, SIZE_MAX) > 0);
    struct block *b = chain; /* what grows: it stays as it is when it cannot */
    chain = b->next;
    for (size_t size = b->size; (b->next = realloc(b, size * 2)); size *= 2) {
        b = b->next;
        b->size = 5000;
        MUST(size < (size_t)1 << 40);
    }
    MUST_EQUAL(errno, ENOMEM);
    MUST_EQUAL(b->size, 5000);
    free(b);
    (void)give(&chain, 0);
}

static void ca19_malloc_says_enomem_under_strict_accounting(void)
{
    static const char *const options[] = {"check=on", "check=off", "check=full,quarantine=0"};
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        strict(40);
        run_on_node(0);
        printf("%s:\n", options[i]);
        children_wait(start_again(options[i], "self_fills", -1, 0), 0);
    }
}

/* Contexts on each source, each kind of context: full, and going on; what the source had goes back. */
static void source_fills(const char *what, ctxalloc_options options, size_t least, bool all_returns)
{
    static const enum ctxalloc_lifetime lifetimes[] = {CTXALLOC_LONG, CTXALLOC_MEDIUM};
    options.size = sizeof options;
    options.name = what;
    for (size_t l = 0; l < 2; l++) {
        long before = meminfo("Committed_AS:");
        options.lifetime = lifetimes[l];
        ctxalloc_context *c = ctxalloc_create(&options);
        MUST(c);
        printf("%s, kind %zu, %zu KiB to be had:\n", what, l, room() >> 10);
        MUST(fill_and_go_on(c, 0) >= least);
        MUST(fill_and_go_on(c, 2 * MIB + 1) >= (least > 4 * MIB ? 2 * MIB : 0));
        MUST_EQUAL(ctxalloc_destroy(c), 0);
        long kept = meminfo("Committed_AS:") - before;
        printf("  %ld KiB kept\n", kept);
        MUST(!all_returns || kept < SLACK * KIB_PER_MIB);
    }
}

static void self_has_sources(void)
{
    static const struct {
        const char *name;
        unsigned flags;
    } kinds[] = {{"mmap", 0}, {"mmap, charged", CTXALLOC_MMAP_CHARGED}, {"mmap, shared", CTXALLOC_MMAP_SHARED}, {"mmap, locked", CTXALLOC_MMAP_LOCK},
                 {"mmap, prefault", CTXALLOC_MMAP_PREFAULT}, {"mmap, huge", CTXALLOC_MMAP_HUGE}, {"mmap, lazy", CTXALLOC_MMAP_LAZY_PURGE}};
    ctxalloc_mmap_source m;
    ctxalloc_arena arena;
    ctxalloc_huge_source huge;
    ctxalloc_numa_source numa;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        MUST(!ctxalloc_source_mmap(&m, &(ctxalloc_mmap_settings){.size = sizeof(ctxalloc_mmap_settings), .flags = kinds[i].flags}));
        source_fills(kinds[i].name, (ctxalloc_options){.source = &m.source}, 16 * MIB, true);
    }
    MUST(!ctxalloc_source_arena(&arena, &(ctxalloc_arena_settings){.size = sizeof(ctxalloc_arena_settings), .block_bytes = 4 * MIB}));
    source_fills("arena", (ctxalloc_options){.source = &arena.source}, 2 * MIB, false);
    MUST(!ctxalloc_arena_end(&arena));
    MUST(!ctxalloc_source_hugepage(&huge, 21));
    source_fills("huge pages, of which there are none", (ctxalloc_options){.source = &huge.source}, 16 * MIB, true);
    MUST(!ctxalloc_source_numa(&numa, &m.source, "bind:1"));
    source_fills("bound", (ctxalloc_options){.source = &numa.source}, 16 * MIB, true);
    /* The process's own range keeps what it has. */
    for (unsigned flag = CTXALLOC_PREFAULT; flag <= CTXALLOC_WIPEONFORK; flag <<= 1)
        source_fills("attributes", (ctxalloc_options){.flags = flag}, 8 * MIB, false);
}

/* The process begins under strict accounting: what was mapped before is never counted. */
static void ca20_sources_under_strict_accounting(void)
{
    strict(40);
    run_on_node(0);
    children_wait(start_again(NULL, "self_has_sources", -1, 0), 0);
}

static void ca20_arenas_and_stacks_under_strict_accounting(void)
{
    ctxalloc_stacks stacks;
    static void *stack[200];
    strict(24);
    MUST(!ctxalloc_stacks_start(&stacks, MIB, NULL, 0));
    for (int round = 0; round < 3; round++) {
        int n = 0;
        for (; n < 200 && (stack[n] = ctxalloc_stack_take(&stacks)); n++)
            memset(stack[n], n, stacks.bytes);
        MUST_EQUAL(errno, ENOMEM);
        printf("%d stacks of a MiB\n", n);
        MUST(n >= 16 && n < 32);
        while (n--) {
            MUST(*(unsigned char *)stack[n] == n && ((unsigned char *)stack[n])[MIB - 1] == n);
            MUST(!ctxalloc_stack_give(&stacks, stack[n]));
        }
    }
    MUST(!ctxalloc_stacks_end(&stacks));
    MUST(room() > 16 * MIB);
}

/* --- heaps in files and shared memory --- */

static size_t seen_blocks;
static bool block_seen(const void *block, size_t size, void *argument)
{
    (void)argument, (void)size;
    block_check((const struct block *)block);
    seen_blocks++;
    return true;
}

static void n4_stored_heaps_under_strict_accounting(void)
{
    strict(24);
    for (int shared = 0; shared < 2; shared++) {
        char why[CTXALLOC_FILE_WHY] = "";
        ctxalloc_file_options o = {.size = sizeof o, .flags = CTXALLOC_FILE_CREATE, .why = why};
        ctxalloc_context *c = shared ? ctxalloc_open_shared(NULL, &o) : ctxalloc_open("/tmp/heap", &o);
        if (!c)
            printf("%s\n", why);
        MUST(c);
        struct block *chain = NULL;
        size_t had = 0, freed = 0, again = 0;
        for (int round = 0; round < 3; round++) {
            had = take_all(c, 0, &chain, SIZE_MAX);
            freed = give(&chain, 3);
            MUST_EQUAL(ctxalloc_sync(c), 0); /* what was freed may be used again after it */
            again = take_all(c, 0, &chain, SIZE_MAX);
            printf("%s: %zu KiB, of %zu KiB freed %zu KiB again\n", shared ? "shared memory" : "a file in memory", had >> 10, freed >> 10, again >> 10);
            MUST(round || had >= 12 * MIB);
            MUST(again >= freed - freed / 4);
            (void)give(&chain, 3);
            MUST_EQUAL(ctxalloc_sync(c), 0);
        }
        size_t left = 0;
        for (const struct block *b = chain; b; b = b->next)
            left++;
        seen_blocks = 0;
        MUST_EQUAL(ctxalloc_file_walk(c, block_seen, NULL), 0);
        MUST_EQUAL(seen_blocks, left);
        MUST_EQUAL(ctxalloc_close(c), 0);
        if (shared)
            continue;
        ctxalloc_file_report report;
        MUST_EQUAL(ctxalloc_file_check("/tmp/heap", &report, why), 0);
        MUST(!report.live_fault && !report.sync_fault && report.blocks == left);
        MUST(!unlink("/tmp/heap"));
    }
}

/* --- the mode changes while a process runs --- */

static struct block *grown(size_t size, size_t to)
{
    struct block *b = malloc(size), *between = malloc(size);
    MUST(b && between);
    block_fill(b, size);
    block_fill(between, size);
    struct block *moved = realloc(b, to);
    MUST(moved);
    MUST(((unsigned char *)moved)[size - 1] == pattern(b));
    block_fill(moved, to);
    moved->next = between;
    between->next = NULL;
    return moved;
}

/* What was promised already is more than all that may be: nothing more is to be had, and nothing is lost. */
static void ca19_strict_accounting_begins_while_a_process_runs(void)
{
    struct block *chain = NULL, *moved[8];
    for (size_t i = 0; i < 8; i++)
        moved[i] = grown(6 * MIB, 14 * MIB);
    MUST(take_all(NULL, 0, &chain, 16 * MIB) >= 16 * MIB);
    strict(-8);
    /* Reallocations move pages here and there; memory that was moved is mapped afresh when it is given back. */
    for (size_t i = 0; i < 8; i++) {
        struct block *more = realloc(moved[i]->next, 10 * MIB);
        block_check(moved[i]);
        if (more)
            block_fill(more, 10 * MIB);
        moved[i]->next = more ? more : moved[i]->next;
        if (i & 1) {
            if (more)
                block_check(more);
            free(moved[i]->next);
            free(moved[i]);
        }
    }
    malloc_trim(0);
    (void)give(&chain, 2);
    malloc_trim(0);
    size_t all = 0, got;
    for (int round = 0; round < 4; round++) { /* all sizes: what was given back is used again */
        struct block *other = NULL;
        got = take_all(NULL, round & 1 ? 0 : 5 * MIB, &other, 48 * MIB);
        all += got;
        printf("%zu KiB\n", got >> 10);
        (void)give(&other, 0);
        malloc_trim(0);
    }
    MUST(all > 16 * MIB);
    relaxed();
    struct block *other = NULL;
    MUST(take_all(NULL, 0, &other, 100 * MIB) >= 100 * MIB);
    MUST(take_all(NULL, 5 * MIB, &other, 100 * MIB) >= 100 * MIB);
    (void)give(&other, 0);
    for (size_t i = 0; i < 8; i += 2)
        block_check(moved[i]);
}

static void self_outgrows(void)
{
    struct block *b = malloc(6 * MIB), *next = malloc(6 * MIB), *hold = malloc(16 * MIB), *last = malloc(6 * MIB); /* so that it cannot grow where it is */
    MUST(b && hold && next && last);
    block_fill(b, 6 * MIB);
    block_fill(hold, 16 * MIB);
    block_fill(next, 6 * MIB);
    free(hold);
    put("/proc/sys/vm/overcommit_kbytes", "4");
    for (int i = 0; i < 5; i++) { /* there is room for it; but the kernel takes the pages to be moved for new ones */
        MUST(((unsigned char *)b)[6 * MIB - 1] == pattern(b));
        struct block *moved = realloc(b, 14 * MIB);
        if (moved)
            block_fill(moved, 14 * MIB);
        b = moved ? moved : b;
        struct block *other = malloc(15 * MIB);
        if (other)
            block_fill(other, 15 * MIB);
        free(other);
    }
    block_check(next);
    put("/proc/sys/vm/overcommit_kbytes", "%ld", meminfo("Committed_AS:") + 64 * KIB_PER_MIB);
    struct block *other = malloc(15 * MIB);
    MUST(other);
    block_fill(other, 15 * MIB);
    free(other);
    MUST((b = realloc(b, 18 * MIB)));
    block_fill(b, 18 * MIB);
    free(b);
    free(next);
    free(last);
    malloc_trim(0);
    MUST(fill_and_go_on(NULL, 3 * MIB) >= 60 * MIB);
}

/* A process that begins under strict accounting, and then less is promised. */
static void ca19_a_limit_that_falls_below_what_is_in_use(void)
{
    strict(80);
    run_on_node(0);
    children_wait(start_again(NULL, "self_outgrows", -1, 0), 0);
}

/* --- control groups --- */

static const char *group_file(const char *file)
{
    static char path[120];
    snprintf(path, sizeof path, GROUPS "/test/%s", file);
    return path;
}

/* A group without limits, in which nobody is. */
static void group_make(void)
{
    MUST(!mount("none", GROUPS, "cgroup2", 0, NULL) || errno == EBUSY);
    put(GROUPS "/cgroup.subtree_control", "+memory +cpuset +hugetlb");
    MUST(!rmdir(GROUPS "/test") || errno == ENOENT);
    MUST(!mkdir(GROUPS "/test", 0700));
}

static void group_enter(void) { put(group_file("cgroup.procs"), "0"); }

static long oom_kills(void) { return number(group_file("memory.events"), "oom_kill "); }

static void sawtooth(void)
{
    static const size_t sizes[] = {64, 6000, 700, 120000, 48, 30000, 2500, 3 * MIB};
    group_enter();
    for (size_t round = 0; round < 24; round++) {
        struct block *chain = NULL;
        ctxalloc_options options = {.size = sizeof options, .lifetime = round % 3 == 1 ? CTXALLOC_LONG : CTXALLOC_MEDIUM};
        ctxalloc_context *c = round % 3 ? ctxalloc_create(&options) : NULL;
        MUST(take_all(c, sizes[round % 8], &chain, 20 * MIB) >= 20 * MIB);
        (void)give(&chain, 0);
        if (c)
            MUST_EQUAL(ctxalloc_destroy(c), 0);
    }
    printf("at most %ld KiB\n", number(group_file("memory.peak"), "") >> 10);
}

/* 480 MiB through at most 20 at a time: freed memory is used again, whatever its size was, and whoever had it. */
static void ca19_a_process_lives_within_memory_max(void)
{
    group_make();
    put(group_file("memory.max"), "%d", 56 * MIB);
    in_child(sawtooth, 0);
    MUST_EQUAL(oom_kills(), 0);
    MUST(number(group_file("memory.peak"), "") >= 20L * MIB);
}

static void sawtooth_trimmed(void)
{
    without_huge_pages();
    group_enter();
    for (int round = 0; round < 3; round++) {
        struct block *chain = NULL;
        MUST(take_all(NULL, 0, &chain, 32 * MIB) >= 32 * MIB);
        long full = number(group_file("memory.current"), "");
        (void)give(&chain, 0);
        malloc_trim(0);
        long trimmed = number(group_file("memory.current"), "");
        printf("%ld KiB, trimmed %ld KiB\n", full >> 10, trimmed >> 10);
        MUST(full > 32L * MIB && trimmed < 8L * MIB);
    }
}

static void ca19_what_is_trimmed_is_the_groups_again(void)
{
    group_make();
    in_child(sawtooth_trimmed, 0);
}

static void store_until_killed(void)
{
    ctxalloc_file_options o = {.size = sizeof o};
    group_enter();
    put("/proc/self/oom_score_adj", "1000");
    ctxalloc_context *c = ctxalloc_open("/tmp/heap", &o);
    MUST(c);
    uint64_t *count = ctxalloc_root_get(c, "count");
    MUST(count);
    for (struct block *b; (b = ctxalloc_malloc(c, 4000)); __atomic_store_n(count, *count + 1, __ATOMIC_RELEASE))
        block_fill(b, 4000);
    MUST(c == NULL); /* memory.max has no effect */
}

/* A process of a group that is full ends as by kill -9; what it has stored is all there. */
static void n4_a_stored_heap_outlives_a_process_that_memory_max_ended(void)
{
    char why[CTXALLOC_FILE_WHY] = "";
    ctxalloc_file_options o = {.size = sizeof o, .flags = CTXALLOC_FILE_CREATE, .why = why};
    ctxalloc_context *c = ctxalloc_open("/tmp/heap", &o);
    MUST(c);
    uint64_t *count = ctxalloc_calloc(c, 1, sizeof *count);
    MUST(count && !ctxalloc_root_set(c, "count", count) && !ctxalloc_close(c));
    group_make();
    put(group_file("memory.max"), "%d", 24 * MIB);
    in_child(store_until_killed, SIGKILL);
    MUST_EQUAL(oom_kills(), 1);
    o.flags = 0;
    c = ctxalloc_open("/tmp/heap", &o);
    if (!c)
        printf("%s\n", why);
    MUST(c && (count = ctxalloc_root_get(c, "count")));
    printf("%llu blocks\n", (unsigned long long)*count);
    MUST(*count > 8 * MIB / 4000);
    ctxalloc_usage_t usage;
    MUST(ctxalloc_usage(c, &usage));
    printf("%llu live\n", (unsigned long long)usage.live_blocks);
    MUST(usage.live_blocks >= *count + 1 && usage.live_blocks <= *count + 2); /* the last one may not have been counted yet */
    MUST_EQUAL(ctxalloc_close(c), 0);
    ctxalloc_file_report report;
    MUST(!ctxalloc_file_check("/tmp/heap", &report, why) && !report.live_fault && !report.sync_fault && !report.dangling);
    MUST(!unlink("/tmp/heap"));
}

static void purge_lazily(void)
{
    ctxalloc_mmap_source m;
    without_huge_pages();
    group_enter();
    MUST(!ctxalloc_source_mmap(&m, &(ctxalloc_mmap_settings){.size = sizeof(ctxalloc_mmap_settings), .flags = CTXALLOC_MMAP_LAZY_PURGE}));
    ctxalloc_context *c = ctxalloc_create(&(ctxalloc_options){.size = sizeof(ctxalloc_options), .source = &m.source});
    struct block *chain = NULL, *kept = NULL;
    MUST(c && ctxalloc_switch(c) == CTXALLOC_GLOBAL); /* so that frees are its own */
    MUST(take_all(NULL, 0, &kept, 2 * MIB) >= 2 * MIB && take_all(NULL, 0, &chain, 32 * MIB) >= 32 * MIB);
    (void)give(&chain, 0);
    malloc_trim(0);
    MUST(ctxalloc_switch(CTXALLOC_GLOBAL) == c);
    long before = number(group_file("memory.current"), "");
    put(group_file("memory.high"), "%d", 8 * MIB); /* returns when the kernel has tried */
    long after = number(group_file("memory.current"), "");
    printf("%ld KiB, and %ld KiB when the group is to have 8 MiB\n", before >> 10, after >> 10);
    MUST(before > 30L * MIB && after < 10L * MIB);
    put(group_file("memory.high"), "max");
    for (int i = 0; i < 200; i++) {
        unsigned char *p = ctxalloc_calloc(c, 1, 40000);
        MUST(p && !p[0] && !memcmp(p, p + 1, 39999));
        memset(p, 1, 40000);
    }
    (void)give(&kept, 0);
    MUST_EQUAL(ctxalloc_destroy(c), 0);
}

static void ca20_memory_high_takes_what_was_purged_lazily(void)
{
    group_make();
    in_child(purge_lazily, 0);
}

/* --- huge pages --- */

static void fill_huge(void)
{
    ctxalloc_huge_source h;
    group_enter();
    MUST(!ctxalloc_source_hugepage(&h, 21));
    ctxalloc_context *c = ctxalloc_create(&(ctxalloc_options){.size = sizeof(ctxalloc_options), .source = &h.source});
    struct block *chain = NULL;
    MUST(c && take_all(c, 0, &chain, 32 * MIB) >= 32 * MIB);
    printf("%zu KiB of huge pages, %zu KiB of others, %zu fallbacks, %ld KiB charged\n", h.huge_bytes >> 10, h.plain_bytes >> 10, h.fallbacks, number(group_file("hugetlb.2MB.current"), "") >> 10);
    MUST(h.huge_bytes == 8 * MIB && h.plain_bytes >= 16 * MIB && h.fallbacks);
    (void)give(&chain, 0);
    MUST_EQUAL(ctxalloc_destroy(c), 0);
    MUST(!h.huge_bytes && !h.plain_bytes);
}

/* The kernel hands out addresses of huge pages that the group may not have, and ends who touches them: that must not be a context's block. */
static void ca20_a_group_may_have_few_huge_pages(void)
{
    put("/proc/sys/vm/nr_hugepages", "20");
    MUST_EQUAL(number("/proc/sys/vm/nr_hugepages", ""), 20);
    group_make();
    put(group_file("hugetlb.2MB.max"), "%d", 8 * MIB);
    in_child(fill_huge, 0);
    MUST_EQUAL(number(group_file("hugetlb.2MB.current"), ""), 0);
    put(group_file("hugetlb.2MB.max"), "max");
    put(group_file("hugetlb.2MB.rsvd.max"), "%d", 8 * MIB);
    in_child(fill_huge, 0);
    MUST_EQUAL(number(group_file("hugetlb.2MB.rsvd.current"), ""), 0);
    put("/proc/sys/vm/nr_hugepages", "0");
    MUST_EQUAL(meminfo("HugePages_Total:"), 0);
}

/* --- sets of nodes --- */

static ctxalloc_context *context_on(const char *policy)
{
    return ctxalloc_create(&(ctxalloc_options){.size = sizeof(ctxalloc_options), .name = policy, .numa = policy});
}

/* Where pages of 8 MiB of blocks are. */
static struct spread spread_of_blocks(ctxalloc_context *c)
{
    struct spread s = {{0}, 0, 0};
    struct block *chain = NULL;
    MUST(take_all(c, 0, &chain, 8 * MIB) >= 8 * MIB);
    for (const struct block *b = chain; b; b = b->next)
        spread_add(&s, b, b->size);
    (void)give(&chain, 0);
    return s;
}

static void must_all_be_on(ctxalloc_context *c, int node)
{
    struct spread s = spread_of_blocks(c);
    MUST_EQUAL(s.on[node], s.all);
}

static void only_node_zero(void)
{
    group_enter();
    MUST_EQUAL(ctxalloc_numa_nodes(), 1);
    errno = 0;
    MUST(!context_on("bind:1") && errno == EINVAL);
    MUST(!context_on("strict:1") && errno == EINVAL);
    MUST_EQUAL(ctxalloc_numa_set(CTXALLOC_GLOBAL, "preferred:1"), EINVAL);
    static const char *const good[] = {"bind:0-1", "preferred:0", "interleave", "interleave:0-1", "strict:0", "local"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        ctxalloc_context *c = context_on(good[i]);
        MUST(c);
        must_all_be_on(c, 0);
        ctxalloc_numa_usage_t usage;
        MUST(!ctxalloc_numa_usage(c, &usage) && !usage.misplaced);
        MUST_EQUAL(ctxalloc_destroy(c), 0);
    }
}

static void *blocks_of_a_thread(void *node)
{
    must_all_be_on(NULL, *(int *)node);
    return NULL;
}

static void only_node_one(void)
{
    int one = 1;
    group_enter();
    must_all_be_on(NULL, 1);
    (void)on_node(0, blocks_of_a_thread, &one); /* CPUs of node 0 are allowed, its memory is not */
    (void)on_node(1, blocks_of_a_thread, &one);
    ctxalloc_context *c = context_on("interleave");
    MUST(c);
    must_all_be_on(c, 1);
    MUST_EQUAL(ctxalloc_destroy(c), 0);
    MUST(!context_on("bind:0") && errno == EINVAL);
    ctxalloc_numa_usage_t usage;
    MUST(!ctxalloc_numa_usage(NULL, &usage) && !usage.misplaced && usage.resident[1]);
}

/* A set that leaves a node out from the start: it is as if there were no such node. */
static void n9_nodes_that_a_cpuset_leaves_out(void)
{
    group_make();
    put(group_file("cpuset.mems"), "0");
    in_child(only_node_zero, 0);
    put(group_file("cpuset.mems"), "1");
    in_child(only_node_one, 0);
}

static int told[2];

/* How many lines were said on stderr since, and what the last call had refused. */
static size_t lines_told(void)
{
    char text[4000];
    ssize_t n = read(told[0], text, sizeof text);
    size_t lines = 0;
    for (ssize_t i = 0; i < n; i++)
        lines += text[i] == '\n';
    if (n > 0)
        printf("  said: %.*s", (int)n, text);
    return lines;
}

static long refusals(void)
{
    char text[4000];
    MUST_EQUAL(ctxalloc_numa_report(2), 0);
    ssize_t n = read(told[0], text, sizeof text - 1);
    MUST(n > 0);
    text[n] = '\0';
    const char *at = strstr(text, "policy");
    MUST(at && strchr(at, ','));
    return atol(strchr(at, ',') + 1);
}

static void the_set_changes(void)
{
    group_enter();
    MUST(!pipe2(told, O_NONBLOCK) && dup2(told[1], 2) == 2);
    MUST_EQUAL(ctxalloc_numa_nodes(), 2);
    run_on_node(0);
    ctxalloc_context *bound = context_on("bind:1");
    MUST(bound);
    must_all_be_on(bound, 1);
    MUST_EQUAL(lines_told(), 0);
    MUST_EQUAL(refusals(), 0);

    put(group_file("cpuset.mems"), "0");
    must_all_be_on(NULL, 0);
    /* New memory for node 1: the kernel refuses, blocks are had nevertheless, it is told once. */
    for (int i = 0; i < 3; i++) {
        ctxalloc_context *c = context_on(i == 1 ? "interleave" : "bind:1");
        MUST(c);
        struct block *chain = NULL;
        MUST(take_all(c, 3 * MIB, &chain, 24 * MIB) >= 24 * MIB);
        struct spread s = {{0}, 0, 0};
        for (const struct block *b = chain; b; b = b->next)
            spread_add(&s, b, b->size);
        MUST_EQUAL(s.on[0], s.all);
        (void)give(&chain, 0);
        MUST_EQUAL(ctxalloc_destroy(c), 0);
    }
    must_all_be_on(bound, 0);
    MUST_EQUAL(lines_told(), 1);
    long refused = refusals();
    printf("%ld refusals\n", refused);
    MUST(refused > 0);
    /* Strict keeps its word. */
    ctxalloc_context *s = context_on("strict:1");
    errno = 0;
    MUST(!s || (!ctxalloc_malloc(s, 100000) && errno == ENOMEM));
    uint64_t moved;
    MUST_EQUAL(ctxalloc_numa_migrate(bound, &moved), 0);
    MUST_EQUAL(lines_told(), 0);

    put(group_file("cpuset.mems"), "0-1");
    ctxalloc_context *c = context_on("preferred:1");
    MUST(c);
    must_all_be_on(c, 1);
    MUST(s && ctxalloc_malloc(s, 100000));
    MUST_EQUAL(ctxalloc_destroy(s), 0);
    MUST_EQUAL(ctxalloc_destroy(c), 0);
    MUST_EQUAL(ctxalloc_destroy(bound), 0);
    MUST_EQUAL(lines_told(), 0);
}

/* An administrator takes a node away from a process that runs, and gives it back. */
static void n9_a_cpuset_changes_while_a_process_runs(void)
{
    group_make();
    put(group_file("cpuset.mems"), "0-1");
    in_child(the_set_changes, 0);
}

#define TWO(name) {#name, "two", name}
#define SELF(name) {#name, "", name}
static const struct numa_case cases[] = {
    SELF(self_waits), SELF(self_fills), SELF(self_has_sources), SELF(self_outgrows),
    TWO(ca19_a_process_starts_under_strict_accounting),
    TWO(ca19_malloc_says_enomem_under_strict_accounting),
    TWO(ca19_strict_accounting_begins_while_a_process_runs),
    TWO(ca19_a_limit_that_falls_below_what_is_in_use),
    {"ca20_sources_under_strict_accounting", "two long", ca20_sources_under_strict_accounting},
    TWO(ca20_arenas_and_stacks_under_strict_accounting),
    TWO(n4_stored_heaps_under_strict_accounting),
    TWO(ca19_a_process_lives_within_memory_max),
    TWO(ca19_what_is_trimmed_is_the_groups_again),
    TWO(n4_a_stored_heap_outlives_a_process_that_memory_max_ended),
    TWO(ca20_memory_high_takes_what_was_purged_lazily),
    TWO(ca20_a_group_may_have_few_huge_pages),
    TWO(n9_nodes_that_a_cpuset_leaves_out),
    TWO(n9_a_cpuset_changes_while_a_process_runs),
};

int main(int argc, char **argv) { return numa_main(argc, argv, cases, sizeof cases / sizeof cases[0]); }
