/* Runs a program with an allocator preloaded and says what it cost: measure FIGURES PRELOAD PROGRAM ARGUMENT…
 *
 * FIGURES is a file that gets one line: seconds of wall clock, of user and of system time, peak resident KiB and the
 * exit status (128 + signal if it was killed).  PRELOAD may be empty.
 *
 * Why not from the runner itself: the kernel counts to a program's peak what its process had before exec, so a program
 * started by a large interpreter would seem as large.  This one is small.  It is not preloaded itself.
 */
#include "bench.h"

#include <errno.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static double seconds_of(struct timeval time)
{
	return (double)time.tv_sec + (double)time.tv_usec * 1e-6;
}

int main(int argc, char **argv)
{
	struct rusage used;
	double start, wall;
	int status, code;
	pid_t child;
	FILE *figures;

	if (argc < 4) {
		fprintf(stderr, "usage: measure FIGURES PRELOAD PROGRAM ARGUMENT...\n");
		return 2;
	}
	start = bench_now_seconds();
	child = fork();
	if (child == 0) {
		if (argv[2][0])
			setenv("LD_PRELOAD", argv[2], 1);
		else
			unsetenv("LD_PRELOAD");
		execvp(argv[3], argv + 3);
		fprintf(stderr, "measure: cannot run %s: %s\n", argv[3], strerror(errno));
		_exit(127);
	}
	if (child < 0 || wait4(child, &status, 0, &used) != child) {
		perror("measure");
		return 1;
	}
	wall = bench_now_seconds() - start;
	code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	figures = fopen(argv[1], "w");
	if (!figures) {
		perror(argv[1]);
		return 1;
	}
	fprintf(figures, "%.6f %.6f %.6f %ld %d\n", wall, seconds_of(used.ru_utime), seconds_of(used.ru_stime), used.ru_maxrss,
		code);
	return fclose(figures) == 0 ? 0 : 1;
}
