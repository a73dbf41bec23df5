/* The public API of contexts: checks arguments, sets errno; what is done is in src/front/context.c. */
#include <config.h>
#include "ctxalloc.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>

#include "api/run.h"
#include "base/check.h"
#include "front/context.h"
#include "front/fast.h"
#include "front/profile.h"
#include "front/report.h"
#include "heap/large.h"
#include "heap/placement.h"
#include "heap/stored.h"
#include "preload/face.h"
#include "source/shipped.h"

_Static_assert((int)CTXALLOC_REFUSE == (int)CA_ESCAPE_REFUSE && (int)CTXALLOC_ADOPT == (int)CA_ESCAPE_ADOPT, "policies");

#define API __attribute__((visibility("default"), noinline))

static ca_context *inside(ctxalloc_context *c)
{
    return (ca_context *)(void *)c;
}

static ctxalloc_context *outside(ca_context *c)
{
    return c ? (ctxalloc_context *)(void *)c : CTXALLOC_GLOBAL;
}

static bool is_live(const ca_context *c)
{
    return CA_LOAD(&c->state) == CA_CONTEXT_LIVE;
}

CA_INLINE void begin(void)
{
    if (CA_UNLIKELY(!CA_LOAD(&ca_face_begun)))
        ca_face_begin();
}

/* The context behind a handle, NULL for the global one. false: none, and *error says why. */
static bool resolve(ctxalloc_context *handle, ca_context **c, int *error)
{
    *error = EINVAL;
    *c = NULL;
    if (handle == CTXALLOC_GLOBAL)
        return true;
    if (handle == CTXALLOC_THREAD) {
        begin();
        *c = ca_context_own();
        *error = ENOMEM;
        return *c != NULL;
    }
    if (!handle || !is_live(inside(handle)))
        return false;
    *c = inside(handle);
    return true;
}

/* The same for what must be a context. */
static int resolve_context(ctxalloc_context *handle, ca_context **c)
{
    int error;
    return !resolve(handle, c, &error) ? error : *c ? 0 : EINVAL;
}

static void *fail(int error)
{
    errno = error;
    return NULL;
}

/* What a source must have; what it may lack is NULL. */
static bool source_is_good(const ctxalloc_source *source)
{
    return source->size >= sizeof *source && !(source->flags & ~(CTXALLOC_SOURCE_EXACT | CTXALLOC_SOURCE_PRIVATE | CTXALLOC_SOURCE_DIRTY | CTXALLOC_SOURCE_ONCE | CTXALLOC_SOURCE_LAZY)) && (!source->move || source->renew) &&
           (source->reserve || !(source->flags & (CTXALLOC_SOURCE_DIRTY | CTXALLOC_SOURCE_ONCE)));
}

_Static_assert(CTXALLOC_PREFAULT == CA_ATTRIBUTE_PREFAULT && CTXALLOC_LOCK == CA_ATTRIBUTE_LOCK && CTXALLOC_NODUMP == CA_ATTRIBUTE_NODUMP &&
                   CTXALLOC_WIPEONFORK == CA_ATTRIBUTE_WIPEONFORK,
               "attributes");

/* Why it cannot be had. */
static int busy(const ca_context *c)
{
    return CA_LOAD(&c->frozen) ? EPERM : EBUSY;
}

static int refusal(const ca_context *c)
{
    return c && CA_LOAD(&c->frozen) ? EPERM : ENOMEM;
}

/* --- life ---------------------------------------------------------------------------------------------------------- */

static const uint32_t kinds[] = {[CTXALLOC_LONG] = CA_TARGET_LONG, [CTXALLOC_MEDIUM] = CA_TARGET_MEDIUM, [CTXALLOC_SHORT] = CA_TARGET_SHORT};

/* As ca_context_settings has it: the first argument is the context, and what programs call it is the same pointer. */
static void (*pressure(const ctxalloc_options *o))(void *, size_t, void *)
{
    return (void (*)(void *, size_t, void *))(void (*)(void))o->on_pressure;
}

