/* Speed of the engines blocks, chunks and bump, beside naive ones in the same run: pools [SCALE].
 *
 * Times are medians of ROUNDS rounds, of processor time where many calls are timed together. Blocks: a pair is one allocation and one free. Chunks: single calls, by the processor's clock, the clock's own
 * time taken off. Worst calls: instructions, by single-stepping.
 */
#include "bench/bench.h"
#include "bench/engines/step.h"

#include <ctxalloc.h>
#include <sched.h>

enum { ROUNDS = 7, THREADS = 8 };

static double scale = 1.0;

static int compare_doubles(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;

	return (a > b) - (a < b);
}

static double median(double *values, size_t n)
{
	qsort(values, n, sizeof *values, compare_doubles);
	return values[n / 2];
}

static void report(const char *what, double value, const char *unit, const char *target)
{
	printf("%-58s %9.2f %-6s %s\n", what, value, unit, target);
}

/* --- blocks --------------------------------------------------------------------------------------------- */

static ctxalloc_blocks *pool;

/* What most people write: a list through the free blocks, behind a lock that spins. */
static struct {
	int locked;
	void **first;
} spin_list;

static void spin_lock(void)
{
	while (__atomic_exchange_n(&spin_list.locked, 1, __ATOMIC_ACQUIRE))
		for (int i = 0; __atomic_load_n(&spin_list.locked, __ATOMIC_RELAXED); i++)
			if (i % 64 == 63)
				sched_yield(); /* or a thread waits out its slice for one that does not run */
}

static void *list_alloc(void)
{
	void **block;

	spin_lock();
	block = spin_list.first;
	if (block)
		spin_list.first = *block;
	__atomic_store_n(&spin_list.locked, 0, __ATOMIC_RELEASE);
	return block;
}

static void list_free(void *block)
{
	spin_lock();
	*(void **)block = spin_list.first;
	spin_list.first = block;
	__atomic_store_n(&spin_list.locked, 0, __ATOMIC_RELEASE);
}

/* Each thread takes four blocks and gives them back, `n` times. */
enum { HELD = 4 };
#define PAIRS(name, alloc, free)                                              \
	static void name(long n)                                              \
	{                                                                     \
		void *block[HELD];                                            \
		for (long i = 0; i < n; i++) {                                \
			for (int j = 0; j < HELD; j++)                        \
				block[j] = alloc;                             \
			for (int j = 0; j < HELD; j++)                        \
				bench_require(block[j] && !free, "a pair works"); \
		}                                                             \
	}
static __thread ctxalloc_blocks_cache cache;
PAIRS(pairs_pool, ctxalloc_blocks_alloc(pool), ctxalloc_blocks_free(pool, block[j]))
PAIRS(pairs_cache, ctxalloc_blocks_cache_alloc(&cache), ctxalloc_blocks_cache_free(&cache, block[j]))
PAIRS(pairs_list, list_alloc(), (list_free(block[j]), 0))

static void alone_pool(long n)
{
	for (long i = 0; i < n * HELD; i++) {
		void *block = ctxalloc_blocks_alloc(pool);
		bench_require(block && !ctxalloc_blocks_free(pool, block), "a pair works");
	}
}

static void alone_cache(long n)
{
	for (long i = 0; i < n * HELD; i++) {
		void *block = ctxalloc_blocks_cache_alloc(&cache);
		bench_require(block && !ctxalloc_blocks_cache_free(&cache, block), "a pair works");
	}
}

static struct job {
	void (*body)(long);
	long n;
	pthread_barrier_t start;
} job;

static void *thread_body(void *argument)
{
	(void)argument;
	bench_require(!ctxalloc_blocks_cache_init(&cache, pool, 62), "a cache");
	pthread_barrier_wait(&job.start);
	job.body(job.n);
	ctxalloc_blocks_cache_flush(&cache);
	return NULL;
}

/* All threads' processor time: a machine that is busy otherwise counts less. */
static double cpu_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* Nanoseconds of processor time a pair, all threads together; spinning and yielding counts. */
static double time_threads(void (*body)(long), unsigned threads, long n)
{
	pthread_t thread[THREADS];
	double start;

	job.body = body;
	job.n = n / threads;
	pthread_barrier_init(&job.start, NULL, threads + 1);
	for (unsigned i = 0; i < threads; i++)
		bench_start(&thread[i], thread_body, NULL);
	start = cpu_seconds();
	pthread_barrier_wait(&job.start);
	for (unsigned i = 0; i < threads; i++)
		pthread_join(thread[i], NULL);
	pthread_barrier_destroy(&job.start);
	return (cpu_seconds() - start) * 1e9 / (double)(n / threads * threads * HELD);
}

