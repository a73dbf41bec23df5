/* Fuzz target: one thread's malloc, calloc, memalign, realloc, free, usable size and trim, as the faces call them, against the model of
 * live blocks.  An operation may come many times at once, so that magazines, depots and slabs fill up and empty.
 *
 * In a build with --enable-faults, system calls fail as the input says; only then may a sane request be answered with NULL.
 * Each input ends with all blocks freed, and then no page may be left in use: an input is repeatable, and a leak is found.
 */
#include "base/os.h"
#include "front/fast.h"
#include "front/report.h"
#include "fuzz/blocks.h"
#include "fuzz/sizes.h"

static blocks live;
static bool faults;
static unsigned countdown; /* operations until the next audit */

static void *block_malloc(size_t size)
{
    void *p = ca_fast_malloc(size);
    return p ? p : ca_front_malloc(size);
}

static void block_free(void *p)
{
    if (!ca_fast_free(p))
        FUZZ_CHECK(ca_front_free(p, "free") == CA_OURS, "%p is foreign", p);
}

static size_t block_usable(const void *p)
{
    size_t room = 0;
    FUZZ_CHECK(ca_front_usable(p, &room, "usable") == CA_OURS, "%p is foreign", p);
    return room;
}

/* --- audits --------------------------------------------------------------------------------------------------- */

static void audit(void)
{
    int which = 0;
    if (ca_target_is_heap(ca_current))
        FUZZ_CHECK(ca_heap_is_valid(ca_heap_of(ca_current), &which), "heap: %d", which);
    FUZZ_CHECK(ca_region_is_valid(&which), "region: [T%d]", which);
}

/* The process's numbers are those of the model. */
static void usage_check(void)
{
    ca_report u = ca_report_get();
    FUZZ_CHECK(u.heaps.small_count + u.heaps.large_count + u.huge_count == live.count, "%u blocks, counted %zu + %zu + %zu",
               live.count, (size_t)u.heaps.small_count, (size_t)u.heaps.large_count, (size_t)u.huge_count);
    FUZZ_CHECK(u.heaps.small_bytes + u.heaps.large_bytes + u.huge_bytes == live.bytes, "%zu bytes, counted %zu + %zu + %zu",
               live.bytes, (size_t)u.heaps.small_bytes, (size_t)u.heaps.large_bytes, (size_t)u.huge_bytes);
}

/* --- operations --------------------------------------------------------------------------------------------- */

/* Whether there is a block; if not, that it may be so. */
static bool served(const void *p, size_t size)
{
    FUZZ_CHECK(p || faults, "no memory for %zu bytes", size);
    return p != NULL;
}

static void block_new(void *p, size_t size, size_t align)
{
    size_t room = block_usable(p);
    FUZZ_CHECK(room >= size && (align > CA_GRANULE || room == ca_front_good_size(size)), "%zu of %zu bytes", room, size);
    FUZZ_CHECK(!((uintptr_t)p & (align - 1)), "%p is not aligned to %zu", p, align);
    blocks_add(&live, p, room);
}

static void allocate(size_t size, unsigned times)
{
    for (; times && blocks_has_room(&live, size); times--) {
        void *p = block_malloc(size);
        if (served(p, size))
            block_new(p, size, CA_GRANULE);
    }
}

static void allocate_zero(size_t size)
{
    if (!blocks_has_room(&live, size))
        return;
    void *p = ca_front_calloc(size);
    if (!served(p, size))
        return;
    block_check_zero(p, size);
    block_new(p, size, CA_GRANULE);
}

static void allocate_aligned(size_t align, size_t size)
{
    if (!blocks_has_room(&live, size + align)) /* the largest alignments cost as much again, until they are freed */
        return;
    void *p = ca_front_memalign(align, size);
    if (served(p, size))
        block_new(p, size, align);
}

static void reallocate(unsigned index, size_t size)
{
    void *p = live.at[index].start, *q = NULL;
    if (!size || !blocks_has_room(&live, size))
        return;
    size_t old = live.at[index].room;
    FUZZ_CHECK(ca_front_realloc(p, size, &q) == CA_OURS, "%p is foreign", p);
    FUZZ_CHECK(q || size > old, "shrinking from %zu to %zu failed", old, size);
    if (!served(q, size))
        return;
    size_t room = block_usable(q);
    FUZZ_CHECK(room >= size, "%zu of %zu bytes", room, size);
    blocks_replace(&live, index, q, room, size);
}

