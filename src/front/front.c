#include "front/front.h"

#include <string.h>

#include "front/context.h"
#include "front/fast.h"
#include "front/full.h"
#include "front/process.h"
#include "front/profile.h"
#include "heap/large.h"
#include "heap/live.h"
#include "heap/remote.h"
#include "heap/stored.h"
#include "heap/verdict.h"

struct ca_outsiders ca_outsiders;

/* --- allocation ------------------------------------------------------------------------------------------ */

/* A thread without a heap: it gets one now, or borrows one for this call. */
CA_COLD static ca_heap *heap_get(bool *borrowed)
{
    ca_heap *home = ca_thread_home();
    *borrowed = !home;
    return home ? home : ca_thread_borrow();
}

CA_COLD static void *none_alloc(size_t size, size_t align, bool zero)
{
    bool borrowed;
    ca_heap *heap = heap_get(&borrowed);
    if (!heap)
        return NULL;
    void *p = zero ? ca_heap_calloc(heap, size) : ca_heap_memalign(heap, align, size);
    if (borrowed)
        ca_thread_return(heap);
    return p;
}

static void *target_alloc(ca_target *target, size_t size, size_t align)
{
    if (ca_target_is_heap(target))
        return ca_heap_memalign(ca_heap_of(target), align, size);
    ca_context *c = target->context;
    return c->engine->alloc(c, size, align);
}

/* One part of a promoted context may have room where the other gets no more: malloc goes there then. */
static void *any_alloc(size_t size, size_t align)
{
    ca_context *c = ca_context_current(); /* a callback may have changed that */
    void *p = target_alloc(ca_current, size, align);
    if (CA_LIKELY(p != NULL) || !c || !ca_context_change_part(c))
        return p;
    p = target_alloc(ca_current, size, align);
    if (!p)
        (void)ca_context_change_part(c);
    return p;
}

static void context_trim(ca_context *c)
{
    if (c->heap)
        ca_heap_trim(c->heap);
    if (c->engine)
        c->engine->trim(c);
}

/* A request was refused: what this thread freed comes home, and what lies in caches goes back; then those who asked for it are told.
 * NULL: there is no memory in the end. */
CA_COLD static void *alloc_again(size_t size, size_t align)
{
    ca_context *c = ca_context_current();
    ca_account *account = c ? &c->account : &ca_account_process;
    ca_heap *home = ca_thread_home();
    void *p = NULL;
    bool limited = false;
    for (const ca_account *a = account; a; a = a->parent)
        limited |= CA_LOAD(&a->refused) != 0;
    if (limited || c) {
        if (home)
            ca_remote_flush(home);
        if (c)
            context_trim(c);
        else if (ca_target_is_heap(ca_current))
            ca_heap_trim(ca_heap_of(ca_current));
        p = any_alloc(size, align);
        if (!p && c) {
            ca_context_press(c);
            p = any_alloc(size, align);
        }
        ca_account_end_request(account, p != NULL);
    }
    return p;
}

/* After a call: tells whose soft limit it crossed. */
static void context_told(void)
{
    ca_context *c = ca_context_current();
    if (c)
        ca_context_tell(c);
}

/* What is current, once a context that is busy has been seen to. */
static ca_target *target_get(void)
{
    if (CA_UNLIKELY(ca_current->context_end == CA_CONTEXT_BUSY))
        ca_context_promote(ca_current->context);
    return ca_current;
}

