#include "heap/heap.h"

#include <string.h>

#include "base/check.h"
#include "heap/large.h"
#include "heap/live.h"
#include "heap/remote.h"

enum {
    SPARE_MAGAZINES = 16, /* empty ones a heap keeps */
    MAGAZINE_BATCH = 4,   /* taken from the pool at once */
    SLAB_BATCH = 4,
    REFILL_MOST = 54,     /* objects of one refill, */
    REFILL_SMALL = 64,    /* if they have no more bytes, and the class has shown that it uses many; */
    REFILL_FEW = 15,      /* otherwise. What is written to larger ones is spread so: with 30, batches of 5,000 of 1,024 bytes took a sixth more time */
    CREATE_WORK = 20,     /* of a refill out of a new slab, unless the block that was held had to be merged for it */
    RELEASE_WORK = 12,    /* after so much a slab is not given back in the same call */
    IDLE_CALLS = 8,       /* see side_step */
    IDLE_WORK = 24,       /* of one step, where little else is done in the call (see heap/slab.h: the worst call counts); otherwise */
    IDLE_FEW = 6,
    IDLE_KEEP = 2,
    COLD_CALLS = 12       /* of a class of a context before it gets a magazine: small contexts stay small */
};

/* What a slow call did beside what it came for, and so how much work is left for that. */
enum { SIDE_NOTHING, SIDE_STEP, SIDE_MUCH /* a look at the clock, or a slab given back */ };
static const uint8_t refill_work[] = {44, 24, 1}, spill_work[] = {32, 8, 1};

/* What a cache without a magazine has loaded: empty and full at once. */
static void *no_slot[1];

/* No page has this tag, with or without CA_TAG_CHECKED: all frees go the slow way. */
ca_target ca_target_none = {.kind = CA_TARGET_NONE, .free_tag = ~CA_TAG_CHECKED};

ca_heap_settings ca_heap_setting = {.check = true, .decay = 1000};

/* --- magazines ---------------------------------------------------------------------------------------- */

uint32_t ca_heap_take_magazine(ca_heap *heap)
{
    if (!heap->spare) {
        heap->spare = ca_pool_take_list(&ca_region.magazines, MAGAZINE_BATCH);
        for (uint32_t m = heap->spare; m; m = ca_magazine_at(m)->next)
            heap->spare_count++;
        if (!heap->spare)
            return 0;
    }
    uint32_t magazine = heap->spare;
    heap->spare = ca_magazine_at(magazine)->next;
    heap->spare_count--;
    ca_magazine_at(magazine)->count = 0;
    ca_magazine_at(magazine)->slot[0] = NULL;
    return magazine;
}

void ca_heap_give_magazine(ca_heap *heap, uint32_t magazine)
{
    ca_magazine_at(magazine)->next = heap->spare;
    heap->spare = magazine;
    if (++heap->spare_count <= SPARE_MAGAZINES)
        return;
    uint32_t last = magazine; /* half of them go back, as one list */
    for (int i = 1; i < SPARE_MAGAZINES / 2; i++)
        last = ca_magazine_at(last)->next;
    heap->spare = ca_magazine_at(last)->next;
    heap->spare_count -= SPARE_MAGAZINES / 2;
    ca_pool_give_list(&ca_region.magazines, magazine, last);
}

static bool cache_is_loaded(const ca_cache *cache)
{
    return cache->limit != no_slot;
}

/* Objects that may be kept at a level, first in the loaded magazine and then in the depot. */
static uint32_t room_at(unsigned class, uint32_t level)
{
    return (uint32_t)ca_classes[class].room << level;
}

/* Objects that the loaded magazine may hold. */
static uint32_t room_of(const ca_heap *heap, unsigned class)
{
    uint32_t room = room_at(class, heap->habits[class].level), capacity = ca_classes[class].capacity;
    return room < capacity ? room : capacity;
}

/* Full magazines that the depot may hold at a level. */
static uint32_t depot_at(unsigned class, uint32_t level)
{
    uint32_t room = room_at(class, level), capacity = ca_classes[class].capacity;
    uint32_t magazines = room / capacity - (room >= capacity);
    return magazines < ca_classes[class].depot ? magazines : ca_classes[class].depot;
}

static uint32_t depot_of(const ca_heap *heap, unsigned class)
{
    return depot_at(class, heap->habits[class].level);
}

/* Whether there are fewer in it. Without the division, as every slow free asks. */
static bool depot_has_room(const ca_heap *heap, unsigned class)
{
    uint32_t count = heap->class_bins[class].depot_count;
    return count < ca_classes[class].depot && (count + 2) * ca_classes[class].capacity <= room_at(class, heap->habits[class].level);
}

/* By the room that there is now; a magazine that came with more is full. */
static void limit_set(ca_heap *heap, unsigned class, ca_magazine *loaded)
{
    ca_cache *cache = &heap->caches[class];
    void **limit = &loaded->slot[room_of(heap, class)];
    cache->limit = cache->top < limit ? limit : cache->top;
}

