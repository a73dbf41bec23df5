/* A heap for each node of memory: a table is split over the nodes, and each part is built and searched by threads that run where it lies.
 *
 *     cc -o numa_context numa_context.c -lctxalloc -lpthread && ./numa_context
 *
 * Each part is a context bound to its node: whatever builds it (here malloc and strdup, that know nothing of nodes) allocates there.  At the end the kernel is asked
 * where the pages really are.  On a machine with one node it does the same, with one part. */
#include <ctxalloc.h>

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ENTRIES = 20000, PARTS_MOST = CTXALLOC_NUMA_NODES };

struct entry {
    struct entry *next;
    char *key;
};

struct part {
    int node;
    ctxalloc_context *context;
    struct entry *bucket[1024];
    size_t found;
};

static size_t hash(const char *key)
{
    size_t h = 5381;
    for (; *key; key++)
        h = h * 33 + (unsigned char)*key;
    return h % 1024;
}

/* The thread runs on the node's CPUs from now on, if it has any: "0-3,8" in cpulist. */
static void run_on(int node)
{
    char path[80], list[1000] = "";
    snprintf(path, sizeof path, "/sys/devices/system/node/node%d/cpulist", node);
    FILE *file = fopen(path, "r");
    if (!file)
        return;
    if (!fgets(list, sizeof list, file))
        list[0] = '\0';
    fclose(file);
    cpu_set_t set;
    CPU_ZERO(&set);
    for (char *at = list; *at >= '0' && *at <= '9';) {
        long first = strtol(at, &at, 10), last = first;
        if (*at == '-')
            last = strtol(at + 1, &at, 10);
        for (; first <= last && first < CPU_SETSIZE; first++)
            CPU_SET((size_t)first, &set);
        if (*at == ',')
            at++;
    }
    if (CPU_COUNT(&set))
        (void)sched_setaffinity(0, sizeof set, &set);
}

static void *build_and_search(void *argument)
{
    struct part *part = argument;
    run_on(part->node);
    char key[32];
    ctxalloc_context *before = ctxalloc_switch(part->context);
    for (int i = 0; before && i < ENTRIES; i++) {
        snprintf(key, sizeof key, "node %d, entry %d", part->node, i);
        struct entry *entry = malloc(sizeof *entry);
        if (!entry || !(entry->key = strdup(key)))
            break;
        entry->next = part->bucket[hash(key)];
        part->bucket[hash(key)] = entry;
    }
    if (before)
        (void)ctxalloc_switch(before);
    for (int i = 0; i < ENTRIES; i++) {
        snprintf(key, sizeof key, "node %d, entry %d", part->node, i);
        for (struct entry *entry = part->bucket[hash(key)]; entry; entry = entry->next)
            part->found += !strcmp(entry->key, key);
    }
    return NULL;
}

int main(void)
{
    static struct part parts[PARTS_MOST];
    pthread_t threads[PARTS_MOST];
    int count = 0, bad = 0;
    /* A node that has no memory is refused, and has no part. */
    for (int node = 0; node < PARTS_MOST && count < (int)ctxalloc_numa_nodes(); node++) {
        char policy[32];
        snprintf(policy, sizeof policy, "bind:%d", node);
        ctxalloc_context *context = ctxalloc_create(&(ctxalloc_options){.size = sizeof(ctxalloc_options), .name = policy, .numa = policy});
        if (context)
            parts[count++] = (struct part){.node = node, .context = context};
    }
    for (int i = 0; i < count; i++)
        if (pthread_create(&threads[i], NULL, build_and_search, &parts[i])) {
            perror("pthread_create");
            return 1;
        }
    for (int i = 0; i < count; i++)
        (void)pthread_join(threads[i], NULL);
    for (int i = 0; i < count; i++) {
        ctxalloc_numa_usage_t usage;
        int error = ctxalloc_numa_usage(parts[i].context, &usage);
        if (error)
            printf("node %d: %zu entries; the kernel does not say where they are (%s)\n", parts[i].node, parts[i].found, strerror(error));
        else
            printf("node %d: %zu entries in %llu KiB, %llu KiB of them elsewhere\n", parts[i].node, parts[i].found,
                   (unsigned long long)usage.resident[parts[i].node] >> 10, (unsigned long long)usage.misplaced >> 10);
        bad |= parts[i].found != ENTRIES || (!error && usage.misplaced);
        (void)ctxalloc_destroy(parts[i].context);
    }
    return bad || !count;
}
