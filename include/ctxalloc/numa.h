/* NUMA: on which nodes of memory heaps lie; see ctxalloc_numa(3) and docs/numa.md.
 *
 * A policy is text:
 *
 *   "default"            as what stands above says: a context made later than this, or a thread, as the process (CTXALLOC_OPTIONS=numa=…); the process, as numactl
 *                        said, otherwise local
 *   "local"              from the node that the thread runs on when it gets its heap, or when this is called; from the nearest other when that is full
 *   "preferred:NODE"     from one node; from the nearest other when that is full
 *   "bind:NODES"         from these nodes only; when they are full the kernel ends a process (see strict)
 *   "interleave[:NODES]" page by page over these nodes, or over all
 *   "strict:NODES"       from these nodes only; when they are full malloc gives NULL and ENOMEM.  Memory is made resident, and looked at, when it is taken
 *
 * NODES as the kernel writes them, "0-3,8" ("0-3+8" is the same).  Nodes without memory are left out.
 *
 * On a machine with one node every policy that names it is right and does nothing.  Where the kernel refuses (containers without CAP_SYS_NICE) memory lies where it
 * is first touched, that is counted, and one line on stderr says so, once. */
#ifndef CTXALLOC_NUMA_H
#define CTXALLOC_NUMA_H

#include "ctxalloc/source.h"
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ctxalloc_context;

/* --- one source ---------------------------------------------------------------------------------------------------- */

/* A source that gives another one's memory where a policy says: pass &numa.source as ctxalloc_options.source. The fields are the library's. */
typedef struct ctxalloc_numa_source {
    ctxalloc_source source;
    const ctxalloc_source *over; /* NULL: memory of the process's own range */
    unsigned mode;
    uint64_t nodes[16];
} ctxalloc_numa_source;

/* over: what the kernel's NUMA policies work on: memory that is mapped, private or shared, not a file on a disk; NULL: the process's own range. It and *numa must outlive
 * the contexts on it.  policy: any but "default"; "local" is of the node that the caller runs on. 0; EINVAL: not a policy, or one whose nodes have no memory.
 * With "strict" memory does not go back before its last context is destroyed.  Any thread. */
int ctxalloc_source_numa(ctxalloc_numa_source *numa, const ctxalloc_source *over, const char *policy);

/* --- contexts and threads ------------------------------------------------------------------------------------------- */

/* From now on new memory of the context comes from where the policy says; what it holds stays (see ctxalloc_numa_migrate). CTXALLOC_GLOBAL: of this thread's heap.
 * 0; EINVAL: not a context, one of a file or of another source, not a policy, or one whose nodes have no memory; ENOMEM: there are too many policies (about 60, over the life of the process).
 * Any thread that may use the context. Cost: some system calls when the policy is new. */
int ctxalloc_numa_set(struct ctxalloc_context *context, const char *policy);

/* Nodes that the process may have memory of: 1 or more. The first call asks the kernel. */
unsigned ctxalloc_numa_nodes(void);

/* --- where pages are --------------------------------------------------------------------------------------------------- */

enum { CTXALLOC_NUMA_NODES = 64 };

/* Bytes of memory, in blocks or free. */
typedef struct ctxalloc_numa_usage_t {
    uint64_t resident[CTXALLOC_NUMA_NODES]; /* on each node */
    uint64_t resident_above;                /* on nodes from CTXALLOC_NUMA_NODES on */
    uint64_t absent;                        /* held, but never touched or given back */
    uint64_t misplaced;                     /* resident, but not where the policy wants it */
} ctxalloc_numa_usage_t;

/* Asks the kernel where each page of the context is. CTXALLOC_GLOBAL: of this thread's heap; NULL: of the process. 0; EINVAL: not a context; EPERM or ENOSYS:
 * the kernel does not say.  Any thread; what other threads take and give back meanwhile may be seen or not. Cost: about 0.1 µs a page. */
int ctxalloc_numa_usage(struct ctxalloc_context *context, ctxalloc_numa_usage_t *usage);

/* Writes it all as text: the nodes, and for each heap its policy and what is resident on each node, misplaced and absent. 0 or an errno value, as above. */
int ctxalloc_numa_report(int fd);

/* Moves what is misplaced; *moved (may be NULL): bytes. What does not fit there stays. As ctxalloc_numa_usage; NULL is EINVAL. Cost: a copy of each page. */
int ctxalloc_numa_migrate(struct ctxalloc_context *context, uint64_t *moved);

#ifdef __cplusplus
}
#endif

#endif
