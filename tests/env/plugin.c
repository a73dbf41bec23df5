/* A plug-in for RTLD_DEEPBIND: its malloc is libc's own, whatever is preloaded, and it hands its blocks to the program. */
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

void *plugin_block(size_t size);
void *plugin_aligned(size_t size);
size_t plugin_size(void *p);

void *plugin_block(size_t size) {
    void *p = malloc(size);
    if (p != NULL)
        memset(p, 7, size);
    return p;
}

void *plugin_aligned(size_t size) { return memalign(4096, size); }

size_t plugin_size(void *p) { return malloc_usable_size(p); }
