/* Random operations on blocks, chunks and bumps against models that look at every unit, so that they cannot be wrong in the same way.
 * A million operations each; CTXALLOC_TEST_LONG=1: a hundred million. CTXALLOC_TEST_SEED: another beginning. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctxalloc/blocks.h"
#include "ctxalloc/bump.h"
#include "ctxalloc/chunks.h"

#define REQUIRE(condition)                                                                                \
    do {                                                                                                  \
        if (!(condition)) {                                                                               \
            printf("%s:%d: operation %llu: %s\n", __FILE__, __LINE__, (unsigned long long)step, #condition); \
            exit(1);                                                                                      \
        }                                                                                                 \
    } while (0)

static uint64_t random_state, step;

static size_t below(size_t n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (size_t)(random_state % n);
}

/* --- blocks: a byte says whether one is live ------------------------------------------------------------ */

enum { BLOCKS = 300, BLOCK = 12, CACHES = 3 };

static void try_blocks(uint64_t steps)
{
    bool live[BLOCKS] = {false};
    size_t lives = 0, count = 100;
    ctxalloc_blocks *pool = ctxalloc_blocks_create_growable(BLOCK, count, BLOCKS);
    ctxalloc_blocks_cache cache[CACHES];
    for (uint32_t i = 0; i < CACHES; i++)
        (void)ctxalloc_blocks_cache_init(&cache[i], pool, i * 7 + 1);
    char *first = ctxalloc_blocks_address(pool, 0);
    size_t target = count / 2;
    for (step = 0; step < steps; step++) {
        ctxalloc_blocks_cache *c = &cache[below(CACHES)];
        bool cached = below(3) != 0;
        if (step % 1000 == 0)
            target = below(count + 1);
        if (below(100) < (lives < target ? 70U : 30U)) {
            char *p = cached ? ctxalloc_blocks_cache_alloc(c) : ctxalloc_blocks_alloc(pool);
            size_t held = 0;
            for (int i = 0; i < CACHES; i++)
                held += cache[i].used;
            REQUIRE(p || lives + held == count);
            if (!p)
                continue;
            REQUIRE(p >= first && (size_t)(p - first) % BLOCK == 0 && (size_t)(p - first) / BLOCK < count);
            REQUIRE(!live[(p - first) / BLOCK]);
            live[(p - first) / BLOCK] = true;
            lives++;
        } else {
            size_t at = below(4) ? below(count) * BLOCK : below(BLOCKS * BLOCK + 40);
            bool right = at % BLOCK == 0 && at / BLOCK < BLOCKS && live[at / BLOCK];
            REQUIRE(ctxalloc_blocks_is_live(pool, at / BLOCK) == (at / BLOCK < BLOCKS && live[at / BLOCK]));
            int error = cached ? ctxalloc_blocks_cache_free(c, first + at) : ctxalloc_blocks_free(pool, first + at);
            REQUIRE(error == (right ? 0 : EINVAL));
            if (right) {
                live[at / BLOCK] = false;
                lives--;
            }
        }
        if (below(10000) == 0) {
            int which;
            for (int i = 0; i < CACHES; i++)
                ctxalloc_blocks_cache_flush(&cache[i]);
            REQUIRE(ctxalloc_blocks_is_valid(pool, &which));
            REQUIRE(ctxalloc_blocks_live(pool) == lives && ctxalloc_blocks_recover(pool) == 0);
            size_t more = below(20);
            REQUIRE(ctxalloc_blocks_grow(pool, more) == (count + more <= BLOCKS ? 0 : ENOMEM));
            count += count + more <= BLOCKS ? more : 0;
        }
    }
    ctxalloc_blocks_destroy(pool);
}

/* --- chunks: a number for each says whose it is ------------------------------------------------------------ */

enum { CHUNKS = 700, CHUNK = 24 };

static struct {
    unsigned short owner[CHUNKS]; /* 0: free; else the block's first chunk + 1 */
    size_t used, count;
} model;

static size_t run_at(size_t at)
{
    size_t n = 0;
    while (at + n < model.count && !model.owner[at + n])
        n++;
    return n;
}

