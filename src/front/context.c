#include "front/context.h"

#include <errno.h>
#include <string.h>

#include "base/check.h"
#include "base/print.h"
#include "front/process.h"
#include "heap/remote.h"

enum { WARM_MOST = 16 }; /* contexts of a kind that a thread keeps for its next ones */

typedef struct ca_callback {
    uint32_t next, when;
    void (*fn)(void *argument);
    void *argument;
} callback;
_Static_assert(sizeof(callback) <= CA_CHUNK_RECORD, "a callback is one record");

static ca_lock tree; /* parents and children */

static uintptr_t my_mark(void)
{
    return (uintptr_t)&ca_current;
}

/* --- current ------------------------------------------------------------------------------------------------- */

CA_INLINE ca_target *target_of(ca_context *c)
{
    return c->heap ? &c->heap->target : &c->target;
}

CA_INLINE ca_context *context_of(ca_target *target)
{
    if (target->kind == CA_TARGET_LONG)
        return ca_heap_of(target)->context;
    return target->kind == CA_TARGET_SHORT ? (ca_context *)(void *)target : NULL;
}

ca_context *ca_context_current(void)
{
    return context_of(ca_current);
}

CA_COLD _Noreturn static void two_threads(const ca_context *c)
{
    char what[80];
    ca_format(what, sizeof what, "context '%s' is current in two threads", c->name);
    ca_die(what);
}

CA_INLINE void context_leave(ca_context *c)
{
    if (CA_UNLIKELY(CA_LOAD(&c->holder) != my_mark()))
        two_threads(c);
    CA_STORE_RELEASE(&c->holder, 0);
}

CA_INLINE bool context_enter(ca_context *c)
{
    if (CA_UNLIKELY(CA_LOAD_ACQUIRE(&c->holder) != 0))
        return false;
    CA_STORE(&c->holder, my_mark());
    return true;
}

CA_COLD static ca_target *home_target(void)
{
    ca_heap *home = ca_thread_home();
    return home ? &home->target : &ca_target_none;
}

CA_NOINLINE bool ca_context_switch(ca_context *to)
{
    ca_context *from = context_of(ca_current);
    if (to == from)
        return true;
    if (to && CA_UNLIKELY(!context_enter(to)))
        return false;
    if (from)
        context_leave(from);
    ca_current = to ? target_of(to) : home_target();
    return true;
}

ca_context *ca_context_own(void)
{
    ca_heap *home = ca_thread_home();
    if (!home)
        return NULL;
    if (!home->own)
        home->own = ca_context_create(&(ca_context_settings){.name = "thread", .kind = CA_TARGET_LONG});
    return home->own;
}

/* --- limits ------------------------------------------------------------------------------------------------------- */

static ca_context *context_of_account(ca_account *account)
{
    return (ca_context *)(void *)((char *)account - offsetof(ca_context, account));
}

CA_COLD void ca_context_press(ca_context *context)
{
    for (ca_account *a = &context->account; a != &ca_account_process; a = a->parent) {
        ca_context *c = context_of_account(a);
        if (CA_LOAD(&a->pressed) && __atomic_exchange_n(&a->pressed, 0, __ATOMIC_RELAXED) && c->on_pressure)
            c->on_pressure(c, (size_t)CA_LOAD(&a->used), c->argument);
    }
}

/* --- allocation for an owner that may not be current ----------------------------------------------------------------- */

static void *heap_alloc(ca_heap *heap, size_t size, size_t align)
{
    return align <= CA_GRANULE ? ca_heap_malloc(heap, size) : ca_heap_memalign(heap, align, size);
}

void *ca_context_malloc(ca_context *owner, size_t size, size_t align)
{
    if (size > CA_MAX_SIZE || align > CA_MAX_SIZE - size)
        return NULL;
    if (!owner) {
        ca_heap *home = ca_thread_home();
        return home ? heap_alloc(home, size, align) : ca_front_memalign(align, size);
    }
    if (owner == context_of(ca_current))
        return ca_front_memalign(align, size);
    ca_heap *annex = ca_context_annex_take(owner);
    if (!annex)
        return NULL;
    (void)ca_remote_drain(annex);
    void *p = heap_alloc(annex, size, align);
    ca_context_annex_drop(owner);
    ca_context_press(owner);
    return p;
}

/* --- making --------------------------------------------------------------------------------------------------------- */

static ca_context *warm_take(ca_heap *home, uint32_t kind)
{
    uint32_t i = kind == CA_TARGET_SHORT;
    ca_context *c = home ? home->warm[i] : NULL;
    if (c) {
        home->warm[i] = c->warm;
        home->warm_count[i]--;
    }
    return c;
}

