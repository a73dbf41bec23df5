/* The dynamic loader's own allocations: threads' tables, descriptions of libraries, thread-local variables made on first use.  They outlive the context that
 * happens to be current, so they are never its.
 *
 * Since version 2.31 of the GNU C library the loader calls malloc, calloc and realloc through pointers of its own, which it sets once to whatever the program's are, and
 * makes read-only.  When the first context is made, ours are replaced by these.  Where they are not found (another C library, a static program, a malloc that is not
 * ours; option loader=look) nothing is changed, and malloc looks at its caller instead, which costs a pair of calls in a context a sixth more.
 * The same for the C library: preload/libc.c.
 */
#include <errno.h>
#include <string.h>

#include "base/os.h"
#include "front/fast.h"
#include "front/process.h"
#include "preload/face.h"

void *ca_face_global_malloc(size_t size)
{
    void *p = ca_front_memalign_global(CA_GRANULE, size);
    if (!p)
        errno = ENOMEM;
    return p;
}

void *ca_face_global_calloc(size_t count, size_t size)
{
    size_t bytes = 0;
    void *p = __builtin_mul_overflow(count, size, &bytes) ? NULL : ca_face_global_malloc(bytes);
    return p ? memset(p, 0, bytes) : NULL;
}

static void *loader_realloc(void *p, size_t size)
{
    return p ? FACE(realloc)(p, size) : ca_face_global_malloc(size);
}

/* The address by which others know our function: a program that is not position-independent and takes malloc's address has a stub of its own for it. */
const void *ca_face_known(const char *name, const void *own)
{
    const void *known = ca_default_symbol(name);
    return known ? known : own;
}

/* Whether the process's malloc is ours. */
static bool is_in_front(void)
{
    void *(*known)(size_t) = (void *(*)(size_t))(uintptr_t)ca_face_known("malloc", (const void *)(uintptr_t)FACE(malloc));
    void (*give)(void *) = (void (*)(void *))(uintptr_t)ca_face_known("free", (const void *)(uintptr_t)FACE(free));
    if (known == FACE(malloc))
        return true;
    void *p = known(1);
    bool ours = ca_region_granule(p) != UINT64_MAX;
    give(p);
    return ours;
}

bool ca_face_begun;

/* Two threads: the second one's contexts may be made before the first has done it, and stay slower. */
CA_COLD void ca_face_begin(void)
{
    if (__atomic_exchange_n(&ca_face_begun, true, __ATOMIC_RELAXED) || !CA_INTERPOSE || !ca_process_start() || ca_process_options.loader != CA_LOADER_DIVERT ||
        !ca_outsiders.loader_bytes || !is_in_front())
        return;
    const ca_diversion ours[] = {DIVERSION(malloc, ca_face_global_malloc), DIVERSION(calloc, ca_face_global_calloc), DIVERSION(realloc, loader_realloc)};
    bool loader = ca_os_divert_loader(ours, sizeof ours / sizeof *ours), libc = ca_face_lead_libc();
    CA_STORE(&ca_heap_setting.trusted_end, !loader ? 0 : libc ? CA_FAST_MAX + 1 : CA_STDIO_LEAST);
}
