/* Calls on a pool are interrupted after each of their instructions, by the processor's trap flag, and in the handler
 *
 *   - other calls are made, chosen to mislead the interrupted one (ABA; a second free of the same block; all blocks taken; growth), or
 *   - the interrupted call is left for good, as if its thread had been killed there.
 *
 * After each: no block has two holders, none is lost (one at most, where the call was left), the list is whole.
 * So, other than by chance, every point where a thread can be stopped is tried.  x86-64 only; not in sanitizers' builds.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include "ctxalloc/blocks.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#endif

#if defined(__x86_64__) && !defined(SANITIZED)

enum { COUNT = 4 };

static volatile unsigned steps, stop_at;
static volatile int counting;
static void (*volatile hook)(void);
static sigjmp_buf left;

#define REQUIRE(condition)                                                                                  \
    do {                                                                                                    \
        if (!(condition)) {                                                                                 \
            printf("%s, instruction %u: line %d: %s\n", scenario, stop_at, __LINE__, #condition);           \
            exit(1);                                                                                        \
        }                                                                                                   \
    } while (0)

static const char *scenario;

/* The int3 before a call and the one after it come here too. */
static void on_trap(int number, siginfo_t *info, void *context)
{
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    const greg_t trap_flag = 0x100;
    (void)number;
    if (info->si_code == SI_KERNEL) {
        counting = !counting;
        registers[REG_EFL] = counting ? registers[REG_EFL] | trap_flag : registers[REG_EFL] & ~trap_flag;
        steps = 0;
    } else if (++steps == stop_at) {
        counting = 2; /* the hook ran */
        hook();
    }
}

#define TRACED(call)                           \
    do {                                       \
        __asm__ volatile("int3" ::: "memory"); \
        call;                                  \
        counting = counting != 0;              \
        __asm__ volatile("int3" ::: "memory"); \
    } while (0)

/* --- what goes on meanwhile ------------------------------------------------------------------------------ */

static ctxalloc_blocks *pool;
static ctxalloc_blocks_cache cache, other;
static uint64_t got[8], mine;
static unsigned gotten;
static int second_free;
static bool fired;

static void take(void)
{
    uint64_t index = ctxalloc_blocks_alloc_index(pool);
    if (index != CTXALLOC_NONE)
        got[gotten++] = index;
}

static void take_two_give_first(void) /* ABA: the first block is the first of the list again, the second is taken */
{
    fired = true;
    take();
    take();
    if (gotten && ctxalloc_blocks_free_index(pool, got[0]) == 0)
        got[0] = got[--gotten];
}

static void take_all(void)
{
    fired = true;
    for (int i = 0; i < COUNT; i++)
        take();
}

static void take_and_grow(void)
{
    take_all();
    (void)ctxalloc_blocks_grow(pool, 1);
}

static void free_the_same(void)
{
    fired = true;
    second_free = ctxalloc_blocks_free_index(pool, mine);
}

static void free_the_same_cached(void)
{
    fired = true;
    second_free = ctxalloc_blocks_cache_free_index(&other, mine);
}

static void leave(void)
{
    fired = true;
    siglongjmp(left, 1);
}

/* --- the calls that are interrupted ------------------------------------------------------------------------ */

static int error;
static void call_alloc(void) { mine = ctxalloc_blocks_alloc_index(pool); }
static void call_cache_alloc(void) { mine = ctxalloc_blocks_cache_alloc_index(&cache); }
static void call_free(void) { error = ctxalloc_blocks_free_index(pool, mine); }
static void call_cache_free(void) { error = ctxalloc_blocks_cache_free_index(&cache, mine); }
static void call_flush(void) { ctxalloc_blocks_cache_flush(&cache); }

/* Some blocks used before and free now, `freed`, the rest fresh. */
static void start(uint64_t freed, bool allocated)
{
    static _Alignas(64) unsigned char memory[512];
    pool = ctxalloc_blocks_init(memory, sizeof memory, 0, COUNT, COUNT + 1);
    uint64_t index[COUNT + 1];
    for (uint64_t i = 0; i < freed; i++)
        index[i] = ctxalloc_blocks_alloc_index(pool);
    mine = allocated ? ctxalloc_blocks_alloc_index(pool) : CTXALLOC_NONE;
    for (uint64_t i = 0; i < freed; i++)
        (void)ctxalloc_blocks_free_index(pool, index[i]);
    (void)ctxalloc_blocks_cache_init(&cache, pool, 2);
    (void)ctxalloc_blocks_cache_init(&other, pool, 2);
    gotten = 0;
    error = second_free = EINVAL;
    fired = false;
}