static void cache_load(ca_heap *heap, unsigned class, uint32_t number)
{
    ca_magazine *m = ca_magazine_at(number);
    CA_STORE(&heap->caches[class].top, &m->slot[m->count]);
    limit_set(heap, class, m);
}

/* Slabs are asked for objects. If they were given some for want of room, there should be more of it. */
static void room_grow(ca_heap *heap, unsigned class)
{
    ca_habit *habit = &heap->habits[class];
    if (!habit->spilled)
        return;
    habit->spilled = 0;
    if (depot_of(heap, class) < ca_classes[class].depot)
        habit->level++;
    limit_set(heap, class, ca_magazine_at(ca_magazine_of(heap->caches[class].limit)));
}

/* The loaded magazine with its count written down; the cache has none after it. */
static uint32_t cache_unload(ca_cache *cache)
{
    uint32_t number = ca_magazine_of(cache->limit);
    ca_magazine *m = ca_magazine_at(number);
    m->count = (uint32_t)(cache->top - m->slot);
    CA_STORE(&cache->top, no_slot);
    cache->limit = no_slot;
    return number;
}

void ca_depot_push(ca_bin *bin, uint32_t number)
{
    ca_magazine *m = ca_magazine_at(number);
    m->next = bin->depot;
    bin->depot = number;
    bin->depot_count++;
    CA_STORE(&bin->depot_objects, (uint16_t)(bin->depot_objects + m->count));
}

static uint32_t depot_pop(ca_heap *heap, unsigned class)
{
    ca_bin *bin = &heap->class_bins[class];
    ca_habit *habit = &heap->habits[class];
    uint32_t number = bin->depot;
    bin->depot = ca_magazine_at(number)->next;
    if (--bin->depot_count < habit->low)
        habit->low = bin->depot_count & 31U;
    CA_STORE(&bin->depot_objects, (uint16_t)(bin->depot_objects - ca_magazine_at(number)->count));
    return number;
}

/* --- slabs -------------------------------------------------------------------------------------------- */

CA_NOINLINE static void partial_append(ca_bin *bin, uint32_t number)
{
    ca_slab *slab = ca_slab_at(number);
    slab->next_partial = 0;
    slab->prev_partial = bin->partial_last;
    if (bin->partial_last)
        ca_slab_at(bin->partial_last)->next_partial = number;
    else
        bin->partial = number;
    bin->partial_last = number;
}

static void partial_remove(ca_bin *bin, const ca_slab *slab)
{
    if (slab->next_partial)
        ca_slab_at(slab->next_partial)->prev_partial = slab->prev_partial;
    else
        bin->partial_last = slab->prev_partial;
    if (slab->prev_partial)
        ca_slab_at(slab->prev_partial)->next_partial = slab->next_partial;
    else
        bin->partial = slab->next_partial;
}

static void slab_link(ca_heap *heap, uint32_t number)
{
    ca_slab *slab = ca_slab_at(number);
    slab->next = heap->slabs.first;
    slab->prev = 0;
    if (slab->next)
        ca_slab_at(slab->next)->prev = number;
    else
        heap->slabs.last = number;
    heap->slabs.first = number;
}

static void slab_unlink(ca_heap *heap, const ca_slab *slab)
{
    if (slab->next)
        ca_slab_at(slab->next)->prev = slab->prev;
    else
        heap->slabs.last = slab->prev;
    if (slab->prev)
        ca_slab_at(slab->prev)->next = slab->next;
    else
        heap->slabs.first = slab->next;
}

static uint32_t slab_record(ca_heap *heap)
{
    if (!heap->spare_slabs)
        heap->spare_slabs = ca_pool_take_list(&ca_region.slabs, heap->target.context ? 1 : SLAB_BATCH);
    uint32_t number = heap->spare_slabs;
    if (number)
        heap->spare_slabs = *ca_pool_link(&ca_region.slabs, number);
    return number;
}

static void slab_record_give(ca_heap *heap, uint32_t number)
{
    *ca_pool_link(&ca_region.slabs, number) = heap->spare_slabs;
    heap->spare_slabs = number;
}

/* A new slab, all free, in the bin's list. */
static bool slab_create(ca_heap *heap, unsigned class)
{
    const ca_class *c = &ca_classes[class];
    ca_bin *bin = &heap->class_bins[class];
    uint32_t number = slab_record(heap);
    if (!number)
        return false;
    uint64_t taken;
    ca_node node = ca_pages_take_some(heap, c->first_pages, bin->grown ? bin->grown : c->first_pages, &taken);
    if (!node) {
        slab_record_give(heap, number);
        return false;
    }
    uint32_t pages = (uint32_t)taken;
    ca_page page = (ca_page)heap->pages.nodes[node].offset;
    heap->used_classes |= 1ULL << class;
    ca_slab_init(ca_slab_at(number), class, page, pages, node, class * 7 + number * 3);
    ca_page_entries_set(page, pages, heap->tag | class << CA_TAG_CLASS_SHIFT, number);
    uint32_t wanted = bin->grown ? bin->grown : c->first_pages; /* grows with use, not with what was to be had */
    bin->grown = (uint8_t)(wanted * 2 <= c->most_pages ? wanted * 2 : wanted);
    CA_STORE(&bin->pages, bin->pages + pages);
    partial_append(bin, number);
    slab_link(heap, number);
    return true;
}

