/* A loop of malloc and free whose instructions an outside tool counts: pair_cost real|empty BYTES COUNT
 *
 * `empty` calls two functions of one instruction each instead, so the difference between the two, and between two
 * COUNTs, is what malloc and free cost: no loop, no start of the process, no linkage table.
 */
#include "bench.h"

typedef void *allocate_function(size_t bytes);
typedef void release_function(void *block);

allocate_function bench_empty_allocate;
release_function bench_empty_release;

__asm__(".text\n"
	".globl bench_empty_allocate\n"
	".type bench_empty_allocate, %function\n"
	"bench_empty_allocate:\n"
	"	ret\n"
	".globl bench_empty_release\n"
	".type bench_empty_release, %function\n"
	"bench_empty_release:\n"
	"	ret\n");

int main(int argc, char **argv)
{
	allocate_function *volatile allocate = malloc;
	release_function *volatile release = free;
	size_t bytes, count;

	if (argc != 4) {
		fprintf(stderr, "usage: pair_cost real|empty BYTES COUNT\n");
		return 2;
	}
	if (strcmp(argv[1], "empty") == 0) {
		allocate = bench_empty_allocate;
		release = bench_empty_release;
	}
	bytes = strtoul(argv[2], NULL, 10);
	count = strtoul(argv[3], NULL, 10);
	for (size_t i = 0; i < count; i++)
		release(allocate(bytes));
	return 0;
}
