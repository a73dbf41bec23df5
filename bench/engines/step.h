/* Counting the user-space instructions of one call, by the processor's trap flag; see bench/wcet.c. x86-64 only.
 *
 *     step_begin(); f(); unsigned n = step_end();
 */
#ifndef BENCH_ENGINES_STEP_H
#define BENCH_ENGINES_STEP_H

#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#if defined(__x86_64__)
#define STEP_WORKS 1

static volatile unsigned step_count;
static volatile int step_on;

/* Each instruction raises SIGTRAP; an int3 switches that on and, the second time, off. */
static void step_trap(int number, siginfo_t *info, void *context)
{
	greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
	uint8_t before;

	(void)number;
	memcpy(&before, (const void *)(registers[REG_RIP] - 1), 1);
	if (info->si_code == SI_KERNEL && before == 0xcc) { /* the int3 itself */
		step_on = !step_on;
		if (step_on) {
			step_count = 0;
			registers[REG_EFL] |= 0x100;
		} else {
			registers[REG_EFL] &= ~(greg_t)0x100;
		}
	} else {
		step_count++;
	}
}

static inline void step_start(void)
{
	struct sigaction action = { .sa_flags = SA_SIGINFO };

	action.sa_sigaction = step_trap;
	sigaction(SIGTRAP, &action, NULL);
}

#define step_begin() __asm__ volatile("int3" : : : "memory")
#define step_end() (__extension__({ __asm__ volatile("int3" : : : "memory"); step_count; }))
#else
#define STEP_WORKS 0
static inline void step_start(void) {}
#define step_begin() ((void)0)
#define step_end() 0U
#endif

#endif