/* Nothing but a name, limits and whom to tell: what nearly every request's context is. */
static bool is_plain(const ctxalloc_options *o)
{
    uintptr_t more = (uintptr_t)o->parent | (uintptr_t)o->source | (uintptr_t)o->numa | o->flags | (uintptr_t)o->escape;
    return !more && (o->lifetime == CTXALLOC_SHORT || o->lifetime == CTXALLOC_LONG) && (!o->hard_limit || o->soft_limit <= o->hard_limit);
}

CA_NOINLINE static ctxalloc_context *create_any(const ctxalloc_options *o)
{
    ca_context_settings s = {.kind = CA_TARGET_LONG};
    if (o) {
        int error;
        if (o->size < offsetof(ctxalloc_options, source) || o->lifetime > CTXALLOC_SHORT || o->escape > CTXALLOC_ADOPT || o->flags > CA_ATTRIBUTES ||
            (o->soft_limit && o->hard_limit && o->soft_limit > o->hard_limit))
            return fail(EINVAL);
        if (CA_UNLIKELY(o->parent) && !resolve(o->parent, &s.parent, &error))
            return fail(error);
        s.name = o->name;
        s.kind = kinds[o->lifetime];
        s.block_size = o->block_size;
        s.soft = o->soft_limit;
        s.hard = o->hard_limit;
        s.on_pressure = pressure(o);
        s.argument = o->arg;
        s.escape = (uint32_t)o->escape;
        s.source = o->flags ? ca_source_attributes(o->flags) : NULL;
        if (o->size > offsetof(ctxalloc_options, source) && CA_UNLIKELY(o->source)) {
            if (o->flags || !source_is_good(o->source))
                return fail(EINVAL);
            s.source = o->source;
        }
        if (s.source && o->escape == CTXALLOC_ADOPT)
            return fail(EINVAL);
        if (o->size > offsetof(ctxalloc_options, numa) && CA_UNLIKELY(o->numa != NULL)) {
            if (s.source)
                return fail(EINVAL);
            s.source = ca_placement_source(o->numa, &error);
            if (error)
                return fail(error);
        }
    }
    ca_context *c = ca_context_create(&s);
    return c ? outside(c) : fail(ENOMEM);
}

API ctxalloc_context *ctxalloc_create(const ctxalloc_options *o)
{
    begin();
    if (CA_LIKELY(o && o->size >= sizeof *o && is_plain(o))) {
        ca_context *c = ca_context_renew(kinds[o->lifetime], o->name, o->soft_limit, o->hard_limit, pressure(o), o->arg);
        if (CA_LIKELY(c != NULL))
            return (ctxalloc_context *)(void *)c;
    }
    return create_any(o);
}

CA_NOINLINE static ctxalloc_context *switch_slow(ctxalloc_context *to)
{
    ca_context *from = ca_context_current(), *c;
    int error;
    if (!resolve(to, &c, &error))
        return fail(error);
    return ca_context_switch(c) ? outside(from) : fail(busy(c));
}

/* ca_context_switch without its rare cases: first switches, errors, threads that have no heap yet. */
API ctxalloc_context *ctxalloc_switch(ctxalloc_context *to)
{
    uintptr_t mark = ca_context_mark();
    ca_context *from = ca_current->context, *c = inside(to);
    bool leaves = from && CA_LIKELY(CA_LOAD(&from->holder) == mark);
    if (CA_LIKELY((uintptr_t)to > (uintptr_t)CTXALLOC_THREAD && CA_LOAD_ACQUIRE(&c->holder) & CA_HOLDER_LEFT)) {
        if (CA_LIKELY(leaves)) {
            CA_STORE(&c->holder, mark);
            CA_STORE_RELEASE(&from->holder, mark | CA_HOLDER_LEFT);
            ca_current = c->current;
            return outside(from);
        }
        if (CA_LIKELY(!from && ca_home)) {
            CA_STORE(&c->holder, mark);
            ca_current = c->current;
            return CTXALLOC_GLOBAL;
        }
    } else if (to == CTXALLOC_GLOBAL && leaves && CA_LIKELY(ca_home != NULL)) {
        CA_STORE_RELEASE(&from->holder, mark | CA_HOLDER_LEFT);
        ca_current = &ca_home->target;
        return outside(from);
    }
    return switch_slow(to);
}

