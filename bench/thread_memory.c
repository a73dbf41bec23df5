/* What threads cost in resident memory.
 *
 *   thread_memory alive COUNT malloc|nothing   COUNT threads alive, each with one small block (or none): resident KiB
 *   thread_memory ended COUNT                  resident KiB before and after COUNT threads started, worked and ended
 */
#include "bench.h"

#include "resident.h"

enum { THREADS = 4096, STACK_BYTES = 64 * 1024, WAVE = 16 };

static pthread_barrier_t all_allocated, measured;

static void start_small(pthread_t *thread, void *(*body)(void *), void *argument)
{
	pthread_attr_t attributes;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_BYTES);
	bench_require(pthread_create(thread, &attributes, body, argument) == 0, "a thread starts");
	pthread_attr_destroy(&attributes);
}

static void *hold_one_block(void *argument)
{
	char *volatile block = NULL;

	if (argument) {
		block = malloc(48);
		bench_require(block != NULL, "malloc gave a block");
		memset(block, 1, 48);
	}
	pthread_barrier_wait(&all_allocated);
	pthread_barrier_wait(&measured);
	free(block);
	return NULL;
}

static void print_alive(size_t count, int with_block)
{
	static pthread_t threads[THREADS];
	static int yes;

	pthread_barrier_init(&all_allocated, NULL, (unsigned)count + 1);
	pthread_barrier_init(&measured, NULL, (unsigned)count + 1);
	for (size_t i = 0; i < count; i++)
		start_small(&threads[i], hold_one_block, with_block ? &yes : NULL);
	pthread_barrier_wait(&all_allocated);
	dprintf(STDOUT_FILENO, "%zu\n", resident_kib());
	pthread_barrier_wait(&measured);
	for (size_t i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
}

static void *work_and_end(void *argument)
{
	struct bench_random random = bench_random_seed(*(const size_t *)argument);
	void *blocks[100];

	for (size_t i = 0; i < BENCH_ARRAY_LENGTH(blocks); i++)
		blocks[i] = bench_malloc(16 + bench_random_below(&random, 1008));
	for (size_t i = 0; i < BENCH_ARRAY_LENGTH(blocks); i++)
		free(blocks[i]);
	return NULL;
}

static void run_waves(size_t count)
{
	for (size_t done = 0; done < count; done += WAVE) {
		pthread_t threads[WAVE];
		size_t seeds[WAVE];

		for (size_t i = 0; i < WAVE; i++) {
			seeds[i] = done + i;
			start_small(&threads[i], work_and_end, &seeds[i]);
		}
		for (size_t i = 0; i < WAVE; i++)
			pthread_join(threads[i], NULL);
	}
}

int main(int argc, char **argv)
{
	size_t count = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;

	if (argc == 4 && strcmp(argv[1], "alive") == 0 && count > 0 && count <= THREADS) {
		print_alive(count, strcmp(argv[3], "malloc") == 0);
		return 0;
	}
	if (argc == 3 && strcmp(argv[1], "ended") == 0 && count > 0) {
		size_t before;

		run_waves(10 * WAVE); /* the thread library's own cache of stacks is full after this */
		before = resident_kib();
		run_waves(count);
		dprintf(STDOUT_FILENO, "%zu %zu\n", before, resident_kib());
		return 0;
	}
	fprintf(stderr, "usage: thread_memory alive COUNT malloc|nothing | ended COUNT\n");
	return 2;
}
