/* Frees of blocks that belong to a heap which the thread does not have.
 *
 * They collect in the thread's outboxes, one for each heap and class (the pages' tag), and a full one goes to the owner's
 * inbox whole, by one compare-and-swap.  The owner takes all of its inbox by one exchange, on its slow path.
 *
 * An abandoned heap has no owner to drain it: whoever sends to one drains it in its place (state BUSY meanwhile).
 *
 *   send:     push, then look at the state; ABANDONED -> BUSY by compare-and-swap, drain, -> ABANDONED, look at the inbox again
 *   abandon:  flush, drain, -> ABANDONED, look at the inbox again
 *
 * so a magazine pushed before the state is seen BUSY or OWNED is drained by whoever holds the heap then, or by the next.
 */
#ifndef CA_HEAP_REMOTE_H
#define CA_HEAP_REMOTE_H

#include "heap/heap.h"
#include "heap/live.h"

/* What a free says of the life of the heap that its block belongs to: to be read before the block is looked at (for the last time), so that a free that is half-way while its
 * context is destroyed never carries the number of a later life. ca_heap_drop: first the blocks, then the number. */
CA_INLINE uint32_t ca_remote_generation(uint32_t tag)
{
    return CA_LOAD_ACQUIRE(&ca_heap_at(tag >> CA_TAG_HEAP_SHIFT)->generation);
}

CA_INLINE uint32_t ca_outbox_of(uint32_t tag)
{
    /* the classes of one owner never meet; those of several owners begin at different places */
    return ((tag >> CA_TAG_CLASS_SHIFT) + (tag >> CA_TAG_HEAP_SHIFT) * 21) % CA_OUTBOXES;
}

/* What ca_remote_free does most often: a live object of another thread's heap goes to others that wait. false: not that, or its magazine is full then; nothing has changed.
 * tag: of p's page. Threads' heaps are never dropped, so there is no generation to look at, nor anything else of the owner's. */
CA_INLINE bool ca_remote_free_quick(ca_heap *home, uint32_t tag, ca_granule g, void *p)
{
    if (CA_UNLIKELY(!home->outboxes))
        return false;
    const ca_outbox *box = &home->outboxes[ca_outbox_of(tag)];
    if (CA_UNLIKELY(box->tag != tag) || CA_UNLIKELY(!box->magazine)) /* the latter: a page without a tag, and an empty box */
        return false;
    ca_magazine *m = ca_magazine_at(box->magazine);
    CA_ASSERT(m->tag == tag && m->generation == ca_remote_generation(tag));
    uint32_t most = ca_classes[(tag & CA_TAG_CLASS_MASK) >> CA_TAG_CLASS_SHIFT].capacity - 1U; /* large blocks do not wait */
    if (CA_UNLIKELY(m->count == most) || (ca_heap_setting.check && CA_UNLIKELY(!ca_live_test(g))))
        return false;
    m->slot[++m->count] = p;
    return true;
}

/* A block of another heap. home: the thread's own heap, whose outboxes and magazines are used; NULL: a thread without (sent at once).
 * p was live when looked at, which was after `generation` was read. */
void ca_remote_free(ca_heap *home, uint32_t tag, uint32_t generation, void *p);
CA_EXTERN uint64_t ca_remote_lost; /* blocks that could not be sent for want of memory */
/* Sends all that is waiting. */
void ca_remote_flush(ca_heap *home);
/* The owner takes in what others sent. Whether there was anything. */
bool ca_remote_drain_inbox(ca_heap *heap);
CA_INLINE bool ca_remote_drain(ca_heap *heap)
{
    return CA_UNLIKELY(CA_LOAD(&heap->inbox)) && ca_remote_drain_inbox(heap);
}

/* The owner's thread ends. */
void ca_heap_abandon(ca_heap *heap);
/* A context's heap that lives on without an owner: whoever frees into it drains it. */
void ca_heap_leave(ca_heap *heap);
/* The same, and threads may take it over as their own. */
void ca_heap_globalize(ca_heap *heap);
/* The caller's again. */
void ca_heap_reclaim(ca_heap *heap);
/* The same, if nothing is in it: no page, no block on its way. */
bool ca_heap_claim_spent(ca_heap *heap);
/* An abandoned heap, now the caller's; NULL: there is none that suits. One of the zone first, then one without memory, which comes from there then.
 * UNPLACED: one of no zone, too; ANY: one of another zone if need be, which stays as it is. */
enum { CA_ADOPT_UNPLACED = 1, CA_ADOPT_ANY = 2 };
ca_heap *ca_heap_adopt(ca_zone *zone, unsigned how);

/* A new heap: ca_heap_each finds it from now on. */
void ca_heap_enlist(ca_heap *heap);
/* Calls fn for every heap that exists; other threads may be using them. */
void ca_heap_each(void (*fn)(ca_heap *heap, void *argument), void *argument);

/* Fork: the lock of this file; and in the child, all heaps but `mine` belong to nobody. */
void ca_heap_lock_list(void);
void ca_heap_unlock_list(void);
void ca_heap_orphan_others(ca_heap *mine);

#endif
