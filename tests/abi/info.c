/* What the allocator says of itself: mallinfo, mallinfo2, malloc_info, malloc_stats, malloc_trim and mallopt behave as their
 * callers expect, and their numbers follow what the program does. */
#include <ctype.h>
#include <fcntl.h>
#include <unistd.h>

#include "include/ctxalloc.h"
#include "tests/abi/abi.h"

/* The numbers may lag behind by what caches hold, and blocks are rounded up by an eighth and a bit. */
static void assert_follows(size_t before, size_t after, size_t allocated) {
    if (after < before + allocated - allocated / 16)
        fail_msg("%zu allocated, but uordblks went from %zu to %zu", allocated, before, after);
    if (after > before + allocated + allocated / 4 + MIB)
        fail_msg("only %zu allocated, but uordblks went from %zu to %zu", allocated, before, after);
}

static size_t in_use(void) {
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd; /* in an arena, or in a mapping of its own */
}

static void in_use_follows(size_t size, size_t count) {
    void **blocks = (void **)calloc(count, sizeof *blocks);
    assert_non_null(blocks);
    size_t before = in_use();
    for (size_t i = 0; i < count; i++) {
        blocks[i] = malloc(size);
        assert_non_null(blocks[i]);
        memset(blocks[i], 1, size < 4096 ? size : 4096);
    }
    struct mallinfo2 full = mallinfo2();
    assert_follows(before, in_use(), size * count);
    /* What is in use came from the system, in one way or the other. */
    assert_true(full.arena + full.hblkhd >= full.uordblks);
    for (size_t i = 0; i < count; i++)
        free(blocks[i]);
    size_t after = in_use();
    if (after > before + size * count / 8 + MIB)
        fail_msg("all of %zu x %zu freed, but uordblks went from %zu to %zu", count, size, before, after);
    if (after + MIB < before)
        fail_msg("uordblks fell below where it was, from %zu to %zu", before, after);
    free(blocks);
}

static void mallinfo2_follows_small_blocks(void **state) {
    (void)state;
    in_use_follows(48, 200000);
    in_use_follows(16, 500000);
}

static void mallinfo2_follows_medium_blocks(void **state) {
    (void)state;
    in_use_follows(3000, 10000);
    in_use_follows(20000, 1000);
}

static void mallinfo2_follows_large_blocks(void **state) {
    (void)state;
    in_use_follows(MIB, 64);
}

static void mallinfo2_follows_huge_blocks(void **state) {
    (void)state;
    size_t before = in_use();
    void *p = malloc(300 * MIB);
    assert_non_null(p);
    assert_true(in_use() >= before + 300 * MIB);
    free(p);
    assert_true(in_use() < before + 8 * MIB);
}

/* Deprecated by its header, for its fields are too narrow, but old programs call it. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
static void mallinfo_agrees_with_mallinfo2(void **state) {
    (void)state;
    void *p = malloc(3 * MIB);
    assert_non_null(p);
    struct mallinfo narrow = mallinfo();
    struct mallinfo2 wide = mallinfo2();
    assert_int_equal(narrow.uordblks, wide.uordblks);
    assert_int_equal(narrow.arena, wide.arena);
    assert_int_equal(narrow.hblkhd, wide.hblkhd);
    assert_true(wide.uordblks + wide.hblkhd >= 3 * MIB);
    free(p);
}
#pragma GCC diagnostic pop

/* One pass over the text that knows as much XML as malloc_info may use: elements, attributes and text. */
static bool xml_is_well_formed(const char *text) {
    char open[32][64];
    size_t depth = 0, roots = 0;
    const char *at = text;
    while (*at != '\0') {
        if (*at != '<') {
            if (depth == 0 && !isspace((unsigned char)*at))
                return false;
            at++;
            continue;
        }
        const char *end = strchr(at, '>');
        if (end == NULL)
            return false;
        size_t name_length = strcspn(at + 1, " />\n");
        if (at[1] == '/') {
            name_length = (size_t)(end - at) - 2;
            if (depth == 0 || strlen(open[depth - 1]) != name_length || memcmp(open[depth - 1], at + 2, name_length) != 0)
                return false;
            depth--;
        } else if (at[1] != '?') {
            size_t quotes = 0;
            for (const char *c = at; c < end; c++)
                quotes += *c == '"';
            if (quotes % 2 != 0 || name_length == 0 || name_length > 63 || depth == 32)
                return false;
            if (depth == 0)
                roots++;
            if (end[-1] != '/') {
                memcpy(open[depth], at + 1, name_length);
                open[depth][name_length] = '\0';
                depth++;
            }
        }
        at = end + 1;
    }
    return depth == 0 && roots == 1;
}

