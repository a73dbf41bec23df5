/* mimalloc's heaps: mi_heap_malloc on the heap, or (default) mi_heap_set_default, malloc, and back. */
#include <mimalloc.h>
#include <stdbool.h>
#include <stdlib.h>

typedef mi_heap_t *peer;

#define PEER_VARIANTS "heap", "heap-default"
#define PEER_SWITCH 1

static mi_heap_t *outside;
static bool by_switch;

static void peer_begin(int variant)
{
	outside = mi_heap_get_default();
	by_switch = variant == 1;
}

static inline bool peer_create(peer *p)
{
	return (*p = mi_heap_new()) != NULL;
}

static inline void *peer_alloc(peer *p, size_t bytes)
{
	mi_heap_t *before;
	void *block;

	if (!by_switch)
		return mi_heap_malloc(*p, bytes);
	before = mi_heap_set_default(*p);
	block = mi_malloc(bytes);
	mi_heap_set_default(before);
	return block;
}

static inline void peer_destroy(peer *p)
{
	mi_heap_destroy(*p);
}

static inline void peer_switch(peer *p)
{
	mi_heap_set_default(p ? *p : outside);
}

#include "bench/contexts/scenarios.h"
