/* What a block promises while it lives: alignment, a usable size that does not change and is all there, zeros from calloc, and an
 * errno that free leaves alone. */
#include "tests/abi/abi.h"

/* Writes a block of any size; of a very large one only a byte a page and the last one, or the test would be about memset. */
static void touch(void *p, size_t n) {
    if (n <= 4 * MIB) {
        memset(p, 0xa5, n);
        return;
    }
    for (size_t i = 0; i < n; i += 4096)
        ((char *)p)[i] = (char)0xa5;
    ((char *)p)[n - 1] = (char)0xa5;
}

static void every_entry_gives_aligned_usable_blocks(void **state) {
    (void)state;
    for (size_t e = 0; e < ARRAY_LENGTH(entries); e++)
        for (size_t s = 0; s < ARRAY_LENGTH(sizes_of_every_range); s++) {
            size_t size = sizes_of_every_range[s];
            void *p = entries[e].allocate(size);
            assert_non_null(p);
            if (!is_aligned(p, entries[e].alignment))
                fail_msg("%s of %zu gives %p", entries[e].name, size, p);
            size_t usable = malloc_usable_size(p);
            if (usable < size)
                fail_msg("%s of %zu: usable %zu", entries[e].name, size, usable);
            assert_int_equal(malloc_size(p), usable);
            if (entries[e].zeroed && !is_zero(p, size))
                fail_msg("%s of %zu is not zero", entries[e].name, size);
            touch(p, usable);
            assert_int_equal(malloc_usable_size(p), usable);
            free(p);
        }
}

static void pvalloc_rounds_up_to_pages(void **state) {
    (void)state;
    for (size_t s = 0; s < ARRAY_LENGTH(sizes_of_every_range); s++) {
        size_t size = sizes_of_every_range[s];
        void *p = pvalloc(size);
        assert_non_null(p);
        size_t whole = (size + 4095) & ~(size_t)4095;
        assert_true(malloc_usable_size(p) >= whole);
        memset(p, 1, whole);
        free(p);
    }
}

/* glibc's programs rely on it: every block holds any type, so 16 bytes of alignment from 1 byte on. */
static void every_small_size_is_aligned_and_writable(void **state) {
    (void)state;
    for (size_t size = 0; size <= 40000; size += size < 5000 ? 1 : 61) {
        void *p = malloc(hide_size(size));
        assert_non_null(p);
        assert_true(is_aligned(p, 16));
        size_t usable = malloc_usable_size(p);
        assert_true(usable >= size);
        memset(p, 0x5a, usable);
        free(p);
    }
}

static void good_size_is_the_usable_size(void **state) {
    (void)state;
    for (size_t size = 0; size <= 40000; size += size < 5000 ? 1 : 61) {
        void *p = malloc(hide_size(size));
        assert_non_null(p);
        if (malloc_good_size(size) != malloc_usable_size(p))
            fail_msg("size %zu: good %zu, usable %zu", size, malloc_good_size(size), malloc_usable_size(p));
        free(p);
    }
    for (size_t s = 0; s < ARRAY_LENGTH(sizes_of_every_range); s++) {
        size_t size = sizes_of_every_range[s];
        void *p = malloc(size);
        assert_non_null(p);
        if (malloc_good_size(size) != malloc_usable_size(p))
            fail_msg("size %zu: good %zu, usable %zu", size, malloc_good_size(size), malloc_usable_size(p));
        free(p);
    }
}

