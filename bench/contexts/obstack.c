/* The C library's obstacks: stacks of blocks in chunks of 4 KiB. */
#include <obstack.h>
#include <stdbool.h>
#include <stdlib.h>

#define obstack_chunk_alloc malloc
#define obstack_chunk_free free

typedef struct obstack peer;

#define PEER_VARIANTS "obstack"
#define PEER_SWITCH 0

static void peer_begin(int variant)
{
	(void)variant;
}

static inline bool peer_create(peer *p)
{
	return obstack_init(p) != 0;
}

static inline void *peer_alloc(peer *p, size_t bytes)
{
	return obstack_alloc(p, (int)bytes);
}

static inline void peer_destroy(peer *p)
{
	obstack_free(p, NULL);
}

#include "bench/contexts/scenarios.h"
