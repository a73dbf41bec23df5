/* Call stacks: taken by the compiler's unwinder, and kept once each in a table, where a number stands for one.
 *
 * For the profile and for check=full's option trace: off by default, and then nothing of this takes memory.  The table's memory is reserved at
 * start and touched as it is used; what does not fit any more is stack 0.  Any thread; no lock to look one up, one to add one; nothing here allocates.
 */
#ifndef CA_FRONT_STACK_H
#define CA_FRONT_STACK_H

#include "base/base.h"

enum { CA_STACK_FRAMES = 30, CA_STACKS = 1 << 15 /* numbers are below this: they fit 15 bits */ };

/* What the profile counts of one: sampled blocks and their bytes. Atomic. */
typedef struct ca_stack_counts {
    uint64_t blocks, bytes, freed_blocks, freed_bytes;
} ca_stack_counts;

typedef struct ca_stack {
    uint32_t next;  /* of the same hash; 0: none */
    uint32_t count; /* frames */
    ca_stack_counts counts;
    uintptr_t frame[CA_STACK_FRAMES]; /* return addresses, innermost first, without those of this library */
} ca_stack;

/* At most `frames` of each stack are kept from now on. Once, at start. false: no memory. */
bool ca_stack_init(unsigned frames);
/* Finds the unwinder; before that, all stacks are 0. It may load a library: once, when the process's constructors run. false: there is none. */
bool ca_stack_find_unwinder(void);

/* The number of the caller's stack; 0: unknown, because there is no unwinder, or no room. */
uint32_t ca_stack_take(void);
/* number <= ca_stack_last(); 0 has no frames. */
ca_stack *ca_stack_at(uint32_t number);
uint32_t ca_stack_last(void);
/* " prog+0x1151 libc.so.6+0x2718a": where each frame lies in its file, for addr2line. Returns the length. */
size_t ca_stack_format(uint32_t number, char *to, size_t size);

/* Fork: the lock of this file. */
void ca_stack_lock(void);
void ca_stack_unlock(void);

#endif
