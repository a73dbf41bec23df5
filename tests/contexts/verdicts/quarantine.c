/* A free of a block whose context was destroyed, and whose addresses would have been used again long ago: they rest. The program runs itself again with the option. */
#include <string.h>
#include <unistd.h>

#include "tests/contexts/verdicts/verdict.h"

int main(int count, char **words) {
    if (!getenv("CTXALLOC_OPTIONS")) {
        (void)setenv("CTXALLOC_OPTIONS", "quarantine=256M", 1);
        (void)execv("/proc/self/exe", words);
        return 3;
    }
    static const enum ctxalloc_lifetime lifetimes[] = {CTXALLOC_LONG, CTXALLOC_MEDIUM, CTXALLOC_SHORT};
    char *old[3][3];
    static const size_t sizes[] = {100, 50000, 3 << 20};
    for (int l = 0; l < 3; l++) {
        ctxalloc_context *context = CREATE(.name = "request", .lifetime = lifetimes[l]);
        for (int s = 0; s < 3; s++)
            old[l][s] = block_of(context, sizes[s]);
        must(ctxalloc_destroy(context));
    }
    for (int i = 0; i < 300; i++) /* 60 MiB or more of others */
        for (int l = 0; l < 3; l++) {
            ctxalloc_context *context = CREATE(.name = "other", .lifetime = lifetimes[l]);
            for (int s = 0; s < 2; s++) {
                char *p = block_of(context, sizes[s]);
                memset(p, 1, sizes[s]);
                for (int o = 0; o < 9; o++)
                    if (old[o / 3][o % 3] == p)
                        return 4;
            }
            must(ctxalloc_destroy(context));
        }
    expect_line("free", old[count % 3][2 - count % 2], "freed context request");
    release(old[count % 3][2 - count % 2]);
    return 0;
}
