/* Fuzz target: a pool of blocks, with caches and growth, against a flag for each block. */
#include "ctxalloc/blocks.h"
#include "fuzz/fuzz.h"

#include <errno.h>

enum { MOST = 100, CACHES = 3, BYTES = 8192 };

static _Alignas(64) unsigned char memory[BYTES];
static bool live[MOST];
static ctxalloc_blocks *pool;
static ctxalloc_blocks_cache cache[CACHES];
static uint64_t count, lives;

static void compare(void)
{
    int which;
    FUZZ_CHECK(ctxalloc_blocks_is_valid(pool, &which), "[B%d]", which);
    FUZZ_CHECK(ctxalloc_blocks_count(pool) == count, "%llu", (unsigned long long)ctxalloc_blocks_count(pool));
    for (uint64_t i = 0; i < MOST; i++)
        FUZZ_CHECK(ctxalloc_blocks_is_live(pool, i) == live[i], "block %llu", (unsigned long long)i);
}

static void took(uint64_t index)
{
    uint64_t cached = 0;
    for (int i = 0; i < CACHES; i++)
        cached += cache[i].used;
    if (index == CTXALLOC_NONE) {
        FUZZ_CHECK(lives + cached == count, "%llu live, %llu cached, of %llu", (unsigned long long)lives, (unsigned long long)cached,
                   (unsigned long long)count);
        return;
    }
    FUZZ_CHECK(index < count && !live[index], "block %llu", (unsigned long long)index);
    live[index] = true;
    lives++;
}

static void gave(uint64_t index, int error)
{
    bool right = index < MOST && live[index];
    FUZZ_CHECK(error == (right ? 0 : EINVAL), "%d for block %llu", error, (unsigned long long)index);
    if (right) {
        live[index] = false;
        lives--;
    }
}

static void step(fuzz_input *in, size_t block_size)
{
    unsigned op = fuzz_byte(in);
    ctxalloc_blocks_cache *c = &cache[op / 16 % CACHES];
    uint64_t index;
    unsigned char *first = ctxalloc_blocks_address(pool, 0);
    switch (op % 10) {
    case 0:
        took(ctxalloc_blocks_alloc_index(pool));
        break;
    case 1:
    case 2:
        took(ctxalloc_blocks_cache_alloc_index(c));
        break;
    case 3:
        index = fuzz_byte(in);
        gave(index, ctxalloc_blocks_free_index(pool, index));
        break;
    case 4:
        index = fuzz_byte(in);
        gave(index, ctxalloc_blocks_cache_free_index(c, index));
        break;
    case 5: { /* any distance from the first block */
        uint64_t distance = op / 16 % 4 == 3 ? fuzz_eight(in) : fuzz_two(in);
        index = block_size && first && distance % block_size == 0 ? distance / block_size : CTXALLOC_NONE;
        void *p = (void *)((uintptr_t)first + distance);
        gave(first ? index : CTXALLOC_NONE, op & 64 ? ctxalloc_blocks_free(pool, p) : ctxalloc_blocks_cache_free(c, p));
        break;
    }
    case 6:
        ctxalloc_blocks_cache_flush(c);
        break;
    case 7: {
        uint64_t more = fuzz_byte(in) % 30;
        int error = ctxalloc_blocks_grow(pool, more);
        FUZZ_CHECK(error == (count + more <= MOST ? 0 : ENOMEM), "%d", error);
        count += error ? 0 : more;
        break;
    }
    case 8:
        for (int i = 0; i < CACHES; i++)
            ctxalloc_blocks_cache_flush(&cache[i]);
        FUZZ_CHECK(ctxalloc_blocks_recover(pool) == 0, "a block was lost");
        break;
    default:
        if (op / 16 == 15) {
            ctxalloc_blocks_reset(pool);
            for (int i = 0; i < CACHES; i++)
                cache[i].used = 0;
            for (int i = 0; i < MOST; i++)
                live[i] = false;
            lives = 0;
        } else {
            void *p = ctxalloc_blocks_alloc(pool);
            FUZZ_CHECK(!p || ctxalloc_blocks_index(pool, p) != CTXALLOC_NONE, "%p", p);
            if (block_size)
                took(p ? ctxalloc_blocks_index(pool, p) : CTXALLOC_NONE);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input in = {data, data + size};
    size_t block_size = fuzz_byte(&in) % 50;
    count = fuzz_byte(&in) % MOST;
    lives = 0;
    for (int i = 0; i < MOST; i++)
        live[i] = false;
    pool = ctxalloc_blocks_init(memory, sizeof memory, block_size, count, MOST);
    FUZZ_CHECK(pool, "%zu bytes", ctxalloc_blocks_memory(block_size, MOST));
    for (uint32_t i = 0; i < CACHES; i++)
        FUZZ_CHECK(!ctxalloc_blocks_cache_init(&cache[i], pool, i * i * 15 + 1), "cache %u", i);
    for (unsigned steps = 0; fuzz_more(&in) && steps < 1000; steps++) {
        step(&in, block_size);
        compare();
    }
    return 0;
}
