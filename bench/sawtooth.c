/* Sawtooth: fill, free nine tenths at random, and again with blocks of other sizes.  Prints resident over live memory.
 *
 * A program whose load comes and goes, and whose survivors are spread over everything it ever had: how much memory stays
 * resident for how little that lives.  Counted at the bottom of each tooth, mean over the teeth; what the process had
 * before its first block is not counted.
 */
#include "bench.h"

#include "resident.h"

struct sawtooth {
	struct bench_random random;
	void **blocks;
	size_t *sizes;
	size_t count, room; /* blocks */
	size_t live_bytes;
};

/* The teeth go through octaves of sizes, so freed memory of one size must serve another. */
static void fill(struct sawtooth *saw, const struct bench_case *self, size_t until_bytes, uint64_t tooth)
{
	size_t octaves = 0;

	while (self->smallest_bytes << (octaves + 1) <= self->largest_bytes)
		octaves++;
	while (saw->live_bytes < until_bytes && saw->count < saw->room) {
		size_t base = self->smallest_bytes << (tooth * 5 % octaves);
		size_t bytes = base + bench_random_below(&saw->random, base);

		saw->blocks[saw->count] = bench_malloc(bytes);
		saw->sizes[saw->count] = bytes;
		saw->count++;
		saw->live_bytes += bytes;
	}
}

static void thin_out(struct sawtooth *saw)
{
	size_t kept = 0;

	/* In random order too: programs do not free in the order of addresses. */
	for (size_t i = saw->count; i > 1; i--) {
		size_t other = bench_random_below(&saw->random, i);
		void *block = saw->blocks[i - 1];
		size_t bytes = saw->sizes[i - 1];

		saw->blocks[i - 1] = saw->blocks[other];
		saw->sizes[i - 1] = saw->sizes[other];
		saw->blocks[other] = block;
		saw->sizes[other] = bytes;
	}
	for (size_t i = 0; i < saw->count; i++) {
		if (i % 10 == 0) {
			saw->blocks[kept] = saw->blocks[i];
			saw->sizes[kept] = saw->sizes[i];
			kept++;
		} else {
			free(saw->blocks[i]);
			saw->live_bytes -= saw->sizes[i];
		}
	}
	saw->count = kept;
}

void bench_sawtooth(const struct bench_case *self, double scale)
{
	enum { FULL = 32 * 1024 * 1024 };
	uint64_t teeth = bench_steps(self, scale);
	struct sawtooth saw = { .random = bench_random_seed(6), .room = FULL / self->smallest_bytes };
	size_t before_kib;
	double sum = 0;

	/* The tables are no part of what is measured, so they are resident before it starts. */
	saw.blocks = bench_malloc(saw.room * sizeof *saw.blocks);
	saw.sizes = bench_malloc(saw.room * sizeof *saw.sizes);
	memset(saw.blocks, 1, saw.room * sizeof *saw.blocks);
	memset(saw.sizes, 1, saw.room * sizeof *saw.sizes);
	before_kib = resident_kib();
	for (uint64_t tooth = 0; tooth < teeth; tooth++) {
		size_t now_kib;

		fill(&saw, self, FULL, tooth);
		thin_out(&saw);
		now_kib = resident_kib();
		sum += (double)(now_kib > before_kib ? now_kib - before_kib : 0) * 1024 / (double)saw.live_bytes;
	}
	for (size_t i = 0; i < saw.count; i++)
		free(saw.blocks[i]);
	free(saw.blocks);
	free(saw.sizes);
	printf("resident-over-live %.2f\n", sum / (double)teeth);
}
