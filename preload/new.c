/* The C++ operators new and delete, in C, by their mangled names (Itanium C++ ABI; size_t is unsigned long: m).
 *
 * The C++ runtime is referred to weakly: a C program needs none.  Without memory, the new_handler is called until it
 * gives up; then plain forms throw bad_alloc through the runtime's own function, and nothrow forms return NULL. */
#include <dlfcn.h>
#include <string.h>

#include "base/check.h"
#include "front/fast.h"
#include "preload/face.h"

typedef void (*new_handler)(void);

__attribute__((weak)) new_handler _ZSt15get_new_handlerv(void); /* std::get_new_handler() */
__attribute__((weak)) void _ZSt17__throw_bad_allocv(void);      /* std::__throw_bad_alloc(), libstdc++ and libc++abi */

/* One round of waiting for memory: false when there is no handler left to ask. */
static bool new_handler_run(void)
{
    new_handler handler = _ZSt15get_new_handlerv ? _ZSt15get_new_handlerv() : NULL;
    if (!handler)
        return false;
    handler(); /* may throw: this file is compiled with -fexceptions */
    return true;
}

CA_COLD static void *new_retry(size_t align, size_t size)
{
    void *p = NULL;
    while (!p && new_handler_run())
        p = align > CA_GRANULE ? ca_face_allocate_aligned(align, size) : ca_face_allocate(size);
    if (!p) {
        CA_CHECK(_ZSt17__throw_bad_allocv, "operator new: no memory, and no C++ runtime to throw bad_alloc");
        _ZSt17__throw_bad_allocv();
    }
    return p;
}

/* What a handler throws must end in NULL here, and C cannot catch: the runtime's own nothrow operator can, and calls our
 * throwing one.  Where there is no such operator there is no handler either. */
CA_COLD static void *new_retry_nothrow(size_t align, size_t size, const void *tag)
{
    const char *name = align > CA_GRANULE ? "_ZnwmSt11align_val_tRKSt9nothrow_t" : "_ZnwmRKSt9nothrow_t";
    void *symbol = _ZSt15get_new_handlerv && _ZSt15get_new_handlerv() ? dlsym(RTLD_NEXT, name) : NULL;
    void *(*plain)(size_t, const void *);
    void *(*aligned)(size_t, size_t, const void *);
    if (!symbol)
        return NULL;
    memcpy(&plain, &symbol, sizeof symbol);
    memcpy(&aligned, &symbol, sizeof symbol);
    return align > CA_GRANULE ? aligned(size, align, tag) : plain(size, tag);
}

CA_INLINE void *new_once(size_t size)
{
    void *p = ca_fast_malloc_any(size, NULL); /* the loader is not written in C++ */
    return CA_LIKELY(p != NULL) ? p : ca_front_malloc(size);
}

CA_INLINE void *new_plain(size_t size)
{
    void *p = new_once(size);
    return CA_LIKELY(p != NULL) ? p : new_retry(1, size);
}

CA_INLINE void *new_plain_nothrow(size_t size, const void *tag)
{
    void *p = new_once(size);
    return CA_LIKELY(p != NULL) ? p : new_retry_nothrow(1, size, tag);
}

static void *new_aligned(size_t size, size_t align)
{
    void *p = ca_is_power_of_two(align) ? ca_front_memalign(align, size) : NULL;
    return CA_LIKELY(p != NULL) ? p : new_retry(align, size);
}

static void *new_aligned_nothrow(size_t size, size_t align, const void *tag)
{
    void *p = ca_is_power_of_two(align) ? ca_front_memalign(align, size) : NULL;
    return CA_LIKELY(p != NULL) ? p : new_retry_nothrow(align, size, tag);
}

CA_INLINE void delete_any(void *p)
{
    if (CA_UNLIKELY(!ca_fast_free(p)))
        ca_face_free_rest(p);
}

#define NEW(name, ...) EXPORT void *name(__VA_ARGS__); void *name(__VA_ARGS__)
#define DELETE(name, ...) EXPORT void name(__VA_ARGS__); void name(__VA_ARGS__)
#define UNUSED __attribute__((unused))

NEW(_Znwm, size_t n) { return new_plain(n); }
NEW(_Znam, size_t n) { return new_plain(n); }
NEW(_ZnwmRKSt9nothrow_t, size_t n, const void *t) { return new_plain_nothrow(n, t); }
NEW(_ZnamRKSt9nothrow_t, size_t n, const void *t) { return new_plain_nothrow(n, t); }
NEW(_ZnwmSt11align_val_t, size_t n, size_t a) { return new_aligned(n, a); }
NEW(_ZnamSt11align_val_t, size_t n, size_t a) { return new_aligned(n, a); }
NEW(_ZnwmSt11align_val_tRKSt9nothrow_t, size_t n, size_t a, const void *t) { return new_aligned_nothrow(n, a, t); }
NEW(_ZnamSt11align_val_tRKSt9nothrow_t, size_t n, size_t a, const void *t) { return new_aligned_nothrow(n, a, t); }

DELETE(_ZdlPv, void *p) { delete_any(p); }
DELETE(_ZdaPv, void *p) { delete_any(p); }
DELETE(_ZdlPvm, void *p, size_t n) { ca_face_release_sized(p, n, "delete"); }
DELETE(_ZdaPvm, void *p, size_t n) { ca_face_release_sized(p, n, "delete"); }
DELETE(_ZdlPvRKSt9nothrow_t, void *p, const void *t UNUSED) { delete_any(p); }
DELETE(_ZdaPvRKSt9nothrow_t, void *p, const void *t UNUSED) { delete_any(p); }
DELETE(_ZdlPvSt11align_val_t, void *p, size_t a UNUSED) { delete_any(p); }
DELETE(_ZdaPvSt11align_val_t, void *p, size_t a UNUSED) { delete_any(p); }
DELETE(_ZdlPvmSt11align_val_t, void *p, size_t n, size_t a UNUSED) { ca_face_release_sized(p, n, "delete"); }
DELETE(_ZdaPvmSt11align_val_t, void *p, size_t n, size_t a UNUSED) { ca_face_release_sized(p, n, "delete"); }
DELETE(_ZdlPvSt11align_val_tRKSt9nothrow_t, void *p, size_t a UNUSED, const void *t UNUSED) { delete_any(p); }
DELETE(_ZdaPvSt11align_val_tRKSt9nothrow_t, void *p, size_t a UNUSED, const void *t UNUSED) { delete_any(p); }
