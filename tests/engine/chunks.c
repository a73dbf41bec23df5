/* The rows SC of the features (and of CA what concerns chunks), one test each, by its name. */
#include "tests/unit/cmocka_face.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ctxalloc/chunks.h"

enum { COUNT = 16, SIZE = 256 };

/* Nothing is called for this heap before its first allocation. */
static CTXALLOC_CHUNKS_STORAGE(storage, COUNT, SIZE);
static CTXALLOC_CHUNKS_BITMAP(bitmap, COUNT);
static ctxalloc_chunks heap = CTXALLOC_CHUNKS_INIT(storage, bitmap, SIZE);

const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

static int clear(void **state)
{
    (void)state;
    ctxalloc_chunks_reset(&heap);
    return 0;
}

static void assert_valid(const ctxalloc_chunks *h)
{
    int which = 0;
    ctxalloc_chunks_is_valid(h, &which);
    assert_int_equal(which, 0);
}

static unsigned char *alloc(size_t size)
{
    unsigned char *p = ctxalloc_chunks_alloc(&heap, size, 1);
    assert_non_null(p);
    return p;
}

/* This one runs first, without `clear`. */
static void sc_static_heap_needs_no_call(void **state)
{
    (void)state;
    assert_int_equal(heap.levels, 0);
    assert_int_equal(ctxalloc_chunks_largest(&heap), sizeof storage);
    assert_int_equal(ctxalloc_chunks_free(&heap, storage), EINVAL);
    assert_int_equal(ctxalloc_chunks_size(&heap, storage), 0);
    assert_int_equal(heap.levels, 0);
    assert_ptr_equal(alloc(1), storage);
    assert_valid(&heap);
}

static void sc_exact_fit_is_found(void **state)
{
    unsigned char *p[COUNT];
    (void)state;
    for (int i = 0; i < COUNT; i++)
        p[i] = alloc(SIZE);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(ctxalloc_chunks_free(&heap, p[i]), 0);
        assert_null(ctxalloc_chunks_alloc(&heap, SIZE + 1, 1));
        assert_ptr_equal(alloc(SIZE), p[i]);
    }
    ctxalloc_chunks_reset(&heap);
    assert_ptr_equal(alloc(sizeof storage), storage);
    assert_int_equal(ctxalloc_chunks_free(&heap, storage), 0);
    assert_null(ctxalloc_chunks_alloc(&heap, sizeof storage + 1, 1));
    assert_null(ctxalloc_chunks_alloc(&heap, SIZE_MAX, 1));
}

static void sc_wrong_frees_are_einval(void **state)
{
    (void)state;
    unsigned char *p = alloc(3 * SIZE), *q = alloc(SIZE), local[SIZE];
    uintptr_t end = (uintptr_t)storage + sizeof storage;
    void *wrong[] = {NULL, local, p + 1, p + SIZE, p + 2 * SIZE, q + SIZE, q - 1,
                     (void *)((uintptr_t)storage - SIZE), (void *)end, (void *)(end + SIZE)};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(ctxalloc_chunks_free(&heap, wrong[i]), EINVAL);
        assert_int_equal(ctxalloc_chunks_resize(&heap, wrong[i], 1, NULL), EINVAL);
        assert_int_equal(ctxalloc_chunks_size(&heap, wrong[i]), 0);
    }
    assert_int_equal(ctxalloc_chunks_used(&heap), 4 * SIZE);
    assert_int_equal(ctxalloc_chunks_free(&heap, p), 0);
    assert_int_equal(ctxalloc_chunks_free(&heap, p), EINVAL);
    assert_int_equal(ctxalloc_chunks_free(&heap, q), 0);
    assert_int_equal(ctxalloc_chunks_free(&heap, q), EINVAL);
    assert_true(ctxalloc_chunks_empty(&heap));
    /* The last chunk of all: its block ends at the end. */
    p = alloc(sizeof storage);
    assert_int_equal(ctxalloc_chunks_free(&heap, storage + sizeof storage), EINVAL);
    assert_int_equal(ctxalloc_chunks_free(&heap, p), 0);
    assert_valid(&heap);
}