API ctxalloc_context *ctxalloc_current(void)
{
    return outside(ca_current->context);
}

API int ctxalloc_reset(ctxalloc_context *handle)
{
    ca_context *c;
    int error = resolve_context(handle, &c);
    return error ? error : ca_context_reset(c);
}

API int ctxalloc_freeze(ctxalloc_context *handle, bool freeze)
{
    ca_context *c;
    int error = resolve_context(handle, &c);
    if (error || (c->flags & CA_CONTEXT_OWN))
        return error ? error : EINVAL;
    return freeze ? ca_context_freeze(c) : ca_context_thaw(c) ? 0 : ENOMEM;
}

API int ctxalloc_destroy(ctxalloc_context *handle)
{
    ca_context *c;
    int error = resolve_context(handle, &c);
    if (CA_UNLIKELY(error))
        return error;
    if (CA_UNLIKELY(handle == CTXALLOC_THREAD))
        return EINVAL; /* goes with the thread */
    return ca_context_destroy(c);
}

static int callback_add(ctxalloc_context *handle, uint32_t when, void (*fn)(void *arg), void *arg)
{
    ca_context *c;
    int error = fn ? resolve_context(handle, &c) : EINVAL;
    if (error)
        return error;
    return ca_context_callback(c, when, fn, arg) ? 0 : ENOMEM;
}

API int ctxalloc_on_reset(ctxalloc_context *handle, void (*fn)(void *arg), void *arg)
{
    return callback_add(handle, CA_ON_RESET | CA_ON_DESTROY, fn, arg);
}

API int ctxalloc_on_destroy(ctxalloc_context *handle, void (*fn)(void *arg), void *arg)
{
    return callback_add(handle, CA_ON_DESTROY, fn, arg);
}

API const char *ctxalloc_name(const ctxalloc_context *handle)
{
    if (handle == CTXALLOC_GLOBAL)
        return "global";
    return handle == CTXALLOC_THREAD ? "thread" : handle ? ((const ca_context *)(const void *)handle)->name : "";
}

/* --- run --------------------------------------------------------------------------------------------------------- */

/* What ctxalloc_run undoes. Two ways lead there: the compiler's cleanup (return, exception, forced unwinding: unwind.c) and the C library's list of cleanup handlers,
 * which longjmp also walks. That list is the thread's and knows nothing of coroutines, so frames on their stacks stay out of it. */

extern void _pthread_cleanup_push(struct _pthread_cleanup_buffer *buffer, void (*routine)(void *), void *arg);
extern void _pthread_cleanup_pop(struct _pthread_cleanup_buffer *buffer, int execute);

static void frame_restore(void *argument)
{
    ca_run_frame *f = argument;
    if (f->done)
        return;
    f->done = true;
    f->mark = 0;
    if (!ca_context_switch(f->before))
        ca_die("ctxalloc_run: the context to go back to is current in another thread");
}

void ca_run_leave(ca_run_frame *f)
{
    if (f->listed && !f->done)
        _pthread_cleanup_pop(&f->buffer, 0);
    frame_restore(f);
}

