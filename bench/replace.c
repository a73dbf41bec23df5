/* Random replacement: a table of live blocks, at each step a random one is freed and another of a random size made.
 *
 * The steady state of caches, interpreters and servers; at a million live blocks it is the metadata's cache misses that
 * are measured.  Family members differ in sizes and live blocks; the calloc one also checks that all is zero.
 */
#include "bench.h"

void bench_replace(const struct bench_case *self, double scale)
{
	struct bench_random random = bench_random_seed(3);
	uint64_t steps = bench_steps(self, scale);
	void **blocks = calloc(self->live, sizeof *blocks);

	bench_require(blocks != NULL, "calloc gave a table");
	for (size_t i = 0; i < self->live; i++)
		blocks[i] = bench_malloc(bench_random_size(&random, self));
	for (uint64_t step = 0; step < steps; step++) {
		size_t at = bench_random_below(&random, self->live);

		free(blocks[at]);
		blocks[at] = bench_malloc(bench_random_size(&random, self));
	}
	for (size_t i = 0; i < self->live; i++)
		free(blocks[i]);
	free(blocks);
}

/* Mostly small records, now and then a buffer, rarely a large one. */
static size_t random_zeroed_size(struct bench_random *random, const struct bench_case *self)
{
	enum { SMALL = 256, LARGE = 256 * 1024 };
	uint32_t kind = bench_random_next(random) % 1024;

	if (kind == 0)
		return bench_random_below(random, LARGE) + 1;
	if (kind < 128)
		return bench_random_size(random, self);
	return self->smallest_bytes + bench_random_below(random, SMALL);
}

void bench_calloc(const struct bench_case *self, double scale)
{
	struct bench_random random = bench_random_seed(4);
	uint64_t steps = bench_steps(self, scale);
	unsigned char **blocks = calloc(self->live, sizeof *blocks);

	bench_require(blocks != NULL, "calloc gave a table");
	for (uint64_t step = 0; step < steps; step++) {
		size_t at = bench_random_below(&random, self->live);
		size_t bytes = random_zeroed_size(&random, self);
		unsigned char *block;

		free(blocks[at]);
		block = calloc(1, bytes);
		bench_require(block != NULL && block[0] == 0 && block[bytes / 2] == 0 && block[bytes - 1] == 0,
			      "calloc gave zeros");
		bench_write(block, bytes);
		block[bytes / 2] = 1;
		blocks[at] = block;
	}
	for (size_t i = 0; i < self->live; i++)
		free(blocks[i]);
	free(blocks);
}
