/* No context at all: each block is malloc'ed by the C library, remembered, and freed one by one. */
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

struct link {
	struct link *next;
};
typedef struct {
	struct link *blocks;
} peer;

#define PEER_VARIANTS "one-by-one"
#define PEER_SWITCH 0

static void peer_begin(int variant)
{
	(void)variant;
}

static inline bool peer_create(peer *p)
{
	p->blocks = NULL;
	return true;
}

static inline void *peer_alloc(peer *p, size_t bytes)
{
	struct link *l = malloc(sizeof *l + bytes);

	if (!l)
		return NULL;
	l->next = p->blocks;
	p->blocks = l;
	return l + 1;
}

static inline void peer_destroy(peer *p)
{
	while (p->blocks) {
		struct link *next = p->blocks->next;

		free(p->blocks);
		p->blocks = next;
	}
}

#include "bench/contexts/scenarios.h"
