/* A process may have some 65,000 mappings, and this one takes them nearly all before it goes on to allocate: whatever needs one more
 * mapping, or splits one, fails from then on. */
#include <sys/mman.h>

#include "tests/env/env.h"

#define MOST 1000000

/* Pages of alternating protection, each a mapping of its own. Returns how many there are. */
static size_t use_up_mappings(char *area) {
    size_t i = 0;
    while (i < MOST && mprotect(area + i * 8192, 4096, PROT_READ) == 0)
        i++;
    return i;
}

/* Every answer is right that is either memory or ENOMEM. Returns how many blocks were refused. */
static size_t allocate_and_free(void) {
    static void *blocks[2000];
    size_t refused = 0;
    for (size_t i = 0; i < 2000; i++) {
        size_t size = i % 100 == 0 ? 40 * MIB : i % 10 == 0 ? MIB : i * 7 + 1;
        errno = 0;
        blocks[i] = i % 3 == 0 ? calloc(1, size) : malloc(size);
        if (blocks[i] == NULL) {
            CHECK(errno == ENOMEM);
            refused++;
        } else
            memset(blocks[i], 1, size < 5000 ? size : 5000);
    }
    for (size_t i = 0; i < 2000; i += 7) {
        void *p = realloc(blocks[i], i * 3000 + 1);
        if (p != NULL)
            blocks[i] = p;
    }
    /* Freed out of order, which leaves holes: munmap must split mappings, and may not. */
    for (size_t step = 0; step < 3; step++)
        for (size_t i = step; i < 2000; i += 3) {
            errno = 4711;
            free(blocks[i]);
            CHECK(errno == 4711);
        }
    malloc_trim(0);
    return refused;
}

int main(void) {
    require_library();
    char *area = (char *)mmap(NULL, (size_t)MOST * 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(area != MAP_FAILED);
    free(hidden(malloc(100)));
    size_t pages = use_up_mappings(area);
    if (pages == MOST)
        return 77; /* no limit here */
    size_t refused = 0;
    for (size_t left = 0; left <= 64; left = left * 2 + 1) {
        for (size_t i = 0; i < left; i++) /* each gives two mappings back */
            mprotect(area + (pages - 1 - i) * 8192, 4096, PROT_NONE);
        refused = allocate_and_free();
        pages = use_up_mappings(area);
    }
    munmap(area, (size_t)MOST * 8192);
    char text[120];
    snprintf(text, sizeof text, "%zu mappings used up, %zu of 2000 blocks refused in the last round\n", 2 * pages, refused);
    say(text);
    CHECK(allocate_and_free() == 0);
    return 0;
}