static void warm_give(ca_heap *home, ca_context *c)
{
    uint32_t i = c->heap == NULL;
    if (home && home->warm_count[i] < WARM_MOST) {
        c->warm = home->warm[i];
        home->warm[i] = c;
        home->warm_count[i]++;
    } else {
        ca_context_retire(c);
    }
}

static void name_copy(char *to, const char *name)
{
    size_t i = 0;
    if (name)
        for (; name[i] && i < CA_CONTEXT_NAME - 1; i++)
            to[i] = name[i];
    to[i] = '\0';
}

/* The context moves from the process's account to that of its parent, with all that it holds. */
static bool account_move(ca_context *c, ca_account *to)
{
    uint64_t used = c->account.used;
    if (c->account.hard && used > c->account.hard)
        return false;
    if (to == &ca_account_process)
        return true;
    if (!ca_account_charge(to, used))
        return false;
    ca_account_discharge(&ca_account_process, used);
    c->account.parent = to;
    return true;
}

static void tree_insert(ca_context *c, ca_context *parent)
{
    ca_lock_take(&tree);
    c->parent = parent;
    c->prev = NULL;
    c->next = parent->child;
    if (c->next)
        c->next->prev = c;
    parent->child = c;
    ca_lock_drop(&tree);
}

static void tree_remove(ca_context *c)
{
    if (!c->parent)
        return;
    ca_lock_take(&tree);
    if (c->next)
        c->next->prev = c->prev;
    if (c->prev)
        c->prev->next = c->next;
    else
        c->parent->child = c->next;
    c->parent = NULL;
    ca_lock_drop(&tree);
}

ca_context *ca_context_create(const ca_context_settings *s)
{
    ca_heap *home = ca_thread_home();
    ca_context *c = warm_take(home, s->kind);
    if (!c && (!ca_process_start() || !(c = ca_context_new(s->kind))))
        return NULL;
    c->account.soft = s->soft;
    c->account.hard = s->hard;
    c->account.peak = c->account.used;
    c->account.pressed = c->account.refusals = 0;
    if (CA_UNLIKELY(!account_move(c, s->parent ? &s->parent->account : &ca_account_process))) {
        /* What it kept from its last life is too much for this one: begin with nothing. */
        ca_context_drop(c, false);
        if (!c->heap)
            ca_bump_retire(&c->bump, &c->account, CA_DEAD | ca_context_number(c));
        (void)account_move(c, s->parent ? &s->parent->account : &ca_account_process);
    }
    c->on_pressure = s->on_pressure;
    c->argument = s->argument;
    c->escape = s->escape;
    c->flags = s->flags;
    c->grown = c->shrunk = 0;
    name_copy(c->name, s->name);
    if (s->parent)
        tree_insert(c, s->parent);
    CA_STORE_RELEASE(&c->state, CA_CONTEXT_LIVE);
    return c;
}

/* --- callbacks ---------------------------------------------------------------------------------------------------- */

static callback *callback_at(uint32_t number)
{
    return ca_pool_at(&ca_region.chunks, number);
}

bool ca_context_callback(ca_context *c, uint32_t when, void (*fn)(void *argument), void *argument)
{
    uint32_t number = ca_pool_take(&ca_region.chunks);
    if (!number)
        return false;
    *callback_at(number) = (callback){c->callbacks, when, fn, argument};
    c->callbacks = number;
    return true;
}

/* Each is called once: what a callback itself adds is called, too. */
static void callbacks_call(ca_context *c, uint32_t when)
{
    uint32_t kept = 0;
    while (c->callbacks) {
        uint32_t number = c->callbacks;
        callback cb = *callback_at(number);
        c->callbacks = cb.next;
        if (!(cb.when & when)) {
            callback_at(number)->next = kept;
            kept = number;
            continue;
        }
        ca_pool_give_list(&ca_region.chunks, number, number);
        cb.fn(cb.argument);
    }
    while (kept) { /* in the order they were added */
        uint32_t number = kept;
        kept = callback_at(number)->next;
        callback_at(number)->next = c->callbacks;
        c->callbacks = number;
    }
}

/* --- destroying ----------------------------------------------------------------------------------------------------- */

static bool refuses(ca_context *c)
{
    uintptr_t holder = CA_LOAD_ACQUIRE(&c->holder);
    if (holder && holder != my_mark())
        return true;
    if (c->state == CA_CONTEXT_LIVE && c->escape == CA_ESCAPE_REFUSE) {
        uint64_t blocks, bytes;
        if (c->heap)
            (void)ca_remote_drain(c->heap);
        ca_context_count(c, &blocks, &bytes);
        if (blocks)
            return true;
    }
    for (ca_context *child = c->child; child; child = child->next)
        if (refuses(child))
            return true;
    return false;
}

