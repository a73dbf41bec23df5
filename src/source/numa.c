#include "source/numa.h"

#include <errno.h>
#include <string.h>

#include "base/lock.h"
#include "base/os.h"
#include "base/print.h"

enum {
    SOURCES = 64,
    BATCH = 256,        /* pages that the kernel is asked about at once */
    FILE_MOST = 2048,   /* bytes of a sysfs file; stacks are small */
    WORDS = CA_NUMA_NODES / 64
};

#define NODES_PATH "/sys/devices/system/node/"

ca_numa_state ca_numa;

static struct {
    ca_lock lock;
    bool complained;
    bool explicit_; /* somebody asked for a policy: worth a line on stderr when it cannot be had */
    ctxalloc_numa_source *sources; /* SOURCES of them */
    uint32_t count;
    ctxalloc_numa_source *process;
} numa;

/* --- what there is ---------------------------------------------------------------------------------------------- */

static bool set_read(ca_numa_set *set, const char *path)
{
    char text[FILE_MOST];
    size_t length = ca_os_read_file(path, text, sizeof text);
    return length && length < sizeof text - 1 && ca_numa_set_parse(set, text, length);
}

/* pre: locked */
static void topology_read(void)
{
    ca_numa_set memory = {{0}}, allowed = {{0}};
    bool known = set_read(&memory, NODES_PATH "has_memory") || set_read(&memory, NODES_PATH "has_normal_memory");
    if (known && ca_numa_set_count(&memory) <= 1)
        goto done;
    if (ca_os_node_allowed(allowed.bits, WORDS)) { /* a cpuset may leave less */
        ca_numa_set both = {{0}};
        for (unsigned i = 0; i < WORDS; i++)
            both.bits[i] = known ? memory.bits[i] & allowed.bits[i] : allowed.bits[i];
        if (ca_numa_set_count(&both))
            memory = both;
    }
done:
    if (!ca_numa_set_count(&memory))
        ca_numa_set_add(&memory, 0);
    ca_numa.memory = memory;
}

unsigned ca_numa_look(void)
{
    uint32_t looked = CA_LOAD_ACQUIRE(&ca_numa.looked);
    if (looked)
        return looked;
    ca_lock_take(&numa.lock);
    if (!ca_numa.looked) {
        topology_read();
        unsigned count = ca_numa_set_count(&ca_numa.memory);
        enum ca_numa_mode mode = ca_numa.process.mode;
        ca_numa.told = count > 1 && mode == CA_NUMA_DEFAULT && ca_os_node_told();
        CA_STORE(&ca_numa.homes, count > 1 && (mode == CA_NUMA_DEFAULT || mode == CA_NUMA_LOCAL));
        CA_STORE_RELEASE(&ca_numa.looked, count);
    }
    ca_lock_drop(&numa.lock);
    return ca_numa.looked;
}

unsigned ca_numa_here_slow(unsigned node)
{
    return ca_numa_look() > 1 && CA_LOAD(&ca_numa.homes) ? node : CA_NUMA_NODES;
}

unsigned ca_numa_nearest(unsigned node)
{
    if (ca_numa_set_has(&ca_numa.memory, node))
        return node;
    char path[sizeof NODES_PATH + 32], text[FILE_MOST];
    ca_numa_set online;
    unsigned nearest = ca_numa_set_next(&ca_numa.memory, 0), least = UINT32_MAX;
    (void)ca_format(path, sizeof path, NODES_PATH "node%u/distance", node);
    if (!set_read(&online, NODES_PATH "online") || !ca_os_read_file(path, text, sizeof text))
        return nearest;
    /* One distance for each node that is online, in their order. */
    const char *at = text;
    for (unsigned other = ca_numa_set_next(&online, 0); other < CA_NUMA_NODES; other = ca_numa_set_next(&online, other + 1)) {
        unsigned distance = 0;
        while (*at == ' ')
            at++;
        if (*at < '0' || *at > '9')
            break;
        for (; *at >= '0' && *at <= '9'; at++)
            distance = distance * 10 + (unsigned)(*at - '0');
        if (distance < least && ca_numa_set_has(&ca_numa.memory, other)) {
            least = distance;
            nearest = other;
        }
    }
    return nearest;
}