/* All that is not held can still be had, once each; `lost` blocks at most cannot. */
static void check_all(bool held, uint64_t lost, bool caches)
{
    int which;
    bool seen[COUNT + 1] = {false};
    uint64_t n = 0;
    if (caches) {
        ctxalloc_blocks_cache_flush(&cache);
        ctxalloc_blocks_cache_flush(&other);
    }
    REQUIRE(ctxalloc_blocks_is_valid(pool, &which));
    for (unsigned i = 0; i < gotten; i++, n++) {
        REQUIRE(!seen[got[i]]);
        seen[got[i]] = true;
    }
    if (held && mine != CTXALLOC_NONE) {
        REQUIRE(!seen[mine]);
        seen[mine] = true;
        n++;
    }
    for (uint64_t index; (index = ctxalloc_blocks_alloc_index(pool)) != CTXALLOC_NONE; n++) {
        REQUIRE(!seen[index]);
        seen[index] = true;
    }
    REQUIRE(n <= ctxalloc_blocks_count(pool) && n + lost >= ctxalloc_blocks_count(pool));
}

static unsigned points;

/* Until the call is over before the instruction at which it would be interrupted. */
static void try_all(const char *name, void (*call)(void), void (*what)(void), uint64_t freed, bool allocated)
{
    bool frees = call == call_free || call == call_cache_free, leaves = what == leave;
    scenario = name;
    hook = what;
    for (stop_at = 1, fired = true; fired; stop_at++) {
        start(freed, allocated);
        if (call == call_flush) {
            uint64_t index = ctxalloc_blocks_cache_alloc_index(&cache);
            (void)ctxalloc_blocks_cache_free_index(&cache, index);
        }
        if (sigsetjmp(left, 1) == 0) {
            TRACED(call());
        } else {
            /* The registers of the call are gone, its trap flag with them. */
            counting = 0;
            mine = CTXALLOC_NONE;
        }
        points += fired;
        if (leaves && fired) {
            check_all(false, call == call_alloc || call == call_free ? 1 : 2, false); /* a cache's limit is 2; then with the call's */
            continue;
        }
        if (frees) {
            bool twice = what == free_the_same || what == free_the_same_cached;
            REQUIRE(twice && fired ? (error == 0) != (second_free == 0) : error == 0);
        }
        check_all(!frees && call != call_flush, 0, true);
    }
}

int main(void)
{
    struct sigaction action = {.sa_flags = SA_SIGINFO | SA_NODEFER};
    action.sa_sigaction = on_trap;
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (sigaction(SIGTRAP, &action, NULL))
        return 2;
    for (uint64_t freed = 0; freed < COUNT; freed++) { /* from all fresh to nearly all used before */
        try_all("alloc, ABA", call_alloc, take_two_give_first, freed, false);
        try_all("alloc, all taken", call_alloc, take_all, freed, false);
        try_all("alloc, all taken and grown", call_alloc, take_and_grow, freed, false);
        try_all("cached alloc, ABA", call_cache_alloc, take_two_give_first, freed, false);
        try_all("cached alloc, all taken", call_cache_alloc, take_all, freed, false);
        try_all("cached alloc, all taken and grown", call_cache_alloc, take_and_grow, freed, false);
        try_all("free, ABA", call_free, take_two_give_first, freed, true);
        try_all("free, all taken", call_free, take_all, freed, true);
        try_all("free twice", call_free, free_the_same, freed, true);
        try_all("free twice, once cached", call_free, free_the_same_cached, freed, true);
        try_all("cached free, ABA", call_cache_free, take_two_give_first, freed, true);
        try_all("cached free twice, once not", call_cache_free, free_the_same, freed, true);
        try_all("cached free twice", call_cache_free, free_the_same_cached, freed, true);
        try_all("flush, ABA", call_flush, take_two_give_first, freed, false);
        try_all("flush, all taken", call_flush, take_all, freed, false);
        try_all("alloc, left", call_alloc, leave, freed, false);
        try_all("free, left", call_free, leave, freed, true);
        try_all("cached alloc, left", call_cache_alloc, leave, freed, false);
        try_all("cached free, left", call_cache_free, leave, freed, true);
        try_all("flush, left", call_flush, leave, freed, false);
    }
    printf("%u interruptions, at every instruction of every call\n", points);
    return points > 1000 ? 0 : 1;
}

#else

int main(void)
{
    puts("skipped: x86-64 without sanitizers only");
    return 77;
}

#endif
