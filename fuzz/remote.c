/* Fuzz target: several heaps whose owners take turns in one thread.  Blocks are allocated by one owner and freed by another,
 * through outboxes and inboxes; owners flush, drain, end (abandon) and begin (adopt), all in the order that the input says.
 *
 * The model knows the payload of every live block, who owns which heap and which heaps nobody does, and how many blocks are on their way.
 * Real concurrency is for the stress tests; what is tried here is every order of the steps.
 */
#include "base/os.h"
#include "front/process.h"
#include "fuzz/blocks.h"
#include "fuzz/sizes.h"
#include "heap/large.h"
#include "heap/live.h"
#include "heap/remote.h"

enum { ACTORS = 4, HEAPS = 64 };

static blocks live;
static ca_heap *actors[ACTORS]; /* NULL: has ended */
static ca_heap *heaps[HEAPS];   /* all that this process ever made */
static unsigned heap_count;

/* --- what the model says of heaps ------------------------------------------------------------------------------ */

static bool is_owned(const ca_heap *heap)
{
    for (unsigned i = 0; i < ACTORS; i++)
        if (actors[i] == heap)
            return true;
    return false;
}

static unsigned owned_count(void)
{
    unsigned n = 0;
    for (unsigned i = 0; i < ACTORS; i++)
        n += actors[i] != NULL;
    return n;
}

static void audit(void)
{
    int which = 0;
    for (unsigned i = 0; i < heap_count; i++) {
        FUZZ_CHECK(ca_heap_is_valid(heaps[i], &which), "heap %u: %d", i, which);
        FUZZ_CHECK(heaps[i]->state == (is_owned(heaps[i]) ? CA_HEAP_OWNED : CA_HEAP_ABANDONED), "heap %u", i);
        FUZZ_CHECK(is_owned(heaps[i]) || !heaps[i]->inbox, "mail for heap %u, which nobody has", i);
    }
    FUZZ_CHECK(ca_region_is_valid(&which), "region: [T%d]", which);
}

/* An actor begins: it takes over a heap if there is one that nobody has, and makes one otherwise. */
static void begin(unsigned actor)
{
    bool any = heap_count > owned_count();
    ca_heap *heap = ca_heap_adopt(NULL, 0);
    FUZZ_CHECK((heap != NULL) == any, "%u heaps, %u owned", heap_count, owned_count());
    FUZZ_CHECK(!heap || !is_owned(heap), "a heap that has an owner");
    if (!heap) {
        heap = ca_heap_create(NULL);
        FUZZ_CHECK(heap && heap_count < HEAPS, "heap %u", heap_count);
        heaps[heap_count++] = heap;
    }
    actors[actor] = heap;
}

static void end(unsigned actor)
{
    ca_heap *heap = actors[actor];
    actors[actor] = NULL;
    ca_heap_abandon(heap);
    for (int i = 0; i < CA_OUTBOXES; i++)
        FUZZ_CHECK(!heap->outboxes[i].magazine, "outbox %d is not empty", i);
}

static ca_heap *heap_of(unsigned actor)
{
    if (!actors[actor])
        begin(actor);
    return actors[actor];
}

/* --- operations ------------------------------------------------------------------------------------------------- */

static void allocate(unsigned actor, size_t size, size_t align, bool zero, unsigned times)
{
    for (; times && blocks_has_room(&live, size + align); times--) {
        ca_heap *heap = heap_of(actor);
        void *p = zero ? ca_heap_calloc(heap, size) : ca_heap_memalign(heap, align, size);
        FUZZ_CHECK(p, "no memory for %zu bytes", size);
        if (zero)
            block_check_zero(p, size);
        FUZZ_CHECK(zero || !((uintptr_t)p & (align - 1)), "%p is not aligned to %zu", p, align);
        ca_page page = ca_granule_page(ca_region_granule(p));
        uint32_t tag = ca_region.entries[page].tag, x = tag ^ heap->tag;
        FUZZ_CHECK(x < CA_TAG_CACHES || x == CA_TAG_LARGE || tag == CA_TAG_HUGE, "tag %x for heap %x", tag, heap->tag);
        size_t room = x < CA_TAG_CACHES ? ca_classes[x >> CA_TAG_CLASS_SHIFT].size : ca_large_size(page);
        FUZZ_CHECK(room >= size, "%zu of %zu bytes", room, size);
        blocks_add(&live, p, room);
    }
}

