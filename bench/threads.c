/* Threads that come and go: short ones that leave nothing, a server whose threads end and hand their blocks to the
 * next, and threads that are given blocks on one cache line.
 */
#include "bench.h"

enum { WORKERS = 2 };

/* Churn: a thread starts, allocates a few blocks, frees them and ends.  Steps are threads. */
static void *run_short_thread(void *argument)
{
	const struct bench_case *self = argument;
	struct bench_random random = bench_random_seed(21);
	void *blocks[128];
	size_t count = self->live < BENCH_ARRAY_LENGTH(blocks) ? self->live : BENCH_ARRAY_LENGTH(blocks);

	for (size_t i = 0; i < count; i++)
		blocks[i] = bench_malloc(bench_random_size(&random, self));
	for (size_t i = 0; i < count; i++)
		free(blocks[i]);
	return NULL;
}

void bench_churn(const struct bench_case *self, double scale)
{
	struct bench_case copy = *self;
	uint64_t rounds = bench_steps(self, scale) / WORKERS + 1;

	for (uint64_t round = 0; round < rounds; round++) {
		pthread_t threads[WORKERS];

		for (int i = 0; i < WORKERS; i++)
			bench_start(&threads[i], run_short_thread, &copy);
		for (int i = 0; i < WORKERS; i++)
			pthread_join(threads[i], NULL);
	}
}

/* Server: each worker has a table of live blocks and replaces random ones; after a while its thread ends and a new one
 * goes on with the table, so that blocks are freed by threads that never allocated them.  Steps are generations. */
struct worker {
	const struct bench_case *self;
	struct bench_random random;
	void **blocks;
};

static void *run_generation(void *argument)
{
	enum { REPLACEMENTS = 50000 };
	struct worker *worker = argument;

	for (int i = 0; i < REPLACEMENTS; i++) {
		size_t at = bench_random_below(&worker->random, worker->self->live);

		free(worker->blocks[at]);
		worker->blocks[at] = bench_malloc(bench_random_size(&worker->random, worker->self));
	}
	return NULL;
}

void bench_server(const struct bench_case *self, double scale)
{
	uint64_t generations = bench_steps(self, scale);
	struct worker workers[WORKERS];

	for (unsigned i = 0; i < WORKERS; i++) {
		workers[i] = (struct worker){ self, bench_random_seed(31 + i), calloc(self->live, sizeof(void *)) };
		bench_require(workers[i].blocks != NULL, "calloc gave a table");
	}
	for (uint64_t generation = 0; generation < generations; generation++) {
		pthread_t threads[WORKERS];

		for (unsigned i = 0; i < WORKERS; i++)
			bench_start(&threads[i], run_generation, &workers[i]);
		for (unsigned i = 0; i < WORKERS; i++)
			pthread_join(threads[i], NULL);
	}
	for (unsigned i = 0; i < WORKERS; i++) {
		for (size_t at = 0; at < self->live; at++)
			free(workers[i].blocks[at]);
		free(workers[i].blocks);
	}
}

/* Sharing: the main thread allocates one small block for each worker, side by side; a worker frees its own, allocates
 * again and writes into what it has.  An allocator that gives the freed half of a line to one thread while the other
 * half is another's makes the two fight for the line.  Steps are allocations of each worker. */
struct sharer {
	const struct bench_case *self;
	unsigned char *block;
	uint64_t steps;
};

static void *run_sharer(void *argument)
{
	enum { WRITES = 1000 };
	struct sharer *sharer = argument;

	for (uint64_t step = 0; step < sharer->steps; step++) {
		volatile unsigned char *counter;

		free(sharer->block);
		sharer->block = bench_malloc(sharer->self->largest_bytes);
		counter = sharer->block;
		for (int i = 0; i < WRITES; i++)
			(*counter)++;
	}
	free(sharer->block);
	return NULL;
}

void bench_sharing(const struct bench_case *self, double scale)
{
	enum { ROUNDS = 10 };
	struct sharer sharers[WORKERS];
	pthread_t threads[WORKERS];

	for (int round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < WORKERS; i++)
			sharers[i] = (struct sharer){ self, bench_malloc(self->largest_bytes),
						      bench_steps(self, scale) / ROUNDS + 1 };
		for (int i = 0; i < WORKERS; i++)
			bench_start(&threads[i], run_sharer, &sharers[i]);
		for (int i = 0; i < WORKERS; i++)
			pthread_join(threads[i], NULL);
	}
}
