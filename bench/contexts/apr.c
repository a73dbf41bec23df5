/* The pools of the Apache Portable Runtime, on the C library's malloc. */
#include <apr_general.h>
#include <apr_pools.h>
#include <stdbool.h>
#include <stdlib.h>

typedef apr_pool_t *peer;

#define PEER_VARIANTS "pool"
#define PEER_SWITCH 0

static void peer_begin(int variant)
{
	(void)variant;
	if (apr_initialize() != APR_SUCCESS)
		abort();
}

static inline bool peer_create(peer *p)
{
	return apr_pool_create(p, NULL) == APR_SUCCESS;
}

static inline void *peer_alloc(peer *p, size_t bytes)
{
	return apr_palloc(*p, bytes);
}

static inline void peer_destroy(peer *p)
{
	apr_pool_destroy(*p);
}

#include "bench/contexts/scenarios.h"
