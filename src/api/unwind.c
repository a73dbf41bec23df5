/* The two functions of the compiler's unwinder that ctxalloc_run's cleanup refers to.  A reference to libgcc_s would make every C program load
 * it, for exceptions that it cannot have; so the shared library asks for the real ones when an exception is under way, which is when somebody has loaded it.
 * The archive is linked with whatever the program is linked with.
 *
 * A program may bring an unwinder of its own (-static-libgcc, LLVM's), whose functions nobody else can call: they are hidden in it, and the functions of another unwinder cannot read what it hands out.
 * Then the frame that is left is found without them: unwinders run on the stack that they unwind, so it is the first live one above.
 */
#include <config.h>

#ifdef PIC

#include <dlfcn.h>
#include <stdint.h>

#include "api/run.h"
#include "base/check.h"
#include "base/os.h"

struct _Unwind_Exception;
struct _Unwind_Context;
enum { CONTINUE_UNWIND = 8 };              /* _URC_CONTINUE_UNWIND: this frame has nothing to do */
enum { CLEANUP_PHASE = 2, FORCE_UNWIND = 8 }; /* _UA_... */

typedef int personality(int version, int actions, uint64_t class, struct _Unwind_Exception *, struct _Unwind_Context *);
typedef void resume(struct _Unwind_Exception *);

__attribute__((used)) personality __gcc_personality_v0; /* used: with LTO, references come late */
_Noreturn __attribute__((used)) resume _Unwind_Resume;

static void *unwinder(const char *name)
{
    void *library = dlopen("libgcc_s.so.1", RTLD_NOW | RTLD_NOLOAD);
    return library ? dlsym(library, name) : NULL;
}

static bool in_same_object(const void *p, const void *q)
{
    Dl_info a, b;
    return dladdr(p, &a) && dladdr(q, &b) && a.dli_fbase == b.dli_fbase;
}

/* With ThreadSanitizer (clang's here), functions have a clean-up of their own for exceptions. */
#ifndef __has_feature
#define __has_feature(name) 0
#endif
enum { ALL_FUNCTIONS_CLEAN_UP = __has_feature(thread_sanitizer) };

/* Words of other functions' frames are read, which AddressSanitizer may have walled in. */
__attribute__((no_sanitize("address"))) static ca_run_frame *first_frame_above(const void *place)
{
    enum { FARTHEST = 16 << 20, WORD = sizeof(uintptr_t) };
    uintptr_t p = ca_round_up((uintptr_t)place, WORD), own_end = ca_run_stack_end(place), end = own_end ? own_end : p + FARTHEST;
    for (bool begun = false; p < end; p += WORD, begun = true) {
        ca_run_frame *f = (ca_run_frame *)p; /* NOLINT(performance-no-int-to-ptr) */
        if (!own_end && (!begun || !(p & (CA_PAGE - 1))) && !ca_os_is_readable(f))
            return NULL;
        if (f->mark == ca_run_mark(f))
            return f;
    }
    return NULL;
}

/* No function but ctxalloc_run has a cleanup. The C library restores a thread's own frames itself before it has them unwound by force. */
static int leave_without_unwinder(int actions)
{
    if (!(actions & CLEANUP_PHASE) || ALL_FUNCTIONS_CLEAN_UP || (actions & FORCE_UNWIND && ca_run_stack_end(&actions)))
        return CONTINUE_UNWIND;
    ca_run_frame *f = first_frame_above(&actions);
    if (f)
        ca_run_leave(f);
    return CONTINUE_UNWIND;
}

__attribute__((used)) int __gcc_personality_v0(int version, int actions, uint64_t class, struct _Unwind_Exception *e, struct _Unwind_Context *c)
{
    personality *real = (personality *)(uintptr_t)unwinder("__gcc_personality_v0");
    bool known = real && in_same_object((const void *)(uintptr_t)real, __builtin_return_address(0));
    return known ? real(version, actions, class, e, c) : leave_without_unwinder(actions);
}

/* Must have none of those clean-ups: the unwinder goes on from it, and would have it resume itself for ever. */
#if defined __clang__
#define NOTHING_TO_CLEAN_UP __attribute__((disable_sanitizer_instrumentation))
#else
#define NOTHING_TO_CLEAN_UP
#endif

NOTHING_TO_CLEAN_UP __attribute__((used)) void _Unwind_Resume(struct _Unwind_Exception *e)
{
    resume *real = (resume *)(uintptr_t)unwinder("_Unwind_Resume");
    if (real)
        real(e);
    ca_die("ctxalloc_run: an exception, and no unwinder");
}

#else
typedef int ca_unwind_none; /* a translation unit is not empty */
#endif