/* Asked for once a thread. */
uintptr_t ca_run_stack_end(const void *p)
{
    static __thread struct {
        uintptr_t low, size;
    } stack __attribute__((tls_model("initial-exec")));
    if (!stack.size) {
        pthread_attr_t attributes;
        void *low;
        size_t size;
        int saved = errno;
        if (pthread_getattr_np(pthread_self(), &attributes)) {
            errno = saved;
            return 0;
        }
        (void)pthread_attr_getstack(&attributes, &low, &size);
        (void)pthread_attr_destroy(&attributes);
        errno = saved;
        stack.low = (uintptr_t)low;
        stack.size = size;
    }
    return (uintptr_t)p - stack.low < stack.size ? stack.low + stack.size : 0;
}

API void *ctxalloc_run(ctxalloc_context *handle, void *(*fn)(void *), void *arg)
{
    ca_context *c;
    int error;
    if (!fn)
        return fail(EINVAL);
    if (!resolve(handle, &c, &error))
        return fail(error);
    ca_run_frame frame __attribute__((cleanup(ca_run_leave))) = {.before = ca_context_current(), .done = true};
    frame.listed = ca_run_stack_end(&frame) != 0;
    if (!ca_context_switch(c))
        return fail(busy(c));
    frame.done = false;
    frame.mark = ca_run_mark(&frame);
    if (frame.listed)
        _pthread_cleanup_push(&frame.buffer, frame_restore, &frame);
    return fn(arg);
}

/* --- numbers ----------------------------------------------------------------------------------------------------- */

static void usage_of_process(ctxalloc_usage_t *u)
{
    ca_report r = ca_report_get();
    u->live_blocks = r.live_count;
    u->live_bytes = r.live_bytes;
}

API bool ctxalloc_usage(ctxalloc_context *handle, ctxalloc_usage_t *u)
{
    ca_context *c;
    int error;
    if (!u || !resolve(handle, &c, &error))
        return false;
    memset(u, 0, sizeof *u);
    const ca_account *a = c ? &c->account : &ca_account_process;
    if (c)
        ca_context_count_all(c, &u->live_blocks, &u->live_bytes);
    else
        usage_of_process(u);
    u->held_bytes = CA_LOAD(&a->used);
    u->peak_bytes = CA_LOAD(&a->peak);
    if (c && c->stored)
        u->held_bytes = u->peak_bytes = ca_stored_get_usage(c->stored).pages * CA_PAGE;
    u->soft_limit = CA_LOAD(&a->soft);
    u->hard_limit = CA_LOAD(&a->hard);
    u->refusals = CA_LOAD(&a->refusals);
    u->grown = c ? CA_LOAD(&c->grown) : 0;
    u->shrunk = c ? CA_LOAD(&c->shrunk) : 0;
    return true;
}

API ctxalloc_usage_t ctxalloc_usage_difference(const ctxalloc_usage_t *after, const ctxalloc_usage_t *before)
{
    return (ctxalloc_usage_t){
        .live_blocks = after->live_blocks - before->live_blocks, .live_bytes = after->live_bytes - before->live_bytes,
        .held_bytes = after->held_bytes - before->held_bytes, .peak_bytes = after->peak_bytes - before->peak_bytes,
        .soft_limit = after->soft_limit, .hard_limit = after->hard_limit, .refusals = after->refusals - before->refusals,
        .grown = after->grown - before->grown, .shrunk = after->shrunk - before->shrunk};
}

API void *ctxalloc_measure(ctxalloc_context *handle, void *(*fn)(void *), void *arg, ctxalloc_usage_t *change)
{
    ctxalloc_usage_t before, after;
    if (!change || !ctxalloc_usage(handle, &before))
        return fail(EINVAL);
    void *result = ctxalloc_run(handle, fn, arg);
    if (!ctxalloc_usage(handle, &after)) /* fn has destroyed it */
        after = before;
    *change = ctxalloc_usage_difference(&after, &before);
    return result;
}