/* chunk_size, min_alignment, capacity, for chunk sizes with and without a power of two in them. */
static void sc_chunk_size_is_a_parameter(void **state)
{
    (void)state;
    for (size_t size = 1; size <= 300; size++) {
        ctxalloc_chunks *h = ctxalloc_chunks_create(70, size);
        size_t bytes;
        assert_non_null(h);
        unsigned char *first = ctxalloc_chunks_range(h, &bytes);
        assert_int_equal(ctxalloc_chunks_chunk_size(h), size);
        assert_int_equal(ctxalloc_chunks_capacity(h), 70 * size);
        assert_int_equal(bytes, 70 * size);
        size_t least = size & -size;
        assert_true(ctxalloc_chunks_min_alignment(h) >= (least < 64 ? least : 64));
        for (size_t i = 0; i < 70; i++) {
            void *p = ctxalloc_chunks_alloc(h, size, 1);
            assert_ptr_equal(p, first + i * size);
            assert_int_equal((uintptr_t)p % ctxalloc_chunks_min_alignment(h), 0);
            memset(p, 0xff, size);
        }
        assert_null(ctxalloc_chunks_alloc(h, 1, 1));
        assert_valid(h);
        ctxalloc_chunks_destroy(h);
    }
    assert_int_equal(ctxalloc_chunks_min_alignment(&heap), SIZE);
    assert_true(ctxalloc_chunks_contains(&heap, storage + sizeof storage - 1));
    assert_false(ctxalloc_chunks_contains(&heap, storage + sizeof storage));
}

static void sc_usage_in_percent(void **state)
{
    (void)state;
    assert_int_equal(ctxalloc_chunks_usage(&heap), 0);
    void *p = alloc(4 * SIZE);
    assert_int_equal(ctxalloc_chunks_usage(&heap), 25);
    alloc(8 * SIZE);
    assert_int_equal(ctxalloc_chunks_usage(&heap), 75);
    alloc(4 * SIZE);
    assert_int_equal(ctxalloc_chunks_usage(&heap), 100);
    assert_int_equal(ctxalloc_chunks_free(&heap, p), 0);
    assert_int_equal(ctxalloc_chunks_usage(&heap), 75);
    ctxalloc_chunks *h = ctxalloc_chunks_create(1000, 1);
    assert_non_null(ctxalloc_chunks_alloc(h, 1, 1));
    assert_int_equal(ctxalloc_chunks_usage(h), 1);
    assert_non_null(ctxalloc_chunks_alloc(h, 998, 1));
    assert_int_equal(ctxalloc_chunks_usage(h), 99);
    assert_non_null(ctxalloc_chunks_alloc(h, 1, 1));
    assert_int_equal(ctxalloc_chunks_usage(h), 100);
    ctxalloc_chunks_destroy(h);
}

/* Best fit: a gap of the exact size before a larger one that comes first. Next fit: the search goes on where it was. */
static void sc_next_fit_with_best_fit(void **state)
{
    (void)state;
    unsigned char *large = alloc(3 * SIZE), *wall = alloc(SIZE), *exact = alloc(2 * SIZE);
    alloc(SIZE);
    assert_int_equal(ctxalloc_chunks_free(&heap, large), 0);
    assert_int_equal(ctxalloc_chunks_free(&heap, exact), 0);
    assert_ptr_equal(alloc(2 * SIZE), exact);
    assert_ptr_equal(alloc(3 * SIZE), large);
    assert_ptr_equal(wall, large + 3 * SIZE);

    ctxalloc_chunks *h = ctxalloc_chunks_create(64 * 8, 1);
    unsigned char *first = ctxalloc_chunks_alloc(h, 64, 1), *p[7];
    for (int i = 0; i < 7; i++)
        assert_ptr_equal(p[i] = ctxalloc_chunks_alloc(h, 64, 1), first + 64 * (i + 1));
    assert_int_equal(ctxalloc_chunks_free(h, p[0]), 0);
    assert_int_equal(ctxalloc_chunks_free(h, p[3]), 0);
    assert_ptr_equal(ctxalloc_chunks_alloc(h, 1, 1), p[0]); /* round the end */
    assert_int_equal(ctxalloc_chunks_free(h, first), 0);
    assert_ptr_equal(ctxalloc_chunks_alloc(h, 64, 1), p[3]); /* not `first`: that lies behind */
    assert_ptr_equal(ctxalloc_chunks_alloc(h, 64, 1), first);
    ctxalloc_chunks_destroy(h);
}

