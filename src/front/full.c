#include "front/full.h"

#include <string.h>

#include "base/lock.h"
#include "base/os.h"
#include "base/print.h"
#include "front/stack.h"
#include "heap/verdict.h"

enum { CANARY = 0xc5, QUARANTINE = 256, SIZE_BITS = 48 };
_Static_assert(CA_STACKS <= 1 << (64 - SIZE_BITS), "a trailer holds a size and the number of a stack");
#define POISON 0xdbdbdbdbdbdbdbdbULL

static struct {
    ca_lock lock;
    uint32_t next, count;
    uint32_t out; /* taken out, and not given back yet */
    struct {
        void *p;
        size_t usable;
    } grave[QUARANTINE];
} quarantine;

/* Differs from address to address, so that a trailer copied over another is found, too. */
static uint64_t disguise(const void *p)
{
    return ((uint64_t)(uintptr_t)p ^ 0x5bd1e9955bd1e995ULL) * 0x9e3779b97f4a7c15ULL;
}

static uint64_t *trailer_of(const void *p, size_t usable)
{
    return (uint64_t *)(uintptr_t)((const char *)p + usable - sizeof(uint64_t));
}

/* All words zero (never used since the kernel gave the page) or poison. */
static void poison_check(const void *p, size_t usable)
{
    const uint64_t *words = p;
    for (size_t i = 0; i < usable / sizeof *words; i++)
        if (words[i] != POISON && words[i] != 0)
            ca_verdict_text("malloc", (const char *)p + i * sizeof *words, "written after free");
}

static void poison_set(void *p, size_t usable)
{
    uint64_t *words = p;
    for (size_t i = 0; i < usable / sizeof *words; i++)
        words[i] = POISON;
}

/* The trailer's two parts. false: it was written over. */
static bool trailer_read(const void *p, size_t usable, uint64_t *size, uint32_t *stack)
{
    uint64_t word = *trailer_of(p, usable) ^ disguise(p);
    *size = word & ((1ULL << SIZE_BITS) - 1);
    *stack = (uint32_t)(word >> SIZE_BITS);
    return *size <= usable - sizeof(uint64_t) && *stack <= ca_stack_last();
}

void *ca_full_dress(void *p, size_t usable, size_t size, bool look)
{
    if (look)
        poison_check(p, usable);
    memset((char *)p + size, CANARY, usable - size - sizeof(uint64_t));
    *trailer_of(p, usable) = (size | (uint64_t)(ca_full_traces ? ca_stack_take() : 0) << SIZE_BITS) ^ disguise(p);
    return p;
}

size_t ca_full_size(const void *p, size_t usable, const char *function)
{
    uint64_t size;
    uint32_t stack;
    if (!trailer_read(p, usable, &size, &stack))
        ca_verdict_text(function, p, "written past the end");
    const unsigned char *end = (const unsigned char *)trailer_of(p, usable);
    for (const unsigned char *c = (const unsigned char *)p + size; c < end; c++)
        if (*c != CANARY)
            ca_verdict_text(function, p, "written past the end");
    return (size_t)size;
}

size_t ca_full_peek(const void *p, size_t usable)
{
    uint64_t size;
    uint32_t stack;
    return trailer_read(p, usable, &size, &stack) ? (size_t)size : usable;
}

uint32_t ca_full_stack(const void *p, size_t usable)
{
    uint64_t size;
    uint32_t stack;
    return trailer_read(p, usable, &size, &stack) ? stack : 0;
}

/* pre: locked. What lies in a grave is taken out of it. */
static void *grave_open(uint32_t i, size_t *usable)
{
    __atomic_fetch_add(&quarantine.out, 1, __ATOMIC_RELAXED);
    *usable = quarantine.grave[i].usable;
    return quarantine.grave[i].p;
}

void *ca_full_bury(void *p, size_t usable)
{
    void *other = NULL;
    size_t bytes = 0;
    poison_set(p, usable);
    ca_lock_take(&quarantine.lock);
    uint32_t i = quarantine.next++ % QUARANTINE;
    if (quarantine.count == QUARANTINE) {
        other = grave_open(i, &bytes);
    } else {
        quarantine.count++;
    }
    quarantine.grave[i].p = p;
    quarantine.grave[i].usable = usable;
    ca_lock_drop(&quarantine.lock);
    if (other)
        poison_check(other, bytes);
    return other;
}

void *ca_full_exhume(void)
{
    void *p = NULL;
    size_t bytes = 0;
    ca_lock_take(&quarantine.lock);
    if (quarantine.count) {
        p = grave_open((quarantine.next - quarantine.count) % QUARANTINE, &bytes);
        quarantine.count--;
    }
    ca_lock_drop(&quarantine.lock);
    if (p)
        poison_check(p, bytes);
    return p;
}

void ca_full_given(void)
{
    if (__atomic_sub_fetch(&quarantine.out, 1, __ATOMIC_RELEASE) == 0)
        ca_os_wake(&quarantine.out, INT32_MAX);
}

void ca_full_settle(void)
{
    for (uint32_t out; (out = CA_LOAD_ACQUIRE(&quarantine.out)) != 0;)
        ca_os_wait(&quarantine.out, out);
}

void ca_full_after_fork(void)
{
    quarantine.out = 0;
}

void ca_full_lock(void)
{
    ca_lock_take(&quarantine.lock);
}

void ca_full_unlock(void)
{
    ca_lock_drop(&quarantine.lock);
}