/* Up to `times` blocks from `index` on, every `stride`th. */
static void release(unsigned index, unsigned stride, unsigned times)
{
    for (; times && live.count; times--) {
        index %= live.count;
        block_free(blocks_take(&live, index));
        index += stride;
    }
}

/* What no process can have. */
static void impossible(uint64_t n)
{
    void *result = &live;
    FUZZ_CHECK(!ca_front_malloc(CA_MAX_SIZE + 1 + n % (SIZE_MAX - CA_MAX_SIZE)), "%llu", (unsigned long long)n);
    FUZZ_CHECK(!ca_front_calloc(CA_MAX_SIZE + 1 + n % (SIZE_MAX - CA_MAX_SIZE)), "%llu", (unsigned long long)n);
    FUZZ_CHECK(!ca_front_memalign((size_t)1 << (52 + n % 12), (size_t)(n >> 20)), "%llu", (unsigned long long)n);
    FUZZ_CHECK(!ca_front_malloc(CA_MAX_SIZE - n % (CA_MAX_SIZE / 2)), "%llu", (unsigned long long)n);
    if (!live.count)
        return;
    const block *one = &live.at[n % live.count];
    FUZZ_CHECK(ca_front_realloc(one->start, CA_MAX_SIZE - n % (CA_MAX_SIZE / 2), &result) == CA_OURS && !result, "realloc");
    block_check(one);
}

static void set_faults(unsigned after, unsigned every)
{
    (void)ca_os_fail(after, every % 8, every / 8 % 2);
    faults = CA_FAULTS && every % 8;
}

static void step(fuzz_input *in)
{
    unsigned op = fuzz_byte(in), index = live.count ? fuzz_two(in) % live.count : 0;
    switch (op % 16) {
    case 0:
    case 1:
        allocate(fuzz_size(in), 1);
        break;
    case 2:
        allocate(fuzz_byte(in) * 4, fuzz_byte(in) * 2);
        break;
    case 3:
        allocate(fuzz_size(in), fuzz_byte(in) % 64);
        break;
    case 4:
        allocate_zero(fuzz_size(in));
        break;
    case 5: {
        size_t align = fuzz_align(in);
        allocate_aligned(align, fuzz_size(in));
        break;
    }
    case 6:
    case 7:
        if (live.count)
            reallocate(op / 16 % 2 ? live.latest : index, fuzz_size(in));
        break;
    case 8:
        release(live.latest, 0, 1);
        break;
    case 9:
        release(index, 0, 1);
        break;
    case 10:
        release(index, op / 16 % 4, fuzz_byte(in) * 2);
        break;
    case 11:
        release(0, op / 16, live.count / 2);
        break;
    case 12:
        if (op / 16 % 4 == 0)
            impossible(fuzz_eight(in));
        else
            (void)ca_front_trim();
        break;
    case 13:
        blocks_check_all(&live);
        usage_check();
        break;
    case 14:
        ca_heap_setting.decay = op / 16 % 2 ? 0 : 1U << 30;
        break;
    default:
        set_faults(fuzz_byte(in), op / 16);
    }
    if (countdown-- == 0) {
        audit();
        countdown = 3;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input in = {data, data + size};
    blocks_init(&live);
    faults = false;
    countdown = 0;
    ca_heap_setting.decay = 1U << 30; /* no purging by the clock: it would not be repeatable */
    for (unsigned steps = 0; fuzz_more(&in) && steps < 500; steps++)
        step(&in);

    (void)ca_os_fail(0, 0, false);
    audit();
    usage_check();
    release(0, 0, live.count);
    (void)ca_front_trim();
    audit();
    usage_check();
    ca_region_usage region = ca_region_get_usage();
    FUZZ_CHECK(region.given == 0, "%zu bytes of pages are left", (size_t)region.given);
    return 0;
}
