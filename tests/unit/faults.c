/* Every memory call of the library can fail, at any time: what comes back is NULL or good memory, and once calls succeed
 * again the structures are whole and everything can be freed and had again.  Only in --enable-faults builds.
 *
 * Each case is a process of its own, so that failures during the start are among them.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/os.h"
#include "tests/unit/heap_face.h"

_Static_assert(CA_FAULTS, "configure with --enable-faults");

enum { BLOCKS = 100, NTH = 200, EVERY = 40, REGION = 1 << 30 };

typedef struct block {
    unsigned char *p;
    size_t size;
    unsigned char byte;
} block;

static block blocks[BLOCKS];

#define REQUIRE(condition)                                             \
    do {                                                               \
        if (!(condition)) {                                            \
            fprintf(stderr, "line %d: %s\n", __LINE__, #condition);    \
            _exit(1);                                                  \
        }                                                              \
    } while (0)

static bool is_filled(const unsigned char *p, size_t size, unsigned char byte)
{
    return size == 0 || (p[0] == byte && !memcmp(p, p + 1, size - 1));
}

static size_t size_for(int i)
{
    static const size_t sizes[] = {16, 40, 100, 700, 1024, 4000, 9000, 32768, 40000, 300000, 1500000, 3 << 20};
    return sizes[i % 12] + (size_t)(i % 7);
}

static void block_get(ca_heap *heap, int i)
{
    block *b = &blocks[i];
    b->size = size_for(i);
    b->byte = (unsigned char)(i | 1);
    bool zero = i % 5 == 1;
    if (zero)
        b->p = ca_heap_calloc(heap, b->size);
    else
        b->p = i % 5 == 2 ? ca_heap_memalign(heap, (size_t)32 << i % 10, b->size) : ca_heap_malloc(heap, b->size);
    if (!b->p)
        return;
    REQUIRE(face_is_live(b->p));
    REQUIRE(!zero || is_filled(b->p, b->size, 0));
    memset(b->p, b->byte, b->size);
}

static void block_drop(ca_heap *heap, int i)
{
    block *b = &blocks[i];
    if (!b->p)
        return;
    REQUIRE(is_filled(b->p, b->size, b->byte));
    REQUIRE(face_free(heap, b->p));
    b->p = NULL;
}

/* As realloc: in place, by moving pages, by copying; or not at all. */
static void block_resize(ca_heap *heap, int i, size_t size)
{
    block *b = &blocks[i];
    if (!b->p)
        return;
    uint32_t tag = face_tag(b->p), kind = tag & CA_TAG_CLASS_MASK;
    size_t keep = ca_size_min(size, b->size);
    if (kind < CA_TAG_CACHES || size <= CA_SMALL_MAX)
        return;
    if (ca_large_resize(heap, face_page(b->p), size)) {
        REQUIRE(ca_large_size(face_page(b->p)) >= size);
    } else {
        void *to = tag == CA_TAG_HUGE ? ca_huge_move(face_page(b->p), size) : NULL;
        if (!to && (to = ca_heap_malloc(heap, size))) {
            memcpy(to, b->p, keep);
            REQUIRE(face_free(heap, b->p));
        }
        if (!to)
            return;
        b->p = to;
    }
    REQUIRE(is_filled(b->p, keep, b->byte));
    b->size = size;
    memset(b->p, b->byte, size);
}

/* Another thread's heap: takes and frees some of its own, frees every seventh block of the first. */
static void *other_thread(void *unused)
{
    (void)unused;
    ca_heap *heap = ca_heap_adopt(NULL, 0);
    if (!heap)
        heap = ca_heap_create(NULL);
    for (int i = 0; i < BLOCKS; i += 7) {
        block *b = &blocks[i];
        if (b->p && heap) {
            REQUIRE(is_filled(b->p, b->size, b->byte));
            REQUIRE(face_free(heap, b->p));
            b->p = NULL;
        }
        void *own = heap ? ca_heap_malloc(heap, size_for(i)) : NULL;
        if (own)
            REQUIRE(face_free(heap, own));
    }
    if (heap)
        ca_heap_abandon(heap);
    return NULL;
}

static void workload(ca_heap *heap)
{
    pthread_t thread;
    for (int i = 0; i < BLOCKS; i++)
        block_get(heap, i);
    for (int i = 0; i < BLOCKS; i += 3)
        block_drop(heap, i);
    for (int i = 0; i < BLOCKS; i++)
        block_resize(heap, i, size_for(i) * (i % 2 ? 3 : 1) / 2);
    ca_heap_trim(heap);
    ca_region_purge_all();
    REQUIRE(!pthread_create(&thread, NULL, other_thread, NULL));
    REQUIRE(!pthread_join(thread, NULL));
    for (int i = 0; i < BLOCKS; i += 2)
        if (!blocks[i].p)
            block_get(heap, i);
}

/* With the faults off: all is valid, all can be freed, and all is to be had again. */
static void aftermath(ca_heap *heap)
{
    (void)ca_remote_drain(heap);
    REQUIRE(face_is_valid(heap));
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < BLOCKS; i++)
            block_drop(heap, i);
        REQUIRE(face_is_valid(heap));
        for (int i = 0; i < BLOCKS; i++) {
            block_get(heap, i);
            REQUIRE(blocks[i].p);
        }
    }
    for (int i = 0; i < BLOCKS; i++)
        block_drop(heap, i);
    ca_heap_trim(heap);
    REQUIRE(face_is_valid(heap));
    ca_heap_usage u;
    memset(&u, 0, sizeof u);
    ca_heap_add_usage(heap, &u);
    REQUIRE(u.large_count == 0 && u.small_count <= CA_LOAD(&ca_remote_lost)); /* lost: freed remotely without memory to say so */
    REQUIRE(ca_huge_get_usage().count == 0);
}

_Noreturn static void case_run(uint64_t after, uint64_t every, bool once, bool started)
{
    ca_heap *heap = NULL;
    bool ready = started && ca_region_init(&ca_source_mmap, REGION);
    REQUIRE(ready == started);
    (void)ca_os_fail(after, every, once);
    if (!ready && !ca_region_init(&ca_source_mmap, REGION))
        _exit(0); /* a start that fails is final: malloc says ENOMEM from then on */
    heap = ca_heap_create(NULL);
    if (heap)
        workload(heap);
    (void)ca_os_fail(0, 0, false);
    if (!heap)
        heap = ca_heap_create(NULL);
    REQUIRE(heap);
    aftermath(heap);
    _exit(0);
}

static int failures;

static void case_fork(const char *name, uint64_t after, uint64_t every, bool once, bool started)
{
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        alarm(100);
        case_run(after, every, once, started);
    }
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0) {
        printf("%s, after %llu, every %llu, %s: status %#x\n", name, (unsigned long long)after, (unsigned long long)every,
               started ? "started" : "from the start", (unsigned)status);
        failures++;
    }
}

int main(void)
{
    int cases = 0;
    for (uint64_t n = 0; n < NTH; n++) {
        case_fork("one call", n, 1, true, n % 2);
        case_fork("all from then on", n, 1, false, n % 2 == 0);
        cases += 2;
    }
    for (uint64_t every = 2; every <= EVERY; every++, cases++)
        case_fork("now and then", every, every, false, every % 2);
    printf("%d cases, %d failed\n", cases, failures);
    return failures != 0;
}
