/* Pointers that are not ours go to the next allocator of the process, in general the C library's. */
#include <dlfcn.h>
#include <errno.h>
#include <string.h>

#include "base/check.h"
#include "preload/face.h"

/* dlsym may free and allocate (its error text): that is ours, and does not come back here. */
static void *symbol_in(void *scope, const char *name)
{
    int saved = errno;
    void *symbol = dlsym(scope, name);
    errno = saved;
    return symbol;
}

void *ca_next_symbol(const char *name)
{
    return symbol_in(RTLD_NEXT, name);
}

void *ca_default_symbol(const char *name)
{
    return symbol_in(RTLD_DEFAULT, name);
}

void ca_next_free(void *p)
{
    static void (*next)(void *);
    void (*function)(void *) = __atomic_load_n(&next, __ATOMIC_RELAXED);
    if (!function) {
        void *symbol = ca_next_symbol("free");
        memcpy(&function, &symbol, sizeof symbol);
        CA_CHECK(function, "free of a pointer that is not ours, and there is no other allocator");
        __atomic_store_n(&next, function, __ATOMIC_RELAXED);
    }
    function(p);
}

void *ca_next_realloc(void *p, size_t size)
{
    void *symbol = ca_next_symbol("realloc");
    void *(*function)(void *, size_t);
    memcpy(&function, &symbol, sizeof symbol);
    CA_CHECK(function, "realloc of a pointer that is not ours, and there is no other allocator");
    return function(p, size);
}

size_t ca_next_usable(const void *p)
{
    void *symbol = ca_next_symbol("malloc_usable_size");
    size_t (*function)(const void *);
    memcpy(&function, &symbol, sizeof symbol);
    return function ? function(p) : 0;
}