static void context_end(ca_context *c, bool with_parent);

static void children_end(ca_context *c)
{
    while (c->child)
        context_end(c->child, true);
}

/* The blocks stay; `by` answers for them from now on, and they go when it goes. NULL: they are global. */
static void context_adopt(ca_context *c, ca_context *by)
{
    if (by != c->parent) {
        tree_remove(c);
        if (by)
            tree_insert(c, by);
    }
    if (c->heap)
        ca_heap_leave(c->heap);
    if (c->annex)
        ca_heap_leave(c->annex);
    CA_STORE_RELEASE(&c->state, CA_CONTEXT_ADOPTED);
}

static bool has_live(ca_context *c)
{
    uint64_t blocks, bytes;
    if (c->heap)
        (void)ca_remote_drain(c->heap);
    ca_context_count(c, &blocks, &bytes);
    return blocks != 0;
}

/* Those below first. */
static void context_end(ca_context *c, bool with_parent)
{
    children_end(c);
    if (c->state == CA_CONTEXT_ADOPTED) {
        if (c->heap)
            ca_heap_reclaim(c->heap);
        if (c->annex)
            ca_heap_reclaim(c->annex);
    } else {
        if (c->callbacks)
            callbacks_call(c, CA_ON_RESET | CA_ON_DESTROY);
        if (context_of(ca_current) == c)
            (void)ca_context_switch(NULL);
        bool lost = with_parent && c->parent->escape != CA_ESCAPE_ADOPT; /* who would adopt goes, too */
        if (CA_UNLIKELY(c->escape == CA_ESCAPE_ADOPT) && !lost && has_live(c)) {
            context_adopt(c, with_parent ? c->parent->parent : c->parent);
            return;
        }
    }
    tree_remove(c);
    CA_STORE_RELEASE(&c->state, CA_CONTEXT_FREE);
    ca_context_drop(c, true);
    ca_account *parent = c->account.parent;
    if (CA_UNLIKELY(parent != &ca_account_process)) { /* what it keeps is the process's */
        (void)ca_account_charge(&ca_account_process, c->account.used);
        ca_account_discharge(parent, c->account.used);
        c->account.parent = &ca_account_process;
    }
    warm_give(ca_thread_home(), c);
}

static void flush_home(void)
{
    ca_heap *home = ca_thread_home();
    if (home)
        ca_remote_flush(home);
}

int ca_context_destroy(ca_context *c)
{
    bool plain = !c->child && c->escape == CA_ESCAPE_FREE && (c->holder == 0 || c->holder == my_mark());
    if (CA_UNLIKELY(!plain)) {
        flush_home(); /* what this thread freed is not live */
        ca_lock_take(&tree);
        bool refused = refuses(c);
        ca_lock_drop(&tree);
        if (refused)
            return EBUSY;
    }
    context_end(c, false);
    return 0;
}

int ca_context_reset(ca_context *c)
{
    uintptr_t holder = CA_LOAD_ACQUIRE(&c->holder);
    if (holder && holder != my_mark())
        return EBUSY;
    for (ca_context *child = c->child; child; child = child->next)
        if (refuses(child))
            return EBUSY;
    children_end(c);
    if (c->callbacks)
        callbacks_call(c, CA_ON_RESET);
    ca_context_drop(c, true);
    return 0;
}

/* --- threads and fork -------------------------------------------------------------------------------------------------- */

void ca_context_thread_end(ca_heap *home)
{
    ca_context *current = context_of(ca_current);
    if (current) {
        context_leave(current);
        ca_current = &home->target;
    }
    if (home->own) {
        ca_context *own = home->own;
        home->own = NULL;
        (void)ca_context_destroy(own);
    }
    for (uint32_t i = 0; i < 2; i++)
        while (home->warm[i]) {
            ca_context *c = home->warm[i];
            home->warm[i] = c->warm;
            ca_context_retire(c);
        }
    home->warm_count[0] = home->warm_count[1] = 0;
}

void ca_context_lock_all(void)
{
    ca_lock_take(&tree);
    ca_bump_lock();
}

void ca_context_unlock_all(void)
{
    ca_bump_unlock();
    ca_lock_drop(&tree);
}

static void context_lose(ca_heap *heap, void *mark)
{
    ca_context *c = heap->context;
    if (c && heap->state == CA_HEAP_OWNED && c->holder && c->holder != (uintptr_t)mark) {
        c->state = CA_CONTEXT_LOST; /* its thread may have been half-way through a call */
        heap->state = CA_HEAP_ORPHAN;
    }
}

void ca_context_after_fork(void)
{
    ca_heap_each(context_lose, (void *)my_mark());
}