static void malloc_info_writes_xml(void **state) {
    (void)state;
    static char text[1 << 20];
    FILE *stream = tmpfile();
    assert_non_null(stream);
    assert_int_equal(malloc_info(0, stream), 0);
    rewind(stream);
    size_t length = fread(text, 1, sizeof text - 1, stream);
    text[length] = '\0';
    fclose(stream);
    assert_true(length > 0);
    const char *root = strncmp(text, "<?xml", 5) == 0 ? strchr(text + 1, '<') : text;
    assert_non_null(root);
    assert_int_equal(strncmp(root, "<malloc version=\"1\">", 20), 0);
    assert_true(xml_is_well_formed(text));
}

static void malloc_info_refuses_options(void **state) {
    (void)state;
    errno = 0;
    int result = malloc_info(1, stderr);
    assert_true(result == EINVAL || (result == -1 && errno == EINVAL));
}

/* The number that follows `what` in what malloc_info writes. */
static size_t info_number(const char *what, const char *attribute) {
    static char text[1 << 16];
    FILE *stream = tmpfile();
    assert_non_null(stream);
    assert_int_equal(malloc_info(0, stream), 0);
    rewind(stream);
    text[fread(text, 1, sizeof text - 1, stream)] = '\0';
    fclose(stream);
    const char *at = strstr(text, what), *number = at ? strstr(at, attribute) : NULL;
    if (!number)
        fail_msg("no %s with %s in %s", what, attribute, text);
    return strtoul(number + strlen(attribute), NULL, 10);
}

/* Blocks of contexts of every lifetime are in the numbers, of all sizes; with their contexts they are not any more. */
static void numbers_follow_contexts_of_all_kinds(void **state) {
    (void)state;
    static const enum ctxalloc_lifetime lifetimes[] = {CTXALLOC_LONG, CTXALLOC_MEDIUM, CTXALLOC_SHORT};
    static const size_t sizes[] = {48, 3000, 20000, 100000, 3 << 20};
    static const size_t counts[] = {50000, 1000, 200, 50, 8};
    for (size_t l = 0; l < ARRAY_LENGTH(lifetimes); l++)
        for (size_t s = 0; s < ARRAY_LENGTH(sizes); s++) {
            ctxalloc_context *c = ctxalloc_create(&(ctxalloc_options){.size = sizeof(ctxalloc_options), .name = "<&>\"'", .lifetime = lifetimes[l]});
            assert_non_null(c);
            size_t contexts = info_number("<contexts", "count=\""), before = in_use(), all = sizes[s] * counts[s];
            assert_true(contexts >= 1);
            for (size_t i = 0; i < counts[s]; i++)
                assert_non_null(ctxalloc_malloc(c, sizes[s]));
            struct mallinfo2 full = mallinfo2();
            assert_follows(before, in_use(), all);
            assert_true(full.arena >= full.uordblks);
            assert_true(full.arena + full.hblkhd >= full.uordblks + full.hblkhd);
            assert_true(full.fordblks == full.arena - full.uordblks);
            size_t small = info_number("\"small\"", "size=\""), large = info_number("\"large\"", "size=\""), engines = info_number("\"engines\"", "size=\""), huge = info_number("\"mmap\"", "size=\"");
            size_t sum = small + large + engines + huge;
            if (sum + MIB < in_use() || sum > in_use() + MIB)
                fail_msg("malloc_info adds up to %zu, mallinfo2 to %zu", sum, in_use());
            ctxalloc_usage_t u;
            assert_true(ctxalloc_usage(c, &u));
            assert_true(u.live_blocks == counts[s] && u.live_bytes >= all);
            assert_int_equal(ctxalloc_destroy(c), 0);
            size_t after = in_use();
            if (after > before + MIB || after + MIB < before)
                fail_msg("lifetime %zu, %zu bytes: the context is gone, but %zu bytes are in use, and were %zu", l, sizes[s], after, before);
            assert_int_equal(info_number("<contexts", "count=\""), contexts - 1);
        }
}