/* pre: all its objects are free, and it is in the bin's list. */
CA_NOINLINE static void slab_release(ca_heap *heap, ca_bin *bin, uint32_t number)
{
    ca_slab *slab = ca_slab_at(number);
    partial_remove(bin, slab);
    slab_unlink(heap, slab);
    ca_page_entries_set(slab->page, slab->pages, 0, number); /* the number stays: it says that something was here once, see heap/verdict.c */
    CA_STORE(&bin->pages, bin->pages - slab->pages);
    ca_node node = slab->node;
    slab_record_give(heap, number);
    ca_pages_give(heap, node);
}

/* pre: there is one. Nothing was taken from it since: a refill that comes to it gives it back first, or takes it for its own. */
CA_NOINLINE static void emptied_release(ca_heap *heap)
{
    uint32_t number = heap->emptied;
    const ca_slab *slab = ca_slab_at(number);
    CA_ASSERT(slab->free >= slab->objects);
    heap->emptied = 0;
    slab_release(heap, &heap->class_bins[slab->class], number);
}

/* Up to `count` objects (not none) to their slabs, as far as `work` (not none) allows; ends with the first slab of which all are free then.  It is given back, but after more than a little
 * work that is left to the next slow call, so that the worst call is not both.  Returns how many, at least one. */
static uint32_t return_some(ca_heap *heap, unsigned class, void *const *objects, uint32_t count, uint32_t work)
{
    ca_bin *bin = &heap->class_bins[class];
    const uint64_t reciprocal = ca_classes[class].reciprocal;
    void *const *at = objects, *const *end = at + count, *const *limit = at + work; /* so far would it go, were nothing done but move them */
    do {
        uint32_t number = ca_region.entries[ca_granule_page(ca_region_granule(*at))].number;
        ca_slab *slab = ca_slab_at(number);
        CA_ASSERT(slab->class == class);
        if (CA_UNLIKELY(slab->free == 0)) {
            partial_append(bin, number);
            limit -= CA_SLAB_FULL_WORK;
        }
        at = ca_slab_put(slab, at, limit < end ? limit : end, reciprocal);
        limit -= CA_SLAB_PUT_WORK;
        if (CA_UNLIKELY(slab->free >= slab->objects)) {
            if (!heap->emptied && (ptrdiff_t)work - (limit - at) > RELEASE_WORK)
                heap->emptied = number;
            else if (heap->emptied != number)
                slab_release(heap, bin, number);
            break;
        }
    } while (at < end && at < limit);
    uint32_t done = (uint32_t)(at - objects);
    CA_STORE(&bin->out, bin->out - done);
    return done;
}

void ca_heap_return(ca_heap *heap, unsigned class, void *const *objects, uint32_t count)
{
    for (uint32_t done = 0; done < count;)
        done += return_some(heap, class, objects + done, count - done, count - done);
    if (heap->emptied)
        emptied_release(heap);
}

/* The oldest objects of a loaded magazine, up to `most` and as far as `work` allows, go to the slabs. Not those on top, though nothing would have to be moved then: what lies at the bottom
 * would keep its slabs for as long as the class is only freed. */
static void cache_spill(ca_heap *heap, unsigned class, uint32_t most, uint32_t work)
{
    ca_cache *cache = &heap->caches[class];
    ca_magazine *m = ca_magazine_at(ca_magazine_of(cache->limit));
    uint32_t all = (uint32_t)(cache->top - m->slot), done = return_some(heap, class, &m->slot[1], most, work);
    memmove(&m->slot[1], &m->slot[1 + done], (all - done) * sizeof m->slot[0]);
    CA_STORE(&cache->top, cache->top - done);
}

/* --- classes out of use ------------------------------------------------------------------------------------- */

/* It has to show anew what pays. pre: the depot is empty */
static void habit_forget(ca_heap *heap, unsigned class)
{
    ca_cache *cache = &heap->caches[class];
    heap->habits[class].level = 0;
    heap->habits[class].spilled = 0;
    if (cache_is_loaded(cache))
        limit_set(heap, class, ca_magazine_at(ca_magazine_of(cache->limit)));
}

/* Small work beside a slow call: now and then a look at the clock, otherwise a step of the hand. Returns which it was.
 *
 * What lies in magazines keeps its slabs from becoming empty, and the objects of a class that the program has left behind are spread
 * over all its slabs.  So a hand goes round the classes, waits IDLE_CALLS slow calls at each, and gives back, a few objects a slow call: of a class without a slow
 * call since the last round all but IDLE_KEEP, of others as many magazines as were in the depot all the time since then. */
