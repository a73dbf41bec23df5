/* What is asked of everything that can stand for a context: PROGRAM SCENARIO VARIANT [COUNT].  Prints lines "key value".
 *
 * Each contestant is a source file that defines what follows and then includes this one, so that its calls are inlined as in a program of its user:
 *
 *   peer                                    one context (or what comes closest)
 *   bool peer_create(peer *)                false: there can be no more
 *   void *peer_alloc(peer *, size_t)        a block of it
 *   void peer_destroy(peer *)               it and all its blocks
 *   void peer_begin(int variant)            before all else
 *   PEER_VARIANTS                           their names, "a", "b"
 *   PEER_SWITCH                             1: also peer_switch(peer *), to which NULL is none, and after which malloc takes from it
 *
 * Times are nanoseconds, medians of samples of about SAMPLE_NS each.
 */
#ifndef BENCH_CONTEXTS_SCENARIOS_H
#define BENCH_CONTEXTS_SCENARIOS_H

#include "bench/bench.h"
#include "bench/resident.h"

#include <sys/mman.h>

enum { SAMPLE_NS = 50000, SAMPLES_MOST = 1001, BLOCK = 100, BLOCKS_LIVE = 10, BATCH = 1000, BIG = 1000000, BIG_ROUNDS = 5 };

static double now_ns(void)
{
	return bench_now_seconds() * 1e9;
}

/* Memory that no allocator knows of. */
static void *bench_map(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	bench_require(p != MAP_FAILED, "mmap");
	return p;
}

static int compare_doubles(const void *a, const void *b)
{
	const double *x = (const double *)a, *y = (const double *)b;

	return (*x > *y) - (*x < *y);
}

/* No qsort: the C library's calls malloc. */
static double median(double *values, size_t count)
{
	for (size_t gap = count / 2; gap > 0; gap /= 2)
		for (size_t i = gap; i < count; i++) {
			double v = values[i];
			size_t j = i;

			for (; j >= gap && compare_doubles(&values[j - gap], &v) > 0; j -= gap)
				values[j] = values[j - gap];
			values[j] = v;
		}
	return values[count / 2];
}

static double samples[SAMPLES_MOST], more_samples[SAMPLES_MOST];

/* A few thousand iterations to get warm, then samples of `step` iterations for at most half a second: ns an iteration. */
#define MEASURE(result, statement)                                                              \
	do {                                                                                    \
		double from_ = now_ns(), begin_;                                                \
		size_t step_ = 0, n_ = 0;                                                       \
		for (; step_ < 4096 && now_ns() - from_ < 2e7; step_++) {                       \
			statement;                                                              \
		}                                                                               \
		step_ = (size_t)((double)step_ * SAMPLE_NS / (now_ns() - from_)) + 1;           \
		for (begin_ = now_ns(); n_ < SAMPLES_MOST && now_ns() - begin_ < 5e8; n_++) {   \
			from_ = now_ns();                                                       \
			for (size_t i_ = 0; i_ < step_; i_++) {                                 \
				statement;                                                      \
			}                                                                       \
			samples[n_] = (now_ns() - from_) / (double)step_;                       \
		}                                                                               \
		(result) = median(samples, n_);                                                 \
	} while (0)

static void *take_block(peer *p)
{
	void *block = peer_alloc(p, BLOCK);

	bench_require(block != NULL, "a block of 100 bytes");
	*(volatile char *)block = 1;
	return block;
}

static void once(peer *p)
{
	bench_require(peer_create(p), "a context");
	take_block(p);
	peer_destroy(p);
}

/* Created, used for one block, destroyed, and so on: each takes over what the one before left. */
static double recycle_ns(void)
{
	static peer p;
	double ns;

	MEASURE(ns, once(&p));
	return ns;
}

/* So many at once that none finds one that was just destroyed. */
static void batch(peer *peers, double *create_ns, double *destroy_ns)
{
	enum { ROUNDS = 9 };
	size_t count = 0;

	for (int round = 0; round < ROUNDS; round++) {
		double from = now_ns();

		for (count = 0; count < BATCH && peer_create(&peers[count]); count++)
			take_block(&peers[count]);
		samples[round] = (now_ns() - from) / (double)(count ? count : 1);
		from = now_ns();
		for (size_t i = 0; i < count; i++)
			peer_destroy(&peers[i]);
		more_samples[round] = (now_ns() - from) / (double)(count ? count : 1);
	}
	*create_ns = count == BATCH ? median(samples, ROUNDS) : 0;
	*destroy_ns = count == BATCH ? median(more_samples, ROUNDS) : 0;
}

static void scenario_recycle(size_t unused)
{
	static peer p;
	double from;

	(void)unused;
	free(malloc(1)); /* the process's start is no context's */
	from = now_ns();
	once(&p);
	printf("first_ns %.0f\n", now_ns() - from);
	printf("recycle_ns %.2f\n", recycle_ns());
}

