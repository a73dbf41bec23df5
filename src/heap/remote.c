#include "heap/remote.h"

#include "base/check.h"
#include "heap/large.h"
#include "heap/live.h"
#include "heap/verdict.h"

enum {
    RETIRE_LOOKS = 8,
    WARM_HEAPS = 2 /* so many that nobody has leave their free pages as they are, for the next threads; what others held goes to the kernel */
};

static struct {
    ca_lock lock;
    uint32_t abandoned; /* a stack, linked by `next`: the heap left last is taken over first */
    uint32_t count;     /* of those */
    uint32_t all;       /* a stack that only grows, linked by `next_of_all` */
} list;

/* --- receiving ------------------------------------------------------------------------------------------ */

static void larges_receive(ca_heap *heap, const ca_magazine *m)
{
    for (uint32_t i = 1; i <= m->count; i++) {
        ca_granule g = ca_region_granule(m->slot[i]);
        if (ca_heap_setting.check && !ca_heap_setting.full && !ca_live_clear(g))
            ca_verdict("free", m->slot[i], g);
        ca_large_free(heap, ca_granule_page(g));
    }
}

/* keep: into the depot, for the owner's next mallocs; otherwise to the slabs. */
static void magazine_receive(ca_heap *heap, uint32_t number, bool keep)
{
    ca_magazine *m = ca_magazine_at(number);
    if (CA_UNLIKELY(m->generation != heap->generation)) { /* freed before all was dropped */
        ca_heap_give_magazine(heap, number);
        return;
    }
    uint32_t x = m->tag ^ heap->tag;
    unsigned class = x >> CA_TAG_CLASS_SHIFT;
    if (x == CA_TAG_LARGE) {
        larges_receive(heap, m);
        ca_heap_give_magazine(heap, number);
        return;
    }
    CA_ASSERT(x < CA_TAG_CACHES);
    if (ca_heap_setting.check && !ca_heap_setting.full)
        for (uint32_t i = 1; i <= m->count; i++) {
            ca_granule g = ca_region_granule(m->slot[i]);
            if (CA_UNLIKELY(!ca_live_clear(g)))
                ca_verdict("free", m->slot[i], g);
        }
    ca_bin *bin = &heap->class_bins[class];
    if (keep && bin->depot_count < ca_classes[class].depot && m->count * 2 > ca_classes[class].capacity) {
        ca_depot_push(bin, number);
    } else {
        ca_heap_return(heap, class, &m->slot[1], m->count);
        ca_heap_give_magazine(heap, number);
    }
}

static bool inbox_drain(ca_heap *heap, bool keep)
{
    uint32_t number = CA_LOAD(&heap->inbox) ? __atomic_exchange_n(&heap->inbox, 0, __ATOMIC_ACQUIRE) : 0;
    bool any = number != 0;
    while (number) {
        uint32_t next = ca_magazine_at(number)->next;
        magazine_receive(heap, number, keep);
        number = next;
    }
    return any;
}

bool ca_remote_drain_inbox(ca_heap *heap)
{
    return inbox_drain(heap, true);
}

/* In place of an owner that is gone. */
static void abandoned_drain(ca_heap *heap)
{
    uint32_t abandoned = CA_HEAP_ABANDONED;
    while (CA_LOAD(&heap->inbox) &&
           __atomic_compare_exchange_n(&heap->state, &abandoned, CA_HEAP_BUSY, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED)) {
        (void)inbox_drain(heap, false);
        ca_pages_trim(heap);
        /* What was pushed since, by senders that saw BUSY, is seen by the next round: the store comes before the load. */
        __atomic_store_n(&heap->state, CA_HEAP_ABANDONED, __ATOMIC_SEQ_CST);
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        abandoned = CA_HEAP_ABANDONED;
    }
}

/* --- sending ---------------------------------------------------------------------------------------------- */

