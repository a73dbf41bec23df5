/* The two halves of a tooth: fill up, and free nine tenths at random. */
#ifndef BENCH_SAWTOOTH_H
#define BENCH_SAWTOOTH_H

#include "bench.h"

struct sawtooth {
	struct bench_random random;
	void **blocks;
	size_t *sizes;
	size_t count, room; /* blocks */
	size_t live_bytes;
	void (*step)(const struct sawtooth *saw); /* called after each malloc and free; NULL: nothing */
};

/* The teeth go through octaves of sizes, so freed memory of one size must serve another. */
static inline void sawtooth_fill(struct sawtooth *saw, const struct bench_case *self, size_t until_bytes, uint64_t tooth)
{
	size_t octaves = 1;

	while (self->smallest_bytes << (octaves + 1) <= self->largest_bytes)
		octaves++;
	while (saw->live_bytes < until_bytes && saw->count < saw->room) {
		size_t base = self->smallest_bytes << (tooth * 5 % octaves);
		size_t bytes = base + bench_random_below(&saw->random, base);

		saw->blocks[saw->count] = bench_malloc(bytes);
		saw->sizes[saw->count] = bytes;
		saw->count++;
		saw->live_bytes += bytes;
		if (saw->step)
			saw->step(saw);
	}
}

static inline void sawtooth_thin_out(struct sawtooth *saw)
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
			if (saw->step)
				saw->step(saw);
		}
	}
	saw->count = kept;
}

#endif