static void *plain_malloc(size_t size)
{
    ca_target *target = target_get();
    void *p;
    if (CA_UNLIKELY(size > CA_MAX_SIZE))
        return NULL;
    if (target->kind == CA_TARGET_SHORT) {
        p = ca_bump_quick(&ca_context_of_target(target)->bump, size);
        if (CA_LIKELY(p != NULL))
            return p;
        p = target_alloc(target, size, CA_GRANULE);
    } else if (CA_LIKELY(ca_target_is_heap(target)))
        p = ca_heap_malloc(ca_heap_of(target), size);
    else if (target->kind == CA_TARGET_NONE)
        return none_alloc(size, CA_GRANULE, false);
    else {
        p = CA_LIKELY(target->kind == CA_TARGET_MEDIUM) ? ca_chunked_quick(&target->context->chunked, size) : NULL;
        if (CA_LIKELY(p != NULL))
            return p;
        p = target_alloc(target, size, CA_GRANULE);
    }
    if (CA_UNLIKELY(!p))
        p = alloc_again(size, CA_GRANULE);
    if (target->kind != CA_TARGET_HOME)
        context_told();
    return p;
}

static void *plain_calloc(size_t size)
{
    ca_target *target = ca_current;
    if (CA_UNLIKELY(size > CA_MAX_SIZE))
        return NULL;
    if (target->kind == CA_TARGET_NONE)
        return none_alloc(size, CA_GRANULE, true);
    void *p = ca_target_is_heap(target) ? ca_heap_calloc(ca_heap_of(target), size) : NULL;
    if (!p) {
        p = plain_malloc(size);
        p = p ? memset(p, 0, size) : NULL;
    }
    if (target->kind != CA_TARGET_HOME)
        context_told();
    return p;
}

static void *plain_memalign(size_t align, size_t size)
{
    ca_target *target = target_get();
    if (size > CA_MAX_SIZE || align > CA_MAX_SIZE - size)
        return NULL;
    if (target->kind == CA_TARGET_NONE)
        return none_alloc(size, align, false);
    void *p = target_alloc(target, size, align);
    if (CA_UNLIKELY(!p))
        p = alloc_again(size, align);
    if (target->kind != CA_TARGET_HOME)
        context_told();
    return p;
}

static void *plain_global(size_t align, size_t size)
{
    if (size > CA_MAX_SIZE || align > CA_MAX_SIZE - size)
        return NULL;
    ca_heap *home = ca_thread_home();
    return home ? ca_heap_memalign(home, align, size) : none_alloc(size, align, false);
}

void *ca_front_plain(size_t align, size_t size)
{
    return plain_memalign(align, size);
}

/* --- what a pointer is -------------------------------------------------------------------------------------- */

typedef struct block {
    ca_granule g;
    uint32_t tag;
    ca_context *context; /* of an engine's block */
} block;

static bool block_is_engines(const block *b)
{
    return ca_tag_is_engine(b->tag);
}

/* false: foreign. Returns only for what may be freed: with checks, a live object; without, anything in a page in use. */
static bool block_find(const void *p, const char *function, block *b)
{
    b->g = ca_region_granule(p);
    b->context = NULL;
    if (CA_UNLIKELY(b->g == UINT64_MAX)) {
        if (ca_region_contains(p))
            ca_verdict_unused(function, p);
        return false;
    }
    if (CA_UNLIKELY((uintptr_t)p % CA_GRANULE && ca_heap_setting.check))
        ca_verdict_misaligned(function, p);
    b->tag = CA_LOAD(&ca_region.entries[ca_granule_page(b->g)].tag);
    if (CA_UNLIKELY(block_is_engines(b))) {
        b->context = ca_context_of(ca_granule_page(b->g), b->tag, p);
        if (!b->context || !b->context->engine || !b->context->engine->is_live(b->context, p))
            ca_verdict(function, p, b->g);
        return true;
    }
    if (CA_UNLIKELY(!b->tag || (ca_heap_setting.check && !ca_live_test(b->g))))
        ca_verdict(function, p, b->g);
    return true;
}

static size_t block_size(const block *b, const void *p)
{
    uint32_t x = b->tag & CA_TAG_CLASS_MASK;
    if (CA_UNLIKELY(block_is_engines(b)))
        return b->context->engine->size(b->context, p);
    return x < CA_TAG_CACHES ? ca_classes[x >> CA_TAG_CLASS_SHIFT].size : ca_large_size(ca_granule_page(b->g));
}

