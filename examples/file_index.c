/* A persistent index: words and numbers in a hash table that lies in a file, and is just there when the next process opens it.
 *
 *     file_index FILE add WORD NUMBER …    file_index FILE get WORD    file_index FILE drop WORD    file_index FILE list
 *
 * Places are offsets, so that it does not matter where the file is mapped.  A new entry is complete before it is tied in, by one store: a process that is killed leaves
 * the table with it or without it, never with half of it.  What the sync returned for survives a loss of power.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ctxalloc.h>

enum { BUCKETS = 1024 };

typedef struct entry {
    uint64_t next; /* offset; 0: none */
    int64_t number;
    char word[];
} entry;

typedef struct index {
    uint64_t buckets[BUCKETS];
} index_table;

static ctxalloc_context *store;
static index_table *table;

static uint64_t *bucket_of(const char *word)
{
    uint64_t hash = 14695981039346656037U; /* FNV-1a */
    for (const char *c = word; *c; c++)
        hash = (hash ^ (unsigned char)*c) * 1099511628211U;
    return &table->buckets[hash % BUCKETS];
}

/* The place where an entry's offset stands, or the end of its list. */
static uint64_t *place_of(const char *word)
{
    uint64_t *place = bucket_of(word);
    for (entry *e; (e = ctxalloc_ptr(store, *place)) != NULL && strcmp(e->word, word) != 0;)
        place = &e->next;
    return place;
}

static void index_drop(const char *word)
{
    uint64_t *place = place_of(word);
    entry *e = ctxalloc_ptr(store, *place);
    if (!e)
        return;
    __atomic_store_n(place, e->next, __ATOMIC_RELEASE); /* first out of the table, then free */
    free(e);
}

static int index_add(const char *word, int64_t number)
{
    entry *e = ctxalloc_malloc(store, sizeof *e + strlen(word) + 1);
    if (!e)
        return ENOMEM;
    index_drop(word);
    uint64_t *place = bucket_of(word);
    e->next = *place;
    e->number = number;
    strcpy(e->word, word);
    __atomic_store_n(place, ctxalloc_offset(store, e), __ATOMIC_RELEASE);
    return 0;
}

static int index_open(const char *path)
{
    char why[CTXALLOC_FILE_WHY];
    ctxalloc_file_options o = {.size = sizeof o, .flags = CTXALLOC_FILE_CREATE, .why = why, .name = "index"};
    store = ctxalloc_open(path, &o);
    if (!store) {
        fprintf(stderr, "%s: %s (%s)\n", path, why, strerror(errno));
        return 1;
    }
    table = ctxalloc_root_get(store, "index");
    if (!table && (table = ctxalloc_calloc(store, 1, sizeof *table)) != NULL && ctxalloc_root_set(store, "index", table))
        table = NULL;
    return table ? 0 : 1;
}

static int command_run(int count, char **arguments)
{
    const char *command = arguments[2];
    int status = 0;
    if (!strcmp(command, "add"))
        for (int i = 3; i + 1 < count && !status; i += 2)
            status = index_add(arguments[i], strtoll(arguments[i + 1], NULL, 10)) != 0;
    else if (!strcmp(command, "get") && count > 3) {
        const entry *e = ctxalloc_ptr(store, *place_of(arguments[3]));
        status = !e;
        if (e)
            printf("%lld\n", (long long)e->number);
    } else if (!strcmp(command, "drop") && count > 3)
        index_drop(arguments[3]);
    else if (!strcmp(command, "list")) {
        for (int i = 0; i < BUCKETS; i++)
            for (const entry *e = ctxalloc_ptr(store, table->buckets[i]); e; e = ctxalloc_ptr(store, e->next))
                printf("%s %lld\n", e->word, (long long)e->number);
    } else
        status = 2;
    return status;
}

int main(int count, char **arguments)
{
    if (count < 3) {
        fprintf(stderr, "usage: file_index FILE add WORD NUMBER … | get WORD | drop WORD | list\n");
        return 2;
    }
    if (index_open(arguments[1]))
        return 1;
    int status = command_run(count, arguments);
    int error = ctxalloc_close(store); /* syncs */
    if (error)
        fprintf(stderr, "%s: %s\n", arguments[1], strerror(error));
    return error ? 1 : status;
}