static void bench_blocks(void)
{
	static const struct {
		const char *name;
		void (*body)(long);
		unsigned threads;
		const char *target;
	} cases[] = {
		{ "blocks: a pair, one thread, with a cache", alone_cache, 1, "(below 5; block_alloc says 28)" },
		{ "blocks: a pair, one thread, no cache", alone_pool, 1, "" },
		{ "blocks: four and four, one thread, with a cache", pairs_cache, 1, "" },
		{ "blocks: four and four, one thread, no cache", pairs_pool, 1, "" },
		{ "spinlocked list: four and four, one thread", pairs_list, 1, "" },
		{ "blocks: four and four, 8 threads, with caches", pairs_cache, THREADS, "" },
		{ "blocks: four and four, 8 threads, no caches", pairs_pool, THREADS, "(no more than the list)" },
		{ "spinlocked list: four and four, 8 threads", pairs_list, THREADS, "" },
	};
	enum { CASES = BENCH_ARRAY_LENGTH(cases), COUNT = 10000 };
	static double ns[CASES][ROUNDS];
	static _Alignas(64) unsigned char blocks[COUNT][64];

	pool = ctxalloc_blocks_create(64, COUNT);
	bench_require(pool != NULL, "there is a pool");
	for (size_t i = COUNT; i-- > 0;)
		list_free(blocks[i]);
	for (int round = 0; round < ROUNDS; round++)
		for (size_t i = 0; i < CASES; i++)
			ns[i][round] = time_threads(cases[i].body, cases[i].threads, (long)(1000000 * scale));
	for (size_t i = 0; i < CASES; i++)
		report(cases[i].name, median(ns[i], ROUNDS), "ns", cases[i].target);
	ctxalloc_blocks_destroy(pool);
}

/* --- chunks ------------------------------------------------------------------------------------------------- */

#if defined(__x86_64__)
static inline uint64_t ticks(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtscp" : "=a"(low), "=d"(high) : : "rcx", "memory");
	return (uint64_t)high << 32 | low;
}
#else
static inline uint64_t ticks(void)
{
	return (uint64_t)(bench_now_seconds() * 1e9);
}
#endif

static double ticks_a_ns(void)
{
	double start = bench_now_seconds();
	uint64_t from = ticks();

	while (bench_now_seconds() < start + 0.05)
		;
	return (double)(ticks() - from) / ((bench_now_seconds() - start) * 1e9);
}

/* A bitmap without summaries, next fit: a byte a chunk. */
static unsigned char *naive_used;
static size_t naive_at, naive_count;

static size_t naive_alloc(void)
{
	for (size_t i = 0; i < naive_count; i++) {
		size_t at = naive_at + i < naive_count ? naive_at + i : naive_at + i - naive_count;
		if (!naive_used[at]) {
			naive_used[at] = 1;
			naive_at = at;
			return at;
		}
	}
	return SIZE_MAX;
}

enum { CALLS = 200000, CHUNKS = 1000000, CHUNK = 256 };
static double alloc_ns[CALLS], free_ns[CALLS], clock_ns[CALLS];

static void report_calls(const char *what, double *ns, size_t n, const char *target)
{
	char name[100];
	double half = median(ns, n) - median(clock_ns, CALLS);

	snprintf(name, sizeof name, "%s, median", what);
	report(name, half, "ns", target);
	snprintf(name, sizeof name, "%s, 99.9 %%", what);
	report(name, ns[n - n / 1000 - 1] - median(clock_ns, CALLS), "ns", "");
}

