/* What the tests of stored heaps share: requirements, a generator, blocks whose bytes are known. */
#ifndef TESTS_STORED_STORED_H
#define TESTS_STORED_STORED_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ctxalloc.h>

#define REQUIRE(condition)                                                       \
    do {                                                                         \
        if (!(condition)) {                                                      \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);      \
            _exit(1);                                                            \
        }                                                                        \
    } while (0)

/* Marsaglia, xorshift64. */
static inline uint64_t random_next(uint64_t *state)
{
    uint64_t x = *state;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return *state = x;
}

/* Mostly small, some large, few very large. */
static inline size_t random_size(uint64_t *state)
{
    uint64_t x = random_next(state);
    unsigned kind = (unsigned)(x >> 60);
    x >>= 8;
    return (size_t)(kind < 10 ? x % 400 : kind < 15 ? x % 9000 : x % 150000) + 1;
}

static inline void bytes_fill(void *p, size_t size, uint64_t seed)
{
    unsigned char *bytes = p;
    for (size_t i = 0; i < size; i += 8, seed = seed * 6364136223846793005U + 1442695040888963407U)
        memcpy(bytes + i, &seed, size - i < 8 ? size - i : 8);
}

static inline bool bytes_are(const void *p, size_t size, uint64_t seed)
{
    const unsigned char *bytes = p;
    for (size_t i = 0; i < size; i += 8, seed = seed * 6364136223846793005U + 1442695040888963407U)
        if (memcmp(bytes + i, &seed, size - i < 8 ? size - i : 8) != 0)
            return false;
    return true;
}

#endif
