/* What memory costs that a source gives and takes back.  Usage: cost SOURCE MIB BLOCK_KIB
 *
 * Blocks are taken from a context on the source and each of their pages is written, as it comes; then all are freed and taken again, PASSES times; then all are freed, given
 * back with malloc_trim, and taken again.  One line: ns a page of
 *     fresh    malloc and first touch of pages that nobody had
 *     free     free; with decay=0 this is where memory goes back; the least of the passes
 *     reuse    malloc and touch of what was freed; the least of the passes
 *     trim     malloc_trim
 *     return   malloc and touch of what malloc_trim gave back
 *     destroy  ctxalloc_destroy (of an arena: ctxalloc_arena_end)
 * and how many KiB of the blocks are resident after `free` and after `trim`.  A column that does not apply is "-".  Arenas: blocks are taken and given back directly; they
 * keep their pages, so there is nothing to trim.  One process a measurement: only then are fresh pages fresh. */
#include <malloc.h>
#include <stdbool.h>
#include <sys/mman.h>

#include <ctxalloc.h>

#include "bench/bench.h"
#include "bench/resident.h"

enum { PAGE = 4096, PASSES = 3 };

static size_t blocks, block_bytes;
static unsigned char **table;
static ctxalloc_context *context; /* NULL: blocks are the arena's */
static ctxalloc_arena arena;
static ctxalloc_mmap_source mapped;
static ctxalloc_huge_source huge;
static ctxalloc_user_source user;

static double per_page(double since)
{
    return (bench_now_seconds() - since) * 1e9 / ((double)blocks * (double)block_bytes / PAGE);
}

static double take_all(void)
{
    double start = bench_now_seconds();
    for (size_t i = 0; i < blocks; i++) {
        table[i] = context ? malloc(block_bytes) : ctxalloc_arena_take(&arena);
        bench_require(table[i] != NULL, "the source gave a block");
        for (size_t at = 0; at < block_bytes; at += PAGE)
            table[i][at] = 1;
    }
    return per_page(start);
}

static double give_all(void)
{
    double start = bench_now_seconds();
    for (size_t i = 0; i < blocks; i++) {
        if (context)
            free(table[i]);
        else
            bench_require(ctxalloc_arena_give(&arena, table[i]) == 0, "the arena took its block back");
    }
    return per_page(start);
}

static void use_mmap(unsigned flags, const ctxalloc_source **source)
{
    const ctxalloc_mmap_settings settings = {.size = sizeof settings, .flags = flags};
    bench_require(ctxalloc_source_mmap(&mapped, &settings) == 0, "ctxalloc_source_mmap");
    *source = &mapped.source;
}

/* false: no such source. */
static bool use(const char *name, const ctxalloc_source **source)
{
    static const struct { const char *name; unsigned flags; } settings[] = {
        {"mmap", 0}, {"mmap-prefault", CTXALLOC_MMAP_PREFAULT}, {"mmap-huge", CTXALLOC_MMAP_HUGE}, {"mmap-lazy", CTXALLOC_MMAP_LAZY_PURGE}};
    *source = NULL;
    for (size_t i = 0; i < BENCH_ARRAY_LENGTH(settings); i++)
        if (strcmp(name, settings[i].name) == 0)
            return use_mmap(settings[i].flags, source), true;
    if (strcmp(name, "hugepage") == 0) {
        bench_require(ctxalloc_source_hugepage(&huge, 21) == 0, "ctxalloc_source_hugepage");
        *source = &huge.source;
    } else if (strcmp(name, "user") == 0) { /* a buffer that is not resident yet, with room for what blocks are rounded up to */
        size_t bytes = blocks * block_bytes * 2 + (16U << 20);
        void *buffer = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        bench_require(buffer != MAP_FAILED && ctxalloc_source_user(&user, buffer, bytes) == 0, "ctxalloc_source_user");
        *source = &user.source;
    } else if (strcmp(name, "arena") == 0) {
        const ctxalloc_arena_settings s = {.size = sizeof s, .block_bytes = block_bytes};
        bench_require(ctxalloc_source_arena(&arena, &s) == 0, "ctxalloc_source_arena");
    } else {
        return strcmp(name, "own") == 0;
    }
    return true;
}

int main(int argc, char **argv)
{
    const ctxalloc_source *source;
    double trim = 0, again = 0, start;
    bench_require(argc == 4, "usage: cost SOURCE MIB BLOCK_KIB");
    block_bytes = strtoul(argv[3], NULL, 10) << 10;
    bench_require(block_bytes >= PAGE, "BLOCK_KIB is a number, 4 or more");
    blocks = (strtoul(argv[2], NULL, 10) << 20) / block_bytes;
    bench_require(blocks > 0, "MIB is a number, and at least one block");
    bench_require(use(argv[1], &source), "SOURCE is own, mmap, mmap-prefault, mmap-huge, mmap-lazy, hugepage, user or arena");
    table = mmap(NULL, blocks * sizeof *table, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    bench_require(table != MAP_FAILED, "a table");
    if (strcmp(argv[1], "arena") != 0) {
        context = ctxalloc_create(&(ctxalloc_options){.size = sizeof(ctxalloc_options), .source = source});
        bench_require(context && ctxalloc_switch(context), "a context");
    }
    size_t before = resident_kib();
    double fresh = take_all(), given = give_all(), reuse = 0;
    size_t freed = resident_kib();
    for (int pass = 0; pass < PASSES; pass++) {
        double took = take_all(), gave = give_all();
        reuse = pass == 0 || took < reuse ? took : reuse;
        given = gave < given ? gave : given;
    }
    if (context) {
        start = bench_now_seconds();
        malloc_trim(0);
        trim = per_page(start);
    }
    size_t trimmed = resident_kib();
    if (context) {
        again = take_all();
        give_all();
    }
    start = bench_now_seconds();
    bench_require((context ? ctxalloc_destroy(context) : ctxalloc_arena_end(&arena)) == 0, "all is given back");
    double destroy = per_page(start);
    freed = freed > before ? freed - before : 0;
    trimmed = trimmed > before ? trimmed - before : 0;
    if (context)
        printf("%.1f %.1f %.1f %.1f %.1f %.1f %zu %zu\n", fresh, given, reuse, trim, again, destroy, freed, trimmed);
    else
        printf("%.1f %.1f %.1f - - %.1f %zu -\n", fresh, given, reuse, destroy, freed);
    return 0;
}