static size_t longest_run(void)
{
    size_t most = 0;
    for (size_t i = 0; i < model.count; i++) {
        size_t n = run_at(i);
        most = n > most ? n : most;
        i += n;
    }
    return most;
}

static size_t length_at(size_t at)
{
    size_t n = 0;
    while (at + n < model.count && model.owner[at + n] == at + 1)
        n++;
    return n;
}

static void own(size_t at, size_t n, size_t owner)
{
    for (size_t i = at; i < at + n; i++) {
        REQUIRE(!model.owner[i] != !owner);
        model.owner[i] = (unsigned short)owner;
    }
    model.used += owner ? n : -n;
}

static void chunks_alloc(ctxalloc_chunks *heap, unsigned char *first, size_t size, size_t align)
{
    size_t n = size ? (size - 1) / CHUNK + 1 : 1, got, most = longest_run(), period = align > 8 ? align / 8 : 1;
    unsigned char *p = ctxalloc_chunks_alloc_at_least(heap, size, align, &got);
    REQUIRE(p ? most >= n : most < n + period - 1);
    if (!p)
        return;
    REQUIRE(p >= first && (size_t)(p - first) % CHUNK == 0 && (uintptr_t)p % align == 0 && got == n * CHUNK);
    size_t at = (size_t)(p - first) / CHUNK;
    REQUIRE(run_at(at) >= n);
    own(at, n, at + 1);
    memset(p, (int)(at % 255 + 1), n * CHUNK);
}

static void chunks_realloc(ctxalloc_chunks *heap, unsigned char *first, size_t at, size_t size, bool in_place)
{
    size_t before = length_at(at), n = size ? (size - 1) / CHUNK + 1 : 1, most = before + run_at(at + before), available;
    unsigned char *p = first + at * CHUNK, *q = p;
    if (in_place) {
        REQUIRE(ctxalloc_chunks_resize(heap, p, size, &available) == (n <= most ? 0 : ENOMEM) && available == most * CHUNK);
        if (n > most)
            return;
    } else {
        size_t longest = longest_run();
        q = ctxalloc_chunks_realloc(heap, p, size, 1);
        REQUIRE(n <= most ? q == p : q ? q != p : longest < n);
        if (!q)
            return;
    }
    own(at, before, 0);
    size_t to = (size_t)(q - first) / CHUNK;
    own(to, n, to + 1);
    for (size_t i = 0; i < (n < before ? n : before) * CHUNK; i++)
        REQUIRE(i >= size || q[i] == at % 255 + 1);
    memset(q, (int)(to % 255 + 1), n * CHUNK);
}

static void try_chunks(uint64_t steps, size_t count)
{
    memset(&model, 0, sizeof model);
    model.count = count;
    ctxalloc_chunks *heap = ctxalloc_chunks_create(count, CHUNK);
    size_t bytes, target = 0;
    unsigned char *first = ctxalloc_chunks_range(heap, &bytes);
    for (step = 0; step < steps; step++) {
        if (step % 1000 == 0)
            target = below(4) ? below(count + 1) : count;
        size_t what = below(100);
        if (what < (model.used < target ? 60U : 25U)) {
            size_t size = below(8) ? below(4 * CHUNK + 1) : below(below(count * CHUNK) + 1);
            chunks_alloc(heap, first, size, below(4) ? 1 : (size_t)1 << below(9));
            continue;
        }
        size_t at = below(count), wrong = below(5) ? 0 : below(CHUNK);
        bool right = model.owner[at] == at + 1 && !wrong;
        if (below(4) && model.owner[at]) {
            at = model.owner[at] - 1U;
            right = !wrong;
        }
        REQUIRE(ctxalloc_chunks_size(heap, first + at * CHUNK + wrong) == (right ? length_at(at) * CHUNK : 0));
        if (what < 90 || !right) {
            size_t n = right ? length_at(at) : 0;
            REQUIRE(ctxalloc_chunks_free(heap, first + at * CHUNK + wrong) == (right ? 0 : EINVAL));
            if (right)
                own(at, n, 0);
        } else {
            chunks_realloc(heap, first, at, below(8 * CHUNK), what % 2);
        }
        if (step % 64 == 0) {
            int which;
            REQUIRE(ctxalloc_chunks_is_valid(heap, &which));
            REQUIRE(ctxalloc_chunks_used(heap) == model.used * CHUNK && ctxalloc_chunks_largest(heap) == longest_run() * CHUNK);
        }
    }
    ctxalloc_chunks_destroy(heap);
}

