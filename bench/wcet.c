/* The worst call, in user-space instructions: wcet ALLOCATOR.so|- [CALLS]
 *
 * The program starts itself anew with the allocator preloaded, runs a mix of sizes that fragments, with bursts of frees,
 * and executes every malloc and free of it one instruction at a time: the processor's trap flag makes each instruction
 * raise SIGTRAP, and the handler counts.  No clock is read, so the figures do not depend on the machine's load.  A call
 * that entered the kernel is tallied apart: the kernel's instructions cannot be counted.  A string instruction counts
 * once for each repetition.
 *
 * An int3 before the call starts the counting; a no-op with a number in it, which nothing else has, ends it.
 */
#include "bench.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <ucontext.h>
#include <unistd.h>

#if defined(__x86_64__)

/* nopl NUMBER(%rax): seven bytes, 0f 1f 80 and the number. */
#define MARK(number) ".byte 0x0f, 0x1f, 0x80\n\t.long " number
#define START_COUNTING() __asm__ volatile("int3" : : : "memory")
#define END_COUNTING() __asm__ volatile(MARK("0x57434232") : : : "memory")
static const uint64_t end_mark = 0x57434232801f0fu, mark_mask = 0xffffffffffffffu;
static const uint16_t syscall_opcode = 0x050f;

enum {
	SLOTS = 4096,
	WARM_UP_STEPS = 60000, /* not counted: an allocator may set itself up */
	BURST_STEPS = 8192     /* after so many, a third of all slots is freed at once */
};
#define DEFAULT_CALLS "6000"

/* ---- counting ---- */

static struct {
	uint32_t *pure; /* instructions of each call that stayed out of the kernel */
	size_t pure_count, room;
	size_t kernel_count;
	uint32_t kernel_longest;
} tally;

static struct {
	int on;
	uint32_t steps, kernel_entries;
} call;

static void end_call(void)
{
	call.on = 0;
	if (call.kernel_entries) {
		tally.kernel_count++;
		if (call.steps > tally.kernel_longest)
			tally.kernel_longest = call.steps;
	} else if (tally.pure_count < tally.room) {
		tally.pure[tally.pure_count++] = call.steps;
	}
}

/* Runs before each instruction of a counted call; `at` is that instruction. */
static void on_trap(int number, siginfo_t *info, void *context)
{
	greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
	const greg_t trap_flag = 0x100;
	uint64_t at;

	(void)number;
	(void)info;
	if (call.on) {
		memcpy(&at, (const void *)registers[REG_RIP], sizeof at);
		if ((at & mark_mask) == end_mark) {
			registers[REG_EFL] &= ~trap_flag;
			call.steps++; /* the one just executed */
			end_call();
			return;
		}
		call.steps++;
		call.kernel_entries += (uint16_t)at == syscall_opcode;
	} else {
		/* The int3.  The first instruction after it runs before the next trap. */
		call.on = 1;
		call.steps = 0;
		call.kernel_entries = 0;
		registers[REG_EFL] |= trap_flag;
	}
}

/* ---- the mix.  Changing it makes figures incomparable with older ones. ---- */

static uint64_t mix_state = 88172645463325252u;

static uint64_t mix_next(void)
{
	mix_state ^= mix_state << 13;
	mix_state ^= mix_state >> 7;
	mix_state ^= mix_state << 17;
	return mix_state;
}

/* 10 of 16 up to 256 bytes, 3 up to 2,000, 2 up to 20,000, 1 up to 300,000. */
static size_t mix_size(uint64_t random)
{
	static const uint32_t limits[16] = { 300000, 20000, 20000, 2000, 2000, 2000, 256, 256,
					     256,    256,   256,   256,	 256,  256,  256, 256 };

	return 1 + (random >> 8) % limits[random & 15];
}

static void *counted_malloc(size_t bytes)
{
	void *block;

	START_COUNTING();
	block = malloc(bytes);
	END_COUNTING();
	return block;
}

static void counted_free(void *block)
{
	START_COUNTING();
	free(block);
	END_COUNTING();
}

static void run_mix(unsigned long calls)
{
	static void *slots[SLOTS];
	unsigned long traced = 0;

	for (unsigned long step = 0; traced < calls; step++) {
		size_t slot = mix_next() % SLOTS;
		size_t bytes = mix_size(mix_next());
		int counted = step > WARM_UP_STEPS;

		if (slots[slot]) {
			if (counted)
				counted_free(slots[slot]);
			else
				free(slots[slot]);
			slots[slot] = NULL;
		} else {
			slots[slot] = counted ? counted_malloc(bytes) : malloc(bytes);
			bench_require(slots[slot] != NULL, "malloc gave a block");
			*(volatile char *)slots[slot] = 1;
		}
		traced += (unsigned long)counted;
		if (step % BURST_STEPS != BURST_STEPS - 1)
			continue;
		for (size_t i = 0; i < SLOTS; i += 3) {
			free(slots[i]);
			slots[i] = NULL;
		}
	}
}

static int compare(const void *left, const void *right)
{
	uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;

	return (a > b) - (a < b);
}

static void print_tally(void)
{
	size_t count = tally.pure_count;

	bench_require(count > 0, "there is a call that stayed out of the kernel");
	qsort(tally.pure, count, sizeof *tally.pure, compare);
	printf("calls %zu  instructions: median %u  p99 %u  p99.9 %u  max %u ; with a system call %zu (max %u)\n", count,
	       tally.pure[count / 2], tally.pure[count * 99 / 100], tally.pure[count * 999 / 1000], tally.pure[count - 1],
	       tally.kernel_count, tally.kernel_longest);
}

static int count_mix(unsigned long calls)
{
	struct sigaction action = { .sa_flags = SA_SIGINFO };

	action.sa_sigaction = on_trap;
	bench_require(sigaction(SIGTRAP, &action, NULL) == 0, "the handler is set");
	/* Not from the allocator that is measured. */
	tally.room = calls;
	tally.pure = mmap(NULL, calls * sizeof *tally.pure, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bench_require(tally.pure != MAP_FAILED, "there is memory");
	run_mix(calls);
	print_tally();
	return 0;
}

int main(int argc, char **argv)
{
	const char *calls = argc > 2 ? argv[2] : DEFAULT_CALLS;

	if (argc < 2 || strtoul(calls, NULL, 10) == 0) {
		fprintf(stderr, "usage: wcet ALLOCATOR.so|- [CALLS]\n");
		return 2;
	}
	if (strcmp(argv[1], "--counted") == 0)
		return count_mix(strtoul(calls, NULL, 10));
	if (strcmp(argv[1], "-") != 0)
		setenv("LD_PRELOAD", argv[1], 1);
	personality(ADDR_NO_RANDOMIZE); /* the same figures each time; where it is refused, nearly so */
	execl("/proc/self/exe", "wcet", "--counted", calls, (char *)NULL);
	perror("wcet");
	return 1;
}

#else

int main(void)
{
	fprintf(stderr, "wcet: single-stepping is written for x86-64 only\n");
	return 77;
}

#endif
