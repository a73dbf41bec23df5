/* Blocks that live shortly: allocated and freed at once, or a thousand together, oldest or newest freed first.
 *
 * These show the fast path, and for batches the way between it and the structure behind it.
 */
#include "bench.h"

void bench_pairs(const struct bench_case *self, double scale)
{
	struct bench_random random = bench_random_seed(1);
	uint64_t steps = bench_steps(self, scale);

	for (uint64_t i = 0; i < steps; i++) {
		size_t bytes = self->smallest_bytes == self->largest_bytes ? self->largest_bytes
									    : bench_random_size(&random, self);
		unsigned char *block = malloc(bytes);

		bench_require(block != NULL, "malloc gave a block");
		block[0] = (unsigned char)i;
		block[bytes - 1] = (unsigned char)i;
		free(block);
	}
}

static void run_batches(const struct bench_case *self, double scale, int newest_first)
{
	struct bench_random random = bench_random_seed(2);
	uint64_t batches = bench_steps(self, scale) / self->live + 1;
	void **blocks = bench_malloc(self->live * sizeof *blocks);

	for (uint64_t batch = 0; batch < batches; batch++) {
		for (size_t i = 0; i < self->live; i++) {
			size_t bytes = bench_random_size(&random, self);
			unsigned char *block = malloc(bytes);

			bench_require(block != NULL, "malloc gave a block");
			block[0] = (unsigned char)i;
			block[bytes - 1] = (unsigned char)i;
			blocks[i] = block;
		}
		for (size_t i = 0; i < self->live; i++)
			free(blocks[newest_first ? self->live - 1 - i : i]);
	}
	free(blocks);
}

void bench_batch_fifo(const struct bench_case *self, double scale)
{
	run_batches(self, scale, 0);
}

void bench_batch_lifo(const struct bench_case *self, double scale)
{
	run_batches(self, scale, 1);
}