CA_NOINLINE static unsigned side_step_taken(ca_heap *heap, uint32_t work)
{
    if (heap->slow_calls-- == 0) {
        ca_heap_tick(heap);
        return SIDE_MUCH;
    }
    unsigned class = heap->idle_hand;
    ca_bin *bin = &heap->class_bins[class];
    ca_cache *cache = &heap->caches[class];
    bool busy = heap->busy_classes >> class & 1;
    ca_habit *habit = &heap->habits[class];
    const uint32_t pages = bin->pages;
    if (heap->emptied) {
        emptied_release(heap);
        return SIDE_MUCH;
    }
    if (busy ? habit->low : bin->depot_count) {
        ca_magazine *m = ca_magazine_at(bin->depot);
        uint32_t count = m->count < work ? m->count : work;
        uint32_t done = return_some(heap, class, &m->slot[1 + m->count - count], count, work);
        memmove(&m->slot[1 + m->count - count], &m->slot[1 + m->count - count + done], (count - done) * sizeof m->slot[0]);
        m->count -= done;
        CA_STORE(&bin->depot_objects, (uint16_t)(bin->depot_objects - done));
        if (!m->count) {
            uint32_t left = habit->low ? habit->low - 1U : 0; /* this one was of those that were not needed */
            ca_heap_give_magazine(heap, depot_pop(heap, class));
            habit->low = left & 31U;
            if (depot_of(heap, class) > bin->depot_count && depot_at(class, habit->level - 1U) >= bin->depot_count)
                habit->level--;
        }
        return bin->pages == pages ? SIDE_STEP : SIDE_MUCH;
    }
    if (!busy && cache_is_loaded(cache)) {
        uint32_t all = (uint32_t)(cache->top - ca_magazine_at(ca_magazine_of(cache->limit))->slot);
        uint32_t room = ca_classes[class].room, keep = room < IDLE_KEEP ? room : IDLE_KEEP;
        if (all > keep) {
            cache_spill(heap, class, all - keep, work);
            return bin->pages == pages ? SIDE_STEP : SIDE_MUCH;
        }
    }
    heap->idle_calls = IDLE_CALLS;
    if (!busy)
        habit_forget(heap, class);
    habit->low = bin->depot_count & 31U;
    heap->busy_classes &= ~(1ULL << class);
    heap->idle_hand = (uint8_t)(class + 1 < CA_CLASSES ? class + 1 : 0);
    return SIDE_NOTHING;
}

/* As most steps go: it is time neither for the clock nor for the hand, which waits first and then gives back. */
CA_INLINE unsigned side_step(ca_heap *heap, uint32_t work)
{
    if (CA_UNLIKELY(!heap->slow_calls) || CA_UNLIKELY(!heap->idle_calls) || CA_UNLIKELY(heap->emptied))
        return side_step_taken(heap, work);
    heap->slow_calls--;
    heap->idle_calls--;
    return SIDE_NOTHING;
}

/* Up to `wanted` objects out of slabs, downwards from `to`; 0: no memory. */
static uint32_t bin_take(ca_heap *heap, unsigned class, void **to, uint32_t wanted)
{
    ca_bin *bin = &heap->class_bins[class];
    bool create = !bin->partial;
    ca_node held = heap->held;
    if (heap->emptied == bin->partial) /* what is taken from is not given back */
        heap->emptied = 0;
    if (create && !slab_create(heap, class))
        return 0;
    uint32_t taken = 0, work = create ? held != heap->held ? 1 : CREATE_WORK : refill_work[side_step(heap, IDLE_FEW)]; /* the step is not of this class, which is in use and has no depot */
    while (taken < wanted && (work >= CA_SLAB_TAKE_WORK || !taken) && bin->partial) {
        ca_slab *slab = ca_slab_at(bin->partial);
        taken += ca_slab_take(slab, to - taken, wanted - taken, &work);
        if (!slab->free)
            partial_remove(bin, slab);
    }
    CA_STORE(&bin->out, bin->out + taken);
    return taken;
}

static void freed_forget(ca_heap *heap)
{
    CA_STORE(&heap->freed, NULL);
    CA_STORE(&heap->freed_x, (uint32_t)CA_TAG_CACHES);
}

/* --- malloc and free behind the loaded magazine ---------------------------------------------------------- */

static void *cache_pop(ca_cache *cache)
{
    void *p = *cache->top;
    if (p)
        CA_STORE(&cache->top, cache->top - 1);
    return p;
}

/* Loads a full magazine of the depot. */
static void depot_load(ca_heap *heap, unsigned class)
{
    ca_cache *cache = &heap->caches[class];
    if (cache_is_loaded(cache))
        ca_heap_give_magazine(heap, cache_unload(cache));
    cache_load(heap, class, depot_pop(heap, class));
}