/* Runs over the ends of words, and of parts of the heap; everything from every size. */
static void sc_runs_across_words(void **state)
{
    enum { CHUNKS = 64 * 21 + 5 };
    (void)state;
    ctxalloc_chunks *h = ctxalloc_chunks_create(CHUNKS, 1);
    for (size_t size = 1; size <= CHUNKS; size += size / 7 + 1) {
        size_t n = 0;
        while (ctxalloc_chunks_alloc(h, size, 1))
            n++;
        assert_int_equal(n, CHUNKS / size);
        assert_int_equal(ctxalloc_chunks_largest(h), CHUNKS % size);
        assert_valid(h);
        size_t bytes, rest = CHUNKS % size;
        if (rest)
            assert_non_null(ctxalloc_chunks_alloc(h, rest, 1));
        for (void *p = NULL; n && (p = ctxalloc_chunks_next(h, p, &bytes));) {
            assert_int_equal(bytes, size);
            assert_int_equal(ctxalloc_chunks_free(h, p), 0);
            assert_ptr_equal(ctxalloc_chunks_alloc(h, size, 1), p);
            n--;
        }
        assert_int_equal(n, 0);
        ctxalloc_chunks_reset(h);
    }
    ctxalloc_chunks_destroy(h);
}

static void sc_any_alignment(void **state)
{
    (void)state;
    for (size_t align = 1; align <= 4096; align *= 2) {
        size_t n = 0;
        for (void *p; (p = ctxalloc_chunks_alloc(&heap, 1, align)); n++)
            assert_int_equal((uintptr_t)p % align, 0);
        assert_int_equal(n, align <= SIZE ? COUNT : COUNT * SIZE / align); /* the storage is aligned to a page */
        ctxalloc_chunks_reset(&heap);
    }
    assert_null(ctxalloc_chunks_alloc(&heap, 1, 0));
    assert_int_equal(ctxalloc_chunks_error(&heap), CTXALLOC_CHUNKS_BAD_REQUEST);
    assert_null(ctxalloc_chunks_alloc(&heap, 1, 48));
    /* Chunk sizes that are no power of two, and storage at odd addresses: found if and only if there is such a chunk. */
    static unsigned char memory[8192 + 64];
    static uint64_t bits[CTXALLOC_CHUNKS_BITMAP_WORDS(4096)];
    static const size_t sizes[] = {1, 2, 3, 6, 12, 24, 40, 56, 96, 100};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (size_t shift = 0; shift < 17; shift++)
            for (size_t align = 1; align <= 1024; align *= 2) {
                ctxalloc_chunks h;
                size_t chunks = 4096 / sizes[s], expected = 0, n = 0;
                assert_int_equal(ctxalloc_chunks_over(&h, memory + shift, chunks * sizes[s], bits, sizeof bits, sizes[s]), 0);
                for (size_t i = 0; i < chunks; i++)
                    expected += (uintptr_t)(memory + shift + i * sizes[s]) % align == 0;
                for (void *p; (p = ctxalloc_chunks_alloc(&h, sizes[s], align)); n++)
                    assert_int_equal((uintptr_t)p % align, 0);
                assert_int_equal(n, expected);
                assert_int_equal(ctxalloc_chunks_error(&h), expected ? CTXALLOC_CHUNKS_OUT_OF_MEMORY : ctxalloc_chunks_error(&h));
            }
}

