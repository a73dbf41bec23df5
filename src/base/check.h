/* Checks in three tiers; all of them always compile.
 *
 * CA_CHECK  always on: what a caller did wrong, or what cannot go on.  One line on stderr, then abort.
 * CA_ASSERT O(1), in debug builds.
 * Audits    O(n): functions `ca_x_is_valid(x, &which)` that return the number of the broken invariant.
 */
#ifndef CA_BASE_CHECK_H
#define CA_BASE_CHECK_H

#include <config.h>
#include "base/base.h"

/* Writes "ctxalloc: WHAT" to stderr and aborts. Allocates nothing, takes no lock. */
_Noreturn void ca_die(const char *what);

#define CA_CHECK(condition, what)        \
    do {                                 \
        if (CA_UNLIKELY(!(condition)))   \
            ca_die(what);                \
    } while (0)

#define CA_STRING_OF(x) #x
#define CA_STRING(x) CA_STRING_OF(x)
#define CA_ASSERT(condition)                                                                       \
    do {                                                                                           \
        if (CA_DEBUG && !(condition))                                                              \
            ca_die("assertion failed: " #condition " (" __FILE__ ":" CA_STRING(__LINE__) ")");     \
    } while (0)

#endif
