/* Sawtooth: fill, free nine tenths at random, and again with blocks of other sizes.  Prints resident over live memory.
 *
 * A program whose load comes and goes, and whose survivors are spread over everything it ever had: how much memory stays
 * resident for how little that lives.  Counted at the bottom of each tooth, mean over the teeth; what the process had
 * before its first block is not counted.
 */
#include "bench.h"

#include "resident.h"
#include "sawtooth.h"

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

		sawtooth_fill(&saw, self, FULL, tooth);
		sawtooth_thin_out(&saw);
		now_kib = resident_kib();
		sum += (double)(now_kib > before_kib ? now_kib - before_kib : 0) * 1024 / (double)saw.live_bytes;
	}
	for (size_t i = 0; i < saw.count; i++)
		free(saw.blocks[i]);
	free(saw.blocks);
	free(saw.sizes);
	printf("resident-over-live %.2f\n", sum / (double)teeth);
}
