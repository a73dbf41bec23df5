/* Random replacement on the range engines, side by side with others: replace [--quick] [ADAPTER.so ...]
 *
 * For each number of live blocks, all allocators are filled and warmed up with 3 replacements for each block; then they take turns in
 * short slices, so that a busy moment of the machine falls on all, and the median and the least of each one's slices is printed.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "adapter.h"

extern const struct adapter adapter_tlsf, adapter_tlsf16, adapter_fit;

enum { MOST = 8, SLICES = 11 };

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int compare(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;

	return (a > b) - (a < b);
}

static int measure(const struct adapter **list, int count, uint32_t live, uint64_t slice, int slices)
{
	void *self[MOST] = { NULL };
	double ns[MOST][SLICES];

	for (int i = 0; i < count; i++) {
		if (live > list[i]->most_live)
			continue;
		self[i] = list[i]->make(live, (uint64_t)live * (ADAPTER_SIZES + 1));
		if (!self[i]) {
			fprintf(stderr, "replace: %s: no memory\n", list[i]->name);
			return 1;
		}
		list[i]->steps(self[i], 3 * (uint64_t)live);
	}
	for (int k = 0; k < slices; k++)
		for (int i = 0; i < count; i++) {
			if (!self[i])
				continue;
			double begin = now();

			list[i]->steps(self[i], slice);
			ns[i][k] = (now() - begin) * 1e9 / (double)slice;
		}
	for (int i = 0; i < count; i++) {
		if (!self[i])
			continue;
		qsort(ns[i], (size_t)slices, sizeof ns[i][0], compare);
		printf("%9u  %-20s %8.1f %8.1f   %s\n", live, list[i]->name, ns[i][slices / 2], ns[i][0],
		       *list[i]->figure ? list[i]->figure : "-");
		list[i]->drop(self[i]);
	}
	return 0;
}

int main(int argc, char **argv)
{
	const struct adapter *list[MOST] = { &adapter_tlsf, &adapter_tlsf16, &adapter_fit };
	int count = 3, quick = 0, failed = 0;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--quick") == 0) {
			quick = 1;
			continue;
		}
		void *object = dlopen(argv[i], RTLD_NOW | RTLD_LOCAL);
		const struct adapter *found = object ? (const struct adapter *)dlsym(object, "adapter") : NULL;

		if (!found || count == MOST) {
			fprintf(stderr, "replace: %s: %s\n", argv[i], found ? "too many" : dlerror());
			return 1;
		}
		list[count++] = found;
	}
	printf("     live  allocator              median    least   ns a replacement; elsewhere: at 1,000, 100,000, 1,000,000\n");
	for (uint32_t live = 1000; live <= (quick ? 1000 : 1000000) && !failed; live *= live == 1000 ? 30 : live == 30000 ? 3 : 10) {
		if (live == 90000)
			live = 100000;
		failed = measure(list, count, live, quick ? 10000 : 300000, quick ? 3 : SLICES);
	}
	return failed;
}
