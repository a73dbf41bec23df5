/* Fuzz target: bitmap chunks against the number of the owner of each chunk. */
#include "ctxalloc/chunks.h"
#include "fuzz/fuzz.h"

#include <errno.h>
#include <string.h>

enum { MOST = 900, ROOM = 8192 };

static _Alignas(256) unsigned char memory[ROOM + 64];
static uint64_t bitmap[CTXALLOC_CHUNKS_BITMAP_WORDS(MOST)];
static uint16_t owner[MOST]; /* 0: free, else the block's first chunk + 1 */
static ctxalloc_chunks heap;
static size_t chunks, chunk_size;

static size_t free_from(size_t at)
{
    size_t n = 0;
    while (at + n < chunks && !owner[at + n])
        n++;
    return n;
}

static size_t block_at(size_t at)
{
    size_t n = 0;
    while (at + n < chunks && owner[at + n] == at + 1)
        n++;
    return n;
}

static size_t longest(void)
{
    size_t most = 0;
    for (size_t at = 0; at < chunks; at++) {
        size_t n = free_from(at);
        most = n > most ? n : most;
        at += n;
    }
    return most;
}

static void own(size_t at, size_t n, size_t who)
{
    for (size_t i = at; i < at + n; i++) {
        FUZZ_CHECK(i < chunks && !owner[i] != !who, "chunk %zu", i);
        owner[i] = (uint16_t)who;
    }
}

static size_t chunks_for(size_t size)
{
    return size ? (size - 1) / chunk_size + 1 : 1;
}

/* The first chunk of what was given. */
static size_t place_of(const unsigned char *p, size_t align)
{
    size_t distance = (uintptr_t)p - (uintptr_t)heap.storage;
    FUZZ_CHECK(distance % chunk_size == 0 && distance / chunk_size < chunks && (uintptr_t)p % align == 0, "%p", (const void *)p);
    return distance / chunk_size;
}

static void compare(void)
{
    int which;
    size_t used = 0, bytes, at = 0;
    FUZZ_CHECK(ctxalloc_chunks_is_valid(&heap, &which), "[C%d]", which);
    for (size_t i = 0; i < chunks; i++)
        used += owner[i] != 0;
    FUZZ_CHECK(ctxalloc_chunks_used(&heap) == used * chunk_size && ctxalloc_chunks_largest(&heap) == longest() * chunk_size, "%zu", used);
    for (unsigned char *p = NULL; (p = ctxalloc_chunks_next(&heap, p, &bytes)); at += bytes / chunk_size) {
        at += free_from(at);
        FUZZ_CHECK(place_of(p, 1) == at && block_at(at) * chunk_size == bytes, "%zu", at);
    }
    FUZZ_CHECK(at + free_from(at) == chunks, "%zu", at);
}

static void alloc(size_t size, size_t align)
{
    bool possible = false, certain;
    size_t n = chunks_for(size), period = align, got;
    for (size_t at = 0; at + n <= chunks && !possible; at++)
        possible = (uintptr_t)(heap.storage + at * chunk_size) % align == 0 && free_from(at) >= n;
    for (size_t power = chunk_size; period > 1 && power % 2 == 0; power /= 2)
        period /= 2;
    certain = possible && longest() >= n + period - 1;
    unsigned char *p = ctxalloc_chunks_alloc_at_least(&heap, size, align, &got);
    FUZZ_CHECK(p ? possible : !certain, "%zu at %zu", size, align);
    if (!p)
        return;
    FUZZ_CHECK(got == n * chunk_size, "%zu", got);
    size_t at = place_of(p, align);
    FUZZ_CHECK(free_from(at) >= n, "%zu", at);
    own(at, n, at + 1);
    memset(p, 0x5a, got);
}

static void resize(size_t at, size_t size, bool move)
{
    size_t before = block_at(at), most = before + free_from(at + before), n = chunks_for(size), available, longest_now = longest();
    unsigned char *p = heap.storage + at * chunk_size, *q = p;
    if (!before)
        return;
    if (move) {
        q = ctxalloc_chunks_realloc(&heap, p, size, 1);
        FUZZ_CHECK(n <= most ? q == p : (q != NULL) == (longest_now >= n), "%zu to %zu", before, n);
    } else {
        int error = ctxalloc_chunks_resize(&heap, p, size, &available);
        FUZZ_CHECK(available == most * chunk_size && error == (n <= most ? 0 : ENOMEM), "%zu to %zu", before, n);
        q = error ? NULL : p;
    }
    if (!q)
        return;
    own(at, before, 0);
    at = place_of(q, 1);
    own(at, n, at + 1);
}

static void step(fuzz_input *in)
{
    unsigned op = fuzz_byte(in);
    size_t at = fuzz_two(in) % chunks;
    switch (op % 8) {
    case 0:
    case 1:
        alloc(fuzz_byte(in), 1);
        break;
    case 2:
        alloc(fuzz_two(in), 1);
        break;
    case 3:
        alloc(fuzz_byte(in), (size_t)1 << op / 8 % 13);
        break;
    case 4:
    case 5: { /* the block of any chunk */
        size_t first = owner[at] ? owner[at] - 1U : at, n = block_at(first);
        FUZZ_CHECK(ctxalloc_chunks_size(&heap, heap.storage + first * chunk_size) == n * chunk_size, "%zu", first);
        FUZZ_CHECK(ctxalloc_chunks_free(&heap, heap.storage + first * chunk_size) == (n ? 0 : EINVAL), "%zu", first);
        own(first, n, 0);
        break;
    }
    case 6: { /* any address */
        uint64_t distance = op / 8 % 4 ? fuzz_two(in) : fuzz_eight(in);
        size_t n = distance % chunk_size == 0 && distance / chunk_size < chunks ? block_at(distance / chunk_size) : 0;
        int error = ctxalloc_chunks_free(&heap, (void *)((uintptr_t)heap.storage + distance));
        FUZZ_CHECK(error == (n ? 0 : EINVAL), "%llu", (unsigned long long)distance);
        if (n)
            own(distance / chunk_size, n, 0);
        break;
    }
    default:
        if (owner[at])
            resize(owner[at] - 1U, op / 8 % 4 ? fuzz_byte(in) : fuzz_two(in), op & 128);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input in = {data, data + size};
    chunk_size = fuzz_byte(&in) % 64 + 1;
    chunks = fuzz_two(&in) % MOST + 1;
    chunks = chunks * chunk_size > ROOM ? ROOM / chunk_size : chunks;
    memset(owner, 0, sizeof owner);
    FUZZ_CHECK(!ctxalloc_chunks_over(&heap, memory + fuzz_byte(&in) % 64, chunks * chunk_size, bitmap, sizeof bitmap, chunk_size), "%zu", chunks);
    for (unsigned steps = 0; fuzz_more(&in) && steps < 500; steps++) {
        step(&in);
        if (heap.levels)
            compare();
    }
    return 0;
}