CA_COLD static enum ca_found stored_usable(const void *p, size_t *size, const char *function)
{
    ca_stored *h = ca_stored_around(p);
    if (!h)
        return CA_FOREIGN;
    *size = ca_stored_usable(h, p, function);
    return CA_OURS;
}

enum ca_found ca_front_usable(const void *p, size_t *size, const char *function)
{
    block b;
    if (!block_find(p, function, &b))
        return stored_usable(p, size, function);
    *size = block_size(&b, p);
    if (CA_UNLIKELY(ca_heap_setting.full))
        *size = ca_full_size(p, *size, function);
    return CA_OURS;
}

/* --- check=full: the same in other clothes ---------------------------------------------------------------------- */

/* raw: a new block with room for `size` and a trailer. */
static void *dressed(void *raw, size_t size)
{
    if (!raw)
        return NULL;
    block b = {.tag = 0};
    size_t usable = block_find(raw, "malloc", &b) ? block_size(&b, raw) : 0;
    /* Engines' memory comes back as it is, and huge blocks fresh from the kernel. */
    bool look = !block_is_engines(&b) && b.tag != CA_TAG_HUGE;
    return ca_full_dress(raw, usable, size, look);
}

/* Blocks of stored heaps wear no trailers: programs without check=full read the file, too. */
CA_COLD static void *full_alloc(size_t size, size_t align)
{
    if (ca_current->kind == CA_TARGET_STORED)
        return plain_memalign(align, size);
    if (size > CA_MAX_SIZE - CA_FULL_TRAILER)
        return NULL;
    void *p = plain_memalign(align, size + CA_FULL_TRAILER);
    if (!p) { /* what waits in the quarantine may be what is missing */
        ca_front_exhume();
        p = plain_memalign(align, size + CA_FULL_TRAILER);
    }
    return dressed(p, size);
}

/* --- modes without fast paths: check=full, and a profile that is taken -------------------------------------------- */

/* p: a new block for the program, or NULL. */
static void *noted(void *p, size_t size)
{
    if (p && ca_heap_setting.profile && !ca_stored_around(p)) /* of the process's memory */
        ca_profile_born(p, size);
    return p;
}

CA_COLD static void *slow_alloc(size_t size, size_t align)
{
    return noted(ca_heap_setting.full ? full_alloc(size, align) : plain_memalign(align, size), size);
}

CA_COLD static void *slow_calloc(size_t size)
{
    if (!ca_heap_setting.full)
        return noted(plain_calloc(size), size);
    void *p = full_alloc(size, CA_GRANULE);
    return noted(p ? memset(p, 0, size) : NULL, size);
}

CA_COLD static void *slow_global(size_t align, size_t size)
{
    if (!ca_heap_setting.full)
        return noted(plain_global(align, size), size);
    return size > CA_MAX_SIZE - CA_FULL_TRAILER ? NULL : noted(dressed(plain_global(align, size + CA_FULL_TRAILER), size), size);
}

static void *full_alloc_for(ca_context *owner, size_t size, size_t align)
{
    if (owner && owner->stored)
        return ca_context_malloc(owner, size, align);
    return size > CA_MAX_SIZE - CA_FULL_TRAILER ? NULL : dressed(ca_context_malloc(owner, size + CA_FULL_TRAILER, align), size);
}

CA_COLD static void *slow_alloc_for(ca_context *owner, size_t size, size_t align)
{
    return noted(ca_heap_setting.full ? full_alloc_for(owner, size, align) : ca_context_malloc(owner, size, align), size);
}

/* What is left to do after a request to a heap, served or not. */
CA_NOINLINE static void *heap_malloc_end(void *p, size_t size)
{
    if (CA_UNLIKELY(!p))
        p = alloc_again(size, CA_GRANULE);
    context_told();
    return p;
}