static void sc_realloc_inside_the_chunk(void **state)
{
    (void)state;
    unsigned char *p = ctxalloc_chunks_realloc(&heap, NULL, 1, 1);
    uint64_t before[sizeof bitmap / sizeof *bitmap];
    memcpy(before, bitmap, sizeof bitmap);
    for (size_t size = 0; size <= SIZE; size++)
        assert_ptr_equal(ctxalloc_chunks_realloc(&heap, p, size, 1), p);
    assert_memory_equal(before, bitmap, sizeof bitmap);
    memset(p, 0x11, SIZE);
    assert_ptr_equal(ctxalloc_chunks_realloc(&heap, p, 3 * SIZE, 1), p); /* into what is free behind it */
    memset(p, 0x22, 3 * SIZE);
    unsigned char *wall = alloc(1);
    assert_ptr_equal(wall, p + 3 * SIZE);
    assert_ptr_equal(ctxalloc_chunks_realloc(&heap, p, 2 * SIZE, 1), p); /* gives chunks back */
    assert_int_equal(ctxalloc_chunks_used(&heap), 3 * SIZE);
    unsigned char *q = ctxalloc_chunks_realloc(&heap, p, 5 * SIZE, 1); /* must move */
    assert_ptr_equal(q, wall + SIZE);
    for (int i = 0; i < 2 * SIZE; i++)
        assert_int_equal(q[i], 0x22);
    assert_int_equal(ctxalloc_chunks_free(&heap, p), EINVAL);
    assert_null(ctxalloc_chunks_realloc(&heap, q, 17 * SIZE, 1)); /* cannot be: stays as it is */
    assert_int_equal(ctxalloc_chunks_size(&heap, q), 5 * SIZE);
    assert_null(ctxalloc_chunks_realloc(&heap, q + 1, 1, 1));
    assert_int_equal(ctxalloc_chunks_error(&heap), CTXALLOC_CHUNKS_BAD_REQUEST);
    assert_valid(&heap);
}

static void sc_four_kinds_of_error(void **state)
{
    (void)state;
    ctxalloc_chunks h;
    assert_int_equal(ctxalloc_chunks_over(&h, NULL, SIZE, bitmap, sizeof bitmap, SIZE), EINVAL);
    assert_int_equal(ctxalloc_chunks_error(&h), CTXALLOC_CHUNKS_BAD_STORAGE);
    static const struct {
        size_t bytes, bitmap_bytes, size;
        ctxalloc_chunks_error_t error;
    } wrong[] = {
        {0, sizeof bitmap, SIZE, CTXALLOC_CHUNKS_BAD_STORAGE},
        {SIZE + 1, sizeof bitmap, SIZE, CTXALLOC_CHUNKS_BAD_STORAGE},
        {SIZE, sizeof bitmap, 0, CTXALLOC_CHUNKS_BAD_STORAGE},
        {(size_t)PTRDIFF_MAX + 1, sizeof bitmap, 1, CTXALLOC_CHUNKS_BAD_STORAGE},
        {sizeof storage, sizeof bitmap - 8, SIZE, CTXALLOC_CHUNKS_BAD_BITMAP},
        {sizeof storage, 0, SIZE, CTXALLOC_CHUNKS_BAD_BITMAP},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(ctxalloc_chunks_over(&h, storage, wrong[i].bytes, bitmap, wrong[i].bitmap_bytes, wrong[i].size), EINVAL);
        assert_int_equal(ctxalloc_chunks_error(&h), wrong[i].error);
        assert_null(ctxalloc_chunks_alloc(&h, 1, 1));
        assert_int_equal(ctxalloc_chunks_free(&h, storage), EINVAL);
    }
    assert_int_equal(ctxalloc_chunks_over(&h, storage, sizeof storage, NULL, sizeof bitmap, SIZE), EINVAL);
    assert_int_equal(ctxalloc_chunks_error(&h), CTXALLOC_CHUNKS_BAD_BITMAP);
    assert_null(ctxalloc_chunks_alloc(&heap, 1, 3));
    assert_int_equal(ctxalloc_chunks_error(&heap), CTXALLOC_CHUNKS_BAD_REQUEST);
    assert_null(ctxalloc_chunks_alloc(&heap, sizeof storage + 1, 1));
    assert_int_equal(ctxalloc_chunks_error(&heap), CTXALLOC_CHUNKS_OUT_OF_MEMORY);
    assert_string_equal(ctxalloc_chunks_error_text(ctxalloc_chunks_error(&heap)), "out of memory");
    assert_null(ctxalloc_chunks_create(0, 1));
    assert_int_equal(errno, EINVAL);
    errno = 0;
    assert_null(ctxalloc_chunks_create((size_t)1 << 30, (size_t)1 << 20));
    assert_int_equal(errno, ENOMEM);
}

