/* The worst call of the range engines, in instructions: worst [CALLS]
 *
 * Every call is executed one instruction at a time: the processor's trap flag makes each raise SIGTRAP, and the handler counts.  No clock
 * is read, so the figures do not depend on the machine's load.  Random replacement that grows and shrinks, sizes 1 to 1024 and now
 * and then 100 times that, from a nearly full space; for tlsf with the last-resort scan off (hard real time) and on.  Chance seldom finds
 * the worst case of tlsf, so that is built as well.
 */
#include <signal.h>
#include <stdio.h>
#include <ucontext.h>

#include "ctxalloc/fit.h"
#include "ctxalloc/tlsf.h"

#include "adapter.h"

#if defined(__x86_64__)

enum { LIVE = 3000, WARM_UP = 100000 };

static volatile uint32_t counted;

static void on_trap(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)info;
	(void)context;
	counted++;
}

/* Sets and clears the trap flag; what these few instructions cost is measured and taken off. */
static inline void trap_on(void)
{
	counted = 0;
	__asm__ volatile("pushfq\n\torq $0x100, (%%rsp)\n\tpopfq" : : : "memory", "cc");
}

static inline void trap_off(void)
{
	__asm__ volatile("pushfq\n\tandq $~0x100, (%%rsp)\n\tpopfq" : : : "memory", "cc");
}

static int compare(const void *left, const void *right)
{
	uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;

	return (a > b) - (a < b);
}

static void print(const char *name, uint32_t *counts, unsigned long count)
{
	qsort(counts, count, sizeof *counts, compare);
	printf("%-24s %7lu calls: median %4u  p99 %4u  p99.9 %4u  worst %4u instructions\n", name, count, counts[count / 2],
	       counts[count * 99 / 100], counts[count * 999 / 1000], counts[count - 1]);
}

static uint32_t *tally[2];
static unsigned long tallied[2];

static uint32_t empty_call(void)
{
	trap_on();
	trap_off();
	return counted;
}

#define RUN(NAME, HANDLE, INSTANCE, IS_LIVE, SETUP)                                                            \
	static void run_##NAME(const char *title, unsigned long calls, int scan)                                \
	{                                                                                                       \
		static HANDLE block[LIVE];                                                                      \
		static char is_live[LIVE];                                                                      \
		uint64_t random = 7;                                                                            \
		uint32_t own = empty_call();                                                                    \
		char name[64];                                                                                  \
		INSTANCE *it = INSTANCE##_create((uint64_t)LIVE * 560, LIVE);                                   \
		if (!it)                                                                                        \
			exit(1);                                                                                \
		SETUP;                                                                                          \
		(void)scan;                                                                                     \
		for (unsigned long i = 0; i < LIVE; i++)                                                        \
			is_live[i] = 0;                                                                         \
		tallied[0] = tallied[1] = 0;                                                                    \
		for (unsigned long step = 0; tallied[0] < calls || tallied[1] < calls; step++) {                \
			uint32_t slot = adapter_random(&random, LIVE);                                          \
			uint64_t size = 1 + adapter_random(&random, ADAPTER_SIZES);                             \
			if (adapter_random(&random, 50) == 0)                                                   \
				size *= 100;                                                                    \
			int what = is_live[slot];                                                               \
			HANDLE old = block[slot];                                                               \
			if (step < WARM_UP && what) {                                                           \
				(void)INSTANCE##_free(it, old);                                                 \
			} else if (step < WARM_UP) {                                                            \
				block[slot] = INSTANCE##_alloc(it, size);                                       \
			} else if (what) {                                                                      \
				trap_on();                                                                      \
				(void)INSTANCE##_free(it, old);                                                 \
				trap_off();                                                                     \
			} else {                                                                                \
				trap_on();                                                                      \
				HANDLE given = INSTANCE##_alloc(it, size);                                      \
				trap_off();                                                                     \
				block[slot] = given;                                                            \
			}                                                                                       \
			is_live[slot] = !what && (IS_LIVE);                                                     \
			if (step >= WARM_UP && tallied[what] < calls)                                           \
				tally[what][tallied[what]++] = counted - own;                                   \
		}                                                                                               \
		snprintf(name, sizeof name, "%s alloc", title);                                                 \
		print(name, tally[0], tallied[0]);                                                              \
		snprintf(name, sizeof name, "%s free", title);                                                  \
		print(name, tally[1], tallied[1]);                                                              \
		INSTANCE##_destroy(it);                                                                         \
	}

/* --- the worst cases of tlsf, built ----------------------------------------------------------------------------------- */

enum { CHUNK = 16 }; /* places of one chunk of a bin; the first of each is taken (src/engine/tlsf_packed.h) */

/* `count` ranges of a size, each between used ones; they are free later. */
static void make_ranges(ctxalloc_tlsf *it, ctxalloc_block *block, uint64_t size, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		block[i] = ctxalloc_tlsf_alloc(it, size);
		(void)ctxalloc_tlsf_alloc(it, 1);
	}
}