bool ca_numa_resolve(ca_numa_policy *policy, unsigned here)
{
    (void)ca_numa_look();
    if (policy->mode == CA_NUMA_LOCAL) {
        *policy = (ca_numa_policy){CA_NUMA_PREFERRED, {{0}}};
        ca_numa_set_add(&policy->nodes, ca_numa_nearest(here));
    } else if (policy->mode >= CA_NUMA_PREFERRED) {
        bool all = policy->mode == CA_NUMA_INTERLEAVE && !ca_numa_set_count(&policy->nodes);
        for (unsigned i = 0; i < WORDS; i++)
            policy->nodes.bits[i] = all ? ca_numa.memory.bits[i] : policy->nodes.bits[i] & ca_numa.memory.bits[i];
        return ca_numa_set_count(&policy->nodes) > 0;
    }
    return true;
}

/* --- telling the kernel, and asking it -------------------------------------------------------------------------------- */

static void refused(const char *call, int error)
{
    __atomic_fetch_add(&ca_numa.refused, 1, __ATOMIC_RELAXED);
    if (numa.explicit_ && !__atomic_exchange_n(&numa.complained, true, __ATOMIC_RELAXED))
        ca_print(2, "ctxalloc: NUMA: the kernel refuses %s (errno %d): memory lies where it is first touched\n", call, error);
}

void ca_numa_asked(void)
{
    CA_STORE(&numa.explicit_, true);
}

bool ca_numa_apply(const ca_numa_policy *policy, void *p, size_t bytes)
{
    static const enum ca_os_memory memory[] = {
        [CA_NUMA_PREFERRED] = CA_OS_PREFERRED, [CA_NUMA_BIND] = CA_OS_BIND, [CA_NUMA_INTERLEAVE] = CA_OS_INTERLEAVE, [CA_NUMA_STRICT] = CA_OS_PREFERRED};
    ca_numa_set nodes = policy->nodes;
    int error;
    if (policy->mode < CA_NUMA_PREFERRED)
        return true;
    if (policy->mode == CA_NUMA_STRICT) { /* binding would bring the kernel to end a process when they are full; see ca_numa_settle */
        nodes = (ca_numa_set){{0}};
        ca_numa_set_add(&nodes, ca_numa_set_next(&policy->nodes, 0));
    }
    if (ca_os_node_policy(p, bytes, memory[policy->mode], nodes.bits, WORDS, &error))
        return true;
    refused("mbind", error);
    return false;
}

bool ca_numa_right(const ca_numa_policy *policy, unsigned node)
{
    return !policy || policy->mode < CA_NUMA_PREFERRED || ca_numa_set_has(&policy->nodes, node);
}

/* Moves those pages that are elsewhere to their targets, as far as there is room; nodes[] says where all are afterwards. Returns how many were right before, and are now. */
static size_t batch_move(const ca_numa_policy *policy, size_t count, void *const *pages, int *nodes, const int *target)
{
    void *wrong[BATCH];
    int to[BATCH], now[BATCH], error;
    size_t which[BATCH], n = 0, moved = 0;
    for (size_t i = 0; i < count; i++)
        if (nodes[i] >= 0 && !ca_numa_right(policy, (unsigned)nodes[i])) {
            wrong[n] = pages[i];
            to[n] = target[i];
            which[n++] = i;
        }
    if (!n)
        return 0;
    if (!ca_os_node_move(n, wrong, to, now, &error) && error != ENOMEM)
        refused("move_pages", error);
    /* The call ends at the first page that finds no room, and what it says of a huge page's parts is not to be relied on: ask again. */
    if (!ca_os_node_query(n, wrong, now, &error))
        return 0;
    for (size_t i = 0; i < n; i++) {
        moved += now[i] >= 0 && ca_numa_right(policy, (unsigned)now[i]);
        nodes[which[i]] = now[i];
    }
    return moved;
}

