/* talloc: a block is a child of its context; or (pool) of a context that begins with a piece of memory, here 2 KiB. */
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <talloc.h>

typedef void *peer;

#define PEER_VARIANTS "context", "pool"
#define PEER_SWITCH 0

static bool with_pool;

static void peer_begin(int variant)
{
	with_pool = variant == 1;
}

static inline bool peer_create(peer *p)
{
	*p = with_pool ? talloc_pool(NULL, 2048) : talloc_new(NULL);
	return *p != NULL;
}

static inline void *peer_alloc(peer *p, size_t bytes)
{
	return talloc_size(*p, bytes);
}

static inline void peer_destroy(peer *p)
{
	talloc_free(*p);
}

#include "bench/contexts/scenarios.h"
