/* What the stress programs share: payloads, resident memory, failing with a place, and a generator that can be repeated. */
#ifndef CTXALLOC_TESTS_STRESS_H
#define CTXALLOC_TESTS_STRESS_H

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "tests/face.h"

/* Straight to the file descriptor: a failing allocator is no ground for stdio. */
#define CHECK(condition)                                                                                                        \
    do {                                                                                                                        \
        if (!(condition))                                                                                                       \
            check_failed(__FILE__, __LINE__, #condition);                                                                       \
    } while (0)

static inline _Noreturn void check_failed(const char *file, int line, const char *condition) {
    char text[300];
    int length = snprintf(text, sizeof text, "%s:%d: %s\n", file, line, condition);
    ssize_t written = write(2, text, (size_t)length);
    (void)written;
    _exit(1);
}

static inline uint64_t random_next(uint64_t *state) { /* xorshift64*, Vigna 2016 */
    uint64_t x = *state;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *state = x;
    return x * 0x2545f4914f6cdd1du;
}

/* Mostly small, at times a page or ten, rarely hundreds of KiB. */
static inline size_t random_size(uint64_t *state) {
    uint64_t kind = random_next(state) % 1000, x = random_next(state);
    if (kind < 900)
        return x % 512;
    if (kind < 980)
        return x % 8192;
    if (kind < 998)
        return x % 65536;
    return x % (600 << 10);
}

/* A live block carries its size and seed in front, and words that follow from the seed up to its end. */
struct block {
    size_t size;
    uint64_t seed;
};

static inline size_t block_stride(size_t size) { return size <= 1024 ? 1 : size / 128; }

static inline void block_fill(struct block *block, size_t size, uint64_t seed) {
    unsigned char *bytes = (unsigned char *)(block + 1);
    block->size = size;
    block->seed = seed;
    for (size_t i = 0; i < size; i += block_stride(size))
        bytes[i] = (unsigned char)(seed >> (i % 57));
    if (size > 0)
        bytes[size - 1] = (unsigned char)seed;
}

static inline void block_check(const struct block *block, size_t size) {
    const unsigned char *bytes = (const unsigned char *)(block + 1);
    for (size_t i = 0; i + 1 < size; i += block_stride(block->size))
        CHECK(bytes[i] == (unsigned char)(block->seed >> (i % 57)));
}

static inline struct block *block_allocate(uint64_t *random) {
    size_t size = random_size(random);
    struct block *block;
    switch (random_next(random) % 8) {
    case 0:
        block = (struct block *)calloc(1, sizeof *block + size);
        CHECK(block != NULL);
        for (size_t i = 0; i < size; i += 13)
            CHECK(((char *)(block + 1))[i] == 0);
        break;
    case 1: {
        size_t alignment = (size_t)16 << (random_next(random) % 9);
        block = (struct block *)memalign(alignment, sizeof *block + size);
        CHECK(((uintptr_t)block & (alignment - 1)) == 0);
        break;
    }
    default:
        block = (struct block *)malloc(sizeof *block + size);
    }
    CHECK(block != NULL);
    CHECK(((uintptr_t)block & 15) == 0);
    block_fill(block, size, random_next(random));
    return block;
}

static inline struct block *block_resize(struct block *block, uint64_t *random) {
    size_t old_size = block->size, size = random_size(random);
    block_check(block, old_size);
    block = (struct block *)realloc(block, sizeof *block + size);
    CHECK(block != NULL);
    CHECK(block->size == old_size);
    block_check(block, old_size < size ? old_size : size);
    block_fill(block, size, random_next(random));
    return block;
}

static inline void block_free(struct block *block) {
    if (block == NULL)
        return;
    block_check(block, block->size);
    if (block->size > 0)
        CHECK(((unsigned char *)(block + 1))[block->size - 1] == (unsigned char)block->seed);
    free(block);
}

/* Resident bytes of this process. No stdio: its buffers would be part of what is measured. */
static inline size_t resident_bytes(void) {
    char text[128];
    int file = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    CHECK(file >= 0);
    ssize_t length = read(file, text, sizeof text - 1);
    close(file);
    CHECK(length > 0);
    text[length] = '\0';
    char *resident = strchr(text, ' ');
    CHECK(resident != NULL);
    return (size_t)strtoul(resident, NULL, 10) * (size_t)sysconf(_SC_PAGESIZE);
}

/* A sanitizer's shadow and quarantine make resident memory say nothing of the allocator. */
static inline bool memory_is_measurable(void) { return CA_INTERPOSE != 0; }

#endif
