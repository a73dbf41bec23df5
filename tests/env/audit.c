/* A trivial library for LD_AUDIT: the loader makes a second namespace for it, with another libc, and starts in another order. */
#include <link.h>

unsigned int la_version(unsigned int version);
char *la_objsearch(const char *name, uintptr_t *cookie, unsigned int flag);

unsigned int la_version(unsigned int version) { return version; }

char *la_objsearch(const char *name, uintptr_t *cookie, unsigned int flag) {
    (void)cookie;
    (void)flag;
    return (char *)(uintptr_t)name;
}
