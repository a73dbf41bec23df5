/* NUMA when the kernel refuses: memory is there all the same, refusals are counted, and told once.  Node 0, which every machine has.  Only in --enable-faults builds.
 *
 * Each case is a process of its own. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/os.h"
#include "source/numa.h"

_Static_assert(CA_FAULTS, "configure with --enable-faults");

enum { BYTES = 1 << 20 };

#define REQUIRE(condition)                                          \
    do {                                                            \
        if (!(condition)) {                                         \
            fprintf(stderr, "line %d: %s\n", __LINE__, #condition); \
            _exit(1);                                               \
        }                                                           \
    } while (0)

static ctxalloc_numa_source source;

/* Reserved, not committed. */
static char *range_of(const char *text)
{
    ca_numa_policy policy;
    REQUIRE(ca_numa_policy_parse(&policy, text, strlen(text)));
    ca_numa_source_init(&source, &ca_source_mmap, &policy);
    size_t bytes = BYTES;
    char *p = source.source.reserve(&source.source, bytes, &bytes);
    REQUIRE(p && bytes == BYTES);
    return p;
}

static bool commit(char *p) { return source.source.commit(&source.source, p, BYTES); }

/* What is on stderr from here on. */
static int ends[2], before;

static void listen_to_stderr(void)
{
    before = dup(2);
    REQUIRE(before >= 0 && !pipe2(ends, O_NONBLOCK) && dup2(ends[1], 2) == 2);
}

static unsigned lines_said(void)
{
    char text[4000];
    unsigned lines = 0;
    REQUIRE(dup2(before, 2) == 2);
    ssize_t n = read(ends[0], text, sizeof text);
    for (ssize_t i = 0; i < n; i++)
        lines += text[i] == '\n';
    REQUIRE(n <= 0 || memmem(text, (size_t)n, "refuses mbind", 13));
    return lines;
}

static bool mbind_works(void)
{
    char *p = range_of("bind:0");
    REQUIRE(commit(p));
    return ca_numa.refused == 0;
}

static void n9_a_refused_mbind_is_counted_and_told_once(void)
{
    char *p = range_of("bind:0");
    ca_numa_asked();
    listen_to_stderr();
    for (unsigned i = 1; i <= 3; i++) {
        uint64_t refused = ca_numa.refused;
        ca_os_fail(1, 1, true); /* mprotect, then mbind */
        REQUIRE(commit(p));
        REQUIRE(ca_numa.refused == refused + 1);
        memset(p, 1, BYTES);
    }
    REQUIRE(lines_said() == 1);
}

static void n9_what_nobody_asked_for_is_not_told(void)
{
    char *p = range_of("preferred:0");
    listen_to_stderr();
    ca_os_fail(1, 1, true);
    REQUIRE(commit(p) && ca_numa.refused == 1);
    REQUIRE(lines_said() == 0);
}

static void n9_memory_that_is_refused_is_refused(void)
{
    char *p = range_of("bind:0");
    ca_os_fail(0, 1, true); /* mprotect */
    REQUIRE(!commit(p) && ca_numa.refused == 0);
    REQUIRE(commit(p));
}

/* Each call of a strict commit fails once: it says so, or the memory is there. */
static void ca21_strict_survives_every_failure(void)
{
    bool works = mbind_works();
    char *p = range_of("strict:0");
    unsigned bad = 0;
    for (uint64_t n = 0; n < 20; n++) {
        ca_os_fail(n, 1, true);
        bool done = commit(p);
        ca_os_fail(0, 0, false);
        bad += !done;
        if (done) {
            memset(p, (int)n + 1, BYTES);
            REQUIRE(p[BYTES - 1] == (char)(n + 1));
        }
        REQUIRE(ca_os_purge(p, BYTES));
    }
    REQUIRE(bad == (works ? 2 : 1)); /* mprotect; where there is NUMA, populating, too: for the whole megabyte at once */
}

static void ca21_strict_makes_memory_resident(void)
{
    if (!mbind_works())
        return; /* a container: nothing can be known */
    char *p = range_of("strict:0");
    REQUIRE(commit(p));
    ca_numa_count count;
    ca_numa_policy policy;
    int error;
    memset(&count, 0, sizeof count);
    REQUIRE(ca_numa_source_policy(&source.source, &policy) && policy.mode == CA_NUMA_STRICT);
    REQUIRE(ca_numa_add(&count, &policy, p, BYTES, false, &error));
    REQUIRE(count.pages[0] == BYTES / CA_PAGE && !count.absent && !count.misplaced);
    ca_os_fail(0, 1, true);
    REQUIRE(!ca_numa_add(&count, &policy, p, BYTES, false, &error) && error == 1 /* EPERM */);
}

static void n9_without_sysfs_there_is_what_the_kernel_allows(void)
{
    ca_os_fail(0, 1, false); /* all calls */
    REQUIRE(ca_numa_look() == 1 && ca_numa_set_has(&ca_numa.memory, 0) && !ca_numa.homes);
    REQUIRE(ca_numa_nearest(7) == 0 && ca_numa_here(false) == CA_NUMA_NODES);
    ca_os_fail(0, 0, false);
    REQUIRE(ca_numa_look() == 1); /* once is all */
}

static void ca21_a_process_without_such_nodes_goes_on(void)
{
    listen_to_stderr();
    REQUIRE(ca_numa_start(&ca_source_mmap, "bind:1000") == &ca_source_mmap);
    REQUIRE(ca_numa.process.mode == CA_NUMA_DEFAULT);
    char text[500] = "";
    REQUIRE(dup2(before, 2) == 2 && read(ends[0], text, sizeof text - 1) > 0 && strstr(text, "numa=bind:1000"));
    REQUIRE(ca_numa_start(&ca_source_mmap, "local") == &ca_source_mmap && ca_numa.process.mode == CA_NUMA_LOCAL);
}

static void ca21_there_are_as_many_sources_as_policies(void)
{
    const ca_source *some[70];
    unsigned n = 0;
    ca_numa_policy policy = {CA_NUMA_BIND, {{0}}};
    for (unsigned i = 1; i < 70; i++) {
        policy.nodes.bits[0] = i;
        some[i] = ca_numa_source(&policy);
        n += some[i] != NULL;
        REQUIRE(some[i] == ca_numa_source(&policy));
        REQUIRE(!some[i] || ca_numa_source_is_own(some[i]));
    }
    REQUIRE(n == 64 && !ca_numa_source_is_own(&ca_source_mmap));
}

static int run(const char *name, void (*fn)(void))
{
    fflush(stdout);
    pid_t child = fork();
    if (!child) {
        fn();
        _exit(0);
    }
    int status = 1;
    if (child > 0)
        (void)waitpid(child, &status, 0);
    printf("%s %s\n", status ? "FAIL" : "ok", name);
    return status != 0;
}

#define RUN(fn) run(#fn, fn)

int main(void)
{
    return RUN(n9_a_refused_mbind_is_counted_and_told_once) | RUN(n9_what_nobody_asked_for_is_not_told) | RUN(n9_memory_that_is_refused_is_refused) |
           RUN(ca21_strict_survives_every_failure) | RUN(ca21_strict_makes_memory_resident) | RUN(n9_without_sysfs_there_is_what_the_kernel_allows) |
           RUN(ca21_a_process_without_such_nodes_goes_on) | RUN(ca21_there_are_as_many_sources_as_policies);
}
