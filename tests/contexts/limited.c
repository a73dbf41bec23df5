/* Allocates until there is nothing more, under the limit that the environment sets; limit.sh starts it. Prints "LIMIT HELD BLOCKS". */
#include "include/ctxalloc.h"
#include "tests/face.h"

int main(void) {
    ctxalloc_usage_t u;
    size_t blocks = 0;
    static void *kept[1 << 20];
    while (blocks < 1 << 20) {
        errno = 0;
        kept[blocks] = malloc(hide_size(blocks % 100 ? 1000 : 200000));
        if (kept[blocks] == NULL)
            break;
        memset(kept[blocks++], 1, 1000);
    }
    if (!ctxalloc_usage(CTXALLOC_GLOBAL, &u) || errno != ENOMEM || u.held_bytes > u.hard_limit || u.peak_bytes > u.hard_limit)
        return 1;
    /* Contexts are under the process's limit, too. */
    ctxalloc_context *context = ctxalloc_create(NULL);
    if (context && ctxalloc_malloc(context, 4 << 20))
        return 2;
    for (size_t i = 0; i < blocks; i++)
        free(kept[i]);
    if (!ctxalloc_usage(CTXALLOC_GLOBAL, &u) || u.live_blocks > 100)
        return 3;
    if (!malloc(hide_size(u.hard_limit / 4 * 3))) /* what was freed is there for a large one */
        return 4;
    printf("%zu %zu\n", (size_t)u.hard_limit, blocks);
    return 0;
}
