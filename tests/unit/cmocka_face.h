/* cmocka with the headers it wants before it, in the one order that works. */
#ifndef TESTS_UNIT_CMOCKA_FACE_H
#define TESTS_UNIT_CMOCKA_FACE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* A small generator (Marsaglia, xorshift64), so that a failure can be repeated on any machine. */
static inline uint64_t test_random(uint64_t *state)
{
    uint64_t x = *state;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return *state = x;
}

#endif