static void make_free(ctxalloc_tlsf *it, const ctxalloc_block *block, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (ctxalloc_tlsf_free(it, block[i]))
			exit(1);
}

/* What the call above cost; the instance must be valid after it. */
static uint32_t built_end(ctxalloc_tlsf *it, uint32_t count, int failed)
{
	int which;

	if (failed || !ctxalloc_tlsf_is_valid(it, &which)) {
		fprintf(stderr, "worst: a built case failed\n");
		exit(1);
	}
	ctxalloc_tlsf_destroy(it);
	return count;
}

/* Merges with both neighbours, which leave their bins with `others` ranges each, and goes to a bin that needs a new chunk. */
static uint32_t free_built(uint64_t scale, unsigned others, uint32_t own)
{
	ctxalloc_tlsf *it = ctxalloc_tlsf_create(scale * 65536, 1000);
	ctxalloc_block side[2][CHUNK], both[CHUNK], block;

	if (!it)
		exit(1);
	side[0][CHUNK - 1] = ctxalloc_tlsf_alloc(it, scale * 200);
	block = ctxalloc_tlsf_alloc(it, scale);
	make_ranges(it, &side[1][CHUNK - 1], scale * 100, 1);
	make_ranges(it, side[0], scale * 200, others);
	make_ranges(it, side[1], scale * 100, others);
	make_ranges(it, both, scale * 301, CHUNK - 1);
	make_free(it, side[0], others);
	make_free(it, side[1], others);
	make_free(it, both, CHUNK - 1);
	make_free(it, &side[0][CHUNK - 1], 1);
	make_free(it, &side[1][CHUNK - 1], 1);
	trap_on();
	int failed = ctxalloc_tlsf_free(it, block);
	trap_off();
	return built_end(it, counted - own, failed);
}

/* Finds only a range in a bin far from the wanted one, which leaves that bin with `others`, and a rest that needs a new chunk. */
static uint32_t alloc_built(uint64_t scale, unsigned others, uint32_t own)
{
	ctxalloc_tlsf *it = ctxalloc_tlsf_create(scale * 31 + others + 2 * CHUNK, 1000);
	ctxalloc_block large[CHUNK], less[CHUNK - 1];

	if (!it)
		exit(1);
	make_ranges(it, large, scale, others + 1);
	make_ranges(it, less, scale - 1, CHUNK - 1);
	while (ctxalloc_tlsf_free_largest(it))
		(void)ctxalloc_tlsf_alloc(it, ctxalloc_tlsf_free_largest(it));
	make_free(it, less, CHUNK - 1);
	make_free(it, large, others + 1);
	trap_on();
	ctxalloc_block block = ctxalloc_tlsf_alloc(it, 1);
	trap_off();
	return built_end(it, counted - own, block.offset == CTXALLOC_NONE);
}

static void run_built(void)
{
	uint32_t own = empty_call();

	(void)free_built(1, 0, own); /* the first call of each goes through the dynamic linker */
	(void)free_built(1ULL << 32, 0, own);
	(void)alloc_built(1ULL << 27, 0, own);
	for (unsigned others = 0; others < CHUNK; others += CHUNK - 1) {
		printf("tlsf, built: bins left with %2u: alloc %u, free %u instructions; beyond 2^32 units: alloc %u, free %u\n", others,
		       alloc_built(1ULL << 27, others, own), free_built(1, others, own), alloc_built(1ULL << 57, others, own),
		       free_built(1ULL << 32, others, own));
	}
}

RUN(tlsf, ctxalloc_block, ctxalloc_tlsf, block[slot].offset != CTXALLOC_NONE,
    ctxalloc_tlsf_set_scan_limit(it, scan ? UINT32_MAX : 0))
RUN(tlsf16, ctxalloc_block, ctxalloc_tlsf16, block[slot].offset != CTXALLOC_NONE,
    ctxalloc_tlsf16_set_scan_limit(it, scan ? UINT32_MAX : 0))
RUN(fit, ctxalloc_fit_block, ctxalloc_fit, block[slot].size != 0, (void)0)

int main(int argc, char **argv)
{
	unsigned long calls = argc > 1 ? strtoul(argv[1], NULL, 10) : 3000;
	struct sigaction action = { .sa_flags = SA_SIGINFO };

	action.sa_sigaction = on_trap;
	for (int i = 0; i < 2; i++)
		tally[i] = malloc(calls * sizeof *tally[i]);
	if (!calls || !tally[0] || !tally[1] || sigaction(SIGTRAP, &action, NULL))
		return 1;
	run_built();
	run_tlsf("tlsf, no scan", calls, 0);
	run_tlsf("tlsf, scan", calls, 1);
	run_tlsf16("tlsf16, no scan", calls, 0);
	run_fit("fit", calls, 0);
	return 0;
}

#else

int main(void)
{
	fprintf(stderr, "worst: single-stepping is written for x86-64 only\n");
	return 77;
}

#endif