/* Fills less than half of the empty loaded magazine, so that frees find room. */
static void *slabs_load(ca_heap *heap, unsigned class)
{
    ca_cache *cache = &heap->caches[class];
    if (!cache_is_loaded(cache)) {
        uint32_t number = heap->habits[class].cold ? 0 : ca_heap_take_magazine(heap);
        if (heap->habits[class].cold)
            heap->habits[class].cold--;
        if (!number) { /* too early, or no memory for a magazine: one object without */
            void *p[1] = {NULL};
            return bin_take(heap, class, p, 1) ? p[0] : NULL;
        }
        heap->used_classes |= 1ULL << class;
        cache_load(heap, class, number);
    }
    room_grow(heap, class);
    uint32_t half = (room_of(heap, class) + 1) / 2;
    uint32_t most = ca_classes[class].size <= REFILL_SMALL && heap->habits[class].level ? REFILL_MOST : REFILL_FEW, wanted = half < most ? half : most;
    void **to = cache->top + wanted;
    uint32_t taken = bin_take(heap, class, to, wanted);
    if (!taken)
        return NULL;
    if (taken < wanted) /* they lie at the top end of the space: down to the sentinel */
        memmove(cache->top + 1, to - taken + 1, taken * sizeof *to);
    CA_STORE(&cache->top, cache->top + taken);
    return cache_pop(cache);
}

/* The next object of a class whose loaded magazine is empty. */
static void *class_refill(ca_heap *heap, unsigned class)
{
    ca_cache *cache = &heap->caches[class];
    ca_bin *bin = &heap->class_bins[class];
    void *p = NULL;
    heap->busy_classes |= 1ULL << class;
    if (!bin->depot && ca_remote_drain(heap))
        p = cache_pop(cache);
    if (!p && bin->depot) {
        depot_load(heap, class);
        p = cache_pop(cache);
        (void)side_step(heap, IDLE_WORK);
    }
    if (!p)
        p = slabs_load(heap, class);
    if (CA_UNLIKELY(!p) && heap->freed_x == class << CA_TAG_CLASS_SHIFT) { /* there is no memory but what waits */
        p = heap->freed;
        freed_forget(heap);
    }
    return p;
}

static void *class_alloc(ca_heap *heap, unsigned class)
{
    void *p = cache_pop(&heap->caches[class]);
    if (CA_UNLIKELY(!p))
        p = class_refill(heap, class);
    if (p && ca_heap_setting.check)
        ca_live_set(ca_region_granule(p));
    return p;
}

void *ca_heap_malloc(ca_heap *heap, size_t size)
{
    return CA_LIKELY(size <= CA_SMALL_MAX) ? class_alloc(heap, ca_class_of(size)) : ca_large_malloc(heap, size);
}

void *ca_heap_calloc(ca_heap *heap, size_t size)
{
    size_t zero = 0;
    void *p = size <= CA_SMALL_MAX ? ca_heap_malloc(heap, size) : ca_large_alloc(heap, size, 1, &zero);
    return p && zero < size ? memset(p, 0, size - zero) : p;
}

void *ca_heap_memalign(ca_heap *heap, size_t align, size_t size)
{
    size_t zero;
    if (align <= CA_GRANULE)
        return ca_heap_malloc(heap, size);
    unsigned class = align <= CA_PAGE ? ca_class_of_aligned(size, align) : CA_CLASSES;
    return class < CA_CLASSES ? class_alloc(heap, class) : ca_large_alloc(heap, size, align, &zero);
}

void ca_heap_put_full(void *p, ca_heap *heap, ca_cache *cache)
{
    if (!p) /* none waited, and the cache is the last one, which is nobody's */
        return;
    unsigned class = (unsigned)(cache - heap->caches);
    ca_bin *bin = &heap->class_bins[class];
    uint32_t empty = 0;
    bool cold = !cache_is_loaded(cache) && heap->habits[class].cold;
    if (!cold && (!cache_is_loaded(cache) || depot_has_room(heap, class)))
        empty = ca_heap_take_magazine(heap);
    heap->busy_classes |= 1ULL << class;
    if (empty) {
        if (cache_is_loaded(cache))
            ca_depot_push(bin, cache_unload(cache));
        cache_load(heap, class, empty);
        (void)side_step(heap, IDLE_WORK);
    } else if (cache_is_loaded(cache)) {
        heap->habits[class].spilled = 1;
        cache_spill(heap, class, (room_of(heap, class) + 1) / 2, spill_work[side_step(heap, IDLE_FEW)]);
    } else {
        ca_heap_return(heap, class, &p, 1);
        return;
    }
    cache->top[1] = p;
    CA_STORE(&cache->top, cache->top + 1);
}

/* --- the heap as a whole ------------------------------------------------------------------------------------ */

