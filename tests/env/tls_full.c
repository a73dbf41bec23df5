/* Usage: tls_full LIBRARY EATER... Opens every eater, then the library, and uses it. Without a library ("-") it prints how many eaters could be
 * opened. */
#include <dlfcn.h>

#include "tests/env/env.h"

typedef void *allocate_function(size_t size);
typedef void *resize_function(void *p, size_t size);
typedef void free_function(void *p);

static void use(void *library) {
    allocate_function *allocate = (allocate_function *)(uintptr_t)dlsym(library, "malloc");
    resize_function *resize = (resize_function *)(uintptr_t)dlsym(library, "realloc");
    free_function *give_back = (free_function *)(uintptr_t)dlsym(library, "free");
    CHECK(allocate != NULL && resize != NULL && give_back != NULL);
    CHECK(allocate != (allocate_function *)malloc);
    for (size_t size = 1; size < 10 * MIB; size = size * 2 + 5) {
        char *p = (char *)allocate(size);
        CHECK(p != NULL);
        memset(p, 3, size);
        p = (char *)resize(p, size * 2);
        CHECK(p != NULL && p[size - 1] == 3);
        give_back(p);
    }
    /* A block of libc's malloc, which the library was not there to replace. */
    give_back(hidden(malloc(100)));
}

int main(int argc, char **argv) {
    CHECK(argc >= 2);
    int opened = 0;
    for (int i = 2; i < argc && dlopen(argv[i], RTLD_NOW | RTLD_LOCAL) != NULL; i++)
        opened++;
    if (strcmp(argv[1], "-") == 0) {
        printf("%d\n", opened);
        return 0;
    }
    CHECK(opened == argc - 2);
    void *library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        say(dlerror());
        say("\n");
        return 1;
    }
    use(library);
    return 0;
}
