/* The two functions of the compiler's unwinder that ctxalloc_run's cleanup refers to.  A reference to libgcc_s would make every C program load
 * it, for exceptions that it cannot have; so the shared library asks for the real ones when an exception is under way, which is when somebody has loaded it.
 * The archive is linked with whatever the program is linked with.
 */
#include <config.h>

#ifdef PIC

#include <dlfcn.h>
#include <stdint.h>

#include "base/check.h"

struct _Unwind_Exception;
struct _Unwind_Context;
enum { CONTINUE_UNWIND = 8 }; /* _URC_CONTINUE_UNWIND: this frame has nothing to do */

typedef int personality(int version, int actions, uint64_t class, struct _Unwind_Exception *, struct _Unwind_Context *);
typedef void resume(struct _Unwind_Exception *);

__attribute__((used)) personality __gcc_personality_v0; /* used: with LTO, references come late */
_Noreturn __attribute__((used)) resume _Unwind_Resume;

static void *unwinder(const char *name)
{
    void *library = dlopen("libgcc_s.so.1", RTLD_NOW | RTLD_NOLOAD);
    return library ? dlsym(library, name) : NULL;
}

__attribute__((used)) int __gcc_personality_v0(int version, int actions, uint64_t class, struct _Unwind_Exception *e, struct _Unwind_Context *c)
{
    personality *real = (personality *)(uintptr_t)unwinder("__gcc_personality_v0");
    return real ? real(version, actions, class, e, c) : CONTINUE_UNWIND;
}

/* ThreadSanitizer gives functions a clean-up of their own for exceptions, and this one, which the unwinder goes on from, would resume itself for ever. */
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
