/* How much of this process is in memory, asked without allocating.  No thread safety needed: nothing is kept. */
#ifndef BENCH_RESIDENT_H
#define BENCH_RESIDENT_H

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The number after `key` in a file of /proc, or 0. */
static inline size_t proc_number(const char *path, const char *key)
{
	char text[4096];
	int file = open(path, O_RDONLY | O_CLOEXEC);
	size_t length = 0;
	ssize_t got;
	const char *at;

	if (file < 0)
		return 0;
	while (length < sizeof text - 1 && (got = read(file, text + length, sizeof text - 1 - length)) > 0)
		length += (size_t)got;
	close(file);
	text[length] = 0;
	at = strstr(text, key);
	return at ? strtoul(at + strlen(key), NULL, 10) : 0;
}

/* By the page tables: the counters behind VmRSS lag by some pages a CPU. */
static inline size_t resident_kib(void)
{
	return proc_number("/proc/self/smaps_rollup", "\nRss:");
}

static inline size_t peak_resident_kib(void)
{
	return proc_number("/proc/self/status", "\nVmHWM:");
}

#endif
