#include "front/profile.h"

#include <errno.h>

#include "base/lock.h"
#include "base/os.h"
#include "base/out.h"
#include "base/print.h"
#include "front/stack.h"
#include "heap/live.h"

enum { NOTES = 1 << 16, HEADS = 1 << 16, HEAD_BITS = 16 };

typedef struct note {
    const void *p;
    uint64_t size;
    uint32_t stack;
    uint32_t next;    /* of the same hash, or the next free one; 0: none */
    uint32_t context; /* number; 0: none */
    uint32_t unused;
} note;

static struct {
    ca_lock lock;
    uint64_t interval, seed;
    note *notes;
    uint32_t *heads;
    uint32_t used, free; /* notes ever used; a list of those that are free again */
    uint64_t missed;     /* blocks that there was no note for */
} profile;

/* Bytes until the next block is noted; 0: not drawn yet. */
static __thread uint64_t left __attribute__((tls_model("initial-exec")));

bool ca_profile_init(uint64_t interval)
{
    size_t heads = HEADS * sizeof *profile.heads, bytes = heads + NOTES * sizeof *profile.notes;
    void *p = ca_os_reserve(bytes);
    if (!p || !ca_os_commit(p, bytes)) {
        if (p)
            ca_os_release(p, bytes);
        return false;
    }
    profile.heads = p;
    profile.notes = (note *)(void *)((char *)p + heads);
    profile.interval = interval;
    return true;
}

/* --- which blocks ------------------------------------------------------------------------------------------------ */

/* Natural logarithm of n / 2^53, 0 < n < 2^53; to 10 digits. n = m * 2^e with 1 <= m < 2, and ln m = 2 artanh((m - 1) / (m + 1)). */
static double log_of_part(uint64_t n)
{
    unsigned e = ca_bit_high(n);
    double m = (double)n / (double)(1ULL << e), t = (m - 1) / (m + 1), t2 = t * t, sum = 0;
    for (int k = 19; k >= 1; k -= 2)
        sum = sum * t2 + 1.0 / k;
    return 2 * t * sum + ((int)e - 53) * 0.6931471805599453;
}

/* Exponentially distributed, `interval` on average; at least 1. Sequence numbers, mixed (splitmix64), are as random as is needed here. */
static uint64_t distance_draw(void)
{
    uint64_t x = __atomic_add_fetch(&profile.seed, 0x9e3779b97f4a7c15ULL, __ATOMIC_RELAXED);
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ x >> 27) * 0x94d049bb133111ebULL;
    x ^= x >> 31;
    double d = -log_of_part(x >> 11 | 1) * (double)profile.interval;
    return (uint64_t)d + 1;
}

static bool is_chosen(uint64_t size)
{
    if (CA_UNLIKELY(!left))
        left = distance_draw();
    if (CA_LIKELY(size < left)) {
        left -= size;
        return false;
    }
    left = distance_draw(); /* the distribution knows no past: what the block went over by does not matter */
    return true;
}

/* --- the table of blocks ------------------------------------------------------------------------------------------- */

static uint32_t *head_of(const void *p)
{
    return &profile.heads[((uintptr_t)p >> CA_GRANULE_SHIFT) * 0x9e3779b97f4a7c15ULL >> (64 - HEAD_BITS)];
}

/* pre: locked */
static void note_insert(uint32_t number)
{
    uint32_t *head = head_of(profile.notes[number].p);
    profile.notes[number].next = *head;
    CA_STORE(head, number);
}

/* pre: locked */
static void note_release(uint32_t number)
{
    profile.notes[number].next = profile.free;
    profile.free = number;
}

static void context_count(uint32_t context, bool one_more)
{
    if (context && one_more)
        __atomic_fetch_add(&ca_context_at(context)->notes, 1, __ATOMIC_RELAXED);
    else if (context)
        __atomic_fetch_sub(&ca_context_at(context)->notes, 1, __ATOMIC_RELAXED);
}

