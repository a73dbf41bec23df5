/* A stack switch by hand, as coroutine libraries have it: registers that a call must keep go onto the stack that is left, and come from the one that is entered.
 *
 *   stack_switch(&left, to)                      leaves this stack, its top is in `left`; enters `to`; comes back when somebody switches to `left`
 *   to = stack_prepare(low, size, entry, arg)    a stack whose first switch calls entry(arg), which must never return
 *
 * x86-64 (System V) and AArch64 (AAPCS64).  Not for shadow stacks.  Included by one file of a program.
 */
#ifndef EXAMPLES_SWITCH_H
#define EXAMPLES_SWITCH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif
void stack_switch(void **left, void *to);
void stack_begin(void);
#ifdef __cplusplus
}
#endif

#if defined __x86_64__

__asm__(".text\n"
        ".p2align 4\n"
        ".globl stack_switch\n"
        ".type stack_switch, @function\n"
        "stack_switch:\n"
        "  pushq %rbp\n  pushq %rbx\n  pushq %r12\n  pushq %r13\n  pushq %r14\n  pushq %r15\n"
        "  subq $8, %rsp\n  stmxcsr (%rsp)\n  fnstcw 4(%rsp)\n"
        "  movq %rsp, (%rdi)\n"
        "  movq %rsi, %rsp\n"
        "  ldmxcsr (%rsp)\n  fldcw 4(%rsp)\n  addq $8, %rsp\n"
        "  popq %r15\n  popq %r14\n  popq %r13\n  popq %r12\n  popq %rbx\n  popq %rbp\n"
        "  ret\n"
        ".size stack_switch, . - stack_switch\n"
        ".globl stack_begin\n"
        ".type stack_begin, @function\n"
        "stack_begin:\n"
        "  movq %r12, %rdi\n"
        "  call *%r13\n"
        "  ud2\n"
        ".size stack_begin, . - stack_begin\n");

/* Words from the top of a left stack: mxcsr and x87 control, r15, r14, r13, r12, rbx, rbp, return address. */
enum { STACK_WORDS = 8, STACK_ENTRY = 3, STACK_ARGUMENT = 4, STACK_RETURN = 7 };

static inline void stack_controls(uint64_t *words) {
    uint32_t mxcsr;
    uint16_t control;
    __asm__("stmxcsr %0\n\tfnstcw %1" : "=m"(mxcsr), "=m"(control));
    words[0] = mxcsr | (uint64_t)control << 32;
}

#elif defined __aarch64__

__asm__(".text\n"
        ".p2align 4\n"
        ".globl stack_switch\n"
        ".type stack_switch, %function\n"
        "stack_switch:\n"
        "  sub sp, sp, #160\n"
        "  stp x19, x20, [sp]\n  stp x21, x22, [sp, #16]\n  stp x23, x24, [sp, #32]\n  stp x25, x26, [sp, #48]\n"
        "  stp x27, x28, [sp, #64]\n  stp x29, x30, [sp, #80]\n"
        "  stp d8, d9, [sp, #96]\n  stp d10, d11, [sp, #112]\n  stp d12, d13, [sp, #128]\n  stp d14, d15, [sp, #144]\n"
        "  mov x9, sp\n  str x9, [x0]\n"
        "  mov sp, x1\n"
        "  ldp x19, x20, [sp]\n  ldp x21, x22, [sp, #16]\n  ldp x23, x24, [sp, #32]\n  ldp x25, x26, [sp, #48]\n"
        "  ldp x27, x28, [sp, #64]\n  ldp x29, x30, [sp, #80]\n"
        "  ldp d8, d9, [sp, #96]\n  ldp d10, d11, [sp, #112]\n  ldp d12, d13, [sp, #128]\n  ldp d14, d15, [sp, #144]\n"
        "  add sp, sp, #160\n"
        "  ret\n"
        ".size stack_switch, . - stack_switch\n"
        ".globl stack_begin\n"
        ".type stack_begin, %function\n"
        "stack_begin:\n"
        "  mov x0, x19\n"
        "  blr x20\n"
        "  brk #0\n"
        ".size stack_begin, . - stack_begin\n");

/* x19 to x30, d8 to d15. */
enum { STACK_WORDS = 20, STACK_ARGUMENT = 0, STACK_ENTRY = 1, STACK_RETURN = 11 };

static inline void stack_controls(uint64_t *words) { (void)words; }

#else
#error "no stack switch for this processor"
#endif

static inline void *stack_prepare(void *low, size_t size, void (*entry)(void *), void *arg) {
    uintptr_t top = ((uintptr_t)low + size) & ~(uintptr_t)15;
    uint64_t *words = (uint64_t *)(top - STACK_WORDS * 8 - (STACK_WORDS % 2) * 8);
    memset(words, 0, STACK_WORDS * 8);
    stack_controls(words);
    words[STACK_ENTRY] = (uintptr_t)entry;
    words[STACK_ARGUMENT] = (uintptr_t)arg;
    words[STACK_RETURN] = (uintptr_t)&stack_begin;
    return words;
}

#endif
