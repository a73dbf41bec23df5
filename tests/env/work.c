/* A small program that asks for every kind of memory, and checks contents. Memory that is refused with ENOMEM is an answer (status 3,
 * and a word on standard error); anything else that is wrong is status 1. */
#include <pthread.h>

#include "tests/env/env.h"

static bool refused;

static void *got(void *p, size_t size) {
    if (p == NULL) {
        CHECK(errno == ENOMEM);
        refused = true;
        return NULL;
    }
    memset(p, 0x5a, size < 100000 ? size : 100000);
    ((char *)p)[size - 1] = 0x5a;
    return hidden(p);
}

static void all_sizes(void) {
    char *blocks[40] = {NULL};
    for (size_t i = 0; i < 40; i++)
        blocks[i] = (char *)got(malloc((i + 1) * (i + 1) * 40), (i + 1) * (i + 1) * 40);
    for (size_t i = 0; i < 40; i += 2) {
        char *bigger = (char *)realloc(blocks[i], (i + 1) * 3000);
        if (bigger == NULL)
            CHECK(errno == ENOMEM);
        else {
            CHECK(blocks[i] == NULL || bigger[39] == 0x5a);
            blocks[i] = bigger;
        }
    }
    for (size_t i = 0; i < 40; i++)
        free(blocks[i]);
}

static void large_and_huge(void) {
    char *p = (char *)got(malloc(3 * MIB), 3 * MIB);
    for (size_t mib = 8; mib <= 512 && p != NULL; mib *= 4) {
        char *bigger = (char *)realloc(p, mib * MIB);
        if (bigger == NULL) {
            CHECK(errno == ENOMEM);
            CHECK(p[0] == 0x5a && p[99999] == 0x5a);
            refused = true;
            break;
        }
        p = bigger;
        CHECK(p[0] == 0x5a && p[99999] == 0x5a && p[3 * MIB - 1] == 0x5a);
        p[mib * MIB - 1] = 1;
    }
    char *smaller = p == NULL ? NULL : (char *)realloc(p, 100);
    if (smaller != NULL)
        CHECK(smaller[99] == 0x5a);
    free(smaller != NULL ? smaller : p);
    char *zero = (char *)calloc(1, 40 * MIB);
    if (zero != NULL) {
        for (size_t i = 0; i < 40 * MIB; i += 4096)
            CHECK(zero[i] == 0);
        memset(zero, 1, MIB);
    }
    free(zero);
    free(got(memalign(4 * MIB, 100), 100));
    malloc_trim(0);
}

static void *in_thread(void *argument) {
    all_sizes();
    large_and_huge();
    return argument;
}

int main(void) {
    require_library();
    in_thread(NULL);
    pthread_t thread;
    if (pthread_create(&thread, NULL, in_thread, NULL) == 0)
        pthread_join(thread, NULL);
    in_thread(NULL);
    errno = 0;
    if (refused) {
        say("work: memory was refused\n");
        return 3;
    }
    return 0;
}
