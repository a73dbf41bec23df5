/* Sources, attributes, arenas and freezing while system calls fail: each single call once, then all from it on, then one in so many.  What comes back is NULL, an errno value or good
 * memory; blocks keep what was written; and once calls succeed again, everything can be used, destroyed, and is given back.  Only in --enable-faults builds.
 *
 * Each case is a process of its own. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/os.h"
#include "front/context.h"
#include "front/front.h"
#include "front/process.h"
#include "source/arena.h"
#include "source/shipped.h"

_Static_assert(CA_FAULTS, "configure with --enable-faults");

enum { BLOCKS = 12, EVERY = 7, KINDS = 12 };

#define REQUIRE(condition)                                                       \
    do {                                                                         \
        if (!(condition)) {                                                      \
            fprintf(stderr, "kind %d, line %d: %s\n", kind, __LINE__, #condition); \
            _exit(1);                                                            \
        }                                                                        \
    } while (0)

static int kind;
static uint64_t *calls_seen; /* shared with the children */

static ctxalloc_mmap_source mapped;
static ctxalloc_huge_source huge;
static ctxalloc_user_source user;
static ctxalloc_arena arena;
static ctxalloc_stacks stacks;
static char buffer[2 << 20];

static const ca_source *source_make(void)
{
    static const unsigned flags[] = {0, CTXALLOC_MMAP_SHARED | CTXALLOC_MMAP_PREFAULT, CTXALLOC_MMAP_LOCK, CTXALLOC_MMAP_NODUMP | CTXALLOC_MMAP_WIPEONFORK | CTXALLOC_MMAP_HUGE,
                                     CTXALLOC_MMAP_DONTFORK | CTXALLOC_MMAP_LAZY_PURGE | CTXALLOC_MMAP_CHARGED};
    if (kind < 5) {
        ctxalloc_mmap_settings s = {.size = sizeof s, .flags = flags[kind], .name = "faults", .guard = CA_PAGE};
        REQUIRE(ca_source_mmap_init(&mapped, &s) == 0);
        return &mapped.source;
    }
    if (kind == 5) {
        REQUIRE(ca_source_huge_init(&huge, 21) == 0);
        return &huge.source;
    }
    if (kind == 6) {
        REQUIRE(ca_source_user_init(&user, buffer, sizeof buffer) == 0);
        return &user.source;
    }
    if (kind == 7) {
        ctxalloc_arena_settings s = {.size = sizeof s, .block_bytes = 1 << 20};
        REQUIRE(ca_arena_init(&arena, &s) == 0);
        return &arena.source;
    }
    static const unsigned attributes[] = {CA_ATTRIBUTE_PREFAULT, CA_ATTRIBUTE_LOCK, CA_ATTRIBUTE_NODUMP, CA_ATTRIBUTE_WIPEONFORK | CA_ATTRIBUTE_NODUMP};
    return ca_source_attributes(attributes[kind - 8]);
}

static size_t size_of(int i)
{
    static const size_t sizes[BLOCKS] = {16, 100, 1000, 5000, 40000, 100, 200000, 33, 700, 2 << 20, 60, 9000};
    return sizes[i];
}

static bool is_filled(const unsigned char *p, size_t size, unsigned char byte)
{
    return p[0] == byte && !memcmp(p, p + 1, size - 1);
}

static struct {
    ca_context *context[3];
    unsigned char *block[3][BLOCKS];
    void *stack[40];
} all;

static void blocks_check(void)
{
    for (int c = 0; c < 3; c++)
        for (int i = 0; i < BLOCKS; i++)
            if (all.block[c][i])
                REQUIRE(is_filled(all.block[c][i], size_of(i), (unsigned char)(i + 1)));
}

static void context_fill(int c)
{
    if (!all.context[c])
        return;
    for (int i = 0; i < BLOCKS; i++) {
        if (all.block[c][i])
            continue;
        all.block[c][i] = ca_context_malloc(all.context[c], size_of(i), CA_GRANULE);
        if (all.block[c][i])
            memset(all.block[c][i], i + 1, size_of(i));
    }
}

static void context_thin(int c)
{
    for (int i = c % 2; i < BLOCKS; i += 2)
        if (all.block[c][i]) {
            REQUIRE(ca_front_free(all.block[c][i], "free") == CA_OURS);
            all.block[c][i] = NULL;
        }
}