/* What is misplaced goes to the policy's nodes; those that are full are passed over. */
static void batch_place(const ca_numa_policy *policy, size_t count, void *const *pages, int *nodes)
{
    unsigned list[CA_NUMA_NODES], of = 0;
    int target[BATCH];
    for (unsigned node = ca_numa_set_next(&policy->nodes, 0); node < CA_NUMA_NODES; node = ca_numa_set_next(&policy->nodes, node + 1))
        list[of++] = node;
    for (unsigned round = 0; round < of; round++) {
        for (size_t i = 0; i < count; i++) /* by the page's number: even where pages are to be interleaved */
            target[i] = (int)list[(((uintptr_t)pages[i] >> CA_PAGE_SHIFT) % of + round) % of];
        while (batch_move(policy, count, pages, nodes, target))
            ;
    }
}

bool ca_numa_add(ca_numa_count *count, const ca_numa_policy *policy, void *p, size_t bytes, bool move, int *error)
{
    for (size_t at = 0; at < bytes;) {
        void *pages[BATCH];
        int nodes[BATCH];
        size_t n = 0;
        for (; n < BATCH && at < bytes; n++, at += CA_PAGE)
            pages[n] = (char *)p + at;
        if (!ca_os_node_query(n, pages, nodes, error)) {
            refused("move_pages", *error);
            return false;
        }
        if (move && policy && policy->mode >= CA_NUMA_PREFERRED)
            batch_place(policy, n, pages, nodes);
        for (size_t i = 0; i < n; i++)
            if (nodes[i] >= 0 && nodes[i] < CA_NUMA_NODES) {
                count->pages[nodes[i]]++;
                count->misplaced += !ca_numa_right(policy, (unsigned)nodes[i]);
            } else {
                count->absent++;
            }
    }
    return true;
}

bool ca_numa_settle(const ca_numa_policy *policy, void *p, size_t bytes)
{
    for (size_t at = 0; at < bytes;) { /* step by step: what is full is found out early */
        size_t step = ca_size_min(bytes - at, (size_t)BATCH * CA_PAGE);
        void *pages[BATCH];
        int nodes[BATCH], error;
        size_t n = 0;
        if (!ca_os_populate((char *)p + at, step))
            return false;
        for (; n < step / CA_PAGE; n++)
            pages[n] = (char *)p + at + n * CA_PAGE;
        if (!ca_os_node_query(n, pages, nodes, &error)) {
            refused("move_pages", error);
            return true; /* nothing can be known */
        }
        batch_place(policy, n, pages, nodes);
        for (size_t i = 0; i < n; i++)
            if (nodes[i] < 0 || !ca_numa_right(policy, (unsigned)nodes[i]))
                return false;
        at += step;
    }
    return true;
}

/* --- as a source ---------------------------------------------------------------------------------------------------- */

static ca_numa_policy policy_of(const ctxalloc_numa_source *n)
{
    ca_numa_policy policy = {(enum ca_numa_mode)n->mode, {{0}}};
    memcpy(policy.nodes.bits, n->nodes, sizeof n->nodes);
    return policy;
}

static void *numa_reserve(const ca_source *s, size_t least, size_t *bytes)
{
    const ctxalloc_numa_source *n = s->context;
    return n->over->reserve(n->over, least, bytes);
}

static bool numa_purge(const ca_source *s, void *p, size_t bytes)
{
    const ctxalloc_numa_source *n = s->context;
    return n->over ? n->over->purge && n->over->purge(n->over, p, bytes) : ca_os_purge(p, bytes);
}

/* Mappings keep a policy, whatever is touched, purged or protected; refused, memory is used as it is. */
static bool numa_commit(const ca_source *s, void *p, size_t bytes)
{
    const ctxalloc_numa_source *n = s->context;
    ca_numa_policy policy = policy_of(n);
    if (n->over && n->over->commit && !n->over->commit(n->over, p, bytes))
        return false;
    (void)ca_numa_apply(&policy, p, bytes);
    if (policy.mode != CA_NUMA_STRICT || ca_numa_settle(&policy, p, bytes)) /* strict: told or not, pages are looked at */
        return true;
    (void)numa_purge(s, p, bytes);
    return false;
}

static void numa_release(const ca_source *s, void *p, size_t bytes)
{
    const ctxalloc_numa_source *n = s->context;
    if (n->over->release)
        n->over->release(n->over, p, bytes);
}

static bool numa_move(const ca_source *s, void *from, void *to, size_t bytes)
{
    const ctxalloc_numa_source *n = s->context;
    return n->over ? n->over->move(n->over, from, to, bytes) : ca_os_move(from, to, bytes);
}