void *ca_front_malloc(size_t size)
{
    ca_target *target = ca_current;
    if (CA_UNLIKELY(!ca_has_all_classes(target)) || CA_UNLIKELY(size > CA_MAX_SIZE))
        return CA_UNLIKELY(ca_heap_setting.slow) ? slow_alloc(size, CA_GRANULE) : plain_malloc(size);
    void *p = ca_heap_malloc(ca_heap_of(target), size);
    return CA_LIKELY(p != NULL) && CA_LIKELY(!CA_LOAD(&ca_account_pressed_any)) ? p : heap_malloc_end(p, size);
}

void *ca_front_calloc(size_t size)
{
    return CA_UNLIKELY(ca_heap_setting.slow) ? slow_calloc(size) : plain_calloc(size);
}

void *ca_front_memalign(size_t align, size_t size)
{
    void *p = ca_fast_aligned_malloc(ca_current, align, size);
    if (CA_LIKELY(p != NULL))
        return p;
    return CA_UNLIKELY(ca_heap_setting.slow) ? slow_alloc(size, align) : plain_memalign(align, size);
}

void *ca_front_memalign_global(size_t align, size_t size)
{
    return CA_UNLIKELY(ca_heap_setting.slow) ? slow_global(align, size) : plain_global(align, size);
}

void *ca_front_malloc_for(ca_context *owner, size_t size, size_t align)
{
    return CA_UNLIKELY(ca_heap_setting.slow) ? slow_alloc_for(owner, size, align) : ca_context_malloc(owner, size, align);
}

uint32_t ca_front_stack_of(const void *p)
{
    block b;
    return ca_heap_setting.full && block_find(p, "trace", &b) ? ca_full_stack(p, block_size(&b, p)) : 0;
}

size_t ca_front_good_size(size_t size)
{
    if (size <= CA_SMALL_MAX)
        return ca_classes[ca_class_of(size)].size;
    if (size > CA_MAX_SIZE)
        return size;
    size_t unit = ca_large_is_huge(size, 1) ? (size_t)CA_CHUNK * CA_PAGE : CA_PAGE;
    return ca_round_up(size, unit);
}

/* --- free ----------------------------------------------------------------------------------------------------- */

/* heap NULL: no. */
CA_INLINE bool is_of(const ca_heap *heap, uint32_t tag)
{
    return heap && (tag ^ heap->tag) >> CA_TAG_HEAP_SHIFT == 0;
}

CA_INLINE bool is_own(ca_target *target, uint32_t tag)
{
    return ca_target_is_heap(target) && is_of(ca_heap_of(target), tag);
}

/* A block of the heap that this thread has. */
static void own_free(ca_heap *heap, const block *b, void *p)
{
    if (ca_heap_setting.check && !ca_heap_setting.full)
        (void)ca_live_clear(b->g);
    uint32_t x = b->tag ^ heap->tag;
    if (x < CA_TAG_CACHES)
        ca_heap_put(p, heap, x);
    else
        ca_large_free(heap, ca_granule_page(b->g));
}

static void block_free(const block *b, void *p, const char *function);
uint64_t ca_front_foreign;

/* A block that has waited in the quarantine, its live bit long gone. */
static void full_release(void *p)
{
    block b = {.g = ca_region_granule(p)};
    b.tag = CA_LOAD(&ca_region.entries[ca_granule_page(b.g)].tag);
    block_free(&b, p, "free");
    ca_full_given();
}

void ca_front_exhume(void)
{
    void *p;
    while ((p = ca_full_exhume()) != NULL)
        full_release(p);
    ca_full_settle();
}

/* Not of the region: of a stored heap, or foreign. */
CA_COLD static enum ca_found stored_free(void *p, const char *function)
{
    ca_stored *h = ca_stored_around(p);
    if (!h) {
        __atomic_fetch_add(&ca_front_foreign, 1, __ATOMIC_RELAXED);
        return CA_FOREIGN;
    }
    ca_stored_free(h, p, function);
    return CA_OURS;
}

