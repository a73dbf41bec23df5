/* NUMA: which nodes there are, and how pages come to lie where a policy says.
 *
 * Nothing is looked at until somebody asks: an option, a policy for a context or a thread, or a thread other than the first that runs on a node other
 * than 0 (which costs no system call to know).  So a process on a machine with one node makes no system call for NUMA.
 *
 * Places: memory of one policy is one *zone* of the region, so that the kernel is told once for a range of addresses, not for each block,
 * and that pages that are given back are used again under the same policy.  Zone 0 is the process's.
 *
 * Owner: the process.  Threads: any.  Cost: a look is about 5 system calls, once; what a zone costs stands in region.h.
 */
#ifndef CA_SOURCE_NUMA_H
#define CA_SOURCE_NUMA_H

#include "base/base.h"
#include "base/numa_policy.h"
#include "base/os.h"
#include "ctxalloc/numa.h"
#include "source/source.h"

typedef struct ca_numa_state {
    bool homes;             /* several nodes, and each thread's heap is to be on its own: constant once looked at */
    bool told;              /* the kernel was told by somebody else where memory goes (numactl), and is not told otherwise */
    uint32_t looked;        /* nodes with memory; 0: not looked yet */
    unsigned first;         /* the node that the first thread was seen on */
    ca_numa_set memory;     /* nodes that the process may have memory of */
    ca_numa_policy process; /* of zone 0 */
    uint64_t refused;       /* calls that the kernel refused */
} ca_numa_state;
CA_EXTERN ca_numa_state ca_numa;

/* Reads the topology, once. The number of nodes that the process may have memory of, at least 1. */
unsigned ca_numa_look(void);
/* The rest of ca_numa_here. */
unsigned ca_numa_here_slow(unsigned node);
/* The node of the thread, when it gets a heap (first: no other thread did before) or its heap gets memory. CA_NUMA_NODES: it need not be known.
 * As long as all threads are seen on node 0 there may be one node only, and nobody looks: no system call on a machine with one node.
 * The first thread's node matters when there is a second. */
CA_INLINE unsigned ca_numa_here(bool first)
{
    uint32_t looked = CA_LOAD_ACQUIRE(&ca_numa.looked);
    if (looked && !CA_LOAD(&ca_numa.homes))
        return CA_NUMA_NODES;
    unsigned node = ca_os_node_here();
    if (first)
        CA_STORE(&ca_numa.first, node);
    if (first || (!looked && !node && !CA_LOAD(&ca_numa.first)))
        return CA_NUMA_NODES;
    return ca_numa_here_slow(node);
}

/* The node with memory that is nearest to the node: itself, if it has any. */
unsigned ca_numa_nearest(unsigned node);

/* The policy with nodes filled in: LOCAL becomes PREFERRED of `here`, and nodes that have no memory are left out. false: no node of it has memory. */
bool ca_numa_resolve(ca_numa_policy *policy, unsigned here);
/* The process's policy, at start: the source for its memory, `over` itself unless there is more than that to it. A policy that cannot be: one line on stderr, and the default. */
const ca_source *ca_numa_start(const ca_source *over, const char *policy);

/* A source whose memory lies where the policy, resolved, says. over NULL: of the region's first range. */
void ca_numa_source_init(ctxalloc_numa_source *numa, const ca_source *over, const ca_numa_policy *policy);
/* The source of a policy, resolved, one for each: over the process's own range. NULL: there are too many. */
const ca_source *ca_numa_source(const ca_numa_policy *policy);
/* Whether it is one of these. */
bool ca_numa_source_is_own(const ca_source *source);
/* The policy that a source keeps; false: it has none. */
bool ca_numa_source_policy(const ca_source *source, ca_numa_policy *policy);
/* Somebody asked for a policy: when it cannot be had, that is worth a line on stderr. */
void ca_numa_asked(void);

/* Memory for a table, zero, for good. Few processes need one, and what lies among the library's variables makes all of them touch more pages. NULL: none. */
void *ca_numa_table(size_t bytes);

/* Tells the kernel: pages of the range that are touched from now on come from where the resolved policy says. false: refused, and counted. */
bool ca_numa_apply(const ca_numa_policy *policy, void *p, size_t bytes);
/* STRICT: makes the range resident, on the policy's nodes. false: they are full; the pages may be anywhere then, and are to be purged. */
bool ca_numa_settle(const ca_numa_policy *policy, void *p, size_t bytes);
/* Whether a page on this node is where the policy wants it. */
bool ca_numa_right(const ca_numa_policy *policy, unsigned node);

/* Where pages are. */
typedef struct ca_numa_count {
    uint64_t pages[CA_NUMA_NODES]; /* resident, by node */
    uint64_t absent, misplaced;    /* misplaced: resident on a node that the policy does not want */
} ca_numa_count;
/* Adds a range of pages; `move`: those that are misplaced are moved first, where there is room.  policy NULL: any place is right. false: the kernel does not say. */
bool ca_numa_add(ca_numa_count *count, const ca_numa_policy *policy, void *p, size_t bytes, bool move, int *error);

/* For fork. */
void ca_numa_lock(void);
void ca_numa_unlock(void);

#endif
