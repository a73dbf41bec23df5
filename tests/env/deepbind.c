/* Frees and resizes blocks of a plug-in that was opened with RTLD_DEEPBIND, and so has them from libc's malloc: all must reach the
 * allocator they came from. */
#include <dlfcn.h>

#include "tests/env/env.h"

typedef void *plugin_allocate(size_t size);
typedef size_t plugin_measure(void *p);

int main(int argc, char **argv) {
    require_library();
    CHECK(argc == 2);
    void *plugin = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
    if (plugin == NULL) {
        say(dlerror());
        return 1;
    }
    plugin_allocate *block = (plugin_allocate *)(uintptr_t)dlsym(plugin, "plugin_block");
    plugin_allocate *aligned = (plugin_allocate *)(uintptr_t)dlsym(plugin, "plugin_aligned");
    plugin_measure *measure = (plugin_measure *)(uintptr_t)dlsym(plugin, "plugin_size");
    CHECK(block != NULL && aligned != NULL && measure != NULL);
    static const size_t sizes[] = {1, 24, 100, 1000, 5000, 100000, 3 << 20, 100 << 20};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int round = 0; round < (sizes[i] < MIB ? 50 : 3); round++) {
            char *p = (char *)block(sizes[i]);
            CHECK(p != NULL);
            CHECK(malloc_usable_size(hidden(p)) == measure(p));
            free(hidden(p));
            free(hidden(aligned(sizes[i])));
            p = (char *)block(sizes[i]);
            p = (char *)realloc(p, sizes[i] * 2 + 10);
            CHECK(p != NULL && p[0] == 7 && p[sizes[i] - 1] == 7);
            p = (char *)realloc(p, 1);
            CHECK(p != NULL && p[0] == 7);
            free(hidden(p));
        }
    dlclose(plugin);
    return 0;
}