/* Full but for one in a hundred; then one at random goes and one comes. */
static void bench_full_chunks(double per_ns)
{
	struct bench_random random = bench_random_seed(1);
	ctxalloc_chunks *heap = ctxalloc_chunks_create(CHUNKS, CHUNK);
	void **block = malloc(CHUNKS * sizeof *block);
	size_t n = CHUNKS;

	bench_require(heap && block, "there is a heap");
	for (size_t i = 0; i < n; i++)
		bench_require((block[i] = ctxalloc_chunks_alloc(heap, CHUNK, 1)) != NULL, "a chunk");
	for (size_t i = 0; i < CHUNKS / 100; i++) {
		size_t k = bench_random_below(&random, n);
		bench_require(ctxalloc_chunks_free(heap, block[k]) == 0, "a free");
		block[k] = block[--n];
	}
	for (size_t i = 0; i < CALLS; i++) {
		size_t k = bench_random_below(&random, n);
		void *gone = block[k];
		uint64_t a = ticks(), b, c;
		b = ticks();
		clock_ns[i] = (double)(b - a) / per_ns;
		a = ticks();
		int error = ctxalloc_chunks_free(heap, gone);
		b = ticks();
		block[k] = ctxalloc_chunks_alloc(heap, CHUNK, 1);
		c = ticks();
		bench_require(!error && block[k], "a pair");
		free_ns[i] = (double)(b - a) / per_ns;
		alloc_ns[i] = (double)(c - b) / per_ns;
	}
	report_calls("chunks: alloc, 10^6 chunks, 99 % full", alloc_ns, CALLS, "(below 100)");
	report_calls("chunks: free, 10^6 chunks, 99 % full", free_ns, CALLS, "(below 100)");
	for (size_t i = 0; i < CALLS; i++) {
		uint64_t a = ticks();
		void *p = ctxalloc_chunks_alloc(heap, 64 * CHUNK, 1);
		alloc_ns[i] = (double)(ticks() - a) / per_ns;
		bench_require(!p, "nothing so large is free");
	}
	report_calls("chunks: a refusal, 10^6 chunks, 99 % full", alloc_ns, CALLS, "");
	ctxalloc_chunks_destroy(heap);
	free(block);

	naive_used = malloc(CHUNKS);
	naive_count = CHUNKS;
	bench_require(naive_used != NULL, "there is a table");
	memset(naive_used, 1, CHUNKS);
	for (size_t i = 0; i < CHUNKS / 100; i++)
		naive_used[bench_random_below(&random, CHUNKS)] = 0;
	for (size_t i = 0; i < CALLS / 10; i++) {
		naive_used[bench_random_below(&random, CHUNKS)] = 0;
		uint64_t a = ticks();
		size_t at = naive_alloc();
		alloc_ns[i] = (double)(ticks() - a) / per_ns;
		bench_require(at != SIZE_MAX, "a chunk");
	}
	report_calls("naive byte map: alloc, 10^6 chunks, 99 % full", alloc_ns, CALLS / 10, "");
	free(naive_used);
}

/* As simple-chunk-allocator's own benchmark: random sizes and alignments in 160 MB until it is nearly full, some old ones freed. */
static void bench_mixed_chunks(double per_ns)
{
	struct bench_random random = bench_random_seed(2);
	ctxalloc_chunks *heap = ctxalloc_chunks_create(655360, 256);
	void **block = malloc(CALLS * sizeof *block);
	size_t n = 0, calls = 0, failures = 0;

	bench_require(heap && block, "there is a heap");
	while (calls < CALLS && ctxalloc_chunks_usage(heap) < 99) {
		size_t size = 1 + bench_random_below(&random, 8192), align = (size_t)1 << bench_random_below(&random, 13);
		uint64_t a = ticks();
		void *p = ctxalloc_chunks_alloc(heap, size, align);
		alloc_ns[calls++] = (double)(ticks() - a) / per_ns;
		failures += p == NULL;
		if (p)
			block[n++] = p;
		if (n && bench_random_below(&random, 100) < 35) {
			size_t k = bench_random_below(&random, n);
			bench_require(ctxalloc_chunks_free(heap, block[k]) == 0, "a free");
			block[k] = block[--n];
		}
	}
	printf("chunks: %zu mixed calls, %zu failed, usage at the end %u %%\n", calls, failures, ctxalloc_chunks_usage(heap));
	report_calls("chunks: alloc of 1 to 8192 B at 1 to 4096, 655360 chunks", alloc_ns, calls, "(SCA: 592 ticks)");
	ctxalloc_chunks_destroy(heap);
	free(block);
}

/* --- bump ----------------------------------------------------------------------------------------------------- */

static void bench_bump(void)
{
	enum { BYTES = 1 << 20, SIZE = 40 };
	static double ns[ROUNDS];
	ctxalloc_bump *bump = ctxalloc_bump_create(BYTES);

	bench_require(bump != NULL, "there is a bump");
	for (int round = 0; round < ROUNDS; round++) {
		long n = (long)(5000000 * scale);
		double start = cpu_seconds();
		for (long i = 0; i < n; i++)
			if (!ctxalloc_bump_alloc(bump, SIZE, 16)) {
				ctxalloc_bump_reset(bump);
				bench_require(ctxalloc_bump_alloc(bump, SIZE, 16) != NULL, "a block");
			}
		ns[round] = (cpu_seconds() - start) * 1e9 / (double)n;
	}
	report("bump: alloc of 40 B at 16", median(ns, ROUNDS), "ns", "");
	ctxalloc_bump_destroy(bump);
}

