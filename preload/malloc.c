/* The malloc family of C.  The faces check arguments and set errno; all else is in src/front/. */
#include <errno.h>
#include <string.h>

#include "front/fast.h"
#include "preload/face.h"

CA_COLD static void *no_memory(void)
{
    errno = ENOMEM;
    return NULL;
}

/* --- malloc and free: one screen --------------------------------------------------------------------------- */

/* Both begin a line of the cache: at some other places pairs took a quarter more time. */
#define FAST CA_NOINLINE CA_ALIGNED(64)

#define CALLER __builtin_return_address(0)

/* Not the context's, though one is current. */
CA_INLINE bool is_outside(const void *caller)
{
    return CA_UNLIKELY(ca_current->context != NULL) && ca_is_outsider(caller);
}

CA_NOINLINE static void *malloc_rest(size_t size, const void *caller)
{
    void *p = CA_UNLIKELY(is_outside(caller)) ? ca_front_memalign_global(CA_GRANULE, size) : ca_front_malloc(size);
    return CA_LIKELY(p != NULL) ? p : no_memory();
}

CA_NOINLINE static void *malloc_slow(size_t size, ca_target *target, const void *caller)
{
    void *p = ca_fast_malloc_second(target, size, caller);
    return CA_LIKELY(p != NULL) ? p : malloc_rest(size, caller);
}

/* For the other faces: caller is who called them. */
static void *allocate(size_t size, const void *caller)
{
    void *p = ca_fast_malloc_any(size, caller);
    return CA_LIKELY(p != NULL) ? p : malloc_rest(size, caller);
}

FAST void *FACE(malloc)(size_t size)
{
    ca_target *target = ca_current;
    void *p = ca_fast_malloc_from(target, size);
    return CA_LIKELY(p != NULL) ? p : malloc_slow(size, target, CALLER);
}

CA_NOINLINE static void free_rest(void *p, const char *function)
{
    if (!ca_fast_free_third(p) && CA_UNLIKELY(ca_front_free(p, function) == CA_FOREIGN))
        ca_next_free(p);
}

CA_NOINLINE static void free_slow(void *p, const char *function)
{
    if (!ca_fast_free_second(p))
        free_rest(p, function);
}

void ca_face_free_rest(void *p)
{
    free_slow(p, "free");
}

FAST void FACE(free)(void *p)
{
    if (CA_UNLIKELY(!ca_fast_free(p)))
        ca_face_free_rest(p);
}

/* --- for the other faces --------------------------------------------------------------------------------------- */

void *ca_face_allocate(size_t size)
{
    return allocate(size, NULL);
}

void *ca_face_allocate_aligned(size_t align, size_t size)
{
    void *p = ca_front_memalign(align, size);
    return p ? p : no_memory();
}

void ca_face_release(void *p, const char *function)
{
    if (CA_UNLIKELY(!ca_fast_free(p)))
        free_slow(p, function);
}

/* --- calloc, realloc ------------------------------------------------------------------------------------------- */

void *FACE(calloc)(size_t count, size_t size)
{
    size_t bytes;
    if (CA_UNLIKELY(__builtin_mul_overflow(count, size, &bytes)))
        return no_memory();
    if (CA_LIKELY(bytes <= CA_FAST_MAX) || CA_UNLIKELY(is_outside(CALLER))) {
        void *p = allocate(bytes, CALLER);
        return p ? memset(p, 0, bytes) : NULL;
    }
    void *p = ca_front_calloc(bytes);
    return p ? p : no_memory();
}

CA_NOINLINE static void *resize(void *p, size_t size)
{
    void *q = NULL;
    if (CA_UNLIKELY(ca_front_realloc(p, size, &q) == CA_FOREIGN))
        return ca_next_realloc(p, size);
    return q ? q : no_memory();
}

void *FACE(realloc)(void *p, size_t size)
{
    if (!p)
        return allocate(size, CALLER);
    if (CA_LIKELY(size != 0)) {
        void *q = ca_fast_realloc(p, size);
        return CA_LIKELY(q != NULL) ? q : resize(p, size);
    }
    ca_face_release(p, "realloc");
    return NULL;
}