/* size: SIZE_MAX, or what the caller says that it is. */
CA_COLD static enum ca_found full_free(void *p, size_t size, const char *function)
{
    block b;
    if (!p)
        return CA_OURS;
    if (!block_find(p, function, &b))
        return stored_free(p, function);
    size_t usable = block_size(&b, p), made = ca_full_size(p, usable, function);
    if (size != SIZE_MAX && size != made)
        ca_verdict_text(function, p, "not of that size");
    if (block_is_engines(&b)) { /* nothing is reused before all of it goes */
        block_free(&b, p, function);
        return CA_OURS;
    }
    if (!ca_live_clear_shared(b.g))
        ca_verdict(function, p, b.g);
    if (b.tag == CA_TAG_HUGE) { /* its pages go at once: who writes there faults, or finds zeros */
        block_free(&b, p, function);
        return CA_OURS;
    }
    void *other = ca_full_bury(p, usable);
    if (other)
        full_release(other);
    return CA_OURS;
}

CA_NOINLINE static enum ca_found plain_free(void *p, const char *function)
{
    block b;
    if (!p)
        return CA_OURS;
    ca_target *target = ca_current;
    if ((target->kind == CA_TARGET_SHORT || target->kind == CA_TARGET_MEDIUM) && (ca_fast_chunk_free_quick(target, p) || ca_fast_chunk_free_own(target, p)))
        return CA_OURS;
    if (!block_find(p, function, &b))
        return stored_free(p, function);
    block_free(&b, p, function);
    return CA_OURS;
}

/* Of a profile: what it knows of a block goes before the block does. */
CA_COLD static enum ca_found slow_free(void *p, size_t size, const char *function)
{
    if (p && ca_heap_setting.profile && !ca_stored_around(p)) /* of the process's memory */
        ca_profile_died(ca_profile_detach(p));
    return ca_heap_setting.full ? full_free(p, size, function) : plain_free(p, function);
}

enum ca_found ca_front_free_sized(void *p, size_t size, const char *function)
{
    return CA_UNLIKELY(ca_heap_setting.slow) ? slow_free(p, size, function) : plain_free(p, function);
}

/* A live block of another thread's heap, while malloc goes to this thread's own. false: not that; nothing has changed. */
CA_INLINE bool threads_free(ca_target *target, ca_granule g, uint32_t tag, void *p)
{
    ca_heap *home = ca_heap_of(target);
    uint32_t owner = tag >> CA_TAG_HEAP_SHIFT;
    if (CA_UNLIKELY(target->kind != CA_TARGET_HOME) || CA_UNLIKELY(!ca_has_all_classes(target)) || !owner || owner == ca_heap_number(home))
        return false;
    uint32_t generation = ca_remote_generation(tag);
    if (ca_heap_at(owner)->target.context || CA_LOAD(&ca_region.entries[ca_granule_page(g)].tag) != tag || (ca_heap_setting.check && !ca_live_test(g)))
        return false;
    ca_remote_free(home, tag, generation, p);
    return true;
}

/* Of what the fast path leaves: a live large block of the current heap, if that has fast paths, and another thread's block. false: not that; nothing has changed. */
CA_INLINE bool front_free_quick(void *p)
{
    ca_granule g = ca_fast_granule(p);
    if (CA_UNLIKELY(g >= CA_LOAD(&ca_region.granules)))
        return false;
    ca_target *target = ca_current;
    uint32_t tag = ca_fast_tag(g), x = tag ^ target->free_tag;
    if ((x & ~CA_TAG_CHECKED) != CA_TAG_LARGE)
        return threads_free(target, g, tag, p);
    if (CA_LIKELY(x & CA_TAG_CHECKED) && CA_UNLIKELY(!ca_live_clear(g)))
        return false;
    ca_large_free(ca_heap_of(target), ca_granule_page(g));
    return true;
}

