/* The region where address space is short: a source that refuses large reservations makes it begin small and go on in
 * further ranges; a heap does not notice. */
#include <string.h>

#include "tests/unit/cmocka_face.h"
#include "tests/unit/heap_face.h"

enum { MOST = 160 << 20, WANTED = 1 << 30, BLOCK = 8 << 20, BLOCKS = 200 };

static unsigned refused;

static void *reserve_little(const ca_source *source, size_t least, size_t *bytes)
{
    if (*bytes > MOST) {
        refused++;
        return NULL;
    }
    return ca_source_mmap.reserve(source, least, bytes);
}

static ca_source little;

static int setup(void **state)
{
    (void)state;
    little = ca_source_mmap;
    little.reserve = reserve_little;
    return !face_start(&little, WANTED) || !refused;
}

static void runs_are_taken_resized_moved_purged_and_given(void **state)
{
    (void)state;
    int which;
    assert_int_equal(ca_region_take(NULL, (uint64_t)1 << 40, 1, NULL).pages, 0);
    ca_run a = ca_region_take(NULL, 5, 1, NULL), b = ca_region_take(NULL, 64, 64, NULL);
    assert_true(a.pages >= 5 && a.pages % CA_CHUNK == 0 && b.pages == 64);
    assert_true((uintptr_t)ca_region_address(b.page) % ((size_t)64 * CA_PAGE) == 0);
    assert_int_equal(ca_region_run_pages(a.page), a.pages);
    char *p = ca_region_address(a.page), *q = ca_region_address(b.page);
    assert_true(ca_region_contains(p) && !ca_region_contains(&which));
    assert_true(ca_region_granule(p + 16) == ca_page_granule(a.page) + 1);
    assert_true(ca_region_granule(&which) == UINT64_MAX);
    memset(p, 1, a.pages * (size_t)CA_PAGE);
    if (ca_region_move(a.page, b.page, a.pages)) {
        assert_int_equal(q[0], 1);
        assert_int_equal(q[a.pages * (size_t)CA_PAGE - 1], 1);
        assert_int_equal(p[0], 0);
    }
    assert_true(ca_region_resize(b.page, 16));
    assert_int_equal(ca_region_run_pages(b.page), 16);
    assert_false(ca_region_resize(b.page, (uint64_t)1 << 40));
    assert_true(ca_region_get_usage().given == (a.pages + 16ULL) * CA_PAGE);
    ca_region_give(a.page, NULL);
    ca_region_give(b.page, NULL);
    assert_true(ca_region_get_usage().given == 0 && ca_region_is_valid(&which));
    ca_region_purge_all();
    assert_int_equal(p[0], 0); /* committed still, and zero */
    assert_int_equal(q[0], 0);
}

static void a_heap_goes_on_in_further_ranges(void **state)
{
    (void)state;
    static char *block[BLOCKS];
    ca_heap *heap = ca_heap_create(NULL);
    int n = 0, far = 0;
    assert_non_null(heap);
    for (; n < BLOCKS && (block[n] = ca_heap_malloc(heap, BLOCK)) != NULL; n++) {
        far += ca_region_is_far(face_page(block[n]));
        assert_ptr_equal(ca_region_address(face_page(block[n])), block[n]);
        assert_true(face_is_live(block[n]) && ca_region_contains(block[n] + BLOCK - 1));
        block[n][0] = block[n][BLOCK - 1] = (char)n;
    }
    assert_true(far > 0 && n < BLOCKS);
    for (int i = 0; i < 2000; i++) { /* small ones, with no large range left: still in some range, or refused */
        char *p = ca_heap_malloc(heap, 1000);
        if (p)
            assert_true(face_free(heap, p));
    }
    assert_true(face_is_valid(heap));
    for (int i = 0; i < n; i++) {
        assert_true(block[i][0] == (char)i && block[i][BLOCK - 1] == (char)i);
        assert_true(face_free(heap, block[i]));
    }
    ca_heap_trim(heap);
    assert_true(face_is_valid(heap) && ca_region_get_usage().given == 0);
    char *again = ca_heap_malloc(heap, BLOCK);
    assert_non_null(again);
    assert_true(face_free(heap, again));
}

/* The heap of a context that is gone, and that had memory in a further range, serves a thread as it is: malloc's path with checks does not know that memory. */
static void a_heap_with_far_memory_changes_hands(void **state)
{
    (void)state;
    static char *block[BLOCKS];
    ca_heap *heap = ca_heap_create_for(NULL, &ca_account_process, 0, NULL), *again;
    int n = 0;
    assert_non_null(heap);
    for (; n < BLOCKS && (block[n] = ca_heap_malloc(heap, BLOCK / 8)) != NULL && !ca_region_is_far(face_page(block[n])); n++)
        assert_true(heap->target.checked_end != 0);
    assert_true(n < BLOCKS && block[n]);
    assert_int_equal(heap->target.checked_end, 0);
    ca_heap_globalize(heap);
    assert_ptr_equal(again = ca_heap_adopt(NULL, 0), heap);
    assert_int_equal(again->target.checked_end, 0);
    for (int i = 0; i <= n; i++)
        assert_true(face_free(again, block[i]));
    ca_heap_trim(again);
    assert_true(face_is_valid(again) && ca_region_get_usage().given == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_are_taken_resized_moved_purged_and_given),
        cmocka_unit_test(a_heap_goes_on_in_further_ranges),
        cmocka_unit_test(a_heap_with_far_memory_changes_hands),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