/* The macros give what a run-time heap of as many chunks needs, and its nodes fit in exactly. */
static void sc_sizing_macros(void **state)
{
    (void)state;
    static uint64_t bits[CTXALLOC_CHUNKS_BITMAP_WORDS(20000) + 1];
    static unsigned char memory[20000];
    _Static_assert(CTXALLOC_CHUNKS_BITMAP_WORDS(1) == 4, "a pair and 12 bytes");
    _Static_assert(CTXALLOC_CHUNKS_BITMAP_WORDS(257) == 15, "5 pairs, 2 + 1 summaries");
    assert_int_equal(sizeof storage, COUNT * SIZE);
    for (size_t chunks = 1; chunks <= 20000; chunks += chunks % 64 < 2 ? 1 : 31) {
        size_t words = CTXALLOC_CHUNKS_BITMAP_WORDS(chunks), n = 0;
        ctxalloc_chunks h;
        bits[words] = 0x5a5a5a5a5a5a5a5a;
        assert_int_equal(ctxalloc_chunks_over(&h, memory, chunks, bits, words * 8 - 1, 1), EINVAL);
        assert_int_equal(ctxalloc_chunks_over(&h, memory, chunks, bits, words * 8, 1), 0);
        assert_non_null(ctxalloc_chunks_alloc(&h, chunks, 1));
        assert_null(ctxalloc_chunks_alloc(&h, 1, 1));
        assert_int_equal(ctxalloc_chunks_free(&h, memory), 0);
        for (size_t length = CTXALLOC_CHUNKS_WORDS(chunks), level = 0; level < h.levels; level++)
            n += length = (length + 3) / 4;
        assert_int_equal(words, 2 * CTXALLOC_CHUNKS_WORDS(chunks) + (3 * n + 1) / 2);
        assert_int_equal(bits[words], 0x5a5a5a5a5a5a5a5a);
    }
}

static struct {
    int calls;
    size_t size, align;
    unsigned usage;
} logged;

static void log_it(const ctxalloc_chunks *h, size_t size, size_t align, unsigned usage, void *argument)
{
    assert_ptr_equal(h, &heap);
    assert_ptr_equal(argument, &logged);
    logged.calls++;
    logged.size = size;
    logged.align = align;
    logged.usage = usage;
}

static void sc_out_of_memory_is_logged_with_usage(void **state)
{
    (void)state;
    ctxalloc_chunks_set_log(&heap, log_it, &logged);
    alloc(12 * SIZE);
    assert_null(ctxalloc_chunks_alloc(&heap, 5 * SIZE, 8));
    assert_int_equal(logged.calls, 1);
    assert_int_equal(logged.size, 5 * SIZE);
    assert_int_equal(logged.align, 8);
    assert_int_equal(logged.usage, 75);
    assert_null(ctxalloc_chunks_alloc(&heap, 5 * SIZE, 3)); /* a bad request is none */
    assert_int_equal(ctxalloc_chunks_free(&heap, NULL), EINVAL);
    assert_int_equal(logged.calls, 1);
    ctxalloc_chunks_set_log(&heap, NULL, NULL);
    assert_null(ctxalloc_chunks_alloc(&heap, 5 * SIZE, 8));
    assert_int_equal(logged.calls, 1);
    /* Also from a static initializer. */
    static CTXALLOC_CHUNKS_BITMAP(bits, COUNT);
    static ctxalloc_chunks other = CTXALLOC_CHUNKS_INIT_LOGGED(storage, bits, SIZE, log_it, &logged);
    assert_true(other.log == log_it && other.argument == &logged);
}

static void sc_million_chunks_nearly_full(void **state)
{
    enum { CHUNKS = 1000000 };
    (void)state;
    ctxalloc_chunks *h = ctxalloc_chunks_create(CHUNKS, 1);
    unsigned char *first = ctxalloc_chunks_alloc(h, 1, 1);
    for (int i = 1; i < CHUNKS; i++)
        assert_ptr_equal(ctxalloc_chunks_alloc(h, 1, 1), first + i);
    assert_null(ctxalloc_chunks_alloc(h, 1, 1));
    assert_int_equal(ctxalloc_chunks_free(h, first + 777777), 0);
    assert_int_equal(ctxalloc_chunks_free(h, first + 777778), 0);
    assert_null(ctxalloc_chunks_alloc(h, 3, 1));
    assert_ptr_equal(ctxalloc_chunks_alloc(h, 2, 1), first + 777777);
    assert_null(ctxalloc_chunks_alloc(h, 1, 1));
    assert_valid(h);
    ctxalloc_chunks_destroy(h);
}