/* --- worst calls, in instructions -------------------------------------------------------------------------------- */

static unsigned worst_of(unsigned worst, unsigned now)
{
	return now > worst ? now : worst;
}

static void bench_worst(void)
{
	struct bench_random random = bench_random_seed(3);
	unsigned alloc = 0, release = 0, take = 0, give = 0, cached_take = 0, cached_give = 0, bumped = 0;
	size_t calls = (size_t)(2500 * scale) + 200, n = 0;
	static void *block[20000];
	ctxalloc_chunks *heap = ctxalloc_chunks_create(CHUNKS, CHUNK);
	ctxalloc_bump *bump = ctxalloc_bump_create(1 << 20);

	if (!STEP_WORKS) {
		printf("worst calls: single-stepping is written for x86-64 only\n");
		return;
	}
	pool = ctxalloc_blocks_create(64, 1000);
	bench_require(heap && pool && bump && !ctxalloc_blocks_cache_init(&cache, pool, 62), "there are engines");
	step_start();
	/* Nearly full with small ones; then the large come and go among them. */
	while (ctxalloc_chunks_usage(heap) < 97)
		bench_require(ctxalloc_chunks_alloc(heap, 40 * CHUNK * bench_random_below(&random, 100), 1) != NULL, "a block");
	for (size_t i = 0; i < calls; i++) {
		size_t size = 1 + bench_random_below(&random, bench_random_below(&random, 64 * CHUNK) + 1);
		if (n < 100 || (n < 20000 && bench_random_below(&random, 2))) {
			step_begin();
			void *p = ctxalloc_chunks_alloc(heap, size, 1);
			alloc = worst_of(alloc, step_end());
			if (p)
				block[n++] = p;
		} else {
			size_t k = bench_random_below(&random, n);
			step_begin();
			int error = ctxalloc_chunks_free(heap, block[k]);
			release = worst_of(release, step_end());
			bench_require(!error, "a free");
			block[k] = block[--n];
		}
	}
	report("chunks: worst alloc, up to 64 chunks, 10^6 chunks", alloc, "instr", "");
	report("chunks: worst free, up to 64 chunks, 10^6 chunks", release, "instr", "");
	for (size_t i = 0; i < calls; i++) {
		step_begin();
		void *p = ctxalloc_blocks_alloc(pool);
		take = worst_of(take, step_end());
		step_begin();
		int error = ctxalloc_blocks_free(pool, p);
		give = worst_of(give, step_end());
		bench_require(p && !error, "a pair");
	}
	for (size_t i = n = 0; i < calls; i++) {
		if (n < 500 && (!n || bench_random_below(&random, 1000) < (i / 300 % 2 ? 900U : 100U))) {
			step_begin();
			block[n] = ctxalloc_blocks_cache_alloc(&cache);
			cached_take = worst_of(cached_take, step_end());
			bench_require(block[n++] != NULL, "a block");
		} else {
			step_begin();
			int error = ctxalloc_blocks_cache_free(&cache, block[--n]);
			cached_give = worst_of(cached_give, step_end());
			bench_require(!error, "a free");
		}
		step_begin();
		bench_require(ctxalloc_bump_alloc(bump, 1, 8) != NULL, "a block");
		bumped = worst_of(bumped, step_end());
	}
	report("blocks: worst alloc", take, "instr", "");
	report("blocks: worst free", give, "instr", "");
	report("blocks: worst alloc with a cache (refill of 31)", cached_take, "instr", "");
	report("blocks: worst free with a cache (31 go back)", cached_give, "instr", "");
	report("bump: worst alloc", bumped, "instr", "");
}

int main(int argc, char **argv)
{
	double per_ns = ticks_a_ns();

	setvbuf(stdout, NULL, _IOLBF, 0);
	scale = argc > 1 ? strtod(argv[1], NULL) : 1.0;
	bench_blocks();
	bench_full_chunks(per_ns);
	bench_mixed_chunks(per_ns);
	bench_bump();
	bench_worst();
	return 0;
}