/* As a thread frees it that has this heap; NULL: one that has none. */
static void block_free(ca_heap *heap, void *p)
{
    ca_granule g = ca_region_granule(p);
    ca_page page = ca_granule_page(g);
    uint32_t tag = ca_region.entries[page].tag;
    FUZZ_CHECK(!ca_heap_setting.check || ca_live_test(g), "%p is not live", p);
    if (tag == CA_TAG_HUGE) {
        FUZZ_CHECK(ca_huge_free(page, ca_heap_setting.check), "%p", p);
    } else if (heap && (tag ^ heap->tag) >> CA_TAG_HEAP_SHIFT == 0) {
        if (ca_heap_setting.check)
            FUZZ_CHECK(ca_live_clear(g), "%p", p);
        if ((tag ^ heap->tag) < CA_TAG_CACHES)
            ca_heap_put(p, heap, tag ^ heap->tag);
        else
            ca_large_free(heap, page);
    } else if (!heap || !ca_remote_free_quick(heap, tag, g, p)) {
        ca_remote_free(heap, tag, ca_remote_generation(tag), p);
    }
}

static void release(ca_heap *heap, unsigned index, unsigned stride, unsigned times)
{
    for (; times && live.count; times--) {
        index %= live.count;
        block_free(heap, blocks_take(&live, index));
        index += stride;
    }
}

/* Everybody sends and takes in what there is; then no block is on its way, and the heaps' numbers are the model's. */
static void settle(void)
{
    for (unsigned i = 0; i < ACTORS; i++)
        if (actors[i])
            ca_remote_flush(actors[i]);
    for (unsigned i = 0; i < ACTORS; i++)
        if (actors[i])
            (void)ca_remote_drain(actors[i]);
    ca_heap_usage u = {0};
    for (unsigned i = 0; i < heap_count; i++)
        ca_heap_add_usage(heaps[i], &u);
    ca_huge_usage huge = ca_huge_get_usage();
    FUZZ_CHECK(u.small_count + u.large_count + huge.count == live.count, "%u blocks, counted %zu + %zu + %zu", live.count,
               (size_t)u.small_count, (size_t)u.large_count, (size_t)huge.count);
    FUZZ_CHECK(u.small_bytes + u.large_bytes + huge.bytes == live.bytes, "%zu bytes, counted %zu + %zu + %zu", live.bytes,
               (size_t)u.small_bytes, (size_t)u.large_bytes, (size_t)huge.bytes);
}

static void step(fuzz_input *in)
{
    unsigned op = fuzz_byte(in), actor = op / 16 % ACTORS, index = live.count ? fuzz_two(in) % live.count : 0;
    switch (op % 16) {
    case 0:
    case 1:
        allocate(actor, fuzz_size(in), CA_GRANULE, false, 1);
        break;
    case 2:
    case 3:
        allocate(actor, fuzz_byte(in) * 4, CA_GRANULE, false, fuzz_byte(in));
        break;
    case 4: {
        size_t align = fuzz_align(in);
        allocate(actor, fuzz_size(in), align, false, 1);
        break;
    }
    case 5:
        allocate(actor, fuzz_size(in), 1, true, 1);
        break;
    case 6:
    case 7:
        release(heap_of(actor), index, 0, 1);
        break;
    case 8:
    case 9:
        release(heap_of(actor), index, op / 64, fuzz_byte(in));
        break;
    case 10: /* a thread without a heap */
        release(NULL, index, op / 64, fuzz_byte(in) % 16);
        break;
    case 11:
        if (actors[actor])
            ca_remote_flush(actors[actor]);
        break;
    case 12:
        if (actors[actor])
            (void)ca_remote_drain(actors[actor]);
        break;
    case 13:
        if (actors[actor])
            end(actor);
        else
            begin(actor);
        break;
    case 14:
        if (actors[actor] && op / 64 % 2)
            ca_heap_trim(actors[actor]);
        else
            blocks_check_all(&live);
        break;
    default:
        settle();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input in = {data, data + size};
    FUZZ_CHECK(ca_process_start(), "no address space");
    ca_heap_setting.decay = 1U << 30; /* no purging by the clock: it would not be repeatable */
    blocks_init(&live);
    for (unsigned steps = 0; fuzz_more(&in) && steps < 500; steps++) {
        step(&in);
        if (steps % 4 == 3)
            audit();
    }

    release(actors[0], 0, 0, live.count);
    settle();
    for (unsigned i = 0; i < ACTORS; i++)
        if (actors[i])
            end(i);
    audit();
    ca_region_purge_all(); /* fresh pages for the next input, as for this one */
    ca_region_usage region = ca_region_get_usage();
    FUZZ_CHECK(region.given == 0, "%zu bytes of pages are left", (size_t)region.given);
    FUZZ_CHECK(ca_remote_lost == 0, "%zu blocks were lost", (size_t)ca_remote_lost);
    return 0;
}