static void target_init(ca_heap *heap, uint32_t kind, struct ca_context *context)
{
    bool check = ca_heap_setting.check, slow = ca_heap_setting.slow;
    const size_t end = slow ? 0 : CA_FAST_MAX + 1, plain_end = !context ? end : slow ? 0 : ca_heap_setting.trusted_end;
    heap->target = (ca_target){.kind = kind, .context = context, .free_tag = slow ? ca_target_none.free_tag : heap->tag | (check ? CA_TAG_CHECKED : 0),
                               .fast_end = check ? 0 : plain_end, .checked_end = check ? plain_end : 0, .context_end = context && plain_end < end ? end : 0};
}

static void caches_init(ca_heap *heap, uint64_t classes)
{
    const ca_habit habit = {.cold = heap->target.context ? COLD_CALLS : 0};
    for (; classes; classes &= classes - 1) {
        unsigned class = ca_bit_low(classes);
        heap->caches[class] = (ca_cache){no_slot, no_slot};
        heap->class_bins[class] = (ca_bin){0};
        heap->habits[class] = habit;
    }
}

static ca_heap *heap_new(struct ca_context *context, uint32_t kind)
{
    uint32_t number = ca_pool_take(&ca_region.heaps);
    if (!number)
        return NULL;
    ca_heap *heap = ca_heap_at(number);
    CA_ASSERT(number + 1 < 1U << CA_HEAP_NUMBER_BITS); /* ca_target_none has the last one */
    bool known = heap->tag != 0;
    /* `state`, and from `inbox` to `next`, is what other threads may be looking at, if it was a heap before. */
    memset(heap, 0, offsetof(ca_heap, state));
    memset(&heap->spare, 0, offsetof(ca_heap, inbox) - offsetof(ca_heap, spare));
    memset(&heap->next, 0, sizeof *heap - offsetof(ca_heap, next));
    heap->tag = number << CA_TAG_HEAP_SHIFT;
    target_init(heap, kind, context);
    for (unsigned i = 0; i <= CA_FAST_MAX / CA_GRANULE; i++)
        heap->cache_offset[i] = (uint16_t)(ca_class_table[i] * sizeof(ca_cache));
    heap->caches[CA_CLASSES] = (ca_cache){no_slot, no_slot};
    freed_forget(heap);
    caches_init(heap, UINT64_MAX >> (64 - CA_CLASSES));
    ca_tlsf_init(&heap->pages, (ca_tlsf_node *)(void *)ca_region.nodes.base, ca_region.marks, heap->page_bins,
                 heap->page_second, CA_HEAP_LEVELS);
    heap->pages.bias = ca_region_bias();
    heap->pages.scan_limit = 0; /* but where there is no memory for an extent, see ca_pages_take_more */
    heap->slow_calls = CA_TICK_CALLS;
    CA_STORE(&heap->state, CA_HEAP_OWNED); /* a sender to its last life may be looking at it */
    if (!known)
        ca_heap_enlist(heap);
    return heap;
}

ca_heap *ca_heap_create(ca_zone *zone)
{
    ca_heap *heap = heap_new(NULL, CA_TARGET_HOME);
    if (!heap)
        return NULL;
    heap->runs.zone = zone;
    ca_heap_make_home(heap);
    return heap;
}

/* malloc's path with checks knows the first range only. */
static void far_settle(ca_heap *heap)
{
    for (ca_page page = ca_region_first_run(&heap->runs); page != UINT32_MAX; page = ca_region_next_run(page))
        if (ca_region_is_far(page))
            heap->target.checked_end = heap->target.context_end = 0;
}

void ca_heap_make_home(ca_heap *heap)
{
    target_init(heap, CA_TARGET_HOME, NULL);
    far_settle(heap);
    heap->account = &ca_account_process;
    uint32_t boxes = heap->outboxes ? 0 : ca_pool_take(&ca_region.outboxes);
    if (boxes) {
        heap->outboxes = ca_pool_at(&ca_region.outboxes, boxes);
        memset(heap->outboxes, 0, CA_OUTBOXES * sizeof *heap->outboxes);
    }
}

ca_heap *ca_heap_create_for(struct ca_context *context, ca_account *account, uint32_t owner, ca_zone *zone)
{
    ca_heap *heap = heap_new(context, CA_TARGET_LONG);
    if (!heap)
        return NULL;
    heap->account = account;
    heap->runs.owner = owner;
    heap->runs.zone = zone;
    return heap;
}

void ca_heap_uncheck(ca_heap *heap)
{
    target_init(heap, heap->target.kind, heap->target.context);
}