static void magazine_send(uint32_t number)
{
    ca_magazine *m = ca_magazine_at(number);
    ca_heap *owner = ca_heap_at(m->tag >> CA_TAG_HEAP_SHIFT);
    uint32_t head = CA_LOAD(&owner->inbox);
    do
        m->next = head;
    while (!__atomic_compare_exchange_n(&owner->inbox, &head, number, true, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
    if (CA_UNLIKELY(__atomic_load_n(&owner->state, __ATOMIC_SEQ_CST) == CA_HEAP_ABANDONED))
        abandoned_drain(owner);
}

static uint32_t tag_capacity(uint32_t tag)
{
    uint32_t x = tag & CA_TAG_CLASS_MASK;
    return x < CA_TAG_CACHES ? ca_classes[x >> CA_TAG_CLASS_SHIFT].capacity : 1;
}

static uint32_t magazine_new(ca_heap *home, uint32_t tag, uint32_t generation)
{
    uint32_t number = home ? ca_heap_take_magazine(home) : ca_pool_take(&ca_region.magazines);
    if (!number)
        return 0;
    ca_magazine *m = ca_magazine_at(number);
    m->slot[0] = NULL;
    m->count = 0;
    m->tag = tag;
    m->generation = generation;
    return number;
}

/* A thread's heap, which is never dropped. In this order: the context's heap that had the record and the generation before may be dropped just now, and another thread take the record. */
static bool heap_lasts(uint32_t tag, uint32_t generation)
{
    return !CA_LOAD_ACQUIRE(&ca_heap_at(tag >> CA_TAG_HEAP_SHIFT)->target.context) && ca_remote_generation(tag) == generation;
}

/* Into an empty box. Alone: without a box, sent at once. */
CA_NOINLINE static void box_begin(ca_heap *home, ca_outbox *box, bool alone, uint32_t tag, uint32_t generation, void *p)
{
    if (box->magazine)
        magazine_send(box->magazine);
    box->magazine = magazine_new(home, tag, generation);
    box->tag = box->magazine ? tag | (heap_lasts(tag, generation) ? 0 : CA_OUTBOX_MORTAL) : 0;
    if (CA_UNLIKELY(!box->magazine)) { /* no memory even for a magazine: the block is lost, and counted */
        __atomic_fetch_add(&ca_remote_lost, 1, __ATOMIC_RELAXED);
        return;
    }
    ca_magazine *m = ca_magazine_at(box->magazine);
    m->slot[++m->count] = p;
    if (alone || tag_capacity(tag) == 1) {
        uint32_t full = box->magazine;
        *box = (ca_outbox){0, 0};
        magazine_send(full);
    }
}

void ca_remote_free(ca_heap *home, uint32_t tag, uint32_t generation, void *p)
{
    if (CA_UNLIKELY(!home) || CA_UNLIKELY(!home->outboxes)) {
        box_begin(home, &(ca_outbox){0, 0}, true, tag, generation, p);
        return;
    }
    ca_outbox *box = &home->outboxes[ca_outbox_of(tag)];
    ca_magazine *m = ca_magazine_at(box->magazine);
    if (CA_UNLIKELY((box->tag & ~CA_OUTBOX_MORTAL) != tag) || CA_UNLIKELY(m->generation != generation)) {
        box_begin(home, box, false, tag, generation, p);
        return;
    }
    m->slot[++m->count] = p;
    if (CA_UNLIKELY(m->count == tag_capacity(tag))) {
        uint32_t full = box->magazine;
        *box = (ca_outbox){0, 0};
        magazine_send(full);
    }
}

uint64_t ca_remote_lost;

void ca_remote_flush(ca_heap *home)
{
    for (unsigned i = 0; home->outboxes && i < CA_OUTBOXES; i++) {
        uint32_t magazine = home->outboxes[i].magazine;
        home->outboxes[i] = (ca_outbox){0, 0};
        if (magazine)
            magazine_send(magazine);
    }
}

/* --- threads that end and begin ----------------------------------------------------------------------------- */

void ca_heap_abandon(ca_heap *heap)
{
    ca_remote_flush(heap);
    (void)inbox_drain(heap, false);
    ca_heap_flush(heap);
    if (CA_LOAD(&list.count) >= WARM_HEAPS)
        ca_pages_purge(heap);
    ca_pages_trim(heap);
    ca_lock_take(&list.lock);
    heap->next = list.abandoned;
    list.abandoned = ca_heap_number(heap);
    CA_STORE(&list.count, list.count + 1);
    __atomic_store_n(&heap->state, CA_HEAP_ABANDONED, __ATOMIC_SEQ_CST);
    ca_lock_drop(&list.lock);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    abandoned_drain(heap);
}

void ca_heap_leave(ca_heap *heap)
{
    (void)inbox_drain(heap, false);
    ca_heap_flush(heap);
    ca_pages_trim(heap);
    __atomic_store_n(&heap->state, CA_HEAP_ABANDONED, __ATOMIC_SEQ_CST);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    abandoned_drain(heap);
}

/* Heaps that nobody has and that hold nothing: a few go for each one that comes, so that they do not become many. */
static void abandoned_retire(void)
{
    ca_lock_take(&list.lock);
    unsigned looks = 0;
    for (uint32_t *link = &list.abandoned; *link && looks < RETIRE_LOOKS; looks++) {
        ca_heap *heap = ca_heap_at(*link);
        uint32_t abandoned = CA_HEAP_ABANDONED;
        if (CA_LOAD(&heap->extent_pages) || CA_LOAD(&heap->inbox) ||
            !__atomic_compare_exchange_n(&heap->state, &abandoned, CA_HEAP_OWNED, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED)) {
            link = &heap->next;
            continue;
        }
        *link = heap->next;
        CA_STORE(&list.count, list.count - 1);
        ca_heap_retire(heap);
    }
    ca_lock_drop(&list.lock);
}

void ca_heap_globalize(ca_heap *heap)
{
    abandoned_retire();
    ca_heap_make_home(heap);
    heap->runs.owner = 0;
    ca_heap_abandon(heap);
}

void ca_heap_reclaim(ca_heap *heap)
{
    uint32_t abandoned = CA_HEAP_ABANDONED;
    while (!__atomic_compare_exchange_n(&heap->state, &abandoned, CA_HEAP_OWNED, true, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
        abandoned = CA_HEAP_ABANDONED; /* BUSY: for as long as a drain takes */
}

bool ca_heap_claim_spent(ca_heap *heap)
{
    uint32_t abandoned = CA_HEAP_ABANDONED;
    return !CA_LOAD(&heap->extent_pages) && !CA_LOAD(&heap->inbox) && /* without pages there are no blocks, and nothing can come */
           __atomic_compare_exchange_n(&heap->state, &abandoned, CA_HEAP_OWNED, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
}

/* How well an abandoned heap suits a thread whose heap is to be in the zone: the least is the best. */
enum { BEST, UNPLACED, EMPTY, UNSUITED };

static unsigned suits(const ca_heap *heap, const ca_zone *zone, unsigned how)
{
    const ca_zone *its = CA_LOAD(&heap->runs.zone);
    return its == zone ? BEST : !its && how & CA_ADOPT_UNPLACED ? UNPLACED : !CA_LOAD(&heap->extent_pages) ? EMPTY : UNSUITED;
}

/* pre: locked. The link to the best one; NULL: none. */
static uint32_t *abandoned_find(const ca_zone *zone, unsigned how, ca_heap **found)
{
    for (unsigned want = BEST; want <= (how & CA_ADOPT_ANY ? UNSUITED : EMPTY); want++)
        for (uint32_t *link = &list.abandoned; *link; link = &(*found)->next) {
            *found = ca_heap_at(*link);
            uint32_t abandoned = CA_HEAP_ABANDONED; /* BUSY: being drained just now */
            if (suits(*found, zone, how) == want &&
                __atomic_compare_exchange_n(&(*found)->state, &abandoned, CA_HEAP_OWNED, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
                return link;
        }
    return NULL;
}

ca_heap *ca_heap_adopt(ca_zone *zone, unsigned how)
{
    ca_heap *heap = NULL;
    ca_lock_take(&list.lock);
    uint32_t *link = abandoned_find(zone, how, &heap);
    if (link) {
        *link = heap->next;
        CA_STORE(&list.count, list.count - 1);
    }
    ca_lock_drop(&list.lock);
    if (link && !(how & CA_ADOPT_ANY))
        CA_STORE(&heap->runs.zone, zone);
    return link ? heap : NULL;
}

void ca_heap_enlist(ca_heap *heap)
{
    heap->next_of_all = CA_LOAD(&list.all);
    while (!__atomic_compare_exchange_n(&list.all, &heap->next_of_all, ca_heap_number(heap), true, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
        ;
}

void ca_heap_each(void (*fn)(ca_heap *heap, void *argument), void *argument)
{
    for (uint32_t i = CA_LOAD_ACQUIRE(&list.all); i; i = ca_heap_at(i)->next_of_all)
        fn(ca_heap_at(i), argument);
}

void ca_heap_lock_list(void)
{
    ca_lock_take(&list.lock);
}

void ca_heap_unlock_list(void)
{
    ca_lock_drop(&list.lock);
}

static void heap_orphan(ca_heap *heap, void *mine)
{
    bool used = heap->state == CA_HEAP_OWNED || heap->state == CA_HEAP_BUSY;
    if (heap != mine && used && !heap->target.context)
        heap->state = CA_HEAP_ORPHAN; /* its owner may have been half-way through a call: nobody may use it */
}

void ca_heap_orphan_others(ca_heap *mine)
{
    ca_heap_each(heap_orphan, mine);
}
