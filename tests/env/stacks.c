/* Threads with stacks of 64 KiB, most of which the program itself has in use when it calls the allocator. */
#include <pthread.h>

#include "tests/env/env.h"

#define STACK ((size_t)64 << 10)
#define ROOM ((size_t)12 << 10) /* what is left to the allocator, and to a signal */

static void use_all_paths(void) {
    void *blocks[64];
    for (size_t round = 0; round < 20; round++) {
        for (size_t i = 0; i < 64; i++) {
            blocks[i] = i % 3 == 0 ? calloc(1, i * i * 50 + 1) : malloc(i * round * 30 + 1);
            CHECK(blocks[i] != NULL);
        }
        for (size_t i = 0; i < 64; i++) {
            if (i % 4 == 0)
                blocks[i] = realloc(blocks[i], i * 5000 + 1);
            CHECK(blocks[i] != NULL);
            free(hidden(blocks[i]));
        }
        void *aligned = memalign(65536, 100000), *huge = malloc(64 * MIB);
        CHECK(aligned != NULL && huge != NULL);
        free(hidden(aligned));
        free(hidden(huge));
    }
    malloc_trim(0);
}

static void *run(void *argument) {
    /* A frame that leaves only the room above. glibc keeps a few KiB of the stack for the thread itself. */
    char frame[STACK - ROOM - (8 << 10)];
    memset(frame, 1, sizeof frame);
    use_all_paths();
    CHECK(*(char *)hidden(&frame[sizeof frame / 2]) == 1);
    return argument;
}

int main(void) {
    require_library();
    pthread_attr_t attributes;
    CHECK(pthread_attr_init(&attributes) == 0);
    CHECK(pthread_attr_setstacksize(&attributes, STACK) == 0);
    for (int i = 0; i < 20; i++) {
        pthread_t threads[4];
        for (size_t t = 0; t < 4; t++)
            CHECK(pthread_create(&threads[t], &attributes, run, NULL) == 0);
        for (size_t t = 0; t < 4; t++)
            CHECK(pthread_join(threads[t], NULL) == 0);
    }
    pthread_attr_destroy(&attributes);
    return 0;
}
