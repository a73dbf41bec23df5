/* What the allocation benchmarks share: a clock, a random generator, the way a program writes into its blocks, threads.
 *
 * The benchmarks know nothing of any allocator: they call malloc and free, and the allocator is preloaded.  They are
 * compiled with -fno-builtin-malloc and its like, since a compiler may otherwise remove a malloc whose block is freed.
 * All work is of a fixed amount with fixed seeds, so a shorter time is a better time.
 */
#ifndef BENCH_H
#define BENCH_H

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BENCH_ARRAY_LENGTH(a) (sizeof(a) / sizeof((a)[0]))

/* One benchmark: `run` does `scale` times its normal amount of work (normal: about half a second under glibc). */
struct bench_case {
	const char *name;
	void (*run)(const struct bench_case *self, double scale);
	size_t smallest_bytes, largest_bytes; /* block sizes, both possible; a family's members differ in these */
	size_t live;                          /* how many blocks live at a time */
	uint64_t steps;                       /* normal amount of work, unit is the family's */
};

/* The families; each is described where it is defined. */
void bench_pairs(const struct bench_case *self, double scale);
void bench_batch_fifo(const struct bench_case *self, double scale);
void bench_batch_lifo(const struct bench_case *self, double scale);
void bench_replace(const struct bench_case *self, double scale);
void bench_calloc(const struct bench_case *self, double scale);
void bench_grow_many(const struct bench_case *self, double scale);
void bench_grow_few(const struct bench_case *self, double scale);
void bench_sawtooth(const struct bench_case *self, double scale);
void bench_producer(const struct bench_case *self, double scale);
void bench_exchange(const struct bench_case *self, double scale);
void bench_churn(const struct bench_case *self, double scale);
void bench_server(const struct bench_case *self, double scale);
void bench_sharing(const struct bench_case *self, double scale);

static inline double bench_now_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static inline uint64_t bench_steps(const struct bench_case *self, double scale)
{
	double steps = (double)self->steps * scale;

	return steps < 1 ? 1 : (uint64_t)steps;
}

/* A multiplicative generator with its high bits folded down: a few instructions, far cheaper than what is measured. */
struct bench_random {
	uint64_t state;
};

static inline struct bench_random bench_random_seed(uint64_t seed)
{
	return (struct bench_random){ seed * 0x9e3779b97f4a7c15u + 1 };
}

static inline uint32_t bench_random_next(struct bench_random *random)
{
	uint64_t x = random->state;

	random->state = x * 6364136223846793005u + 1442695040888963407u;
	x ^= x >> 29;
	return (uint32_t)(x >> 32);
}

/* Uniform in 0 .. bound - 1, by multiplication: no division. */
static inline size_t bench_random_below(struct bench_random *random, size_t bound)
{
	return (size_t)(((uint64_t)bench_random_next(random) * bound) >> 32);
}

static inline size_t bench_random_size(struct bench_random *random, const struct bench_case *self)
{
	return self->smallest_bytes + bench_random_below(random, self->largest_bytes - self->smallest_bytes + 1);
}

/* Writes as a program that uses its block would: all of a small one, the head and then each line of a middle one,
 * each page of a large one (more would measure memset). */
static inline void bench_write(void *block, size_t bytes)
{
	enum { WHOLE = 256, MIDDLE = 32 * 1024, LINE = 64, PAGE = 4096 };
	unsigned char *at = (unsigned char *)block;

	if (bytes <= WHOLE) {
		memset(at, 0x5a, bytes);
		return;
	}
	memset(at, 0x5a, WHOLE);
	for (size_t i = WHOLE; i < bytes; i += bytes <= MIDDLE ? LINE : PAGE)
		at[i] = 0x5a;
	at[bytes - 1] = 0x5a;
}

static inline void bench_require(int holds, const char *what)
{
	if (!holds) {
		fprintf(stderr, "bench: failed: %s\n", what);
		exit(1);
	}
}

static inline void *bench_malloc(size_t bytes)
{
	void *block = malloc(bytes);

	bench_require(block != NULL, "malloc gave a block");
	bench_write(block, bytes);
	return block;
}

static inline void bench_start(pthread_t *thread, void *(*body)(void *), void *argument)
{
	bench_require(pthread_create(thread, NULL, body, argument) == 0, "a thread starts");
}

#endif