static bool numa_renew(const ca_source *s, void *p, size_t bytes)
{
    const ctxalloc_numa_source *n = s->context;
    ca_numa_policy policy = policy_of(n);
    if (!(n->over ? n->over->renew(n->over, p, bytes) : ca_os_renew(p, bytes)))
        return false;
    (void)ca_numa_apply(&policy, p, bytes); /* a new mapping */
    return true;
}

void ca_numa_source_init(ctxalloc_numa_source *n, const ca_source *over, const ca_numa_policy *policy)
{
    *n = (ctxalloc_numa_source){.source = {.size = sizeof n->source, .context = n, .commit = numa_commit}, .over = over, .mode = (unsigned)policy->mode};
    memcpy(n->nodes, policy->nodes.bits, sizeof n->nodes);
    bool strict = policy->mode == CA_NUMA_STRICT;
    n->source.flags = (over ? over->flags : 0) | (strict ? CTXALLOC_SOURCE_EXACT : 0);
    if (over && over->reserve) {
        n->source.reserve = numa_reserve;
        n->source.release = numa_release;
    }
    if (strict) /* what is given back stays resident: once it is gone nobody can say that it will be had again. Nor is anything moved */
        return;
    n->source.purge = numa_purge;
    if (!over || (over->move && over->renew)) {
        n->source.move = numa_move;
        n->source.renew = numa_renew;
    }
}

void *ca_numa_table(size_t bytes)
{
    bytes = ca_round_up(bytes, CA_PAGE);
    void *p = ca_os_reserve(bytes);
    if (p && ca_os_commit(p, bytes))
        return p;
    if (p)
        ca_os_release(p, bytes);
    return NULL;
}

const ca_source *ca_numa_source(const ca_numa_policy *policy)
{
    const ca_source *found = NULL;
    ca_lock_take(&numa.lock);
    if (!numa.sources)
        numa.sources = ca_numa_table(SOURCES * sizeof *numa.sources);
    for (uint32_t i = 0; numa.sources && i < numa.count && !found; i++) {
        ca_numa_policy p = policy_of(&numa.sources[i]);
        if (ca_numa_policy_equal(&p, policy))
            found = &numa.sources[i].source;
    }
    if (!found && numa.sources && numa.count < SOURCES) {
        ca_numa_source_init(&numa.sources[numa.count], NULL, policy);
        found = &numa.sources[numa.count++].source;
    }
    ca_lock_drop(&numa.lock);
    return found;
}

bool ca_numa_source_is_own(const ca_source *source)
{
    return numa.sources && (uintptr_t)source - (uintptr_t)numa.sources < SOURCES * sizeof *numa.sources;
}

bool ca_numa_source_policy(const ca_source *source, ca_numa_policy *policy)
{
    if (source->commit != numa_commit)
        return false;
    *policy = policy_of(source->context);
    return true;
}

const ca_source *ca_numa_start(const ca_source *over, const char *text)
{
    ca_numa_policy policy = {CA_NUMA_DEFAULT, {{0}}};
    if (!ca_numa_policy_parse(&policy, text, strlen(text)) || policy.mode == CA_NUMA_DEFAULT)
        return over;
    ca_numa.process = policy;
    if (policy.mode < CA_NUMA_PREFERRED)
        return over;
    if (!ca_numa_resolve(&policy, 0)) {
        ca_print(2, "ctxalloc: CTXALLOC_OPTIONS: numa=%s: the process has no memory of these nodes; using default\n", text);
        ca_numa = (ca_numa_state){.homes = false}; /* looked at again, with no policy */
        return over;
    }
    if (ca_numa.looked == 1)
        return over;
    ca_numa_asked();
    if (!numa.process)
        numa.process = ca_numa_table(sizeof *numa.process);
    if (!numa.process)
        return over;
    ca_numa_source_init(numa.process, over, &policy);
    return &numa.process->source;
}

/* --- fork ----------------------------------------------------------------------------------------------------------- */

void ca_numa_lock(void)
{
    ca_lock_take(&numa.lock);
}

void ca_numa_unlock(void)
{
    ca_lock_drop(&numa.lock);
}
