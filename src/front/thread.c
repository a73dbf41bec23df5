/* Threads: each gets a heap on its first allocation or free of another heap's block, and leaves it to the next thread.
 *
 *   NEW ── ca_thread_home ──> ATTACHED ── key destructor, last round ──> ENDED (borrows a heap for each call)
 */
#include <config.h>
#include <limits.h>
#include <pthread.h>

#include "front/context.h"
#include "front/front.h"
#include "front/process.h"
#include "heap/placement.h"
#include "heap/remote.h"

#ifndef PTHREAD_DESTRUCTOR_ITERATIONS
#define PTHREAD_DESTRUCTOR_ITERATIONS 4
#endif

#define TLS __thread __attribute__((tls_model("initial-exec")))

enum { NEW, ATTACHED, ENDED };

/* Rounds of key destructors that ours waits. A sanitizer's runtime ends the thread in the last one, and its own code must not run after. */
enum { ROUNDS = CA_INTERPOSE ? PTHREAD_DESTRUCTOR_ITERATIONS : PTHREAD_DESTRUCTOR_ITERATIONS - 2 };

TLS ca_target *ca_current = &ca_target_none;
TLS ca_heap *ca_home;
static TLS uint8_t state;
static TLS uint8_t rounds; /* of key destructors still to come */

static pthread_key_t key;
static bool key_made;

/* Destructors of other keys may allocate: put ours off to the last round there is. */
static void thread_end(void *heap)
{
    if (rounds && --rounds && !pthread_setspecific(key, heap))
        return;
    ca_context_thread_end(heap);
    state = ENDED;
    ca_current = &ca_target_none;
    ca_home = NULL;
    ca_heap_abandon(heap);
}

void ca_thread_init(void)
{
    key_made = !pthread_key_create(&key, thread_end);
}

/* Of the node; what other nodes' threads left is taken when there is no memory for another heap. Before it was known that there are nodes, all were seen on node 0. */
static ca_heap *heap_find(unsigned node)
{
    ca_zone *zone = ca_placement_home(node);
    ca_heap *heap = ca_heap_adopt(zone, node ? 0 : CA_ADOPT_UNPLACED);
    if (!heap)
        heap = ca_heap_create(zone);
    return heap ? heap : ca_heap_adopt(zone, CA_ADOPT_ANY);
}

CA_COLD static ca_heap *thread_attach(void)
{
    if (!ca_process_start())
        return NULL;
    static bool others; /* threads before this one */
    ca_heap *heap = heap_find(ca_numa_here(!CA_LOAD(&others)));
    CA_STORE(&others, true);
    if (!heap)
        return NULL;
    ca_home = heap;
    ca_current = &heap->target;
    state = ATTACHED;
    rounds = ROUNDS;
    if (key_made)
        (void)pthread_setspecific(key, heap); /* may allocate: from the heap just attached */
    return heap;
}

ca_heap *ca_thread_home(void)
{
    if (CA_LIKELY(ca_home != NULL))
        return ca_home;
    return state == NEW ? thread_attach() : NULL;
}

ca_heap *ca_thread_borrow(void)
{
    if (!ca_process_start())
        return NULL;
    return heap_find(ca_numa_here(false));
}

void ca_thread_return(ca_heap *heap)
{
    ca_heap_abandon(heap);
}

void ca_thread_after_fork(void)
{
    ca_heap_orphan_others(ca_home);
}