/* `count` contexts of ten blocks each stay; beside them others come and go. */
static void scenario_live(size_t count)
{
	peer *peers = (peer *)bench_map((count + BATCH) * sizeof *peers), *more = peers + count;
	size_t before = resident_kib(), made = 0, after;
	double from = now_ns(), create, destroy;

	for (; made < count && peer_create(&peers[made]); made++)
		for (int i = 0; i < BLOCKS_LIVE; i++)
			memset(take_block(&peers[made]), 1, BLOCK);
	printf("made %zu\n", made);
	if (made < count)
		return;
	printf("fill_ns %.1f\n", (now_ns() - from) / (double)count);
	after = resident_kib();
	printf("resident_bytes %.0f\n", (double)(after - before) * 1024 / (double)count);
	printf("recycle_ns %.2f\n", recycle_ns());
	batch(more, &create, &destroy);
	printf("batch_create_ns %.1f\nbatch_destroy_ns %.1f\n", create, destroy);
	from = now_ns();
	for (size_t i = 0; i < count; i++)
		peer_destroy(&peers[i]);
	printf("clear_ns %.1f\n", (now_ns() - from) / (double)count);
}

static void scenario_big(size_t unused)
{
	static peer p;

	(void)unused;
	for (int round = 0; round < BIG_ROUNDS; round++) {
		double from;

		bench_require(peer_create(&p), "a context");
		for (size_t i = 0; i < BIG; i++)
			memset(take_block(&p), 1, BLOCK);
		from = now_ns();
		peer_destroy(&p);
		samples[round] = (now_ns() - from) / 1000;
		if (round == 0)
			printf("big_first_us %.1f\n", samples[0]);
	}
	printf("big_us %.1f\n", median(samples, BIG_ROUNDS));
}

#if PEER_SWITCH
static void scenario_switch(size_t unused)
{
	static peer a, b;
	double ns;

	(void)unused;
	bench_require(peer_create(&a) && peer_create(&b), "two contexts");
	MEASURE(ns, (peer_switch(&a), peer_switch(&b)));
	printf("switch_ns %.2f\n", ns / 2);
	MEASURE(ns, (peer_switch(&a), peer_switch(NULL)));
	printf("switch_out_ns %.2f\n", ns / 2);
}

/* The same machine code for both places. */
static __attribute__((noinline)) double pairs_ns(size_t bytes, size_t count)
{
	double from = now_ns();

	for (size_t i = 0; i < count; i++) {
		void *volatile block = malloc(bytes);

		free(block);
	}
	return (now_ns() - from) / (double)count;
}

static __attribute__((noinline)) double fifo_ns(size_t bytes, size_t count)
{
	static void *blocks[BATCH];
	double from = now_ns();

	for (size_t done = 0; done < count; done += BATCH) {
		for (size_t i = 0; i < BATCH; i++)
			blocks[i] = malloc(bytes);
		for (size_t i = 0; i < BATCH; i++)
			free(blocks[i]);
	}
	return (now_ns() - from) / (double)count;
}

/* Outside and in a context, by turns. */
static void compare(const char *what, double (*measure)(size_t, size_t), peer *p, size_t bytes)
{
	enum { STEPS = 10000, TURNS = 401 };
	static double ratios[TURNS];

	for (size_t i = 0; i < TURNS; i++) {
		/* whoever comes second finds warmer caches: each is second as often */
		if (i % 2)
			samples[i] = measure(bytes, STEPS);
		peer_switch(p);
		more_samples[i] = measure(bytes, STEPS);
		peer_switch(NULL);
		if (i % 2 == 0)
			samples[i] = measure(bytes, STEPS);
		ratios[i] = more_samples[i] / samples[i];
	}
	printf("%s_%zu_outside_ns %.3f\n", what, bytes, median(samples, TURNS));
	printf("%s_%zu_inside_ns %.3f\n", what, bytes, median(more_samples, TURNS));
	printf("%s_%zu_ratio %.4f\n", what, bytes, median(ratios, TURNS));
}

static void scenario_inside(size_t unused)
{
	static const size_t sizes[] = { 16, 100, 1024 };
	static peer p;

	(void)unused;
	bench_require(peer_create(&p), "a context");
	for (size_t i = 0; i < BENCH_ARRAY_LENGTH(sizes); i++)
		compare("pair", pairs_ns, &p, sizes[i]);
	for (size_t i = 0; i < BENCH_ARRAY_LENGTH(sizes); i++)
		compare("fifo", fifo_ns, &p, sizes[i]);
}
#endif

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(size_t count);
	} scenarios[] = {
		{ "recycle", scenario_recycle },
		{ "live", scenario_live },
		{ "big", scenario_big },
#if PEER_SWITCH
		{ "switch", scenario_switch },
		{ "inside", scenario_inside },
#endif
	};
	static const char *const variants[] = { PEER_VARIANTS };

	for (size_t v = 0; argc >= 3 && v < BENCH_ARRAY_LENGTH(variants); v++)
		for (size_t s = 0; s < BENCH_ARRAY_LENGTH(scenarios); s++)
			if (!strcmp(argv[1], scenarios[s].name) && !strcmp(argv[2], variants[v])) {
				static char line[4096];

				setvbuf(stdout, line, _IOLBF, sizeof line); /* a run that is stopped has said what it knew */
				peer_begin((int)v);
				scenarios[s].run(argc > 3 ? strtoul(argv[3], NULL, 10) : 1);
				return 0;
			}
	fprintf(stderr, "usage: %s SCENARIO VARIANT [COUNT]; variants:", argv[0]);
	for (size_t v = 0; v < BENCH_ARRAY_LENGTH(variants); v++)
		fprintf(stderr, " %s", variants[v]);
	fprintf(stderr, "; scenarios:");
	for (size_t s = 0; s < BENCH_ARRAY_LENGTH(scenarios); s++)
		fprintf(stderr, " %s", scenarios[s].name);
	fprintf(stderr, "\n");
	return 2;
}

#endif
