/* ctxalloc's contexts. Blocks by ctxalloc_malloc on the handle, or (…-switch) by switch, malloc, switch. */
#include <ctxalloc.h>
#include <stdlib.h>

typedef ctxalloc_context *peer;

#define PEER_VARIANTS "short", "long", "medium", "short-switch", "long-switch", "medium-switch"
#define PEER_SWITCH 1

static ctxalloc_options options = { .size = sizeof(ctxalloc_options) };
static bool by_switch;

static void peer_begin(int variant)
{
	static const enum ctxalloc_lifetime lifetimes[] = { CTXALLOC_SHORT, CTXALLOC_LONG, CTXALLOC_MEDIUM };

	options.lifetime = lifetimes[variant % 3];
	by_switch = variant >= 3;
}

static inline bool peer_create(peer *p)
{
	return (*p = ctxalloc_create(&options)) != NULL;
}

static inline void *peer_alloc(peer *p, size_t bytes)
{
	ctxalloc_context *before;
	void *block;

	if (!by_switch)
		return ctxalloc_malloc(*p, bytes);
	before = ctxalloc_switch(*p);
	block = malloc(bytes);
	ctxalloc_switch(before);
	return block;
}

static inline void peer_destroy(peer *p)
{
	ctxalloc_destroy(*p);
}

static inline void peer_switch(peer *p)
{
	ctxalloc_switch(p ? *p : CTXALLOC_GLOBAL);
}

#include "bench/contexts/scenarios.h"
