/* Blocks that grow by realloc: many small vectors at a time, as programs that read input build them, and a few big
 * buffers, where moving the pages and copying them differ.
 */
#include "bench.h"

struct vector {
	uint32_t *items;
	size_t count, room;
};

static void vector_push(struct vector *vector, uint32_t item)
{
	if (vector->count == vector->room) {
		vector->room = vector->room ? vector->room + vector->room / 2 : 4;
		vector->items = realloc(vector->items, vector->room * sizeof *vector->items);
		bench_require(vector->items != NULL, "realloc gave a block");
	}
	vector->items[vector->count++] = item;
}

/* Items go to random vectors; a vector that has its full size is checked and starts anew, so vectors of all sizes live
 * together.  Steps are items. */
void bench_grow_many(const struct bench_case *self, double scale)
{
	struct bench_random random = bench_random_seed(5);
	uint64_t steps = bench_steps(self, scale);
	struct vector *vectors = calloc(self->live, sizeof *vectors);

	bench_require(vectors != NULL, "calloc gave a table");
	for (uint64_t step = 0; step < steps; step++) {
		size_t at = bench_random_below(&random, self->live);
		struct vector *vector = &vectors[at];
		/* Each has a full size of its own, most of them small: few vectors of a program are long. */
		size_t full = self->smallest_bytes + self->largest_bytes / (1 + at % 64);

		vector_push(vector, (uint32_t)at);
		if (vector->count * sizeof *vector->items < full)
			continue;
		bench_require(vector->items[0] == at && vector->items[vector->count / 2] == at, "realloc kept the contents");
		free(vector->items);
		*vector = (struct vector){ 0 };
	}
	for (size_t i = 0; i < self->live; i++)
		free(vectors[i].items);
	free(vectors);
}

/* Steps are rounds; in each, some buffers grow in turn by a fixed piece up to their full size. */
void bench_grow_few(const struct bench_case *self, double scale)
{
	enum { BUFFERS = 4, PAGE = 4096 };
	uint64_t rounds = bench_steps(self, scale);
	size_t piece = self->smallest_bytes;

	for (uint64_t round = 0; round < rounds; round++) {
		unsigned char *buffers[BUFFERS] = { NULL };

		for (size_t bytes = piece; bytes <= self->largest_bytes; bytes += piece) {
			for (int i = 0; i < BUFFERS; i++) {
				unsigned char *grown = realloc(buffers[i], bytes);

				bench_require(grown != NULL, "realloc gave a block");
				for (size_t at = bytes - piece; at < bytes; at += PAGE)
					grown[at] = (unsigned char)i;
				buffers[i] = grown;
			}
		}
		for (int i = 0; i < BUFFERS; i++) {
			bench_require(buffers[i][0] == i && buffers[i][self->largest_bytes / 2] == i, "realloc kept the contents");
			free(buffers[i]);
		}
	}
}
