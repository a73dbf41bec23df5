/* What starting a process costs under each allocator: spawn COUNT PROGRAM {LABEL PRELOAD OPTIONS}…
 *
 * The program is spawned COUNT times under each, in rounds of random order, so that a slow moment of the machine meets all
 * alike, and nobody always starts in the caches that the same neighbour left.  Prints
 * for each label the median and the mean microseconds from spawn to the end of the process.  OPTIONS becomes
 * CTXALLOC_OPTIONS; PRELOAD and OPTIONS may be empty.
 */
#include "bench.h"

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ALLOCATORS = 32, VARIABLES = 512 };

struct allocator {
	const char *label;
	char *environment[VARIABLES];
	double *microseconds;
};

static char *joined(const char *key, const char *value)
{
	char *text = NULL;

	bench_require(asprintf(&text, "%s=%s", key, value) >= 0, "there is memory");
	return text;
}

/* This program's environment, with the allocator's two variables instead of whatever was there. */
static void make_environment(struct allocator *allocator, const char *preload, const char *options)
{
	size_t count = 0;

	for (char **at = environ; *at && count < VARIABLES - 3; at++)
		if (strncmp(*at, "LD_PRELOAD=", 11) != 0 && strncmp(*at, "CTXALLOC_OPTIONS=", 17) != 0)
			allocator->environment[count++] = *at;
	if (*preload)
		allocator->environment[count++] = joined("LD_PRELOAD", preload);
	if (*options)
		allocator->environment[count++] = joined("CTXALLOC_OPTIONS", options);
	allocator->environment[count] = NULL;
}

static double spawn_once(char *program, struct allocator *allocator)
{
	char *arguments[] = { program, NULL };
	double start = bench_now_seconds();
	pid_t child;
	int status;

	bench_require(posix_spawn(&child, program, NULL, NULL, arguments, allocator->environment) == 0, "the program starts");
	bench_require(waitpid(child, &status, 0) == child && status == 0, "the program succeeds");
	return (bench_now_seconds() - start) * 1e6;
}

static int compare(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;

	return (a > b) - (a < b);
}

/* Fisher and Yates. */
static void shuffle(int *order, int count, struct bench_random *random)
{
	for (int i = count - 1; i > 0; i--) {
		int k = (int)bench_random_below(random, (size_t)i + 1), swapped = order[i];

		order[i] = order[k];
		order[k] = swapped;
	}
}

int main(int argc, char **argv)
{
	static struct allocator allocators[ALLOCATORS];
	size_t count = argc > 2 ? strtoul(argv[1], NULL, 10) : 0;
	struct bench_random random = bench_random_seed(1);
	int used = (argc - 3) / 3, order[ALLOCATORS];

	if (count == 0 || used < 1 || used > ALLOCATORS || argc != 3 + used * 3) {
		fprintf(stderr, "usage: spawn COUNT PROGRAM {LABEL PRELOAD OPTIONS}...\n");
		return 2;
	}
	for (int i = 0; i < used; i++) {
		order[i] = i;
		allocators[i].label = argv[3 + i * 3];
		make_environment(&allocators[i], argv[4 + i * 3], argv[5 + i * 3]);
		allocators[i].microseconds = calloc(count, sizeof(double));
		bench_require(allocators[i].microseconds != NULL, "there is memory");
		spawn_once(argv[2], &allocators[i]); /* once to have the files in the page cache */
	}
	for (size_t round = 0; round < count; round++) {
		shuffle(order, used, &random);
		for (int i = 0; i < used; i++)
			allocators[order[i]].microseconds[round] = spawn_once(argv[2], &allocators[order[i]]);
	}
	for (int i = 0; i < used; i++) {
		double sum = 0;

		for (size_t round = 0; round < count; round++)
			sum += allocators[i].microseconds[round];
		qsort(allocators[i].microseconds, count, sizeof(double), compare);
		printf("%s %.1f %.1f\n", allocators[i].label, allocators[i].microseconds[count / 2], sum / (double)count);
	}
	return 0;
}
