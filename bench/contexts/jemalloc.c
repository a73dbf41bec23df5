/* jemalloc's arenas, without the thread's cache (which would hold blocks of an arena that is gone). */
#include <jemalloc/jemalloc.h>
#include <stdbool.h>
#include <stdlib.h>

typedef unsigned peer;

#define PEER_VARIANTS "arena"
#define PEER_SWITCH 0

static size_t create_mib[4], create_length = 4, destroy_mib[4], destroy_length = 4;

static void peer_begin(int variant)
{
	(void)variant;
	if (mallctlnametomib("arenas.create", create_mib, &create_length) || mallctlnametomib("arena.0.destroy", destroy_mib, &destroy_length))
		abort();
}

static inline bool peer_create(peer *p)
{
	size_t size = sizeof *p;

	return mallctlbymib(create_mib, create_length, p, &size, NULL, 0) == 0;
}

static inline void *peer_alloc(peer *p, size_t bytes)
{
	return mallocx(bytes, (int)(MALLOCX_ARENA(*p) | MALLOCX_TCACHE_NONE));
}

static inline void peer_destroy(peer *p)
{
	destroy_mib[1] = *p;
	mallctlbymib(destroy_mib, destroy_length, NULL, NULL, NULL, 0);
}

#include "bench/contexts/scenarios.h"
