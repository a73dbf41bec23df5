/* Copying without a C library: a loop that no compiler turns into a call of memcpy. */
#ifndef CA_ENGINE_COPY_H
#define CA_ENGINE_COPY_H

#include "base/base.h"

/* The ranges do not overlap. */
CA_INLINE void ca_copy(void *to, const void *from, size_t bytes)
{
    typedef uint64_t __attribute__((may_alias, aligned(1))) word;
    unsigned char *t = to;
    const unsigned char *f = from;
    for (; bytes >= 2 * sizeof(word); bytes -= 2 * sizeof(word), t += 2 * sizeof(word), f += 2 * sizeof(word)) {
        ((word *)(void *)t)[0] = ((const word *)(const void *)f)[0];
        ((word *)(void *)t)[1] = ((const word *)(const void *)f)[1];
        __asm__ volatile("" : : : "memory");
    }
    for (; bytes; bytes--) {
        *t++ = *f++;
        __asm__ volatile("" : : : "memory");
    }
}

#endif
