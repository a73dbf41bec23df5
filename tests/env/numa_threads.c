/* Threads, one after the other, that allocate blocks of all sizes: for numa.sh, which looks at the system calls. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "tests/env/env.h"

static void *work(void *argument)
{
    for (size_t size = 16; size < (size_t)4 << 20; size *= 2) {
        void *p = malloc(size);
        if (!p)
            return argument;
        memset(p, 1, size);
        free(p);
    }
    return NULL;
}

int main(void)
{
    static char failed;
    for (int i = 0; i < 8; i++) {
        pthread_t thread;
        void *result;
        if (pthread_create(&thread, NULL, work, &failed) || pthread_join(thread, &result) || result)
            return 1;
    }
    return work(&failed) != NULL;
}
