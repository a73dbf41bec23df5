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
#include "front/front.h"
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

bool ca_face_begun;

/* Two threads: the second one's contexts may be made before the first has done it, and stay slower. */
CA_COLD void ca_face_begin(void)
{
    if (__atomic_exchange_n(&ca_face_begun, true, __ATOMIC_RELAXED) || !CA_INTERPOSE || !ca_process_start() || ca_process_options.loader != CA_LOADER_DIVERT)
        return;
    const ca_diversion ours[] = {{"malloc", (const void *)(uintptr_t)FACE(malloc), (const void *)(uintptr_t)ca_face_global_malloc},
                                 {"calloc", (const void *)(uintptr_t)FACE(calloc), (const void *)(uintptr_t)ca_face_global_calloc},
                                 {"realloc", (const void *)(uintptr_t)FACE(realloc), (const void *)(uintptr_t)loader_realloc}};
    bool loader = ca_os_divert_loader(ours, sizeof ours / sizeof *ours), libc = ca_face_lead_libc();
    CA_STORE(&ca_heap_setting.trusted_end, !loader ? 0 : libc ? CA_FAST_MAX + 1 : CA_STDIO_LEAST);
}
