/* pool.h at work, and its contract. With -DWITH_APR the same steps through the real libapr, which must print the same.
 *
 *     cc pool.c $(pkg-config --cflags --libs ctxalloc)
 */
#ifdef WITH_APR
#include <apr_pools.h>
#include <apr_strings.h>
#include <string.h>
#else
#include "pool.h"
#endif

#include "must.h"

#ifdef WITH_APR
typedef apr_pool_t pool;
static pool *pool_create(pool *parent) {
    pool *p = NULL;
    MUST(!apr_pool_create(&p, parent));
    return p;
}
static int pool_clear(pool *p) { return apr_pool_clear(p), 0; }
static int pool_destroy(pool *p) { return apr_pool_destroy(p), 0; }
static void *palloc(pool *p, size_t size) { return apr_palloc(p, size); }
static void *pcalloc(pool *p, size_t size) { return apr_pcalloc(p, size); }
static char *pstrdup(pool *p, const char *text) { return apr_pstrdup(p, text); }
#define psprintf apr_psprintf
typedef struct pool_cleanup {
    pool *p;
    void *data;
    void (*fn)(void *);
} pool_cleanup;
static apr_status_t cleanup_call(void *argument) {
    pool_cleanup *c = argument;
    return c->fn(c->data), APR_SUCCESS;
}
static pool_cleanup *pool_cleanup_register(pool *p, void *data, void (*fn)(void *)) {
    pool_cleanup *c = apr_palloc(p, sizeof *c);
    *c = (pool_cleanup){p, data, fn};
    apr_pool_cleanup_register(p, c, cleanup_call, apr_pool_cleanup_null);
    return c;
}
static void pool_cleanup_kill(pool_cleanup *c) { apr_pool_cleanup_kill(c->p, c, cleanup_call); }
static void pool_cleanup_run(pool_cleanup *c) { apr_pool_cleanup_run(c->p, c, cleanup_call); }
#else
static void blocks_are_the_pools(void) {
    pool *p = pool_create(NULL), *below = pool_create(p);
    MUST(p && below && ctxalloc_owner(palloc(p, 100)) == p && ctxalloc_owner(palloc(below, 5000)) == below);
    /* Code that knows nothing of pools. */
    MUST(ctxalloc_switch(p) == CTXALLOC_GLOBAL);
    char *line = NULL;
    size_t size = 0;
    FILE *file = fopen("/proc/self/status", "r");
    MUST(file && getline(&line, &size, file) > 0 && ctxalloc_owner(line) == p && ctxalloc_owner(strdup(line)) == p);
    fclose(file);
    MUST(ctxalloc_switch(CTXALLOC_GLOBAL) == p);
    ctxalloc_usage_t usage;
    MUST(pool_clear(p) == 0 && ctxalloc_usage(p, &usage) && usage.live_blocks == 0);
    MUST(pmemdup(p, "abc", 4) && pool_destroy(p) == 0);
}
#endif

static void say(void *text) { printf("  cleanup %s\n", (const char *)text); }

int main(void) {
#ifdef WITH_APR
    MUST(!apr_initialize());
#else
    blocks_are_the_pools();
#endif
    pool *server = pool_create(NULL);
    pool_cleanup_register(server, pstrdup(server, "server"), say);
    for (int i = 0; i < 3; i++) {
        pool *request = pool_create(server), *part = pool_create(request);
        char *name = psprintf(request, "request %d", i);
        char *zeros = pcalloc(request, 10000);
        for (int k = 0; k < 10000; k++)
            MUST(!zeros[k]);
        for (int k = 0; k < 1000; k++) {
            char *p = palloc(part, (size_t)k + 1);
            memset(p, k, (size_t)k + 1);
        }
        pool_cleanup_register(request, name, say);
        pool_cleanup_register(request, pstrdup(request, "second"), say);
        pool_cleanup_register(part, pstrdup(part, "part"), say);
        pool_cleanup *never = pool_cleanup_register(request, pstrdup(request, "never"), say);
        pool_cleanup *now = pool_cleanup_register(request, pstrdup(request, "now"), say);
        pool_cleanup_kill(never);
        pool_cleanup_run(now);
        puts("clear");
        MUST(pool_clear(request) == 0); /* and part goes */
        puts("clear again");
        MUST(pool_clear(request) == 0);
        pool_cleanup_register(request, pstrdup(request, "last"), say);
        if (i == 2)
            break; /* goes with its parent */
        puts("destroy");
        MUST(pool_destroy(request) == 0);
    }
    puts("end");
    MUST(pool_destroy(server) == 0);
    return 0;
}
