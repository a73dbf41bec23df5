/* Runs one of the allocation benchmarks: micro NAME [SCALE].  Prints the seconds it took (process start not included).
 *
 * Without a name it prints all the names, one a line, which is where the runner has them from.
 */
#include "bench.h"

static const struct bench_case cases[] = {
	/* name, family, sizes, live blocks, steps */
	{ "pair-16", bench_pairs, 16, 16, 1, 40000000 },
	{ "pair-64", bench_pairs, 64, 64, 1, 40000000 },
	{ "pair-1k", bench_pairs, 1024, 1024, 1, 15000000 },
	{ "pair-mixed", bench_pairs, 1, 512, 1, 20000000 },
	{ "batch-fifo", bench_batch_fifo, 64, 64, 1000, 20000000 },
	{ "batch-lifo", bench_batch_lifo, 64, 64, 1000, 25000000 },
	{ "batch-mixed", bench_batch_fifo, 8, 256, 1000, 10000000 },
	{ "random-64k", bench_replace, 16, 528, 64 * 1024, 3500000 },
	{ "random-1m", bench_replace, 16, 144, 1024 * 1024, 2000000 },
	{ "mid-sizes", bench_replace, 8, 16000, 2000, 900000 },
	{ "mid-large", bench_replace, 1024, 256 * 1024, 256, 300000 },
	{ "large", bench_replace, 64 * 1024, 8 * 1024 * 1024, 16, 2000 },
	{ "calloc", bench_calloc, 16, 4096, 4000, 3000000 },
	{ "grow-many", bench_grow_many, 16, 32 * 1024, 1000, 50000000 },
	{ "grow-few", bench_grow_few, 64 * 1024, 32 * 1024 * 1024, 4, 3 },
	{ "sawtooth", bench_sawtooth, 16, 1024, 0, 8 },
	{ "producer", bench_producer, 16, 256, 100, 3000000 },
	{ "exchange", bench_exchange, 32, 512, 120, 3500000 },
	{ "churn", bench_churn, 16, 1024, 100, 8000 },
	{ "server", bench_server, 16, 1008, 1000, 80 },
	{ "sharing", bench_sharing, 8, 8, 1, 100000 },
};

int main(int argc, char **argv)
{
	double scale = argc > 2 ? strtod(argv[2], NULL) : 1.0;

	for (size_t i = 0; i < BENCH_ARRAY_LENGTH(cases); i++) {
		double start;

		if (argc < 2) {
			puts(cases[i].name);
			continue;
		}
		if (strcmp(cases[i].name, argv[1]) != 0)
			continue;
		start = bench_now_seconds();
		cases[i].run(&cases[i], scale);
		printf("seconds %.6f\n", bench_now_seconds() - start);
		return 0;
	}
	if (argc < 2)
		return 0;
	fprintf(stderr, "micro: no benchmark is called %s\n", argv[1]);
	return 2;
}
