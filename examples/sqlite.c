/* SQLite with a memory budget: all that it allocates comes from one context, through sqlite3_mem_methods.
 *
 * Over the limit a statement fails with SQLITE_NOMEM and is rolled back; the connection and the process go on, and what SQLite holds is a number at any time.
 * SQLite calls these functions under a mutex of its own as long as its memory statistics are on, as they are unless told otherwise.
 *
 *     cc sqlite.c $(pkg-config --cflags --libs ctxalloc sqlite3)
 */
#include <malloc.h>
#include <string.h>

#include <sqlite3.h>

#include <ctxalloc.h>

#include "must.h"

static ctxalloc_context *store; /* sqlite3_mem_methods has no argument for it: one for the process */

static void *store_malloc(int size) { return ctxalloc_malloc(store, (size_t)size); }
static void *store_realloc(void *p, int size) { return ctxalloc_realloc(store, p, (size_t)size); }
static void store_free(void *p) { free(p); }
static int store_size(void *p) { return (int)malloc_usable_size(p); }
static int store_round(int size) { return (size + 15) & ~15; }
static int store_begin(void *unused) { return (void)unused, SQLITE_OK; }
static void store_end(void *unused) { (void)unused; }

static const sqlite3_mem_methods store_methods = {
    .xMalloc = store_malloc, .xFree = store_free, .xRealloc = store_realloc, .xSize = store_size, .xRoundup = store_round, .xInit = store_begin, .xShutdown = store_end};

static int number(sqlite3 *db, const char *query) {
    sqlite3_stmt *s;
    MUST(sqlite3_prepare_v2(db, query, -1, &s, NULL) == SQLITE_OK && sqlite3_step(s) == SQLITE_ROW);
    int n = sqlite3_column_int(s, 0);
    sqlite3_finalize(s);
    return n;
}

int main(void) {
    ctxalloc_options o = {.size = sizeof o, .name = "sqlite", .hard_limit = 8 << 20, .escape = CTXALLOC_REFUSE};
    MUST((store = ctxalloc_create(&o)) != NULL);
    MUST(sqlite3_config(SQLITE_CONFIG_MALLOC, &store_methods) == SQLITE_OK && sqlite3_initialize() == SQLITE_OK);

    sqlite3 *db;
    MUST(sqlite3_open(":memory:", &db) == SQLITE_OK && ctxalloc_owner(db) == store);
    MUST(sqlite3_exec(db, "create table t (i integer primary key, s text); insert into t (s) values ('kept')", NULL, NULL, NULL) == SQLITE_OK);
    static const char fill[] = "with recursive n(i) as (select 1 union all select i + 1 from n where i < 1000000) insert into t (s) select hex(randomblob(500)) from n";
    int status = sqlite3_exec(db, fill, NULL, NULL, NULL);
    MUST(status == SQLITE_NOMEM);
    ctxalloc_usage_t usage;
    MUST(ctxalloc_usage(store, &usage) && usage.refusals > 0 && usage.peak_bytes <= 8 << 20);
    MUST(usage.live_bytes >= (uint64_t)sqlite3_memory_used()); /* SQLite's own count, and no more than we say */
    printf("a million rows: refused at %llu bytes\n", (unsigned long long)usage.peak_bytes);

    MUST(number(db, "select count(*) from t") == 1);
    MUST(sqlite3_exec(db, "insert into t (s) values ('and on')", NULL, NULL, NULL) == SQLITE_OK && number(db, "select count(*) from t") == 2);
    MUST(sqlite3_close(db) == SQLITE_OK && sqlite3_shutdown() == SQLITE_OK);
    MUST(ctxalloc_destroy(store) == 0); /* EBUSY, were anything left */
    puts("rolled back, and the next statements ran; nothing left at the end");
    return 0;
}