API int ctxalloc_set_limits(ctxalloc_context *handle, size_t soft, size_t hard)
{
    ca_context *c;
    int error;
    if (!resolve(handle, &c, &error) || (soft && hard && soft > hard))
        return EINVAL;
    ca_account *a = c ? &c->account : &ca_account_process;
    CA_STORE(&a->soft, soft);
    CA_STORE(&a->hard, hard);
    return 0;
}

/* --- blocks --------------------------------------------------------------------------------------------------------- */

API void *ctxalloc_memalign(ctxalloc_context *handle, size_t align, size_t size)
{
    ca_context *c;
    int error;
    if (!ca_is_power_of_two(align))
        return fail(EINVAL);
    if (!resolve(handle, &c, &error))
        return fail(error);
    if (size > CA_MAX_SIZE || align > CA_MAX_SIZE - size)
        return fail(ENOMEM);
    void *p = ca_front_malloc_for(c, size, align);
    return p ? p : fail(refusal(c));
}

API void *ctxalloc_malloc(ctxalloc_context *handle, size_t size)
{
    ca_context *c;
    int error;
    if (CA_UNLIKELY(!resolve(handle, &c, &error)))
        return fail(error);
    void *p = CA_LIKELY(size <= CA_MAX_SIZE) ? ca_front_malloc_for(c, size, CA_GRANULE) : NULL;
    return CA_LIKELY(p != NULL) ? p : fail(refusal(c));
}

API void *ctxalloc_calloc(ctxalloc_context *handle, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes))
        return fail(ENOMEM);
    void *p = ctxalloc_malloc(handle, bytes);
    return p ? memset(p, 0, bytes) : NULL;
}

API void *ctxalloc_realloc(ctxalloc_context *handle, void *p, size_t size)
{
    return p ? FACE(realloc)(p, size) : ctxalloc_malloc(handle, size);
}

API char *ctxalloc_strdup(ctxalloc_context *handle, const char *text)
{
    size_t size = strlen(text) + 1;
    char *p = ctxalloc_malloc(handle, size);
    return p ? memcpy(p, text, size) : NULL;
}

API void *ctxalloc_malloc_excess(size_t size, size_t *usable)
{
    void *p = FACE(malloc)(size);
    if (p)
        *usable = FACE(malloc_usable_size)(p);
    return p;
}

API int ctxalloc_resize(void *p, size_t size)
{
    ctxalloc_verdict_t v;
    if (ctxalloc_inspect(p, &v) != CTXALLOC_LIVE)
        return EINVAL;
    return ca_front_resize(p, size) ? 0 : ENOMEM;
}

API void *ctxalloc_realloc_aligned(void *p, size_t align, size_t size)
{
    if (!ca_is_power_of_two(align))
        return fail(EINVAL);
    if (!p)
        return ca_face_allocate_aligned(align, size);
    if ((uintptr_t)p % align == 0 && ctxalloc_resize(p, size) == 0)
        return p;
    ctxalloc_verdict_t v;
    if (ctxalloc_inspect(p, &v) != CTXALLOC_LIVE)
        return fail(EINVAL);
    void *to = ctxalloc_memalign(v.owner, align, size);
    if (!to)
        return NULL;
    memcpy(to, p, v.size < size ? v.size : size);
    FACE(free)(p);
    return to;
}

/* --- what an address is ------------------------------------------------------------------------------------------------ */

API enum ctxalloc_verdict ctxalloc_inspect(const void *p, ctxalloc_verdict_t *v)
{
    ca_inspection found = ca_front_inspect(p);
    static const enum ctxalloc_verdict words[] = {[CA_IS_FOREIGN] = CTXALLOC_FOREIGN, [CA_IS_LIVE] = CTXALLOC_LIVE,
                                                  [CA_IS_INTERIOR] = CTXALLOC_INTERIOR, [CA_IS_DEAD] = CTXALLOC_DEAD};
    if (v)
        *v = (ctxalloc_verdict_t){words[found.what], found.start, found.size,
                                  found.start ? outside(found.owner) : NULL};
    return words[found.what];
}