/* The context whose memory it is; blocks that were adopted are dropped with their own. */
static uint32_t owner_of(const void *p)
{
    ca_granule g = ca_region_granule(p);
    uint32_t tag = g == UINT64_MAX ? 0 : CA_LOAD(&ca_region.entries[ca_granule_page(g)].tag);
    const ca_context *c = tag ? ca_context_of(ca_granule_page(g), tag, p) : NULL;
    return c ? ca_context_number(c) : 0;
}

void ca_profile_born(const void *p, size_t size)
{
    size += size == 0;
    if (CA_LIKELY(!is_chosen(size)))
        return;
    note n = {.p = p, .size = size, .stack = ca_stack_take(), .context = owner_of(p)};
    ca_stack_counts *counts = &ca_stack_at(n.stack)->counts;
    __atomic_fetch_add(&counts->blocks, 1, __ATOMIC_RELAXED);
    __atomic_fetch_add(&counts->bytes, n.size, __ATOMIC_RELAXED);
    ca_lock_take(&profile.lock);
    uint32_t number = profile.free;
    if (number)
        profile.free = profile.notes[number].next;
    else if (profile.used < NOTES - 1)
        number = ++profile.used;
    if (number) {
        profile.notes[number] = n;
        note_insert(number);
        context_count(n.context, true);
    } else { /* it counts as allocated and freed */
        profile.missed++;
        __atomic_fetch_add(&counts->freed_blocks, 1, __ATOMIC_RELAXED);
        __atomic_fetch_add(&counts->freed_bytes, n.size, __ATOMIC_RELAXED);
    }
    ca_lock_drop(&profile.lock);
}

uint32_t ca_profile_detach(const void *p)
{
    uint32_t *link = head_of(p);
    if (CA_LIKELY(!CA_LOAD(link)))
        return 0;
    ca_lock_take(&profile.lock);
    while (*link && profile.notes[*link].p != p)
        link = &profile.notes[*link].next;
    uint32_t number = *link;
    if (number)
        CA_STORE(link, profile.notes[number].next);
    ca_lock_drop(&profile.lock);
    return number;
}

void ca_profile_attach(uint32_t number)
{
    if (!number)
        return;
    ca_lock_take(&profile.lock);
    note_insert(number);
    ca_lock_drop(&profile.lock);
}

/* pre: locked, and not in a list */
static void note_end(uint32_t number)
{
    const note *n = &profile.notes[number];
    ca_stack_counts *counts = &ca_stack_at(n->stack)->counts;
    __atomic_fetch_add(&counts->freed_blocks, 1, __ATOMIC_RELAXED);
    __atomic_fetch_add(&counts->freed_bytes, n->size, __ATOMIC_RELAXED);
    context_count(n->context, false);
    note_release(number);
}

void ca_profile_died(uint32_t number)
{
    if (!number)
        return;
    ca_lock_take(&profile.lock);
    note_end(number);
    ca_lock_drop(&profile.lock);
}

/* With check=off, blocks of a heap that share a page with others are taken for live. */
static bool is_live(const ca_context *c, const void *p)
{
    ca_granule g = ca_region_granule(p);
    uint32_t tag = CA_LOAD(&ca_region.entries[ca_granule_page(g)].tag);
    if (ca_tag_is_engine(tag))
        return c->engine && c->engine->is_live(c, p);
    return tag && (!ca_heap_setting.check || ca_live_test(g));
}

static bool is_gone(const ca_context *c, enum ca_profile_fate fate, const void *p)
{
    return fate == CA_PROFILE_DROPPED || (fate == CA_PROFILE_ROLLED_BACK && !is_live(c, p));
}

