/* The smallest program that allocates: one malloc, and it ends.
 *
 *   hello         nothing else, for the cost of starting a process
 *   hello peak    prints its peak resident KiB
 *   hello maps    prints its mappings, which show whether an allocator was really preloaded
 */
#include "resident.h"

#include <stdio.h>

static void print_maps(void)
{
	char text[4096];
	int file = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	ssize_t got;

	while (file >= 0 && (got = read(file, text, sizeof text)) > 0)
		if (write(STDOUT_FILENO, text, (size_t)got) != got)
			break;
}

int main(int argc, char **argv)
{
	char *volatile block = malloc(100);

	if (!block)
		return 1;
	block[0] = 1;
	if (argc > 1 && strcmp(argv[1], "peak") == 0)
		dprintf(STDOUT_FILENO, "%zu\n", peak_resident_kib());
	else if (argc > 1)
		print_maps();
	return 0;
}