void ca_heap_flush(ca_heap *heap)
{
    void *freed = heap->freed;
    unsigned freed_class = heap->freed_x >> CA_TAG_CLASS_SHIFT;
    freed_forget(heap);
    if (freed)
        ca_heap_return(heap, freed_class, &freed, 1);
    if (heap->held)
        ca_pages_let_go(heap);
    for (unsigned class = 0; class < CA_CLASSES; class++) {
        ca_cache *cache = &heap->caches[class];
        ca_bin *bin = &heap->class_bins[class];
        if (cache_is_loaded(cache))
            ca_depot_push(bin, cache_unload(cache));
        while (bin->depot) {
            uint32_t number = depot_pop(heap, class);
            ca_magazine *m = ca_magazine_at(number);
            ca_heap_return(heap, class, &m->slot[1], m->count);
            ca_heap_give_magazine(heap, number);
        }
        bin->grown = 0;
    }
}

/* --- dropping all at once ------------------------------------------------------------------------------------- */

bool ca_heap_dropped_any;

static void magazines_drop(ca_heap *heap, unsigned class)
{
    ca_cache *cache = &heap->caches[class];
    ca_bin *bin = &heap->class_bins[class];
    if (cache_is_loaded(cache))
        ca_heap_give_magazine(heap, cache_unload(cache));
    while (bin->depot)
        ca_heap_give_magazine(heap, depot_pop(heap, class));
}

void ca_heap_drop_caches(ca_heap *heap)
{
    if (heap->held)
        ca_pages_let_go(heap);
    freed_forget(heap);
    heap->emptied = 0;
    for (uint64_t classes = heap->used_classes; classes; classes &= classes - 1)
        magazines_drop(heap, ca_bit_low(classes));
}

/* All slabs' records go back, and all pages' entries say who is dead. Neither blocks nor slabs are looked at: all that is cold by now. */
static void extents_drop(ca_heap *heap, uint32_t dead)
{
    for (ca_page page = ca_region_first_run(&heap->runs); page != UINT32_MAX; page = ca_region_next_run(page))
        ca_page_entries_set(page, ca_region_run_pages(page), 0, dead);
    if (heap->slabs.first) /* when no entry names them any more */
        ca_pool_give_list(&ca_region.slabs, heap->slabs.first, heap->slabs.last);
    if (ca_heap_setting.check)
        CA_STORE(&ca_heap_dropped_any, true);
    ca_pages_drop(heap);
}

/* A block that is dropped: the slab's record is spare, and the pages' entries say who is dead. Returns how many pages it has. */
static ca_page block_drop(ca_heap *heap, const ca_tlsf_node *n, uint32_t dead)
{
    ca_page first = (ca_page)n->offset, pages = (ca_page)n->size;
    const ca_page_entry *entry = &ca_region.entries[first];
    ca_page tagged = 1; /* of a large block, the first only */
    if ((entry->tag ^ heap->tag) < CA_TAG_CACHES) {
        slab_record_give(heap, entry->number);
        tagged = pages;
    }
    ca_page_entries_set(first, tagged, 0, dead);
    return pages;
}

/* The same for the one extent that the heap keeps, with the slabs' records: block after block becomes free again. */
static void extent_empty(ca_heap *heap, ca_page first, uint32_t dead)
{
    ca_tlsf *tlsf = &heap->pages;
    for (ca_node node = ca_run_at(first >> CA_CHUNK_SHIFT)->head; node; node = tlsf->nodes[node].next)
        if (ca_tlsf_is_used(tlsf, node)) {
            ca_page page = (ca_page)tlsf->nodes[node].offset, pages = block_drop(heap, &tlsf->nodes[node], dead);
            if (ca_heap_setting.check)
                ca_live_reset(page, pages);
            tlsf->marks[node] = ca_region_now();
            node = ca_tlsf_free(tlsf, node);
        }
}

/* check=full: what is handed out again reads as zero, or as poison. */
static void runs_purge(const ca_run_list *runs)
{
    for (ca_page page = ca_region_first_run(runs); page != UINT32_MAX; page = ca_region_next_run(page))
        ca_region_clear(page, ca_region_run_pages(page));
}

void ca_heap_drop(ca_heap *heap, uint32_t dead, bool keep)
{
    if (CA_UNLIKELY(ca_heap_setting.full))
        runs_purge(&heap->runs);
    ca_heap_drop_caches(heap);
    if (keep && ca_pages_are_few(heap)) {
        extent_empty(heap, ca_region_first_run(&heap->runs), dead);
    } else if (heap->extent_pages) {
        extents_drop(heap, dead);
    }
    caches_init(heap, heap->used_classes);
    heap->used_classes = 0;
    heap->slabs = (ca_slab_list){0, 0};
    CA_STORE(&heap->large_pages, 0);
    CA_STORE(&heap->large_count, 0);
    __atomic_store_n(&heap->generation, heap->generation + 1, __ATOMIC_RELEASE); /* after the blocks: see ca_remote_generation */
    (void)ca_remote_drain(heap); /* all of it is void now */
}