void ca_profile_context(ca_context *c, enum ca_profile_fate fate)
{
    const uint32_t context = ca_context_number(c);
    if (!CA_LOAD(&c->notes)) /* most contexts: the whole table is looked at otherwise */
        return;
    ca_lock_take(&profile.lock);
    for (uint32_t i = 0; i < HEADS; i++)
        for (uint32_t *link = &profile.heads[i]; *link;) {
            uint32_t number = *link;
            note *n = &profile.notes[number];
            if (n->context == context && fate == CA_PROFILE_GLOBAL) {
                context_count(context, false);
                n->context = 0;
            } else if (n->context == context && is_gone(c, fate, n->p)) {
                CA_STORE(link, n->next);
                note_end(number);
                continue;
            }
            link = &n->next;
        }
    ca_lock_drop(&profile.lock);
}

/* --- the text ----------------------------------------------------------------------------------------------------- */

static void counts_print(ca_out *out, const ca_stack_counts *c)
{
    ca_out_print(out, "%z: %z [%z: %z] @", (size_t)(c->blocks - c->freed_blocks), (size_t)(c->bytes - c->freed_bytes), (size_t)c->blocks, (size_t)c->bytes);
}

/* Each number on its own: a free that is under way may be in one and not in the other. */
static ca_stack_counts counts_read(uint32_t number)
{
    const ca_stack_counts *c = &ca_stack_at(number)->counts;
    ca_stack_counts r = {.freed_blocks = CA_LOAD(&c->freed_blocks), .freed_bytes = CA_LOAD(&c->freed_bytes)};
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    r.blocks = CA_LOAD(&c->blocks);
    r.bytes = CA_LOAD(&c->bytes);
    return r;
}

static void maps_copy(ca_out *out)
{
    char text[512];
    int error, fd = ca_os_open("/proc/self/maps", &error);
    if (fd < 0)
        return;
    for (size_t n; (n = ca_os_read(fd, text, sizeof text - 1)) > 0;) {
        text[n] = '\0';
        ca_out_print(out, "%s", text);
    }
    ca_os_close(fd);
}

bool ca_profile_write(int fd)
{
    ca_out out;
    ca_stack_counts all = {0, 0, 0, 0};
    uint32_t last = ca_stack_last();
    for (uint32_t i = 0; i <= last; i++) {
        ca_stack_counts c = counts_read(i);
        all.blocks += c.blocks;
        all.bytes += c.bytes;
        all.freed_blocks += c.freed_blocks;
        all.freed_bytes += c.freed_bytes;
    }
    ca_out_begin(&out, fd);
    ca_out_print(&out, "heap profile: ");
    counts_print(&out, &all);
    ca_out_print(&out, " heap_v2/%z\n", (size_t)profile.interval);
    for (uint32_t i = 0; i <= last; i++) {
        ca_stack_counts c = counts_read(i);
        const ca_stack *s = ca_stack_at(i);
        if (!c.blocks)
            continue;
        counts_print(&out, &c);
        if (i == 0) /* unknown; a line without an address is not understood */
            ca_out_print(&out, " %x", (uint64_t)(uintptr_t)&ca_profile_write);
        for (uint32_t k = 0; k < s->count; k++)
            ca_out_print(&out, " %x", (uint64_t)s->frame[k]);
        ca_out_print(&out, "\n");
    }
    ca_out_print(&out, "\nMAPPED_LIBRARIES:\n");
    maps_copy(&out);
    uint64_t missed = CA_LOAD(&profile.missed);
    if (missed)
        ca_print(2, "ctxalloc: profile: %z sampled blocks had no room in the table: they are missing among the live ones; use a larger interval\n", (size_t)missed);
    return ca_out_end(&out);
}

int ca_profile_write_to(const char *path)
{
    int error, fd = ca_os_create(path, &error);
    if (fd < 0)
        return error;
    bool whole = ca_profile_write(fd);
    ca_os_close(fd);
    return whole ? 0 : EIO;
}

void ca_profile_lock(void)
{
    ca_lock_take(&profile.lock);
}

void ca_profile_unlock(void)
{
    ca_lock_drop(&profile.lock);
}