/* Full to the last usable byte, side by side: nobody's bytes are somebody else's. And the size stays while others come and go. */
static void usable_bytes_belong_to_one_block(void **state) {
    (void)state;
    enum { COUNT = 3000 };
    static void *blocks[COUNT];
    static size_t usable[COUNT];
    uint64_t random = 42;
    for (size_t i = 0; i < COUNT; i++) {
        blocks[i] = malloc(random_size(&random, 16));
        assert_non_null(blocks[i]);
        usable[i] = malloc_usable_size(blocks[i]);
        payload_write(blocks[i], usable[i], i);
    }
    for (size_t i = 0; i < COUNT; i += 2) {
        assert_true(payload_holds(blocks[i], usable[i], i));
        free(blocks[i]);
        blocks[i] = NULL;
    }
    for (size_t i = 1; i < COUNT; i += 2) {
        assert_int_equal(malloc_usable_size(blocks[i]), usable[i]);
        assert_true(payload_holds(blocks[i], usable[i], i));
        free(blocks[i]);
    }
}

static void alignment_of_power(size_t alignment, size_t size) {
    void *three[3] = {memalign(alignment, size), aligned_alloc(alignment, size), NULL};
    if (alignment >= sizeof(void *)) {
        errno = 4711;
        assert_int_equal(posix_memalign(&three[2], alignment, size), 0);
        assert_int_equal(errno, 4711);
    } else
        three[2] = malloc(size);
    for (size_t i = 0; i < 3; i++) {
        assert_non_null(three[i]);
        if (!is_aligned(three[i], alignment) || !is_aligned(three[i], 16))
            fail_msg("alignment %zu, size %zu gives %p", alignment, size, three[i]);
        assert_true(malloc_usable_size(three[i]) >= size);
        payload_write(three[i], size, i + alignment);
    }
    for (size_t i = 0; i < 3; i++) {
        assert_true(payload_holds(three[i], size, i + alignment));
        if (i == 1)
            free_aligned_sized(three[i], alignment, size);
        else
            free(three[i]);
    }
}

static void every_alignment_with_every_size(void **state) {
    (void)state;
    for (size_t alignment = 1; alignment <= MIB; alignment <<= 1)
        for (size_t s = 0; s < ARRAY_LENGTH(sizes_of_every_range); s++)
            if (sizes_of_every_range[s] <= 2 * MIB)
                alignment_of_power(alignment, sizes_of_every_range[s]);
}

static void alignments_beyond_a_mebibyte(void **state) {
    (void)state;
    static const size_t sizes[] = {1, 100, 5000, 100000, 3 * MIB + 1};
    for (size_t alignment = 2 * MIB; alignment <= 64 * MIB; alignment <<= 1)
        for (size_t s = 0; s < ARRAY_LENGTH(sizes); s++)
            alignment_of_power(alignment, sizes[s]);
}

static void aligned_blocks_can_be_resized(void **state) {
    (void)state;
    for (size_t alignment = 32; alignment <= 64 * MIB; alignment *= 8)
        for (size_t s = 0; s < ARRAY_LENGTH(sizes_of_every_range); s += 5) {
            size_t size = sizes_of_every_range[s];
            for (size_t t = 0; t < ARRAY_LENGTH(sizes_of_every_range); t += 7) {
                size_t other = sizes_of_every_range[t];
                if (size > MIB || other > MIB)
                    continue;
                void *p = aligned_alloc(alignment, size);
                assert_non_null(p);
                payload_write(p, size, s);
                p = realloc(p, other);
                assert_non_null(p);
                assert_true(payload_holds(p, size < other ? size : other, s));
                assert_true(malloc_usable_size(p) >= other);
                free(p);
            }
        }
}

/* Memory that was dirty before comes back as zeros from calloc, in every range and by every road: thread's cache, slab, pages
 * that were given back and merged, mappings. */