static void ca_grow_and_shrink_in_place(void **state)
{
    size_t available;
    (void)state;
    unsigned char *p = alloc(2 * SIZE), *q = alloc(SIZE);
    assert_int_equal(ctxalloc_chunks_resize(&heap, p, 3 * SIZE, &available), ENOMEM);
    assert_int_equal(available, 2 * SIZE);
    assert_int_equal(ctxalloc_chunks_resize(&heap, q, 14 * SIZE, &available), 0);
    assert_int_equal(available, 14 * SIZE);
    assert_int_equal(ctxalloc_chunks_usage(&heap), 100);
    assert_int_equal(ctxalloc_chunks_resize(&heap, q, 1, &available), 0);
    assert_int_equal(ctxalloc_chunks_size(&heap, q), SIZE);
    assert_int_equal(ctxalloc_chunks_resize(&heap, p, 0, NULL), 0);
    assert_int_equal(ctxalloc_chunks_size(&heap, p), SIZE);
    assert_int_equal(ctxalloc_chunks_free(&heap, p), 0);
    assert_int_equal(ctxalloc_chunks_free(&heap, q), 0);
    assert_valid(&heap);
}

static void ca_alignment_changes(void **state)
{
    (void)state;
    alloc(1);
    unsigned char *p = alloc(SIZE);
    memset(p, 0x33, SIZE);
    unsigned char *q = ctxalloc_chunks_realloc(&heap, p, SIZE, 1024);
    assert_non_null(q);
    assert_int_equal((uintptr_t)q % 1024, 0);
    assert_int_equal(q[SIZE - 1], 0x33);
    assert_int_equal(ctxalloc_chunks_used(&heap), 2 * SIZE);
    assert_ptr_equal(ctxalloc_chunks_realloc(&heap, q, SIZE, 512), q);
    assert_null(ctxalloc_chunks_realloc(&heap, q, SIZE, 3));
}

static void ca_excess_is_told(void **state)
{
    size_t got;
    (void)state;
    assert_non_null(ctxalloc_chunks_alloc_at_least(&heap, SIZE + 1, 1, &got));
    assert_int_equal(got, 2 * SIZE);
    assert_null(ctxalloc_chunks_alloc_at_least(&heap, sizeof storage, 1, &got));
    assert_int_equal(got, 0);
}

static void ca_zero_size_is_a_block(void **state)
{
    (void)state;
    void *p = alloc(0), *q = alloc(0);
    assert_ptr_not_equal(p, q);
    assert_int_equal(ctxalloc_chunks_free(&heap, p), 0);
    assert_int_equal(ctxalloc_chunks_free(&heap, q), 0);
}

static void ca_memory_of_the_callers(void **state)
{
    _Alignas(64) static unsigned char mem[2048];
    size_t needed = ctxalloc_chunks_memory(9, 100);
    (void)state;
    assert_true(needed <= sizeof mem);
    assert_null(ctxalloc_chunks_init(mem, needed - 1, 9, 100));
    assert_null(ctxalloc_chunks_init(mem + 1, needed, 9, 100));
    assert_null(ctxalloc_chunks_init(NULL, needed, 9, 100));
    memset(mem, 0xff, sizeof mem);
    ctxalloc_chunks *h = ctxalloc_chunks_init(mem, needed, 9, 100);
    unsigned char *p = ctxalloc_chunks_alloc(h, 900, 64);
    assert_ptr_equal(p + 900, mem + needed);
    assert_valid(h);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, clear)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sc_static_heap_needs_no_call),
        TEST(sc_exact_fit_is_found),
        TEST(sc_wrong_frees_are_einval),
        TEST(sc_chunk_size_is_a_parameter),
        TEST(sc_usage_in_percent),
        TEST(sc_next_fit_with_best_fit),
        TEST(sc_runs_across_words),
        TEST(sc_any_alignment),
        TEST(sc_realloc_inside_the_chunk),
        TEST(sc_four_kinds_of_error),
        TEST(sc_sizing_macros),
        TEST(sc_out_of_memory_is_logged_with_usage),
        TEST(sc_million_chunks_nearly_full),
        TEST(ca_grow_and_shrink_in_place),
        TEST(ca_alignment_changes),
        TEST(ca_excess_is_told),
        TEST(ca_zero_size_is_a_block),
        TEST(ca_memory_of_the_callers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
