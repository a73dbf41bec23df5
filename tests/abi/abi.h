/* What the contract tests share: the entry points as a table, sizes of every range, and payloads that can be checked.
 * Header only, every test program is one file. */
#ifndef CTXALLOC_TESTS_ABI_H
#define CTXALLOC_TESTS_ABI_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/face.h"

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)
#define ARRAY_LENGTH(a) (sizeof(a) / sizeof *(a))

/* Every way to get `size` bytes, behind one signature. */
typedef void *entry_allocate(size_t size);

static inline void *by_malloc(size_t size) { return malloc(hide_size(size)); }
static inline void *by_calloc_one(size_t size) { return calloc(1, hide_size(size)); }
static inline void *by_calloc_many(size_t size) { return calloc(hide_size(size), 1); }
static inline void *by_realloc(size_t size) { return realloc(hide_pointer(NULL), hide_size(size)); }
static inline void *by_reallocarray_one(size_t size) { return reallocarray(NULL, 1, hide_size(size)); }
static inline void *by_reallocarray_many(size_t size) { return reallocarray(NULL, hide_size(size), 1); }
static inline void *by_reallocf(size_t size) { return reallocf(NULL, hide_size(size)); }
static inline void *by_aligned_alloc(size_t size) { return aligned_alloc(hide_size(64), hide_size(size)); }
static inline void *by_memalign(size_t size) { return memalign(hide_size(64), hide_size(size)); }
static inline void *by_valloc(size_t size) { return valloc(hide_size(size)); }
static inline void *by_pvalloc(size_t size) { return pvalloc(hide_size(size)); }
static inline void *by_libc_malloc(size_t size) { return __libc_malloc(hide_size(size)); }
static inline void *by_libc_calloc(size_t size) { return __libc_calloc(hide_size(size), 1); }
static inline void *by_libc_realloc(size_t size) { return __libc_realloc(NULL, hide_size(size)); }
static inline void *by_libc_memalign(size_t size) { return __libc_memalign(hide_size(64), hide_size(size)); }
static inline void *by_libc_valloc(size_t size) { return __libc_valloc(hide_size(size)); }
static inline void *by_libc_pvalloc(size_t size) { return __libc_pvalloc(hide_size(size)); }

/* These two answer with a number, the table wants errno. */
static inline void *by_posix_memalign(size_t size) {
    void *p = NULL;
    int error = posix_memalign(&p, 64, hide_size(size));
    if (error != 0) {
        errno = error;
        return NULL;
    }
    return p;
}

static inline void *by_reallocarr(size_t size) {
    void *p = NULL;
    int error = reallocarr(&p, hide_size(size), 1);
    if (error != 0) {
        errno = error;
        return NULL;
    }
    return p;
}

struct entry {
    const char *name;
    entry_allocate *allocate;
    size_t alignment; /* what it promises, bytes */
    bool zeroed;
    bool zero_frees; /* a size of zero asks for nothing: NULL is the right answer */
};

static const struct entry entries[] = {
    {"malloc", by_malloc, 16, false, false},
    {"calloc(1, n)", by_calloc_one, 16, true, false},
    {"calloc(n, 1)", by_calloc_many, 16, true, false},
    {"realloc", by_realloc, 16, false, false},
    {"reallocarray(1, n)", by_reallocarray_one, 16, false, false},
    {"reallocarray(n, 1)", by_reallocarray_many, 16, false, false},
    {"reallocf", by_reallocf, 16, false, false},
    {"reallocarr", by_reallocarr, 16, false, true},
    {"aligned_alloc", by_aligned_alloc, 64, false, false},
    {"memalign", by_memalign, 64, false, false},
    {"posix_memalign", by_posix_memalign, 64, false, false},
    {"valloc", by_valloc, 4096, false, false},
    {"pvalloc", by_pvalloc, 4096, false, false},
    {"__libc_malloc", by_libc_malloc, 16, false, false},
    {"__libc_calloc", by_libc_calloc, 16, true, false},
    {"__libc_realloc", by_libc_realloc, 16, false, false},
    {"__libc_memalign", by_libc_memalign, 64, false, false},
    {"__libc_valloc", by_libc_valloc, 4096, false, false},
    {"__libc_pvalloc", by_libc_pvalloc, 4096, false, false},
};

/* Sizes on both sides of the borders that allocators like: words, powers of two, pages, and a few odd ones. */
static const size_t sizes_of_every_range[] = {
    1,         2,           7,           8,           9,           15,          16,          17,        24,          31,
    32,        33,          48,          63,          64,          65,          100,         127,       128,         129,
    200,       255,         256,         257,         400,         511,         512,         513,       1000,        1023,
    1024,      1025,        1500,        2047,        2048,        2049,        3000,        4095,      4096,        4097,
    5000,      8191,        8192,        8193,        12000,       16383,       16384,       16385,     20000,       32767,
    32768,     32769,       50000,       65535,       65536,       65537,       100000,      131071,    131072,      131073,
    200000,    262143,      262144,      262145,      500000,      1048575,     1048576,     1048577,   1500000,     2097152,
    2097153,   3000000,     4194303,     4194304,     4194305,     6000000,     8388608,     8388609,   12000000,    16777216,
    16777217,  33554432,    33554433,
};

/* The n bytes at p become a pattern that depends on the seed and on the place of each word in the block. */
static inline uint8_t payload_byte(uint64_t seed, size_t i) {
    return (uint8_t)(((seed + i / 8) * 0x9e3779b97f4a7c15u) >> (8 * (i % 8)));
}

static inline void payload_write(void *p, size_t n, uint64_t seed) {
    uint8_t *bytes = (uint8_t *)p;
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        uint64_t word = (seed + i / 8) * 0x9e3779b97f4a7c15u;
        memcpy(bytes + i, &word, 8);
    }
    for (; i < n; i++)
        bytes[i] = payload_byte(seed, i);
}

static inline bool payload_holds(const void *p, size_t n, uint64_t seed) {
    const uint8_t *bytes = (const uint8_t *)p;
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        uint64_t word;
        memcpy(&word, bytes + i, 8);
        if (word != (seed + i / 8) * 0x9e3779b97f4a7c15u)
            return false;
    }
    for (; i < n; i++)
        if (bytes[i] != payload_byte(seed, i))
            return false;
    return true;
}

static inline bool is_zero(const void *p, size_t n) {
    const uint8_t *bytes = (const uint8_t *)p;
    return n == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, n - 1) == 0);
}

static inline bool is_aligned(const void *p, size_t alignment) { return ((uintptr_t)p & (alignment - 1)) == 0; }

/* A small generator with a fixed seed: a failing run can be repeated. (xorshift64*, Vigna 2016) */
static inline uint64_t random_next(uint64_t *state) {
    uint64_t x = *state;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *state = x;
    return x * 0x2545f4914f6cdd1du;
}

/* A size whose magnitude, not its value, is uniform: small ones as often as large ones. */
static inline size_t random_size(uint64_t *state, unsigned max_bits) {
    unsigned bits = (unsigned)(random_next(state) % max_bits) + 1;
    return (size_t)(random_next(state) & (((uint64_t)1 << bits) - 1));
}

#endif
