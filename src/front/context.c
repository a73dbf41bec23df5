#include "front/context.h"

#include <errno.h>
#include <string.h>

#include "base/check.h"
#include "base/print.h"
#include "front/process.h"
#include "heap/placement.h"
#include "front/profile.h"
#include "front/report.h"
#include "heap/remote.h"
#include "heap/save.h"
#include "heap/stored.h"

enum { SHORT = CA_TARGET_SHORT - CA_TARGET_LONG, WARM_MOST = 16, /* contexts of a kind that a thread keeps for its next ones */
       SWEEP_LOOKS = 8 /* adopted contexts that are looked at when another one comes */ };

typedef struct ca_callback {
    uint32_t next, when;
    void (*fn)(void *argument);
    void *argument;
} callback;
_Static_assert(sizeof(callback) <= CA_CHUNK_RECORD, "a callback is one record");

static ca_lock tree; /* parents and children */

/* --- current ------------------------------------------------------------------------------------------------- */

ca_context *ca_context_current(void)
{
    return ca_current->context;
}

CA_COLD _Noreturn void ca_context_in_two_threads(const ca_context *c)
{
    char what[80];
    ca_format(what, sizeof what, "context '%s' is current in two threads", c->name);
    ca_die(what);
}

CA_COLD ca_target *ca_context_home(void)
{
    ca_heap *home = ca_thread_home();
    return home ? &home->target : &ca_target_none;
}

