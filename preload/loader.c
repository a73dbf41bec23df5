/* The dynamic loader's and the C library's own allocations: threads' tables, descriptions of libraries, thread-local variables made on first use; time zones, tables of users, streams.  They outlive
 * the context that happens to be current, so they are never its.
 *
 * Since version 2.31 of the GNU C library the loader calls malloc, calloc and realloc through pointers of its own, which it sets once to whatever the program's are, and
 * makes read-only; the C library through slots that the loader fills by name.  When the first context is made, ours are replaced by these.  Where they are not found (another C
 * library, a static program, a malloc that is not ours; option loader=look) nothing is changed, and malloc looks at its caller instead, which costs a pair of calls in a context a sixth more.
 */
#include <errno.h>
#include <string.h>

#include "base/os.h"
#include "front/fast.h"
#include "front/process.h"
#include "preload/face.h"

CA_INLINE bool in_context(void)
{
    return CA_UNLIKELY(ca_current->context != NULL);
}

static void *global_malloc(size_t size)
{
    void *p = ca_front_memalign_global(CA_GRANULE, size);
    if (!p)
        errno = ENOMEM;
    return p;
}

static void *keeper_malloc(size_t size)
{
    return in_context() ? global_malloc(size) : FACE(malloc)(size);
}

static void *keeper_calloc(size_t count, size_t size)
{
    size_t bytes = 0;
    if (!in_context())
        return FACE(calloc)(count, size);
    void *p = __builtin_mul_overflow(count, size, &bytes) ? NULL : global_malloc(bytes);
    return p ? memset(p, 0, bytes) : NULL;
}

static void *keeper_realloc(void *p, size_t size)
{
    return p ? FACE(realloc)(p, size) : keeper_malloc(size);
}

/* The address by which others know our function: a program that is not position-independent and takes malloc's address has an entry of its own for it, which leads here. */
static const void *known_address(const char *name, const void *own)
{
    const void *known = ca_default_symbol(name);
    return known ? known : own;
}

#define OWN(name) ((const void *)(uintptr_t)FACE(name))
#define KEEPERS(name) {#name, known_address(#name, OWN(name)), (const void *)(uintptr_t)keeper_##name}

/* Whether the process's malloc, known at this address, is ours. */
static bool is_ours(const void *known)
{
    if (known == OWN(malloc))
        return true;
    void *p = ((void *(*)(size_t))(uintptr_t)known)(1);
    bool ours = ca_region_granule(p) != UINT64_MAX;
    ((void (*)(void *))(uintptr_t)known_address("free", OWN(free)))(p);
    return ours;
}

bool ca_face_begun;

/* Two threads: the second one's contexts may be made before the first has done it, and stay slower. */
CA_COLD void ca_face_begin(void)
{
    if (__atomic_exchange_n(&ca_face_begun, true, __ATOMIC_RELAXED) || !CA_INTERPOSE || !ca_process_start() || ca_process_options.loader != CA_LOADER_DIVERT ||
        !ca_outsiders.loader_bytes)
        return;
    const ca_diversion keepers[] = {KEEPERS(malloc), KEEPERS(calloc), KEEPERS(realloc)};
    enum { COUNT = sizeof keepers / sizeof *keepers };
    if (!is_ours(keepers[0].from))
        return;
    bool loader = ca_os_divert_loader(keepers, COUNT), libc = ca_os_divert_library(ca_next_symbol("_IO_file_doallocate"), keepers, COUNT);
    CA_STORE(&ca_face_libc_is_led, libc);
    CA_STORE(&ca_heap_setting.trusted_end, !loader ? 0 : libc ? CA_FAST_MAX + 1 : CA_STDIO_LEAST);
}