static void calloc_of_recycled_memory_is_zero(void **state) {
    (void)state;
    for (int round = 0; round < 3; round++)
        for (size_t s = 0; s < ARRAY_LENGTH(sizes_of_every_range); s++) {
            size_t size = sizes_of_every_range[s];
            void *dirty[8];
            size_t count = size <= 64 * KIB ? 8 : 2;
            for (size_t i = 0; i < count; i++) {
                dirty[i] = malloc(size);
                assert_non_null(dirty[i]);
                memset(dirty[i], 0xff, malloc_usable_size(dirty[i]));
            }
            for (size_t i = 0; i < count; i++)
                free(dirty[i]);
            if (round == 2)
                malloc_trim(0);
            for (size_t i = 0; i < count; i++) {
                size_t other = i % 2 == 0 ? size : size - size / 5; /* the second may find a piece of the first */
                dirty[i] = calloc(1, other);
                assert_non_null(dirty[i]);
                if (!is_zero(dirty[i], other))
                    fail_msg("calloc of %zu is dirty", other);
            }
            for (size_t i = 0; i < count; i++)
                free(dirty[i]);
        }
}

static void calloc_of_huge_recycled_memory_is_zero(void **state) {
    (void)state;
    for (int round = 0; round < 3; round++) {
        size_t size = 128 * MIB + (size_t)round * 4096;
        char *p = (char *)malloc(size);
        assert_non_null(p);
        touch(p, size);
        free(p);
        p = (char *)calloc(size / 64, 64);
        assert_non_null(p);
        for (size_t i = 0; i < size / 64 * 64; i += 4096)
            assert_int_equal(p[i], 0);
        assert_int_equal(p[size / 64 * 64 - 1], 0);
        free(p);
    }
}

static void calloc_after_random_frees_is_zero(void **state) {
    (void)state;
    enum { COUNT = 512 };
    static void *blocks[COUNT];
    uint64_t random = 7;
    for (size_t i = 0; i < 60000; i++) {
        size_t slot = random_next(&random) % COUNT;
        if (blocks[slot] != NULL) {
            memset(blocks[slot], 0xee, malloc_usable_size(blocks[slot]));
            free(blocks[slot]);
        }
        size_t size = random_size(&random, i % 64 == 0 ? 20 : 14);
        blocks[slot] = calloc(1, size);
        assert_non_null(blocks[slot]);
        assert_true(is_zero(blocks[slot], size));
    }
    for (size_t i = 0; i < COUNT; i++)
        free(blocks[i]);
}

static void free_keeps_errno(void **state) {
    (void)state;
    for (size_t s = 0; s < ARRAY_LENGTH(sizes_of_every_range); s++) {
        void *blocks[6];
        for (size_t i = 0; i < 6; i++) {
            blocks[i] = malloc(sizes_of_every_range[s]);
            assert_non_null(blocks[i]);
        }
        errno = 4711;
        free(blocks[0]);
        assert_int_equal(errno, 4711);
        cfree(blocks[1]);
        assert_int_equal(errno, 4711);
        free_sized(blocks[2], sizes_of_every_range[s]);
        assert_int_equal(errno, 4711);
        free_aligned_sized(blocks[3], 16, sizes_of_every_range[s]);
        assert_int_equal(errno, 4711);
        __libc_free(blocks[4]);
        assert_int_equal(errno, 4711);
        free(NULL);
        assert_int_equal(errno, 4711);
        free(blocks[5]);
    }
    void *huge = malloc(512 * MIB);
    assert_non_null(huge);
    errno = 4711;
    free(huge);
    assert_int_equal(errno, 4711);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_entry_gives_aligned_usable_blocks),
        cmocka_unit_test(pvalloc_rounds_up_to_pages),
        cmocka_unit_test(every_small_size_is_aligned_and_writable),
        cmocka_unit_test(good_size_is_the_usable_size),
        cmocka_unit_test(usable_bytes_belong_to_one_block),
        cmocka_unit_test(every_alignment_with_every_size),
        cmocka_unit_test(alignments_beyond_a_mebibyte),
        cmocka_unit_test(aligned_blocks_can_be_resized),
        cmocka_unit_test(calloc_of_recycled_memory_is_zero),
        cmocka_unit_test(calloc_of_huge_recycled_memory_is_zero),
        cmocka_unit_test(calloc_after_random_frees_is_zero),
        cmocka_unit_test(free_keeps_errno),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
