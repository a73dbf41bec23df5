/* Blocks, chunks and bumps in a program without a C library: exit status 0, or the number of the first line that does not hold. */
#include "ctxalloc/blocks.h"
#include "ctxalloc/bump.h"
#include "ctxalloc/chunks.h"

#define REQUIRE(condition) \
    do {                   \
        if (!(condition))  \
            return __LINE__; \
    } while (0)

static _Alignas(64) unsigned char memory[4096];
static CTXALLOC_CHUNKS_STORAGE(storage, 1000, 24);
static CTXALLOC_CHUNKS_BITMAP(bitmap, 1000);
static ctxalloc_chunks heap = CTXALLOC_CHUNKS_INIT(storage, bitmap, 24);
static ctxalloc_bump bump = CTXALLOC_BUMP_INIT(memory);

static int try_all(void)
{
    int which;
    ctxalloc_blocks *pool = ctxalloc_blocks_init(memory, sizeof memory, 24, 40, 40);
    ctxalloc_blocks_cache cache;
    REQUIRE(pool && !ctxalloc_blocks_cache_init(&cache, pool, 8));
    void *p = ctxalloc_blocks_alloc(pool), *q = ctxalloc_blocks_cache_alloc(&cache);
    REQUIRE(p && q && p != q && !ctxalloc_blocks_free(pool, p) && ctxalloc_blocks_free(pool, p) == 22);
    REQUIRE(!ctxalloc_blocks_cache_free(&cache, q));
    ctxalloc_blocks_cache_flush(&cache);
    for (int i = 0; i < 40; i++)
        REQUIRE(ctxalloc_blocks_alloc(pool));
    REQUIRE(!ctxalloc_blocks_alloc(pool) && ctxalloc_blocks_is_valid(pool, &which));
    unsigned char *a = ctxalloc_chunks_alloc(&heap, 100, 64), *b = ctxalloc_chunks_alloc(&heap, 1, 1);
    REQUIRE(a && b && (uintptr_t)a % 64 == 0);
    for (unsigned i = 0; i < 100; i++)
        a[i] = (unsigned char)i;
    a = ctxalloc_chunks_realloc(&heap, a, 3000, 8);
    REQUIRE(a && a[99] == 99 && ctxalloc_chunks_is_valid(&heap, &which) && !ctxalloc_chunks_free(&heap, b));
    REQUIRE(ctxalloc_bump_alloc(&bump, 10, 3) && ctxalloc_bump_alloc(&bump, 4000, 1) && !ctxalloc_bump_alloc(&bump, 100, 1));
    return 0;
}

_Noreturn void start(void);
_Noreturn void start(void)
{
    int result = try_all();
#if defined(__x86_64__)
    __asm__ volatile("syscall" : : "a"(60L), "D"((long)result) : "rcx", "r11", "memory");
#elif defined(__aarch64__)
    register long x8 __asm__("x8") = 93, x0 __asm__("x0") = result;
    __asm__ volatile("svc 0" : : "r"(x8), "r"(x0) : "memory");
#endif
    __builtin_unreachable();
}

#if defined(__x86_64__)
__asm__(".globl _start\n_start: xor %ebp, %ebp\n and $-16, %rsp\n call start\n");
#elif defined(__aarch64__)
__asm__(".globl _start\n_start: mov x29, xzr\n b start\n");
#endif
