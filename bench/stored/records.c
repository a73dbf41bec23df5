/* A store of small records, by key: in malloc's memory, in a heap in a file, and in SQLite.  Usage: records [records] [folder]
 *
 * Insert all, look all up in random order, replace a random one as often (new record, old one freed), and open the store again in a new process and look up 100.
 * The heap and SQLite once without making anything durable before the end, once with a sync (a transaction) after each 1000 changes, and, for few, after each one.
 * One thread; ns an operation, the least of three runs. */
#include <config.h>

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <ctxalloc.h>

#ifndef HAVE_SQLITE3_H
#define HAVE_SQLITE3_H 0
#endif
#if HAVE_SQLITE3_H
#include <sqlite3.h>
#endif

enum { BYTES = 100, RUNS = 3, LOOKS = 100 };

typedef struct record {
    uint64_t next; /* of the same bucket: offset, or address */
    uint64_t key;
    char bytes[BYTES];
} record;

typedef struct table {
    uint64_t count;
    uint64_t buckets[];
} table;

static unsigned records = 100000;
static char path[256];

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 32) * 0xd6e8feb86659fd93U;
    return x ^ x >> 32;
}

static void fail(const char *what)
{
    fprintf(stderr, "records: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* What is measured: calls of one kind of store. */
typedef struct store {
    const char *name;
    unsigned changes; /* between two syncs; 0: none */
    void (*open)(const struct store *);
    void (*put)(uint64_t key, const char *bytes); /* replaces what has this key */
    int (*get)(uint64_t key, char *bytes);
    void (*sync)(void);
    void (*close)(void);
} store;

/* --- tables in memory and in a heap -------------------------------------------------------------------------------- */

static ctxalloc_context *heap; /* NULL: malloc's memory */
static char *base;
static table *all;

static record *record_at(uint64_t place)
{
    return place ? (record *)(void *)(base + place) : NULL;
}

static void table_make(void)
{
    uint64_t count = 1;
    while (count < records)
        count *= 2;
    size_t bytes = sizeof *all + count * sizeof all->buckets[0];
    all = heap ? ctxalloc_calloc(heap, 1, bytes) : calloc(1, bytes);
    if (!all)
        fail("no memory");
    all->count = count;
}

static void table_put(uint64_t key, const char *bytes)
{
    record *r = heap ? ctxalloc_malloc(heap, sizeof *r) : malloc(sizeof *r);
    if (!r)
        fail("no memory");
    r->key = key;
    memcpy(r->bytes, bytes, BYTES);
    uint64_t *place = &all->buckets[mix(key) & (all->count - 1)];
    for (record *old; (old = record_at(*place)) != NULL && old->key != key;)
        place = &old->next;
    record *old = record_at(*place);
    r->next = old ? old->next : 0;
    *place = (uint64_t)((char *)r - base);
    free(old);
}

static int table_get(uint64_t key, char *bytes)
{
    const record *r = record_at(all->buckets[mix(key) & (all->count - 1)]);
    while (r && r->key != key)
        r = record_at(r->next);
    if (r)
        memcpy(bytes, r->bytes, BYTES);
    return r != NULL;
}

static void memory_open(const store *s)
{
    (void)s;
    heap = NULL;
    base = NULL;
    table_make();
}

static void memory_close(void)
{
    for (uint64_t i = 0; i < all->count; i++)
        for (record *r = record_at(all->buckets[i]), *next; r; r = next) {
            next = record_at(r->next);
            free(r);
        }
    free(all);
}

static void heap_open(const store *s)
{
    char why[CTXALLOC_FILE_WHY];
    (void)s;
    ctxalloc_file_options o = {.size = sizeof o, .flags = CTXALLOC_FILE_CREATE, .why = why};
    heap = ctxalloc_open(path, &o);
    if (!heap)
        fail(why);
    base = ctxalloc_file_base(heap, NULL);
    all = ctxalloc_root_get(heap, "table");
    if (all)
        return;
    table_make();
    if (ctxalloc_root_set(heap, "table", all))
        fail("root");
}

static void heap_sync(void)
{
    if (ctxalloc_sync(heap))
        fail("sync");
}

static void heap_close(void)
{
    if (ctxalloc_close(heap))
        fail("close");
}

/* --- SQLite ----------------------------------------------------------------------------------------------------------- */

#if HAVE_SQLITE3_H
static sqlite3 *db;
static sqlite3_stmt *putting, *getting;

static void sql(const char *text)
{
    if (sqlite3_exec(db, text, NULL, NULL, NULL) != SQLITE_OK) {
        fprintf(stderr, "records: sqlite: %s: %s\n", text, sqlite3_errmsg(db));
        exit(1);
    }
}

static void sqlite_open(const store *s)
{
    if (sqlite3_open(path, &db) != SQLITE_OK)
        fail("sqlite");
    sql("PRAGMA journal_mode=WAL");
    sql(s->changes ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=OFF");
    sql("CREATE TABLE IF NOT EXISTS records (key INTEGER PRIMARY KEY, bytes BLOB)");
    if (sqlite3_prepare_v2(db, "INSERT OR REPLACE INTO records VALUES (?, ?)", -1, &putting, NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(db, "SELECT bytes FROM records WHERE key = ?", -1, &getting, NULL) != SQLITE_OK)
        fail("sqlite");
    sql("BEGIN");
}

static void sqlite_put(uint64_t key, const char *bytes)
{
    sqlite3_bind_int64(putting, 1, (sqlite3_int64)key);
    sqlite3_bind_blob(putting, 2, bytes, BYTES, SQLITE_STATIC);
    if (sqlite3_step(putting) != SQLITE_DONE)
        fail("sqlite");
    sqlite3_reset(putting);
}

static int sqlite_get(uint64_t key, char *bytes)
{
    sqlite3_bind_int64(getting, 1, (sqlite3_int64)key);
    int found = sqlite3_step(getting) == SQLITE_ROW;
    if (found)
        memcpy(bytes, sqlite3_column_blob(getting, 0), BYTES);
    sqlite3_reset(getting);
    return found;
}

static void sqlite_sync(void)
{
    sql("COMMIT");
    sql("BEGIN");
}

static void sqlite_close(void)
{
    sql("COMMIT");
    sqlite3_finalize(putting);
    sqlite3_finalize(getting);
    sqlite3_close(db);
}
#endif

/* --- measuring --------------------------------------------------------------------------------------------------------- */

typedef struct result {
    double insert, look, replace, open;
    long long bytes;
} result;

static void bytes_of(uint64_t key, char *bytes)
{
    for (unsigned i = 0; i < BYTES; i++)
        bytes[i] = (char)(key >> i % 8 * 8 ^ i);
}

static void puts_run(const store *s, uint64_t seed, unsigned count)
{
    char bytes[BYTES];
    for (unsigned i = 0; i < count; i++) {
        uint64_t key = seed ? mix(i + seed) % records : i;
        bytes_of(key, bytes);
        s->put(key, bytes);
        if (s->changes && i % s->changes == s->changes - 1)
            s->sync();
    }
}

static void looks_run(const store *s, unsigned count)
{
    char bytes[BYTES], right[BYTES];
    for (unsigned i = 0; i < count; i++) {
        uint64_t key = mix(i + 77) % records;
        bytes_of(key, right);
        if (!s->get(key, bytes) || memcmp(bytes, right, 16) != 0) {
            fprintf(stderr, "records: %s: record %llu is wrong\n", s->name, (unsigned long long)key);
            exit(1);
        }
    }
}

static void files_unlink(void)
{
    char other[300];
    (void)unlink(path);
    snprintf(other, sizeof other, "%s-wal", path);
    (void)unlink(other);
    snprintf(other, sizeof other, "%s-shm", path);
    (void)unlink(other);
}

static double least(double a, double b)
{
    return a == 0 || b < a ? b : a;
}

static void store_run(const store *s, result *r)
{
    unsigned changes = s->changes == 1 ? 200 : records;
    files_unlink();
    s->open(s);
    double start = now();
    if (s->changes == 1) { /* few of them: the others come without */
        store fast = *s;
        fast.changes = 0;
        puts_run(&fast, 0, records);
        s->sync();
        start = now();
        puts_run(s, 1, changes);
        r->replace = least(r->replace, (now() - start) / changes);
    } else {
        puts_run(s, 0, records);
        r->insert = least(r->insert, (now() - start) / records);
        start = now();
        looks_run(s, records);
        r->look = least(r->look, (now() - start) / records);
        start = now();
        puts_run(s, 1, changes);
        r->replace = least(r->replace, (now() - start) / changes);
    }
    s->close();
    if (s->open == memory_open)
        return;
    struct stat file;
    if (stat(path, &file) == 0)
        r->bytes = (long long)file.st_blocks * 512;
    start = now();
    s->open(s);
    looks_run(s, LOOKS);
    r->open = least(r->open, now() - start);
    s->close();
}

static void number_print(double x)
{
    if (x > 0)
        printf(" %10.0f", x);
    else
        printf(" %10s", "-");
}

int main(int count, char **arguments)
{
    static const store stores[] = {
        {"malloc", 0, memory_open, table_put, table_get, NULL, memory_close},
        {"heap in a file, no sync", 0, heap_open, table_put, table_get, heap_sync, heap_close},
        {"heap in a file, sync each 1000", 1000, heap_open, table_put, table_get, heap_sync, heap_close},
        {"heap in a file, sync each", 1, heap_open, table_put, table_get, heap_sync, heap_close},
#if HAVE_SQLITE3_H
        {"SQLite, no sync", 0, sqlite_open, sqlite_put, sqlite_get, sqlite_sync, sqlite_close},
        {"SQLite, transactions of 1000", 1000, sqlite_open, sqlite_put, sqlite_get, sqlite_sync, sqlite_close},
        {"SQLite, transactions of 1", 1, sqlite_open, sqlite_put, sqlite_get, sqlite_sync, sqlite_close},
#endif
    };
    records = count > 1 ? (unsigned)strtoul(arguments[1], NULL, 10) : records;
    snprintf(path, sizeof path, "%s/records-%d", count > 2 ? arguments[2] : ".", (int)getpid());
    printf("%u records of %d bytes; ns an operation, the least of %d runs; reopen: us for opening and %d look-ups\n", records, BYTES, RUNS, LOOKS);
    printf("%-32s %10s %10s %10s %10s %10s\n", "", "insert", "look up", "replace", "reopen", "KiB");
    for (size_t i = 0; i < sizeof stores / sizeof *stores; i++) {
        result r = {0, 0, 0, 0, 0};
        for (int run = 0; run < RUNS; run++)
            store_run(&stores[i], &r);
        printf("%-32s", stores[i].name);
        number_print(r.insert);
        number_print(r.look);
        number_print(r.replace);
        number_print(r.open / 1000);
        number_print((double)r.bytes / 1024);
        printf("\n");
        fflush(stdout);
    }
    files_unlink();
#if !HAVE_SQLITE3_H
    printf("SQLite: left out, sqlite3.h is missing\n");
#endif
    return 0;
}