void ca_heap_retire(ca_heap *heap)
{
    if (heap->outboxes) {
        uint32_t boxes = (uint32_t)((size_t)((char *)heap->outboxes - ca_region.outboxes.base) / CA_OUTBOX_RECORD);
        heap->outboxes = NULL;
        ca_pool_give_list(&ca_region.outboxes, boxes, boxes);
    }
    ca_pool_give_chain(&ca_region.magazines, &heap->spare);
    heap->spare_count = 0;
    ca_pool_give_chain(&ca_region.slabs, &heap->spare_slabs);
    ca_region_drop_nodes(&heap->node_batches, false);
    CA_STORE(&heap->state, CA_HEAP_FREE);
    uint32_t number = ca_heap_number(heap);
    ca_pool_give_list(&ca_region.heaps, number, number);
}

void ca_heap_trim(ca_heap *heap)
{
    (void)ca_remote_drain(heap);
    ca_heap_flush(heap);
    ca_pages_trim(heap);
}

ca_class_usage ca_heap_class_usage(const ca_heap *heap, unsigned class)
{
    const ca_bin *bin = &heap->class_bins[class];
    void *const *top = CA_LOAD(&heap->caches[class].top);
    uint64_t cached = CA_LOAD(&bin->depot_objects), out = CA_LOAD(&bin->out);
    if (top && top != no_slot)
        cached += (uint64_t)(top - ca_magazine_at(ca_magazine_of(top))->slot);
    cached += CA_LOAD(&heap->freed_x) == class << CA_TAG_CLASS_SHIFT;
    cached = cached < out ? cached : out;
    return (ca_class_usage){out - cached, cached, (uint64_t)CA_LOAD(&bin->pages) * CA_PAGE};
}

void ca_heap_add_usage(const ca_heap *heap, ca_heap_usage *usage)
{
    for (unsigned class = 0; class < CA_CLASSES; class++) {
        ca_class_usage u = ca_heap_class_usage(heap, class);
        usage->small_count += u.live;
        usage->small_bytes += u.live * ca_classes[class].size;
        usage->cached_bytes += u.cached * ca_classes[class].size;
        usage->slab_bytes += u.slab_bytes;
    }
    usage->large_bytes += (uint64_t)CA_LOAD(&heap->large_pages) * CA_PAGE;
    usage->large_count += CA_LOAD(&heap->large_count);
    usage->extent_bytes += (uint64_t)CA_LOAD(&heap->extent_pages) * CA_PAGE;
}

typedef struct class_sums {
    uint32_t pages, out; /* in slabs of the class; objects out of them */
} class_sums;

/* [S1] to [S4]; adds up the slabs of each class. */
static bool slabs_are_valid(const ca_heap *heap, class_sums *sums, int *which)
{
    uint32_t last = 0, partial = 0;
    for (uint32_t s = heap->slabs.first; s; last = s, s = ca_slab_at(s)->next) {
        const ca_slab *slab = ca_slab_at(s);
        if (!ca_slab_is_valid(slab, which))
            return false;
        *which = 3;
        for (ca_page i = slab->page; i < slab->page + slab->pages; i++)
            if (ca_region.entries[i].number != s || ca_region.entries[i].tag != (heap->tag | (uint32_t)slab->class << CA_TAG_CLASS_SHIFT))
                return false;
        *which = 5;
        if (slab->prev != last)
            return false;
        *which = 103;
        if ((slab->free == slab->objects) != (s == heap->emptied))
            return false;
        sums[slab->class].pages += slab->pages;
        sums[slab->class].out += slab->objects - slab->free;
        partial += slab->free > 0;
    }
    if (heap->slabs.last != last)
        return false;
    *which = 2;
    for (unsigned class = 0; class < CA_CLASSES; class++)
        for (uint32_t s = heap->class_bins[class].partial; s; s = ca_slab_at(s)->next_partial, partial--)
            if (!partial || !ca_slab_at(s)->free || ca_slab_at(s)->class != class)
                return false;
    return !partial;
}

/* [H3], [H4], [H5], [S1] … [S4], [C1], [T1] … [T6]. */
bool ca_heap_is_valid(ca_heap *heap, int *which)
{
    class_sums sums[CA_CLASSES] = {{0, 0}};
    if (!slabs_are_valid(heap, sums, which))
        return false;
    for (unsigned class = 0; class < CA_CLASSES; class++) {
        const ca_cache *cache = &heap->caches[class];
        const ca_bin *bin = &heap->class_bins[class];
        *which = 100;
        if (cache->top > cache->limit)
            return false;
        *which = 101;
        if (sums[class].pages != bin->pages || sums[class].out != bin->out)
            return false;
    }
    *which = 102;
    if (heap->freed ? ca_region.entries[ca_granule_page(ca_region_granule(heap->freed))].tag != (heap->tag | heap->freed_x) : heap->freed_x != CA_TAG_CACHES)
        return false;
    *which = 4;
    if (heap->held && (!ca_tlsf_is_used(&heap->pages, heap->held) || ca_region.entries[heap->pages.nodes[heap->held].offset].tag))
        return false;
    return ca_tlsf_is_valid(&heap->pages, which);
}