CA_NOINLINE enum ca_found ca_front_free(void *p, const char *function)
{
    if (CA_LIKELY(front_free_quick(p)))
        return CA_OURS;
    return CA_UNLIKELY(ca_heap_setting.slow) ? slow_free(p, SIZE_MAX, function) : plain_free(p, function);
}

/* What block_find found. */
static bool is_still_there(const block *b)
{
    return CA_LOAD(&ca_region.entries[ca_granule_page(b->g)].tag) == b->tag && (!ca_heap_setting.check || ca_heap_setting.full || ca_live_test(b->g));
}

/* A block of another heap, whose context may be going just now. false: it is gone. */
static bool others_free(ca_heap *home, const block *b, void *p)
{
    uint32_t generation = ca_remote_generation(b->tag);
    ca_context *c = ca_heap_at(b->tag >> CA_TAG_HEAP_SHIFT)->target.context;
    ca_heap *heap = c ? CA_LOAD_ACQUIRE(&c->heap) : NULL;
    bool tried = is_of(heap, b->tag) && ca_context_try(c);
    if (tried && CA_UNLIKELY(CA_LOAD(&c->heap) != heap)) { /* in its next life */
        ca_context_done(c);
        tried = false;
    }
    bool there = is_still_there(b);
    if (there && tried)
        own_free(heap, b, p);
    else if (there)
        ca_remote_free(home, b->tag, generation, p);
    if (tried)
        ca_context_done(c);
    return there;
}

static void block_free(const block *b, void *p, const char *function)
{
    ca_target *target = ca_current;
    if (CA_LIKELY(is_own(target, b->tag))) {
        own_free(ca_heap_of(target), b, p);
    } else if (block_is_engines(b)) {
        ca_context *c = b->context;
        if (!c || !c->engine->free(c, p, target->context == c)) /* without a context block_find does not return */
            ca_verdict(function, p, b->g);
        if (CA_UNLIKELY(CA_LOAD(&c->state) == CA_CONTEXT_ADOPTED)) {
            const ca_engine *engine = CA_LOAD(&c->engine); /* it may be gone, and another: see ca_context_freed_last */
            if (engine && engine->is_empty(c))
                ca_context_freed_last(c);
        }
    } else if (b->tag == CA_TAG_HUGE) {
        if (!ca_huge_free(ca_granule_page(b->g), ca_heap_setting.check && !ca_heap_setting.full))
            ca_verdict(function, p, b->g);
    } else {
        ca_heap *home = ca_thread_home(), *beside = target->context ? target->context->heap : NULL; /* malloc goes to the engine, see ca_context_demote */
        if (is_of(home, b->tag))
            own_free(home, b, p);
        else if (is_of(beside, b->tag))
            own_free(beside, b, p);
        else if (!others_free(home, b, p))
            ca_verdict(function, p, b->g);
    }
}

/* --- realloc ------------------------------------------------------------------------------------------------------ */

/* Where what is smaller may have no pages of a heap to go to. */
static bool huge_is_engines(const block *b)
{
    uint32_t owner = ca_region_run_owner(ca_granule_page(b->g));
    return owner && ca_context_at(owner)->engine;
}

/* The same block at another size, where that is cheap. NULL: copy. */
static void *resize_in_place(const block *b, void *p, size_t old, size_t size)
{
    ca_target *target = ca_current;
    bool huge = b->tag == CA_TAG_HUGE, large = (b->tag & CA_TAG_CLASS_MASK) == CA_TAG_LARGE;
    if (CA_UNLIKELY(block_is_engines(b))) {
        bool mine = target->context == b->context;
        return (mine ? b->context->engine->resize(b->context, p, size) : size <= old) ? p : NULL;
    }
    if (!huge && !large)
        return ca_object_serves(old, size) ? p : NULL;
    if ((huge ? ca_round_up(size, (size_t)CA_CHUNK * CA_PAGE) : ca_front_good_size(size)) == old)
        return p;
    /* What becomes small enough for a slab, or for a heap's own pages, moves there. */
    if (size <= CA_SMALL_MAX || (huge && !ca_large_is_huge(size, 1) && !huge_is_engines(b)))
        return NULL;
    if (huge || is_own(target, b->tag))
        if (ca_large_resize(is_own(target, b->tag) ? ca_heap_of(target) : NULL, ca_granule_page(b->g), size))
            return p;
    return NULL;
}

