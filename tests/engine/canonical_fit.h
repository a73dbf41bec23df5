/* canonical_fit and canonical_fit64 (canonical.h); before it is included: what fit_types.h needs, and CANONICAL, the function's name. */
#include <string.h>

#include "engine/fit_types.h"
#include "tests/engine/canonical.h"

/* A name that nobody has stays: it is for the audit to find. */
static uint32_t named(const fit *f, const uint32_t *name, uint32_t range)
{
    return range < f->fresh_range ? name[range] : range;
}

/* Those named up to `live` are those of free blocks. */
static void ranges_rename(fit *f, const uint32_t *name, uint32_t live)
{
    free_range was[CANONICAL_MOST];
    uint32_t spare = f->spare_range;
    memcpy(was, f->ranges, f->fresh_range * sizeof *was);
    for (uint32_t i = 1; i < f->fresh_range; i++) {
        free_range *r = &f->ranges[name[i]];
        *r = was[i];
        r->parent = named(f, name, was[i].parent);
        if (name[i] > live)
            continue;
        r->prev = named(f, name, was[i].prev);
        r->next = named(f, name, was[i].next);
        r->child[0] = named(f, name, was[i].child[0]);
        r->child[1] = named(f, name, was[i].child[1]);
    }
    f->spare_range = named(f, name, spare);
    for (uint32_t range = f->spare_range; range; range = f->ranges[range].parent) {
        free_range *r = &f->ranges[range];
        r->prev = r->next = r->child[0] = r->child[1] = r->leaf = CANONICAL_RUBBISH;
        r->offset = r->size = CANONICAL_RUBBISH;
    }
}

bool CANONICAL(void *engine, uint32_t new_name[CANONICAL_MOST])
{
    fit *f = engine;
    tree_node *leaf = &f->nodes[f->root];
    uint32_t count = 1;
    if (f->fresh_range > CANONICAL_MOST || f->levels != 1 || f->fresh_node != 2)
        return false;
    memset(new_name, 0, CANONICAL_MOST * sizeof *new_name);
    for (uint32_t i = 0; i < leaf->count; i++)
        if (leaf->value[i] && leaf->value[i] < f->fresh_range)
            new_name[leaf->value[i]] = count++;
    uint32_t live = count - 1;
    for (uint32_t range = f->spare_range; range && range < f->fresh_range && count < f->fresh_range; range = f->ranges[range].parent)
        new_name[range] = count++;
    for (uint32_t i = 1; i < f->fresh_range; i++)
        if (!new_name[i])
            return false;
    ranges_rename(f, new_name, live);
    for (uint32_t i = 0; i < TREE_MOST; i++)
        leaf->value[i] = i < leaf->count ? named(f, new_name, leaf->value[i]) : CANONICAL_RUBBISH;
    for (uint64_t levels = f->first; levels; levels &= levels - 1) {
        unsigned level = ca_bit_low(levels);
        for (uint64_t left = f->second[level]; left; left &= left - 1) {
            unsigned bin = level * FIT_SECOND_LEVELS + ca_bit_low(left);
            f->bins[bin] = named(f, new_name, f->bins[bin]);
        }
    }
    for (uint32_t i = 0; i < f->hints_set; i++)
        if (f->hints[i] < f->fresh_node) /* else it is for the audit to find */
            f->hints[i] = f->root;
    return true;
}