API ctxalloc_context *ctxalloc_owner(const void *p)
{
    ctxalloc_verdict_t v;
    (void)ctxalloc_inspect(p, &v);
    return v.owner;
}

API bool ctxalloc_contains(ctxalloc_context *handle, const void *p)
{
    ca_context *c, *owner;
    int error;
    if (!resolve(handle, &c, &error))
        return false;
    ca_granule g = ca_region_granule(p);
    if (c && c->stored)
        return ca_stored_around(p) == c->stored;
    if (c)
        return g != UINT64_MAX && ca_context_has(c, ca_granule_page(g), p);
    return ca_front_page_owner(p, &owner) && !owner;
}

/* --- marks --------------------------------------------------------------------------------------------------------------- */

typedef struct mark {
    const ca_context *context;
    uint64_t number;
} mark;

_Static_assert(sizeof(mark) <= sizeof(ctxalloc_mark_t), "a mark fits");

API int ctxalloc_mark(ctxalloc_context *handle, ctxalloc_mark_t *to)
{
    ca_context *c;
    int error = to ? resolve_context(handle, &c) : EINVAL;
    if (error || !c->engine || !c->engine->mark)
        return EINVAL;
    mark m = {c, c->engine->mark(c)};
    if (!m.number)
        return ENOMEM;
    ca_context_demote(c); /* a rollback knows the engine's blocks */
    memset(to, 0, sizeof *to);
    memcpy(to, &m, sizeof m);
    return 0;
}

API int ctxalloc_rollback(ctxalloc_context *handle, const ctxalloc_mark_t *from)
{
    ca_context *c;
    int error = from ? resolve_context(handle, &c) : EINVAL;
    if (error || !c->engine || !c->engine->rollback)
        return EINVAL;
    mark m;
    memcpy(&m, from, sizeof m);
    if (m.context != c || !c->engine->rollback(c, m.number))
        return EINVAL;
    if (CA_UNLIKELY(ca_heap_setting.profile))
        ca_profile_context(c, CA_PROFILE_ROLLED_BACK);
    return 0;
}

/* --- savepoints ------------------------------------------------------------------------------------------------------------ */

_Static_assert(sizeof(mark) <= sizeof(ctxalloc_savepoint_t), "a savepoint's name fits");

API int ctxalloc_save(ctxalloc_context *handle, ctxalloc_savepoint_t *to)
{
    ca_context *c;
    int error = to ? resolve_context(handle, &c) : EINVAL;
    if (error)
        return error;
    mark m = {c, 0};
    error = ca_context_save(c, &m.number);
    if (error)
        return error;
    memset(to, 0, sizeof *to);
    memcpy(to, &m, sizeof m);
    return 0;
}

/* The number of a savepoint of the context. */
static int savepoint_resolve(ctxalloc_context *handle, const ctxalloc_savepoint_t *from, ca_context **c, uint64_t *number)
{
    int error = from ? resolve_context(handle, c) : EINVAL;
    if (error)
        return error;
    mark m;
    memcpy(&m, from, sizeof m);
    *number = m.number;
    return m.context == *c ? 0 : EINVAL;
}

API int ctxalloc_restore(ctxalloc_context *handle, const ctxalloc_savepoint_t *from)
{
    ca_context *c;
    uint64_t number;
    int error = savepoint_resolve(handle, from, &c, &number);
    error = error ? error : ca_context_restore(c, number);
    if (CA_UNLIKELY(ca_heap_setting.profile) && !error)
        ca_profile_context(c, CA_PROFILE_ROLLED_BACK);
    return error;
}

API int ctxalloc_savepoint_drop(ctxalloc_context *handle, const ctxalloc_savepoint_t *savepoint)
{
    ca_context *c;
    uint64_t number;
    int error = savepoint_resolve(handle, savepoint, &c, &number);
    return error ? error : ca_context_save_drop(c, number);
}
