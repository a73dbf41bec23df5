/* canonical_tlsf and canonical_tlsf16 (canonical.h); before it is included: what tlsf_packed.h needs, and CANONICAL, the function's name. */
#include <string.h>

#include "engine/tlsf_packed.h"
#include "tests/engine/canonical.h"

static bool is_node(const tlsf *t, node_index node)
{
    return node % NODE_STEP == 0 && node / NODE_STEP < t->fresh;
}

/* A name that nobody has stays: it is for the audit to find. */
static node_index named(const tlsf *t, const uint32_t *name, node_index node)
{
    return is_node(t, node) ? (node_index)(name[node / NODE_STEP] * NODE_STEP) : node;
}

/* Numbers of nodes, counted, not scaled. false: some have none, or two. */
static bool nodes_name(const tlsf *t, uint32_t *name)
{
    uint32_t count = 1;
    memset(name, 0, CANONICAL_MOST * sizeof *name);
    for (node_index node = FIRST; node && is_node(t, node) && count < t->fresh; node = block_next(t, node))
        name[node / NODE_STEP] = count++;
    for (node_index node = t->spare_list; node && is_node(t, node) && count < t->fresh; node = node_at(t, node)->next)
        name[node / NODE_STEP] = count++;
    for (uint32_t i = 1; i < t->fresh; i++)
        if (!name[i])
            return false;
    return true;
}

static void nodes_rename(tlsf *t, const uint32_t *name)
{
    tlsf_node was[CANONICAL_MOST];
    tlsf_high high[CANONICAL_MOST];
    bool used[CANONICAL_MOST];
    node_index spare = t->spare_list;
    memcpy(was, t->nodes, t->fresh * sizeof *was);
#if HIGH_HALVES
    memcpy(high, t->high, t->fresh * sizeof *high);
#endif
    for (uint32_t i = 0; i < t->fresh; i++)
        used[i] = block_is_used(t, (node_index)(i * NODE_STEP));
    for (uint32_t i = 1; i < t->fresh; i++) {
        node_index node = (node_index)(name[i] * NODE_STEP);
        tlsf_node *n = node_at(t, node);
        *n = was[i];
        n->next = named(t, name, (node_index)(was[i].next & (node_index)~NEXT_USED));
        if (used[i])
            n->back = named(t, name, was[i].back);
#if HIGH_HALVES
        t->high[name[i]] = high[i];
#else
        (void)high;
#endif
        if (used[i])
            used_set(t, node);
        else
            used_clear(t, node);
    }
    t->fence = named(t, name, t->fence);
    t->spare_list = named(t, name, spare);
    for (node_index node = t->spare_list; node; node = node_at(t, node)->next) {
        tlsf_node *n = node_at(t, node);
        n->offset = n->size = (uint32_t)CANONICAL_RUBBISH;
        n->back = (node_index)CANONICAL_RUBBISH;
#if HIGH_HALVES
        if (t->wide)
            t->high[node / NODE_STEP] = (tlsf_high){CANONICAL_RUBBISH, CANONICAL_RUBBISH};
#endif
    }
}

/* Above a bin's last place is rubbish, but for those just above that a call has left. */
static bool bins_rename(tlsf *t, const uint32_t *name)
{
    for (uint32_t bin = 0; bin < t->words * BINS_A_WORD; bin++) {
        node_index place = (node_index)(bin * CHUNK + 1), top = t->bins[bin];
        if (t->slots[place] == (node_index)CANONICAL_RUBBISH)
            continue;
        if (top >= place + CHUNK)
            return false;
        for (; place <= top; place++)
            t->slots[place] = named(t, name, t->slots[place]);
        for (; place % CHUNK && t->slots[place] != (node_index)CANONICAL_RUBBISH; place++)
            t->slots[place] = (node_index)CANONICAL_RUBBISH;
    }
    return true;
}

bool CANONICAL(void *engine, uint32_t new_name[CANONICAL_MOST])
{
    tlsf *t = engine;
    t->scans = 0;
    if (t->fresh > CANONICAL_MOST || t->chunk_list || !nodes_name(t, new_name))
        return false;
    nodes_rename(t, new_name);
    return bins_rename(t, new_name);
}
