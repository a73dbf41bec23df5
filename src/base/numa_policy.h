/* NUMA: sets of nodes, and policies over them, as text and as bits.  Pure: nothing here looks at the machine (source/numa.h does).
 *
 *   POLICY  default | off | local | preferred:NODE | bind:NODES | interleave[:NODES] | strict:NODES
 *   NODES   "0-3,8" as sysfs writes it; "+" does as well as ",", which options are separated by
 *
 * Any thread.  Cost: some hundred ns. */
#ifndef CA_BASE_NUMA_POLICY_H
#define CA_BASE_NUMA_POLICY_H

#include "base/base.h"

enum { CA_NUMA_NODES = 1024 }; /* the kernel's own limit on x86-64 */

typedef struct ca_numa_set {
    uint64_t bits[CA_NUMA_NODES / 64];
} ca_numa_set;

enum ca_numa_mode {
    CA_NUMA_DEFAULT,    /* as whoever stands above says; the process: as the kernel was told (numactl), otherwise local */
    CA_NUMA_OFF,        /* nodes are not looked at */
    CA_NUMA_LOCAL,      /* on the node of the thread that the heap was made for; elsewhere when that is full */
    CA_NUMA_PREFERRED,  /* on one node; elsewhere when that is full */
    CA_NUMA_BIND,       /* on these nodes only; when they are full the kernel ends a process */
    CA_NUMA_INTERLEAVE, /* page by page over these nodes */
    CA_NUMA_STRICT      /* on these nodes only; when they are full there is no memory */
};

/* [P1] the modes from PREFERRED on have nodes, the others none; interleave over all there are has none either. PREFERRED has one. */
typedef struct ca_numa_policy {
    enum ca_numa_mode mode;
    ca_numa_set nodes;
} ca_numa_policy;

/* false: not a policy; *policy is as it was. */
bool ca_numa_policy_parse(ca_numa_policy *policy, const char *text, size_t length);
/* false: not a list of nodes below CA_NUMA_NODES; *set is as it was. White space may follow. The empty list is one, as sysfs may say so. */
bool ca_numa_set_parse(ca_numa_set *set, const char *text, size_t length);
/* Into `buffer`, cut to fit, with a NUL. Returns it. */
const char *ca_numa_policy_format(char *buffer, size_t size, const ca_numa_policy *policy);
/* The first node from `from` on, CA_NUMA_NODES: none. */
unsigned ca_numa_set_next(const ca_numa_set *set, unsigned from);
unsigned ca_numa_set_count(const ca_numa_set *set);
bool ca_numa_policy_equal(const ca_numa_policy *a, const ca_numa_policy *b);

CA_INLINE bool ca_numa_set_has(const ca_numa_set *set, unsigned node)
{
    return node < CA_NUMA_NODES && set->bits[node / 64] >> node % 64 & 1;
}

CA_INLINE void ca_numa_set_add(ca_numa_set *set, unsigned node)
{
    set->bits[node / 64] |= (uint64_t)1 << node % 64;
}

#endif