void *FACE(reallocarray)(void *p, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes))
        return no_memory();
    return FACE(realloc)(p, bytes);
}

/* FreeBSD: as realloc, but p is freed when there is no memory. */
void *FACE(reallocf)(void *p, size_t size)
{
    void *q = FACE(realloc)(p, size);
    if (!q && p && size)
        FACE(free)(p);
    return q;
}

/* NetBSD: *(void **)pp becomes the new block; 0 or an errno value; errno is kept. A product that is too large is ENOMEM, as in
 * all of the family. */
int FACE(reallocarr)(void *pp, size_t count, size_t size)
{
    void *p, *q = NULL;
    size_t bytes;
    int saved = errno;
    memcpy(&p, pp, sizeof p);
    if (__builtin_mul_overflow(count, size, &bytes))
        return ENOMEM;
    if (bytes == 0)
        FACE(free)(p);
    else
        q = FACE(realloc)(p, bytes);
    errno = saved;
    if (bytes && !q)
        return ENOMEM;
    memcpy(pp, &q, sizeof q);
    return 0;
}

/* --- alignment ------------------------------------------------------------------------------------------------------- */

static void *allocate_aligned(size_t align, size_t size)
{
    if (!ca_is_power_of_two(align)) {
        errno = EINVAL;
        return NULL;
    }
    return ca_face_allocate_aligned(align, size);
}

void *FACE(aligned_alloc)(size_t align, size_t size)
{
    return allocate_aligned(align, size);
}

void *FACE(memalign)(size_t align, size_t size)
{
    if (CA_UNLIKELY(is_outside(CALLER)) && ca_is_power_of_two(align)) {
        void *p = ca_front_memalign_global(align, size);
        return p ? p : no_memory();
    }
    return allocate_aligned(align, size);
}

int FACE(posix_memalign)(void **out, size_t align, size_t size)
{
    if (!ca_is_power_of_two(align) || align % sizeof(void *))
        return EINVAL;
    void *p = ca_front_memalign(align, size);
    if (!p)
        return ENOMEM;
    *out = p;
    return 0;
}

void *FACE(valloc)(size_t size)
{
    return ca_face_allocate_aligned(CA_PAGE, size);
}

void *FACE(pvalloc)(size_t size)
{
    if (size > CA_MAX_SIZE)
        return no_memory();
    return ca_face_allocate_aligned(CA_PAGE, ca_round_up(size ? size : 1, CA_PAGE));
}

/* --- sizes and other frees --------------------------------------------------------------------------------------------- */

void FACE(cfree)(void *p)
{
    ca_face_release(p, "cfree");
}

void ca_face_release_sized(void *p, size_t size, const char *function)
{
    if (CA_LIKELY(ca_fast_free(p)))
        return;
    if (CA_LIKELY(!ca_heap_setting.slow))
        free_slow(p, function);
    else if (ca_front_free_sized(p, size, function) == CA_FOREIGN)
        ca_next_free(p);
}

/* C23. The size is compared with check=full. */
void FACE(free_sized)(void *p, size_t size)
{
    ca_face_release_sized(p, size, "free_sized");
}

void FACE(free_aligned_sized)(void *p, size_t align, size_t size)
{
    (void)align;
    ca_face_release_sized(p, size, "free_aligned_sized");
}

/* Programs that count what they use ask after every malloc and before every free. */
CA_NOINLINE static size_t usable_slow(const void *p, const char *function)
{
    size_t size = 0;
    if (!p)
        return 0;
    return ca_front_usable(p, &size, function) == CA_OURS ? size : ca_next_usable(p);
}

CA_INLINE size_t usable(const void *p, const char *function)
{
    size_t size = ca_fast_usable(p);
    return CA_LIKELY(size != 0) ? size : usable_slow(p, function);
}

size_t FACE(malloc_usable_size)(void *p)
{
    return usable(p, "malloc_usable_size");
}

size_t FACE(malloc_size)(const void *p)
{
    return usable(p, "malloc_size");
}

size_t FACE(malloc_good_size)(size_t size)
{
    return ca_front_good_size(size);
}