/* --- bumps: a stack of the blocks in use -------------------------------------------------------------------- */

enum { ROOM = 4096, DEEPEST = 5000 };

static void try_bumps(uint64_t steps)
{
    static _Alignas(64) unsigned char memory[ROOM];
    static struct {
        size_t at, end;
    } stack[DEEPEST];
    static struct {
        ctxalloc_bump_mark mark;
        size_t depth;
    } marks[100];
    size_t depth = 0, used = 0, marked = 0; /* used: what the model says */
    bool last = false;                      /* stack[depth - 1] may be changed */
    ctxalloc_bump bump = CTXALLOC_BUMP_INIT(memory);
    for (step = 0; step < steps; step++) {
        size_t what = below(20);
        REQUIRE(ctxalloc_bump_used(&bump) == used);
        if (what < 10) {
            size_t size = below(8) ? below(40) : below(ROOM), align = below(3) ? (size_t)1 << below(7) : below(50) + 1, at = used;
            while (((uintptr_t)memory + at) % align)
                at++;
            size_t largest = ctxalloc_bump_largest(&bump, align);
            unsigned char *p = ctxalloc_bump_alloc(&bump, size, align);
            REQUIRE(largest == (at < ROOM ? ROOM - at : 0));
            REQUIRE(p == (at + size + !size <= ROOM ? memory + at : NULL));
            if (p) {
                used = at + size + !size;
                stack[depth].at = at;
                stack[depth++].end = used;
                last = true;
            }
        } else if (what < 13 && depth) {
            size_t size = below(80), available, want = size + !size;
            unsigned char *p = memory + stack[depth - 1].at;
            bool fits = last && stack[depth - 1].at + want <= ROOM;
            int error = ctxalloc_bump_resize(&bump, p, size, &available);
            REQUIRE(available == (last ? ROOM - stack[depth - 1].at : 0));
            REQUIRE(error == (fits ? 0 : ENOMEM));
            if (fits)
                stack[depth - 1].end = used = stack[depth - 1].at + want;
            while (fits && marked && marks[marked - 1].depth == depth)
                marked--; /* its marks are old now */
        } else if (what < 15 && depth) {
            REQUIRE(ctxalloc_bump_free(&bump, memory + stack[depth - 1].at) == 0);
            if (last) {
                used = stack[--depth].at;
                last = false;
                while (marked && marks[marked - 1].depth > depth)
                    marked--;
                REQUIRE(ctxalloc_bump_free(&bump, memory + used) == EINVAL);
            }
        } else if (what < 17 && marked < 100 && last) {
            marks[marked].mark = ctxalloc_bump_get_mark(&bump);
            marks[marked++].depth = depth;
        } else if (what == 17 && marked) {
            marked--;
            REQUIRE(ctxalloc_bump_release(&bump, marks[marked].mark) == 0);
            depth = marks[marked].depth;
            used = stack[depth - 1].end;
            last = true;
        } else if (what == 18) {
            size_t at = used + below(20);
            REQUIRE(ctxalloc_bump_free(&bump, (void *)((uintptr_t)memory + at)) == EINVAL);
        } else if (below(50) == 0) {
            ctxalloc_bump_reset(&bump);
            depth = used = marked = 0;
            last = false;
        }
    }
}

int main(void)
{
    const char *is_long = getenv("CTXALLOC_TEST_LONG"), *seed = getenv("CTXALLOC_TEST_SEED");
    uint64_t steps = is_long && *is_long == '1' ? 100000000 : 1000000;
    random_state = (seed ? strtoull(seed, NULL, 10) : 0) * 2 + 88172645463325253U;
    try_blocks(steps);
    try_chunks(steps / 2, CHUNKS);
    try_chunks(steps / 2, 40);
    try_bumps(steps);
    printf("blocks, chunks, bumps: %llu operations each agree with the models\n", (unsigned long long)steps);
    return 0;
}