static void step(const ca_source *source)
{
    int which;
    for (int c = 0; c < 3; c++)
        if (!all.context[c])
            all.context[c] = ca_context_create(&(ca_context_settings){.name = "faults", .kind = c == 1 ? CA_TARGET_SHORT : CA_TARGET_LONG, .source = source});
    for (int c = 0; c < 3; c++)
        context_fill(c);
    blocks_check();
    ca_context *frozen = all.context[2];
    if (frozen && ca_context_freeze(frozen) == 0) {
        context_thin(2);
        REQUIRE(!ca_context_malloc(frozen, 10, CA_GRANULE));
    }
    if (frozen && ca_context_thaw(frozen))
        REQUIRE(!frozen->frozen);
    context_thin(0);
    context_thin(1);
    (void)ca_front_trim();
    context_fill(0);
    blocks_check();
    for (int i = 0; i < 40; i++)
        if (!all.stack[i] && ca_arena_take(&stacks.arena, &all.stack[i]) == 0) {
            REQUIRE(all.stack[i]);
            memset((char *)all.stack[i] + CA_PAGE, i, stacks.bytes);
        }
    for (int i = 0; i < 40; i += 3)
        if (all.stack[i]) {
            REQUIRE(ca_arena_give(&stacks.arena, all.stack[i]) == 0);
            all.stack[i] = NULL;
        }
    if (all.context[1] && ca_context_destroy(all.context[1]) == 0) {
        memset(all.block[1], 0, sizeof all.block[1]);
        all.context[1] = NULL;
    }
    REQUIRE(ca_region_is_valid(&which));
}

static int run_case(uint64_t after, uint64_t every, bool once)
{
    const ca_source *source = source_make();
    REQUIRE(ca_process_start() && ca_stacks_init(&stacks, 10000, NULL, 0) == 0);
    void *p = ca_front_malloc(100); /* so the process has started, whatever comes */
    REQUIRE(p && ca_front_free(p, "free") == CA_OURS);
    uint64_t before = ca_os_fail(after, every, once);
    step(source);
    step(source);
    *calls_seen = ca_os_fail(0, 0, false) - before;
    /* Nothing fails any more. */
    step(source);
    for (int c = 0; c < 3; c++)
        if (!all.context[c])
            all.context[c] = ca_context_create(&(ca_context_settings){.name = "after", .kind = CA_TARGET_LONG, .source = source});
    for (int c = 0; c < 3; c++) {
        REQUIRE(all.context[c]);
        context_fill(c);
        for (int i = 0; i < BLOCKS; i++)
            REQUIRE(all.block[c][i] || (kind == 6 || kind == 7)); /* these are of a fixed size */
    }
    blocks_check();
    REQUIRE(all.block[0][0]);
    for (int c = 0; c < 3; c++)
        REQUIRE(ca_context_destroy(all.context[c]) == 0);
    for (int i = 0; i < 40; i++)
        REQUIRE(all.stack[i] == NULL || ca_arena_give(&stacks.arena, all.stack[i]) == 0);
    REQUIRE(ca_arena_end(&stacks.arena) == 0 && ca_zone_users(source) == 0);
    REQUIRE(kind != 7 || ca_arena_end(&arena) == 0);
    REQUIRE(kind != 5 || (huge.huge_bytes == 0 && huge.plain_bytes == 0));
    REQUIRE(kind != 6 || !user.taken);
    return 0;
}

static bool in_child(uint64_t after, uint64_t every, bool once)
{
    pid_t pid = fork();
    if (!pid)
        _exit(run_case(after, every, once));
    int status = -1;
    if (pid > 0 && waitpid(pid, &status, 0) == pid && status == 0)
        return true;
    fprintf(stderr, "kind %d, calls failing from %lu on, one in %lu%s: status %x\n", kind, (unsigned long)after, (unsigned long)every, once ? ", once" : "", (unsigned)status);
    return false;
}

int main(int argc, char **argv)
{
    calls_seen = mmap(NULL, sizeof *calls_seen, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    unsigned cases = 0, bad = 0;
    for (kind = argc > 1 ? atoi(argv[1]) : 0; kind < KINDS; kind++) {
        if (!in_child(0, 0, false))
            return 1;
        uint64_t calls = *calls_seen;
        if (calls < 5) {
            fprintf(stderr, "kind %d: only %lu calls to let fail\n", kind, (unsigned long)calls);
            return 1;
        }
        for (uint64_t after = 0; after < calls; after++, cases += 2)
            bad += (in_child(after, 1, true) ? 0U : 1U) + (in_child(after, 1, false) ? 0U : 1U);
        for (uint64_t every = 2; every <= EVERY; every++, cases++)
            bad += in_child(0, every, false) ? 0U : 1U;
        printf("kind %d: %lu calls\n", kind, (unsigned long)calls);
    }
    printf("%u cases, %u bad\n", cases, bad);
    return bad != 0;
}
