/* The stack switch by hand (examples/coroutines/switch.h): every register that a call must keep is kept, for both sides; stacks begin aligned,
 * with their argument; a rounding mode stays on its stack where the switch says so. switch.sh compiles it for each processor. */
#include <fenv.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "examples/coroutines/switch.h"

#define CHECK(condition)                                                    \
    do {                                                                    \
        if (!(condition)) {                                                 \
            printf("switch.c, line %d: %s\n", __LINE__, #condition);        \
            exit(1);                                                        \
        }                                                                   \
    } while (0)

/* As stack_switch, with the registers to keep filled from `words` before, and stored there after. */
void probe(void **left, void *to, uint64_t *words);

#if defined __x86_64__
enum { KEPT = 6 };
__asm__(".text\n"
        ".globl probe\n"
        ".type probe, @function\n"
        "probe:\n"
        "  pushq %rbx\n  pushq %rbp\n  pushq %r12\n  pushq %r13\n  pushq %r14\n  pushq %r15\n  pushq %rdx\n"
        "  movq (%rdx), %rbx\n  movq 8(%rdx), %rbp\n  movq 16(%rdx), %r12\n  movq 24(%rdx), %r13\n  movq 32(%rdx), %r14\n  movq 40(%rdx), %r15\n"
        "  call stack_switch\n"
        "  popq %rdx\n"
        "  movq %rbx, (%rdx)\n  movq %rbp, 8(%rdx)\n  movq %r12, 16(%rdx)\n  movq %r13, 24(%rdx)\n  movq %r14, 32(%rdx)\n  movq %r15, 40(%rdx)\n"
        "  popq %r15\n  popq %r14\n  popq %r13\n  popq %r12\n  popq %rbp\n  popq %rbx\n"
        "  ret\n"
        ".size probe, . - probe\n");
#else
enum { KEPT = 19 }; /* x19 to x29, d8 to d15 */
#define EACH(load, w)                                                                                                                        \
    load " x19, x20, [" w "]\n" load " x21, x22, [" w ", #16]\n" load " x23, x24, [" w ", #32]\n" load " x25, x26, [" w ", #48]\n"            \
    load " x27, x28, [" w ", #64]\n"                                                                                                         \
    load " d8, d9, [" w ", #88]\n" load " d10, d11, [" w ", #104]\n" load " d12, d13, [" w ", #120]\n" load " d14, d15, [" w ", #136]\n"
__asm__(".text\n"
        ".globl probe\n"
        ".type probe, %function\n"
        "probe:\n"
        "  sub sp, sp, #176\n"
        "  stp x29, x30, [sp, #160]\n"
        "  str x2, [sp, #152]\n" EACH("stp", "sp") EACH("ldp", "x2")
        "  ldr x29, [x2, #80]\n"
        "  bl stack_switch\n"
        "  ldr x2, [sp, #152]\n" EACH("stp", "x2")
        "  str x29, [x2, #80]\n" EACH("ldp", "sp")
        "  ldp x29, x30, [sp, #160]\n"
        "  add sp, sp, #176\n"
        "  ret\n"
        ".size probe, . - probe\n");
#endif

enum { STACKS = 3, STACK = 64 * 1024, ROUNDS = 1000 };

typedef struct fiber {
    void *top;
    unsigned number, turns;
} fiber;

static unsigned char memory[STACKS][STACK] __attribute__((aligned(4096)));
static fiber fibers[STACKS + 1]; /* the last: main */
#if defined __x86_64__
static const int roundings[STACKS + 1] = {FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO, FE_TONEAREST};

/* The two units have a mode each; fegetround asks one only. */
static bool rounds(unsigned number)
{
    uint32_t mxcsr;
    uint16_t control;
    __asm__ volatile("stmxcsr %0\n\tfnstcw %1" : "=m"(mxcsr), "=m"(control));
    return (mxcsr >> 3 & FE_TOWARDZERO) == (uint32_t)roundings[number] && (control & FE_TOWARDZERO) == roundings[number];
}
#endif

/* From one to another and back, with patterns that nobody else has. */
static void visit(fiber *from, const fiber *to, unsigned turn)
{
    uint64_t words[KEPT];
    for (unsigned i = 0; i < KEPT; i++)
        words[i] = (uint64_t)from->number << 56 | (uint64_t)turn << 16 | (i + 1);
    probe(&from->top, to->top, words);
    for (unsigned i = 0; i < KEPT; i++)
        CHECK(words[i] == ((uint64_t)from->number << 56 | (uint64_t)turn << 16 | (i + 1)));
}

static void body(void *argument)
{
    fiber *me = argument;
    _Alignas(16) unsigned char aligned[16];
    uintptr_t at = (uintptr_t)aligned;
    __asm__ volatile("" : "+r"(at) : : "memory");
    CHECK(at % 16 == 0);
    CHECK(me == &fibers[me->number]);
    CHECK(at > (uintptr_t)memory[me->number] && at < (uintptr_t)memory[me->number] + STACK);
#if defined __x86_64__
    CHECK(rounds(STACKS) && fesetround(roundings[me->number]) == 0);
#endif
    for (;;) {
        me->turns++;
        visit(me, &fibers[(me->number + 1) % (STACKS + 1)], me->turns);
#if defined __x86_64__
        CHECK(rounds(me->number));
#endif
    }
}

int main(void)
{
    fiber *self = &fibers[STACKS];
    for (unsigned i = 0; i < STACKS; i++) {
        fibers[i].number = i;
        fibers[i].top = stack_prepare(memory[i], STACK - i * 8, body, &fibers[i]); /* a size that is no multiple of 16, too */
    }
    self->number = STACKS;
    for (unsigned round = 1; round <= ROUNDS; round++) {
        visit(self, &fibers[0], round);
#if defined __x86_64__
        CHECK(rounds(STACKS));
#endif
        for (unsigned i = 0; i < STACKS; i++)
            CHECK(fibers[i].turns == round);
    }
    printf("%d switches, %d registers each\n", ROUNDS * (STACKS + 1), KEPT);
    return 0;
}