bool ca_context_take_new(ca_context *c)
{
    uintptr_t fresh = CA_HOLDER_NEW;
    while (!__atomic_compare_exchange_n(&c->holder, &fresh, ca_context_mark(), true, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
        if (fresh != CA_HOLDER_NEW && fresh != CA_HOLDER_NEW_BUSY)
            return false;
        fresh = CA_HOLDER_NEW; /* busy for as long as one call takes */
    }
    return true;
}

/* Never part of another function: ctxalloc_run calls it on both sides of the program's function, where a coroutine may come back in another thread, and
 * a compiler takes it that the address of a thread's variable stays what it was. */
CA_NOINLINE bool ca_context_switch(ca_context *to)
{
    uintptr_t mark = ca_context_mark();
    ca_context *from = ca_current->context;
    if (to == from)
        return true;
    if (to) {
        if (CA_LOAD_ACQUIRE(&to->holder) & CA_HOLDER_LEFT)
            CA_STORE(&to->holder, mark);
        else if (!ca_context_take_new(to))
            return false;
    }
    if (from) {
        if (CA_UNLIKELY(CA_LOAD(&from->holder) != mark))
            ca_context_in_two_threads(from);
        CA_STORE_RELEASE(&from->holder, mark | CA_HOLDER_LEFT);
    } else if (CA_UNLIKELY(ca_current->kind == CA_TARGET_NONE)) {
        (void)ca_context_home(); /* so that the thread's end is seen */
    }
    ca_current = to ? to->current : ca_context_home();
    return true;
}

ca_context *ca_context_own(void)
{
    ca_heap *home = ca_thread_home();
    if (!home)
        return NULL;
    if (!home->own)
        home->own = ca_context_create(&(ca_context_settings){.name = "thread", .kind = CA_TARGET_LONG, .flags = CA_CONTEXT_OWN});
    return home->own;
}

/* --- promotion --------------------------------------------------------------------------------------------------- */

/* What malloc goes to has changed. */
static void retarget(ca_context *c)
{
    if (ca_context_current() == c)
        ca_current = c->current;
}

void ca_context_promote(ca_context *c)
{
    ca_context_use_engine(c);
    if (!ca_context_has_marks(c))
        ca_context_use_heap(c);
    retarget(c);
}

bool ca_context_change_part(ca_context *c)
{
    if (!c->engine || !c->heap)
        return false;
    ca_target *before = c->current;
    if (before == &c->target)
        ca_context_promote(c);
    else
        ca_context_demote(c);
    return c->current != before;
}

void ca_context_demote(ca_context *c)
{
    ca_context_use_engine(c);
    retarget(c);
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

static void flush_home(void);

/* --- allocation for an owner that may not be current ----------------------------------------------------------------- */

static void *heap_alloc(ca_heap *heap, size_t size, size_t align)
{
    return align <= CA_GRANULE ? ca_heap_malloc(heap, size) : ca_heap_memalign(heap, align, size);
}

/* A heap of the context that the caller has for itself. */
static void *owned_alloc(ca_context *owner, ca_heap *heap, size_t size, size_t align)
{
    (void)ca_remote_drain(heap);
    void *p = heap_alloc(heap, size, align);
    if (CA_UNLIKELY(!p)) { /* what this thread freed comes home, what lies in caches goes back */
        flush_home();
        ca_heap_trim(heap);
        p = heap_alloc(heap, size, align);
        ca_account_end_request(&owner->account, p != NULL);
    }
    return p;
}

static void *annex_alloc(ca_context *owner, size_t size, size_t align)
{
    ca_heap *annex = ca_context_annex_take(owner);
    if (!annex)
        return NULL;
    void *p = owned_alloc(owner, annex, size, align);
    ca_context_annex_drop(owner);
    ca_context_tell(owner);
    return p;
}

static void *engine_alloc(ca_context *owner, size_t size, size_t align)
{
    void *p = owner->engine->alloc(owner, size, align);
    if (CA_UNLIKELY(!p)) {
        owner->engine->trim(owner);
        p = owner->engine->alloc(owner, size, align);
    }
    ca_account_end_request(&owner->account, p != NULL);
    return p;
}

void *ca_context_malloc(ca_context *owner, size_t size, size_t align)
{
    if (!owner) {
        ca_heap *home = ca_thread_home();
        return home ? heap_alloc(home, size, align) : ca_front_plain(align, size);
    }
    if (owner == ca_context_current())
        return ca_front_plain(align, size);
    if (owner->stored) /* has a lock of its own */
        return ca_stored_alloc(owner->stored, size, align);
    if (!ca_context_try(owner))
        return annex_alloc(owner, size, align);
    void *p;
    if (owner->engine) {
        p = align > CA_GRANULE ? NULL : owner->target.kind == CA_TARGET_SHORT ? ca_bump_quick(&owner->bump, size) : ca_chunked_quick(&owner->chunked, size);
        if (!p)
            p = engine_alloc(owner, size, align);
    } else {
        p = owned_alloc(owner, owner->heap, size, align);
    }
    ca_context_done(owner);
    ca_context_tell(owner);
    return p;
}

/* --- making --------------------------------------------------------------------------------------------------------- */

static ca_context *warm_take(ca_heap *home, uint32_t kind)
{
    uint32_t i = kind - CA_TARGET_LONG;
    ca_context *c = home && i < CA_WARM_KINDS ? home->warm[i] : NULL;
    if (c) {
        home->warm[i] = c->warm;
        home->warm_count[i]--;
    }
    return c;
}

static void warm_give(ca_heap *home, ca_context *c)
{
    uint32_t i = c->current->kind - CA_TARGET_LONG;
    if (home && i < CA_WARM_KINDS && home->warm_count[i] < WARM_MOST && !ca_heap_setting.quarantine && !c->runs.zone && CA_LOAD(ca_context_zone(c)) == CA_LOAD(&home->runs.zone)) {
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
        for (; i < CA_CONTEXT_NAME - 1 && name[i]; i++)
            to[i] = name[i];
    to[i] = '\0';
}

/* What a context kept from its last life moves from the process's account to that of its parent. */
static bool account_move(ca_context *c, ca_account *to)
{
    uint64_t used = c->account.used;
    if (c->account.hard && used > c->account.hard)
        return false;
    if (to == &ca_account_process)
        return true;
    if (!ca_account_charge(to, used))
        return false;
    ca_account_settle(to);
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

/* pre: locked, and it has a parent */
static void tree_unlink(ca_context *c)
{
    if (c->parent->sweep == c)
        c->parent->sweep = c->next;
    if (c->next)
        c->next->prev = c->prev;
    if (c->prev)
        c->prev->next = c->next;
    else
        c->parent->child = c->next;
    c->parent = NULL;
}

/* pre: it has a parent */
static void tree_remove(ca_context *c)
{
    ca_lock_take(&tree);
    tree_unlink(c);
    ca_lock_drop(&tree);
}

/* What it kept from its last life may be too much for this one: then it begins with nothing. */
CA_NOINLINE static void account_place(ca_context *c, ca_account *to)
{
    if (account_move(c, to))
        return;
    ca_context_drop(c, false);
    if (c->engine)
        c->engine->retire(c, CA_DEAD | ca_context_number(c));
    c->account.refused = 0;
    (void)account_move(c, to); /* with nothing: nobody refuses that */
}

static ca_context *context_make(const ca_context_settings *s, uint32_t kind, const ca_heap *home)
{
    ca_zone *zone = s->source ? ca_zone_hold(s->source) : NULL;
    if (s->source && !zone)
        return NULL;
    ca_context *c = ca_context_new(kind, zone);
    if (!c && zone)
        ca_zone_drop(zone);
    if (!c || zone || !home)
        return c;
    zone = CA_LOAD(&home->runs.zone); /* on the thread's node: nothing it holds, so that it can be used again */
    if (CA_UNLIKELY(zone != NULL) && !c->heap)
        ca_chunk_share(zone);
    CA_STORE(ca_context_zone(c), zone);
    return c;
}

/* It has what every context needs, and what it was in its last life is over. */
CA_INLINE ca_context *context_begin(ca_context *c, const char *name, size_t soft, size_t hard, ca_context *parent, void (*on_pressure)(void *, size_t, void *), void *argument,
                                    uint32_t escape, uint32_t flags)
{
    c->account.soft = soft;
    c->account.hard = hard;
    c->account.pressed = c->account.refusals = c->account.refused = 0;
    if (CA_UNLIKELY(hard || parent))
        account_place(c, parent ? &parent->account : &ca_account_process);
    c->account.peak = c->account.used;
    c->on_pressure = on_pressure;
    c->argument = argument;
    c->escape = (uint16_t)escape;
    c->flags = flags;
    c->grown = c->shrunk = 0;
    c->name[0] = '\0';
    if (name)
        name_copy(c->name, name);
    if (CA_UNLIKELY(parent != NULL))
        tree_insert(c, parent);
    CA_STORE(&c->state, CA_CONTEXT_LIVE);
    CA_STORE_RELEASE(&c->holder, CA_HOLDER_NEW);
    return c;
}

ca_context *ca_context_renew(uint32_t kind, const char *name, size_t soft, size_t hard, void (*on_pressure)(void *, size_t, void *), void *argument)
{
    ca_context *c = warm_take(ca_home, kind);
    return CA_LIKELY(c != NULL) ? context_begin(c, name, soft, hard, NULL, on_pressure, argument, CA_ESCAPE_FREE, 0) : NULL;
}

ca_context *ca_context_create(const ca_context_settings *s)
{
    ca_heap *home = ca_thread_home();
    uint32_t kind = s->kind;
    if (CA_UNLIKELY(kind == CA_TARGET_MEDIUM && ca_heap_setting.full))
        kind = CA_TARGET_LONG; /* only a heap holds freed blocks back and looks at them */
    ca_context *c = CA_LIKELY(!s->source) ? warm_take(home, kind) : NULL;
    if (CA_UNLIKELY(!c))
        c = ca_process_start() ? context_make(s, kind, home) : NULL;
    if (CA_UNLIKELY(!c))
        return NULL;
    c->stored = s->stored;
    if (CA_UNLIKELY(s->stored != NULL))
        s->stored->context = c;
    if (CA_UNLIKELY(kind == CA_TARGET_MEDIUM))
        ca_chunked_set_unit(&c->chunked, s->block_size);
    return context_begin(c, s->name, s->soft, s->hard, s->parent, s->on_pressure, s->argument, s->escape, s->flags);
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

bool ca_context_is_elsewhere(const ca_context *c)
{
    uintptr_t holder = CA_LOAD_ACQUIRE(&c->holder);
    return holder == CA_HOLDER_NEW_BUSY || (holder && !(holder & CA_HOLDER_SPECIAL) && holder != ca_context_mark());
}

static bool has_live(ca_context *c)
{
    uint64_t blocks, bytes;
    if (c->heap)
        (void)ca_remote_drain(c->heap);
    if (c->annex && ca_context_annex_take(c)) {
        (void)ca_remote_drain(c->annex);
        ca_context_annex_drop(c);
    }
    ca_context_count(c, &blocks, &bytes);
    return blocks != 0;
}

static void unleave(ca_context *c)
{
    if (c->heap)
        ca_heap_reclaim(c->heap);
    if (c->annex)
        ca_heap_reclaim(c->annex);
}

static void leave(ca_context *c)
{
    if (c->heap)
        ca_heap_leave(c->heap);
    if (c->annex)
        ca_heap_leave(c->annex);
}

static bool adopted_has_live(ca_context *c)
{
    unleave(c);
    bool live = has_live(c);
    leave(c);
    return live;
}

/* pre: the tree is locked, or its part below c is the caller's alone */
static bool refuses(ca_context *c)
{
    bool strict = c->state == CA_CONTEXT_LIVE && c->escape == CA_ESCAPE_REFUSE;
    if (ca_context_is_elsewhere(c) || !ca_context_thaw(c) || (strict && has_live(c)))
        return true;
    for (ca_context *child = c->child; child; child = child->next)
        if (refuses(child) || (strict && child->state == CA_CONTEXT_ADOPTED && adopted_has_live(child)))
            return true;
    return false;
}

static void context_end(ca_context *c, bool with_parent);

static void children_end(ca_context *c)
{
    while (c->child)
        context_end(c->child, true);
}

/* With check=full. */
CA_INLINE void quarantine_empty(void)
{
    if (CA_UNLIKELY(ca_heap_setting.full))
        ca_front_exhume();
}

/* --- adopted contexts of which nothing is left -------------------------------------------------------------------------- */

/* No block of it lives: it is the caller's from now on, and in the list of nobody. pre: the tree is locked */
static bool spent_claim(ca_context *c)
{
    if (c->state != CA_CONTEXT_ADOPTED || c->child || c->saves || CA_LOAD(&c->huge_count))
        return false;
    if ((c->engine && !c->engine->is_empty(c)) || (c->heap && !ca_heap_claim_spent(c->heap)))
        return false;
    if (c->annex && !ca_heap_claim_spent(c->annex)) {
        if (c->heap)
            ca_heap_leave(c->heap);
        return false;
    }
    CA_STORE_RELEASE(&c->state, CA_CONTEXT_FREE);
    if (c->parent)
        tree_unlink(c);
    return true;
}

static void spent_end(ca_context *c)
{
    ca_context_drop(c, false);
    ca_context_retire(c);
}

/* A few for each one that comes, going round, so that they do not become many. */
static void spent_sweep(ca_context *parent)
{
    ca_context *spent[SWEEP_LOOKS];
    unsigned looks = 0, count = 0;
    ca_lock_take(&tree);
    ca_context *c = parent->sweep ? parent->sweep : parent->child;
    for (ca_context *next; c && looks < SWEEP_LOOKS; c = next, looks++) {
        next = c->next;
        if (spent_claim(c))
            spent[count++] = c;
    }
    parent->sweep = c;
    ca_lock_drop(&tree);
    while (count)
        spent_end(spent[--count]);
}

/* --- ends ---------------------------------------------------------------------------------------------------------------- */

/* The blocks stay; `by` answers for them from now on, and they go when it goes. NULL: they are global. */
static void context_adopt(ca_context *c, ca_context *by)
{
    if (c->parent && c->parent != by) {
        tree_remove(c);
        ca_account_move(&c->account, by ? &by->account : &ca_account_process);
        if (by)
            tree_insert(c, by);
    }
    CA_STORE(&c->holder, 0);
    if (by) {
        CA_STORE_RELEASE(&c->state, CA_CONTEXT_ADOPTED);
        leave(c);
        spent_sweep(by);
        return;
    }
    if (CA_UNLIKELY(ca_heap_setting.profile))
        ca_profile_context(c, CA_PROFILE_GLOBAL);
    ca_lock_take(&tree); /* who frees the last of the engine's blocks meanwhile waits for it */
    CA_STORE_RELEASE(&c->state, CA_CONTEXT_ADOPTED);
    bool has_engine = c->engine != NULL; /* otherwise its record is another's soon */
    ca_context_globalize(c);
    bool spent = has_engine && spent_claim(c); /* all that lived was in its heap, say */
    ca_lock_drop(&tree);
    if (spent)
        spent_end(c);
}

/* Its memory is free, the record waits for the next one. */
static void context_clear(ca_context *c)
{
    if (CA_UNLIKELY(c->parent != NULL))
        tree_remove(c);
    CA_STORE(&c->holder, 0);
    CA_STORE_RELEASE(&c->state, CA_CONTEXT_FREE);
    if (CA_UNLIKELY(ca_heap_setting.profile))
        ca_profile_context(c, CA_PROFILE_DROPPED);
    ca_context_drop(c, !c->engine && !c->runs.zone && !ca_heap_setting.quarantine);
    if (CA_UNLIKELY(c->account.parent != &ca_account_process)) /* what it keeps is the process's */
        ca_account_move(&c->account, &ca_account_process);
    warm_give(ca_thread_home(), c);
}

/* Those below first. */
static void context_end(ca_context *c, bool with_parent)
{
    ca_context *heir = with_parent ? c->parent->parent : c->parent;
    if (c->state == CA_CONTEXT_LOST) { /* nobody knows what state it is in: it stays as it is */
        tree_remove(c);
        ca_account_move(&c->account, &ca_account_process);
        return;
    }
    bool heir_goes = with_parent && c->parent->escape != CA_ESCAPE_ADOPT; /* who would answer for its blocks goes, too */
    children_end(c);
    if (c->state == CA_CONTEXT_ADOPTED) {
        unleave(c);
    } else {
        if (c->callbacks)
            callbacks_call(c, CA_ON_RESET | CA_ON_DESTROY);
        if (ca_context_current() == c)
            (void)ca_context_switch(NULL);
        if (CA_UNLIKELY(ca_heap_setting.full) && c->escape != CA_ESCAPE_ADOPT && !c->stored)
            ca_report_escapes(c);
    }
    quarantine_empty(); /* again: callbacks may have freed */
    if (CA_UNLIKELY(c->saves != NULL))
        ca_save_drop_all(c);
    bool adopting = c->escape == CA_ESCAPE_ADOPT || c->state == CA_CONTEXT_ADOPTED;
    if (CA_UNLIKELY(adopting) && !heir_goes && has_live(c))
        context_adopt(c, heir);
    else
        context_clear(c);
}

void ca_context_freed_last(ca_context *c)
{
    ca_lock_take(&tree);
    bool spent = spent_claim(c); /* another thread may have freed the last one, too, and its record may be another's: that one goes then */
    ca_lock_drop(&tree);
    if (spent)
        spent_end(c);
}

/* With what was adopted from those below. */
static void count_add(ca_context *c, uint64_t *blocks, uint64_t *bytes)
{
    uint64_t more, more_bytes;
    ca_context_count(c, &more, &more_bytes);
    *blocks += more;
    *bytes += more_bytes;
    for (ca_context *child = c->child; child; child = child->next)
        if (child->state == CA_CONTEXT_ADOPTED)
            count_add(child, blocks, bytes);
}

/* What this thread freed of the context arrives, where that can be done from here. */
static void settle(ca_context *c)
{
    flush_home();
    bool mine = ca_context_current() == c, tried = !mine && ca_context_try(c);
    if ((mine || tried) && c->heap)
        (void)ca_remote_drain(c->heap);
    if (tried)
        ca_context_done(c);
    if (CA_LOAD(&c->annex) && ca_context_annex_take(c)) {
        (void)ca_remote_drain(c->annex);
        ca_context_annex_drop(c);
    }
}

static void heap_empty_caches(ca_heap *heap)
{
    (void)ca_remote_drain(heap);
    ca_heap_flush(heap);
}

bool ca_context_empty_caches(ca_context *c)
{
    ca_context *before = ca_context_current();
    bool tried = c != before && ca_context_try(c);
    flush_home();
    if (!tried && !ca_context_switch(c))
        return false;
    if (c->heap)
        heap_empty_caches(c->heap);
    if (tried)
        ca_context_done(c);
    else
        (void)ca_context_switch(before); /* it was left just now: nobody else has it */
    if (CA_LOAD(&c->annex) && ca_context_annex_take(c)) {
        heap_empty_caches(c->annex);
        ca_context_annex_drop(c);
    }
    return true;
}

void ca_context_count_all(ca_context *c, uint64_t *blocks, uint64_t *bytes)
{
    settle(c);
    *blocks = *bytes = 0;
    ca_lock_take(&tree);
    count_add(c, blocks, bytes);
    ca_lock_drop(&tree);
}

static void flush_home(void)
{
    ca_heap *home = ca_thread_home();
    if (home)
        ca_remote_flush(home);
}

/* Most contexts of requests: of the short kind, never larger than the first piece, tied to nothing. false: the long way. */
CA_INLINE bool end_quickly(ca_context *c)
{
    uint64_t odd = (uint64_t)(c->current->kind ^ CA_TARGET_SHORT) | !(c->holder & (CA_HOLDER_LEFT | CA_HOLDER_NEW)) | (c->holder == CA_HOLDER_NEW_BUSY) | c->bump.used | c->bump.kept | c->bump.marks | c->escape | c->callbacks |
                   c->huge_count | (uintptr_t)c->runs.zone | (uintptr_t)c->parent | (uintptr_t)c->child | (uintptr_t)c->annex | (uintptr_t)c->heap | (c->target.context_end & CA_CONTEXT_BUSY);
    ca_heap *home = ca_thread_home();
    if (odd || !home || home->warm_count[SHORT] >= WARM_MOST)
        return false;
    CA_STORE(&c->holder, 0);
    CA_STORE(&c->state, CA_CONTEXT_FREE);
    ca_bump_restart(&c->bump);
    c->warm = home->warm[SHORT];
    home->warm[SHORT] = c;
    home->warm_count[SHORT]++;
    return true;
}

/* A thread's own context goes when the thread does. */
static bool thread_ends(const ca_context *c)
{
    const ca_heap *home = ca_thread_home();
    return home && home->own == NULL && !c->parent;
}

int ca_context_destroy(ca_context *c)
{
    if (CA_UNLIKELY(ca_heap_setting.slow))
        quarantine_empty();
    else if (CA_LIKELY(end_quickly(c)))
        return 0;
    bool plain = !c->child && c->escape == CA_ESCAPE_FREE && !ca_context_is_elsewhere(c) && !c->frozen;
    if (CA_UNLIKELY(c->flags & CA_CONTEXT_OWN) && c->state == CA_CONTEXT_LIVE && !thread_ends(c))
        return EINVAL;
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
    if (c->stored)
        return EINVAL; /* its blocks are there to stay */
    if (ca_context_is_elsewhere(c) || !ca_context_thaw(c))
        return EBUSY;
    quarantine_empty();
    if (c->child)
        flush_home();
    for (ca_context *child = c->child; child; child = child->next)
        if (refuses(child))
            return EBUSY;
    children_end(c);
    if (c->callbacks)
        callbacks_call(c, CA_ON_RESET);
    quarantine_empty(); /* again: callbacks may have freed */
    if (CA_UNLIKELY(ca_heap_setting.profile))
        ca_profile_context(c, CA_PROFILE_DROPPED);
    if (c->heap && c->engine)
        ca_context_demote(c); /* before its heap is another's */
    ca_context_drop(c, !c->runs.zone && !ca_heap_setting.quarantine);
    return 0;
}

/* --- savepoints ------------------------------------------------------------------------------------------------------- */

/* 0: the context is the caller's, and what this thread freed is on its way. */
static int saves_ready(ca_context *c)
{
    if (c->engine)
        return EINVAL;
    if (ca_context_is_elsewhere(c) || CA_LOAD(&c->frozen))
        return EBUSY;
    quarantine_empty();
    flush_home();
    return 0;
}

int ca_context_save(ca_context *c, uint64_t *number)
{
    int error = saves_ready(c);
    if (error)
        return error;
    *number = ca_save(c);
    ca_context_tell(c);
    return *number ? 0 : ENOMEM;
}

int ca_context_restore(ca_context *c, uint64_t number)
{
    int error = saves_ready(c);
    return error ? error : ca_save_restore(c, number) ? 0 : EINVAL;
}

int ca_context_save_drop(ca_context *c, uint64_t number)
{
    int error = saves_ready(c);
    return error ? error : ca_save_drop(c, number) ? 0 : EINVAL;
}

/* --- threads and fork -------------------------------------------------------------------------------------------------- */

void ca_context_thread_end(ca_heap *home)
{
    (void)ca_context_switch(NULL);
    if (home->own) {
        ca_context *own = home->own;
        home->own = NULL;
        (void)ca_context_destroy(own);
    }
    for (uint32_t i = 0; i < CA_WARM_KINDS; i++)
        while (home->warm[i]) {
            ca_context *c = home->warm[i];
            home->warm[i] = c->warm;
            home->warm_count[i]--;
            ca_context_retire(c);
        }
}

void ca_context_lock_all(void)
{
    ca_lock_take(&tree);
    ca_chunk_lock();
}

void ca_context_unlock_all(void)
{
    ca_chunk_unlock();
    ca_lock_drop(&tree);
}

/* In the child: who had it may have been half-way through a call. */
static void context_lose(ca_context *c, void *mark)
{
    if (c->holder == CA_HOLDER_NEW_BUSY || (c->holder && !(c->holder & CA_HOLDER_SPECIAL) && c->holder != (uintptr_t)mark)) {
        c->holder = 0;
        c->state = CA_CONTEXT_LOST;
        if (c->heap)
            c->heap->state = CA_HEAP_ORPHAN;
    }
    if (c->lock.state) { /* so may who had the annex: it is nobody's, the next call makes another */
        if (c->annex)
            c->annex->state = CA_HEAP_ORPHAN;
        c->annex = NULL;
        c->lock = (ca_lock){0};
    }
}

void ca_context_after_fork(void)
{
    ca_context_each(context_lose, (void *)ca_context_mark());
}