/* Standard error is what a log reads: the text goes there, and some of its numbers are in it. */
static void malloc_stats_writes_to_stderr(void **state) {
    (void)state;
    static char text[1 << 16];
    char path[] = "/tmp/ctxalloc-stats-XXXXXX";
    int file = mkstemp(path);
    assert_true(file >= 0);
    unlink(path);
    fflush(stderr);
    int saved = dup(2);
    assert_true(saved >= 0);
    dup2(file, 2);
    malloc_stats();
    fflush(stderr);
    dup2(saved, 2);
    close(saved);
    ssize_t length = pread(file, text, sizeof text - 1, 0);
    close(file);
    assert_true(length > 0);
    text[length] = '\0';
    assert_non_null(strpbrk(text, "123456789"));
    assert_int_equal(text[length - 1], '\n');
}

static size_t resident_bytes(void) {
    unsigned long total = 0, resident = 0;
    FILE *statm = fopen("/proc/self/statm", "re");
    if (statm == NULL || fscanf(statm, "%lu %lu", &total, &resident) != 2)
        fail_msg("no /proc/self/statm");
    fclose(statm);
    return resident * 4096;
}

/* malloc_trim(0) gives back all that is free, even when the blocks around it live. */
static void malloc_trim_gives_memory_back(void **state) {
    (void)state;
    if (!CA_INTERPOSE)
        skip(); /* a sanitizer's shadow memory is resident, too */
    enum { COUNT = 64 };
    static void *blocks[COUNT];
    malloc_trim(0);
    size_t before = resident_bytes();
    for (size_t i = 0; i < COUNT; i++) {
        blocks[i] = malloc(MIB);
        assert_non_null(blocks[i]);
        memset(blocks[i], 1, MIB);
    }
    assert_true(resident_bytes() >= before + 60 * MIB);
    for (size_t i = 0; i < COUNT; i++)
        if (i % 8 != 0)
            free(blocks[i]);
    int result = malloc_trim(0);
    assert_true(result == 0 || result == 1);
    assert_true(resident_bytes() < before + 16 * MIB);
    for (size_t i = 0; i < COUNT; i += 8)
        free(blocks[i]);
    malloc_trim(0);
    assert_true(resident_bytes() < before + 8 * MIB);
}

static void malloc_trim_gives_small_blocks_back(void **state) {
    (void)state;
    if (!CA_INTERPOSE)
        skip(); /* a sanitizer's shadow memory is resident, too */
    enum { COUNT = 1 << 20 };
    void **blocks = (void **)malloc(COUNT * sizeof *blocks);
    assert_non_null(blocks);
    memset(blocks, 0, COUNT * sizeof *blocks);
    malloc_trim(0);
    size_t before = resident_bytes();
    for (size_t i = 0; i < COUNT; i++) {
        blocks[i] = malloc(64);
        assert_non_null(blocks[i]);
        memset(blocks[i], 1, 64);
    }
    assert_true(resident_bytes() >= before + 60 * MIB);
    for (size_t i = 0; i < COUNT; i++)
        free(blocks[i]);
    malloc_trim(0);
    /* 64 MiB went; an eighth may stay as metadata and caches. */
    size_t after = resident_bytes();
    if (after > before + 8 * MIB)
        fail_msg("resident %zu before, %zu after all was freed and trimmed", before, after);
    free(blocks);
}

/* Programs written for glibc call mallopt and stop when it says 0. */
static void mallopt_accepts_what_glibc_does(void **state) {
    (void)state;
    static const int known[] = {M_MXFAST, M_TRIM_THRESHOLD, M_TOP_PAD,   M_MMAP_THRESHOLD,
                                M_MMAP_MAX, M_PERTURB,      M_ARENA_TEST, M_ARENA_MAX};
    static const int values[] = {64, 128 * 1024, 64 * 1024, 128 * 1024, 65536, 0, 2, 2};
    for (size_t i = 0; i < ARRAY_LENGTH(known); i++)
        assert_int_equal(mallopt(known[i], values[i]), 1);
    void *p = malloc(1000);
    assert_non_null(p);
    free(p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mallinfo2_follows_small_blocks),
        cmocka_unit_test(mallinfo2_follows_medium_blocks),
        cmocka_unit_test(mallinfo2_follows_large_blocks),
        cmocka_unit_test(mallinfo2_follows_huge_blocks),
        cmocka_unit_test(mallinfo_agrees_with_mallinfo2),
        cmocka_unit_test(malloc_info_writes_xml),
        cmocka_unit_test(numbers_follow_contexts_of_all_kinds),
        cmocka_unit_test(malloc_info_refuses_options),
        cmocka_unit_test(malloc_stats_writes_to_stderr),
        cmocka_unit_test(malloc_trim_gives_memory_back),
        cmocka_unit_test(malloc_trim_gives_small_blocks_back),
        cmocka_unit_test(mallopt_accepts_what_glibc_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