/* In the numbers of the block's context, if it has one. */
static void resize_count(ca_context *owner, size_t old, size_t size)
{
    if (owner)
        __atomic_fetch_add(size > old ? &owner->grown : &owner->shrunk, 1, __ATOMIC_RELAXED);
}

static ca_context *block_owner(const block *b, const void *p)
{
    return ca_context_resolve(ca_context_of(ca_granule_page(b->g), b->tag, p));
}

CA_COLD static bool stored_resize(void *p, size_t size)
{
    ca_stored *h = ca_stored_around(p);
    return h && ca_stored_resize(h, p, size);
}

bool ca_front_resize(void *p, size_t size)
{
    block b;
    if (size > CA_MAX_SIZE)
        return false;
    if (!block_find(p, "ctxalloc_resize", &b))
        return stored_resize(p, size);
    size_t old = block_size(&b, p);
    if (CA_UNLIKELY(ca_heap_setting.full))
        return size == ca_full_size(p, old, "ctxalloc_resize");
    if (size > old && !resize_in_place(&b, p, old, size))
        return false;
    ca_context *owner = block_owner(&b, p);
    resize_count(owner, old, size);
    if (owner)
        ca_context_tell(owner);
    return true;
}

/* A new block of the same owner. */
static void *alloc_beside(ca_context *owner, size_t size)
{
    if (CA_LIKELY(owner == ca_context_current()))
        return plain_malloc(size);
    return ca_context_malloc(owner, size, CA_GRANULE);
}

static void *copy_to_new(const block *b, ca_context *owner, void *p, size_t old, size_t size)
{
    void *to = is_own(ca_current, b->tag) ? ca_fast_malloc_any(size, NULL) : NULL;
    if (!to)
        to = alloc_beside(owner, size);
    if (!to)
        return size <= old ? p : NULL; /* shrinking never fails */
    memcpy(to, p, old < size ? old : size);
    if (!ca_fast_free(p))
        (void)plain_free(p, "realloc");
    return to;
}

/* check=full: always to a new place. */
CA_COLD static void *full_realloc(void *p, const block *b, size_t size)
{
    size_t old = ca_full_size(p, block_size(b, p), "realloc");
    void *to = full_alloc_for(block_owner(b, p), size, CA_GRANULE);
    if (!to)
        return NULL;
    memcpy(to, p, old < size ? old : size);
    (void)full_free(p, SIZE_MAX, "realloc");
    return to;
}

CA_COLD static enum ca_found stored_realloc(void *p, size_t size, void **result)
{
    ca_stored *h = ca_stored_around(p);
    if (!h)
        return CA_FOREIGN;
    *result = size > CA_MAX_SIZE ? NULL : ca_stored_realloc(h, p, size);
    return CA_OURS;
}

/* NULL: no memory, the block is as it was. */
CA_INLINE void *plain_realloc(void *p, const block *b, size_t size)
{
    size_t old = block_size(b, p);
    ca_context *owner = block_owner(b, p);
    void *to = resize_in_place(b, p, old, size);
    if (to)
        resize_count(owner, old, size);
    if (!to && b->tag == CA_TAG_HUGE && !(owner && owner == ca_context_current() && ca_context_has_marks(owner))) /* a new block is to go with a rollback */
        to = ca_huge_move(ca_granule_page(b->g), size);
    if (!to)
        to = copy_to_new(b, owner, p, old, size);
    if (owner)
        ca_context_tell(owner);
    return to;
}

/* To a profile it is a new block. */
CA_COLD static void *slow_realloc(void *p, const block *b, size_t size)
{
    uint32_t note = ca_heap_setting.profile ? ca_profile_detach(p) : 0;
    void *to = ca_heap_setting.full ? full_realloc(p, b, size) : plain_realloc(p, b, size);
    if (to)
        ca_profile_died(note);
    else
        ca_profile_attach(note);
    return noted(to, size);
}

enum ca_found ca_front_realloc(void *p, size_t size, void **result)
{
    block b;
    if (!block_find(p, "realloc", &b))
        return stored_realloc(p, size, result);
    if (size > CA_MAX_SIZE)
        *result = NULL;
    else
        *result = CA_UNLIKELY(ca_heap_setting.slow) ? slow_realloc(p, &b, size) : plain_realloc(p, &b, size);
    return CA_OURS;
}

/* --- inspection ------------------------------------------------------------------------------------------------------- */

bool ca_front_page_owner(const void *p, struct ca_context **owner)
{
    ca_granule g = ca_region_granule(p);
    const ca_stored *h = g == UINT64_MAX ? ca_stored_around(p) : NULL;
    *owner = h ? h->context : NULL;
    if (g == UINT64_MAX)
        return h != NULL;
    const void *start = ca_verdict_start(p, g);
    ca_page page = ca_granule_page(start ? ca_region_granule(start) : g);
    uint32_t tag = CA_LOAD(&ca_region.entries[page].tag);
    *owner = tag ? ca_context_resolve(ca_context_of(page, tag, start ? start : p)) : NULL;
    return tag != 0;
}

CA_COLD static ca_inspection stored_inspect(const void *p)
{
    static const enum ca_what words[] = {[CA_STORED_NOWHERE] = CA_IS_DEAD, [CA_STORED_IS_LIVE] = CA_IS_LIVE, [CA_STORED_IS_INTERIOR] = CA_IS_INTERIOR,
                                         [CA_STORED_IS_DEAD] = CA_IS_DEAD};
    ca_stored *h = ca_stored_around(p);
    if (!h)
        return (ca_inspection){CA_IS_FOREIGN, NULL, 0, NULL};
    ca_stored_place o = ca_stored_inspect(h, p);
    if (words[o.what] == CA_IS_DEAD)
        return (ca_inspection){CA_IS_DEAD, NULL, 0, NULL};
    return (ca_inspection){words[o.what], o.start, o.size, h->context};
}

ca_inspection ca_front_inspect(const void *p)
{
    ca_inspection found = {CA_IS_FOREIGN, NULL, 0, NULL};
    ca_granule g = ca_region_granule(p);
    if (g == UINT64_MAX)
        return stored_inspect(p);
    found.what = CA_IS_DEAD;
    const void *start = ca_verdict_start(p, g);
    if (!start)
        return found;
    block b = {.g = ca_region_granule(start)};
    ca_page page = ca_granule_page(b.g);
    b.tag = CA_LOAD(&ca_region.entries[page].tag);
    b.context = ca_context_of(page, b.tag, start);
    bool live = block_is_engines(&b) ? b.context && b.context->engine && b.context->engine->is_live(b.context, start) : !ca_heap_setting.check || ca_live_test(b.g);
    if (!live)
        return found;
    size_t size = block_size(&b, start);
    if (CA_UNLIKELY(ca_heap_setting.full))
        size = ca_full_size(start, size, "ctxalloc_inspect");
    return (ca_inspection){start == p ? CA_IS_LIVE : CA_IS_INTERIOR, start, size, ca_context_resolve(b.context)};
}

/* --- the process as a whole ------------------------------------------------------------------------------------------ */

bool ca_front_trim(void)
{
    ca_heap *home = ca_thread_home();
    ca_context *c = ca_context_current();
    if (home)
        ca_heap_trim(home);
    if (c)
        context_trim(c);
    ca_region_purge_all();
    return home != NULL;
}
