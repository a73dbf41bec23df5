/* N4: heaps in files by their public calls: what is kept, at any address; what is refused, and left as it is; locks, limits, full disks; free and realloc from anywhere. */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tests/stored/stored.h"
#include "tests/face.h"

static char path[64], why[CTXALLOC_FILE_WHY];
static uint64_t seed = 123456789;

static ctxalloc_context *open_with(unsigned flags)
{
    return ctxalloc_open(path, &(ctxalloc_file_options){.size = sizeof(ctxalloc_file_options), .flags = flags, .why = why, .name = "store"});
}

static ctxalloc_context *open_new(void)
{
    (void)unlink(path);
    ctxalloc_context *c = open_with(CTXALLOC_FILE_NEW);
    if (!c)
        fprintf(stderr, "%s (%s)\n", strerror(errno), why);
    REQUIRE(c);
    return c;
}

/* In a process of its own; how it ended. */
static int run_apart(void (*fn)(void))
{
    int status;
    fflush(stdout);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        fn();
        _exit(0);
    }
    REQUIRE(waitpid(child, &status, 0) == child);
    return status;
}

static bool ran_well(void (*fn)(void))
{
    int status = run_apart(fn);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* --- bytes of the file ------------------------------------------------------------------------------------------- */

typedef struct image {
    unsigned char *bytes;
    size_t size;
} image;

static image image_read(void)
{
    struct stat s;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    REQUIRE(fd >= 0 && fstat(fd, &s) == 0);
    image i = {mmap(NULL, (size_t)s.st_size + 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), (size_t)s.st_size};
    REQUIRE(i.bytes != MAP_FAILED && read(fd, i.bytes, i.size) == (ssize_t)i.size);
    close(fd);
    return i;
}

static void image_write(const image *i, size_t size)
{
    (void)unlink(path);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    REQUIRE(fd >= 0 && write(fd, i->bytes, size) == (ssize_t)size);
    close(fd);
}

static void image_drop(image *i)
{
    munmap(i->bytes, i->size + 1);
}

/* Not opened in any way, for one of these reasons, which is told; and nothing has changed. */
static void is_refused(int first, int second, int third)
{
    static const unsigned ways[] = {0, CTXALLOC_FILE_CREATE, CTXALLOC_FILE_READ_ONLY, CTXALLOC_FILE_SHARED, CTXALLOC_FILE_CLIENT};
    image before = image_read();
    for (unsigned i = 0; i < sizeof ways / sizeof *ways; i++) {
        errno = 0;
        why[0] = '\0';
        ctxalloc_context *c = open_with(ways[i]);
        if (c || (errno != first && errno != second && errno != third) || !why[0])
            fprintf(stderr, "way %u: %p, %s (%s)\n", ways[i], (void *)c, strerror(errno), why);
        REQUIRE(!c && (errno == first || errno == second || errno == third) && why[0]);
    }
    image after = image_read();
    REQUIRE(before.size == after.size && !memcmp(before.bytes, after.bytes, before.size));
    image_drop(&before);
    image_drop(&after);
}

/* --- what is kept -------------------------------------------------------------------------------------------------- */

typedef struct node {
    uint64_t next; /* offset */
    uint64_t seed;
    uint32_t size;
    char bytes[];
} node;

enum { NODES = 300 };

static void list_make(ctxalloc_context *c)
{
    uint64_t next = 0;
    for (unsigned i = 0; i < NODES; i++) {
        uint32_t size = (uint32_t)random_size(&seed);
        node *n = ctxalloc_malloc(c, sizeof *n + size);
        REQUIRE(n);
        *n = (node){.next = next, .seed = random_next(&seed), .size = size};
        bytes_fill(n->bytes, size, n->seed);
        next = ctxalloc_offset(c, n);
    }
    REQUIRE(ctxalloc_root_set(c, "list", ctxalloc_ptr(c, next)) == 0);
}

static void list_look(ctxalloc_context *c)
{
    unsigned count = 0;
    for (const node *n = ctxalloc_root_get(c, "list"); n; n = ctxalloc_ptr(c, n->next), count++)
        REQUIRE(bytes_are(n->bytes, n->size, n->seed));
    REQUIRE(count == NODES);
}

static void n4_reopened_at_its_own_address(void)
{
    ctxalloc_usage_t before, after;
    ctxalloc_context *c = open_new();
    bool wanted;
    list_make(c);
    void *base = ctxalloc_file_base(c, &wanted);
    REQUIRE(wanted && ctxalloc_usage(c, &before) && before.live_blocks == NODES && before.held_bytes > before.live_bytes);
    REQUIRE(ctxalloc_close(c) == 0);
    c = open_with(0);
    REQUIRE(c && ctxalloc_file_base(c, &wanted) == base && wanted);
    REQUIRE(ctxalloc_usage(c, &after) && after.live_blocks == before.live_blocks && after.live_bytes == before.live_bytes);
    REQUIRE(!strcmp(ctxalloc_name(c), "store"));
    list_look(c);
    REQUIRE(ctxalloc_close(c) == 0);
    void *taken = mmap(base, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    REQUIRE(taken == base);
    c = open_with(0);
    REQUIRE(c && ctxalloc_file_base(c, &wanted) != base && !wanted);
    list_look(c);
    REQUIRE(ctxalloc_close(c) == 0);
    munmap(taken, 4096);
    c = open_with(CTXALLOC_FILE_READ_ONLY);
    REQUIRE(c);
    list_look(c);
    errno = 0;
    REQUIRE(ctxalloc_malloc(c, 10) == NULL && errno == ENOMEM && ctxalloc_sync(c) == EROFS && ctxalloc_root_set(c, "list", NULL) == EROFS);
    REQUIRE(ctxalloc_close(c) == 0);
}

static void n4_roots(void)
{
    ctxalloc_context *c = open_new();
    char name[80];
    void *p = ctxalloc_malloc(c, 100), *q = ctxalloc_malloc(c, 20000);
    errno = 0;
    REQUIRE(!ctxalloc_root_get(c, "none") && errno == ENOENT);
    REQUIRE(ctxalloc_root_set(c, "", p) == EINVAL && ctxalloc_root_set(c, "inside", (char *)p + 16) == EINVAL && ctxalloc_root_set(c, "foreign", name) == EINVAL);
    memset(name, 'x', sizeof name);
    name[56] = '\0';
    REQUIRE(ctxalloc_root_set(c, name, p) == EINVAL);
    name[55] = '\0';
    REQUIRE(ctxalloc_root_set(c, name, p) == 0 && ctxalloc_root_get(c, name) == p);
    REQUIRE(ctxalloc_root_set(c, name, q) == 0 && ctxalloc_root_get(c, name) == q);
    REQUIRE(ctxalloc_root_set(c, name, NULL) == 0 && !ctxalloc_root_get(c, name));
    for (int i = 0; i < 62; i++) {
        snprintf(name, sizeof name, "root %d", i);
        REQUIRE(ctxalloc_root_set(c, name, i % 2 ? p : q) == 0);
    }
    REQUIRE(ctxalloc_root_set(c, "one more", p) == ENOSPC);
    REQUIRE(ctxalloc_root_set(c, "root 7", NULL) == 0 && ctxalloc_root_set(c, "one more", p) == 0);
    REQUIRE(ctxalloc_root_get(c, "root 8") == q && ctxalloc_root_get(c, "one more") == p && !ctxalloc_root_get(c, "root 7"));
    REQUIRE(ctxalloc_close(c) == 0);
}

static void n4_sizes_and_alignments(void)
{
    static const size_t sizes[] = {0, 1, 16, 17, 128, 129, 1000, 8192, 8193, 40000, 1 << 20, 9 << 20, 40 << 20};
    ctxalloc_context *c = open_new();
    void *blocks[13][14];
    for (size_t i = 0; i < 13; i++)
        for (size_t a = 0; a < 14; a++) {
            void *p = blocks[i][a] = ctxalloc_memalign(c, (size_t)16 << a, sizes[i]);
            REQUIRE(p && (uintptr_t)p % ((size_t)16 << a) == 0 && malloc_usable_size(p) >= sizes[i]);
            if (sizes[i])
                ((char *)p)[0] = ((char *)p)[sizes[i] - 1] = (char)(i * 14 + a);
            if (sizes[i] > 1 << 20 && a > 2)
                free(p);
        }
    for (size_t i = 0; i < 13; i++)
        for (size_t a = 0; a < 14; a++)
            if (sizes[i] && (sizes[i] <= 1 << 20 || a <= 2)) {
                char *p = blocks[i][a];
                REQUIRE(p[0] == (char)(i * 14 + a) && p[sizes[i] - 1] == p[0]);
            }
    REQUIRE(ctxalloc_malloc(c, (size_t)1 << 46) == NULL && errno == ENOMEM);
    REQUIRE(ctxalloc_close(c) == 0);
    ctxalloc_file_report r;
    REQUIRE(ctxalloc_file_check(path, &r, why) == 0 && r.live_fault == 0 && r.sync_fault == 0 && !r.was_open && !r.recover);
}

/* --- free, realloc, switch ------------------------------------------------------------------------------------------- */

static void *thread_frees(void *p)
{
    free(p);
    return NULL;
}

static void n4_malloc_free_and_realloc(void)
{
    ctxalloc_context *c = open_new();
    ctxalloc_verdict_t v;
    pthread_t t;
    REQUIRE(ctxalloc_switch(c) == CTXALLOC_GLOBAL && ctxalloc_current() == c);
    char *text = malloc(9), *p = malloc(100), *z = calloc(10, 30);
    REQUIRE(ctxalloc_switch(CTXALLOC_GLOBAL) == c);
    REQUIRE(ctxalloc_owner(text) == c && ctxalloc_owner(p) == c && ctxalloc_owner(z + 299) == c && ctxalloc_contains(c, p) && !ctxalloc_contains(c, &v));
    for (int i = 0; i < 300; i++)
        REQUIRE(z[i] == 0);
    REQUIRE(ctxalloc_inspect(p + 1, &v) == CTXALLOC_INTERIOR && v.block == p && v.size >= 100 && v.owner == c);
    memset(p, 7, 100);
    p = realloc(p, 50000);
    REQUIRE(p && ctxalloc_owner(p) == c && p[0] == 7 && p[99] == 7);
    p = realloc(p, 9000000);
    REQUIRE(p && ctxalloc_owner(p) == c && p[0] == 7 && p[99] == 7);
    p = realloc(p, 20);
    REQUIRE(p && ctxalloc_owner(p) == c && p[0] == 7 && p[19] == 7 && malloc_usable_size(p) < 100);
    REQUIRE(ctxalloc_resize(p, 20) == 0 && ctxalloc_resize(p, 4000) == ENOMEM);
    REQUIRE(pthread_create(&t, NULL, thread_frees, p) == 0 && pthread_join(t, NULL) == 0);
    REQUIRE(ctxalloc_inspect(p, NULL) == CTXALLOC_DEAD);
    char *outside = malloc(10);
    REQUIRE(ctxalloc_owner(outside) == CTXALLOC_GLOBAL);
    free(outside);
    free(text);
    free(z);
    ctxalloc_usage_t u;
    REQUIRE(ctxalloc_usage(c, &u) && u.live_blocks == 0 && u.live_bytes == 0);
    REQUIRE(ctxalloc_reset(c) == EINVAL);
    void *kept = ctxalloc_malloc(c, 10);
    REQUIRE(kept && ctxalloc_destroy(c) == 0 && ctxalloc_owner(kept) == NULL);
    c = open_with(0);
    REQUIRE(c && ctxalloc_usage(c, &u) && u.live_blocks == 1);
    REQUIRE(ctxalloc_close(c) == 0 && ctxalloc_close(CTXALLOC_GLOBAL) == EINVAL && ctxalloc_sync(NULL) == EINVAL);
}

static void *volatile wrong;

static void free_twice(void)
{
    ctxalloc_context *c = open_new();
    wrong = ctxalloc_malloc(c, 100);
    free(wrong);
    free(wrong);
}

static void free_inside(void)
{
    wrong = (char *)ctxalloc_malloc(open_new(), 30000) + 4096;
    free(wrong);
}

static void free_metadata(void)
{
    wrong = (char *)ctxalloc_file_base(open_new(), NULL) + 8192;
    free(wrong);
}

static void n4_wrong_frees_end_the_process(void)
{
    static void (*const cases[])(void) = {free_twice, free_inside, free_metadata};
    static const char *const texts[] = {"double free (context store)", "interior pointer of", "not a block (context store)"};
    for (int i = 0; i < 3; i++) {
        char text[200] = "";
        int ends[2], saved = dup(2);
        REQUIRE(pipe(ends) == 0 && dup2(ends[1], 2) == 2);
        int status = run_apart(cases[i]);
        dup2(saved, 2);
        close(saved);
        close(ends[1]);
        REQUIRE(read(ends[0], text, sizeof text - 1) > 0);
        close(ends[0]);
        if (!strstr(text, texts[i]))
            fprintf(stderr, "%s\n", text);
        REQUIRE(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT && strstr(text, texts[i]));
    }
}

/* --- what is refused ----------------------------------------------------------------------------------------------------- */

static void n4_bad_files_are_refused(void)
{
    ctxalloc_context *c = open_new();
    list_make(c);
    REQUIRE(ctxalloc_close(c) == 0);
    image good = image_read();
    for (size_t i = 0; i < 56; i++) /* the header */
        for (unsigned bit = 1; bit < 256; bit *= 16) {
            good.bytes[i] ^= (unsigned char)bit;
            image_write(&good, good.size);
            is_refused(EILSEQ, ENOTSUP, EUCLEAN);
            good.bytes[i] ^= (unsigned char)bit;
        }
    good.bytes[20] = 2; /* version */
    image_write(&good, good.size);
    is_refused(ENOTSUP, ENOTSUP, ENOTSUP);
    REQUIRE(strstr(why, "version 2"));
    good.bytes[20] = 1;
    memcpy(good.bytes + 16, "\1\2\3\4", 4);
    image_write(&good, good.size);
    is_refused(ENOTSUP, ENOTSUP, ENOTSUP);
    REQUIRE(strstr(why, "byte order"));
    memcpy(good.bytes + 16, "\4\3\2\1", 4);
    for (size_t size = 1; size < good.size; size += size < 300 ? 7 : size < 200000 ? 4096 * 3 + 1 : good.size / 13) {
        image_write(&good, size);
        is_refused(EUCLEAN, EILSEQ, EUCLEAN);
    }
    image_write(&good, good.size - 1);
    is_refused(EUCLEAN, EUCLEAN, EUCLEAN);
    image_write(&good, good.size);
    c = open_with(0);
    REQUIRE(c);
    list_look(c);
    REQUIRE(ctxalloc_close(c) == 0);
    image_drop(&good);
}

static void n4_foreign_files_are_refused(void)
{
    static unsigned char text[300000];
    image i = {text, sizeof text};
    image_write(&i, i.size); /* zeros */
    is_refused(EILSEQ, EILSEQ, EILSEQ);
    bytes_fill(text, sizeof text, 42);
    image_write(&i, i.size);
    is_refused(EILSEQ, EILSEQ, EILSEQ);
    image_write(&i, 0);
    REQUIRE(!open_with(0) && errno == EILSEQ && strstr(why, "empty"));
    (void)unlink(path);
    REQUIRE(!open_with(0) && errno == ENOENT && why[0]);
    REQUIRE(mkfifo(path, 0600) == 0 && !open_with(0) && errno == EINVAL && why[0]);
    (void)unlink(path);
    REQUIRE(mkdir(path, 0700) == 0 && !open_with(0) && why[0]);
    (void)rmdir(path);
    REQUIRE(ctxalloc_close(open_new()) == 0 && !open_with(CTXALLOC_FILE_NEW) && errno == EEXIST && why[0]);
    REQUIRE(!open_with(1U << 20) && errno == EINVAL && why[0]);
    REQUIRE(!open_with(CTXALLOC_FILE_READ_ONLY | CTXALLOC_FILE_CREATE) && errno == EINVAL);
    REQUIRE(!ctxalloc_open(NULL, NULL) && errno == EINVAL);
    REQUIRE(!ctxalloc_open_fd(-1, NULL) && errno == EBADF);
    REQUIRE(!ctxalloc_open_shared("no slash", NULL) && errno == EINVAL);
}

static bool block_touch(const void *block, size_t size, void *argument)
{
    *(uint64_t *)argument += *(const volatile unsigned char *)block + *((const volatile unsigned char *)block + size - 1);
    return true;
}

/* Whatever is in it: refused, or used without a crash. */
static void damaged_use(void)
{
    uint64_t sum = 0;
    ctxalloc_file_report r;
    (void)ctxalloc_file_check(path, &r, why);
    ctxalloc_context *c = open_with(0);
    if (!c)
        _exit(why[0] ? 0 : 1);
    REQUIRE(ctxalloc_file_walk(c, block_touch, &sum) == 0);
    void *blocks[100];
    for (int i = 0; i < 100; i++) {
        blocks[i] = ctxalloc_malloc(c, random_size(&seed));
        REQUIRE(blocks[i]);
    }
    for (int i = 0; i < 100; i++)
        free(blocks[i]);
    REQUIRE(ctxalloc_close(c) == 0);
}

static void n4_damage_never_crashes(void)
{
    ctxalloc_context *c = open_new();
    list_make(c);
    REQUIRE(ctxalloc_close(c) == 0);
    image good = image_read();
    for (int round = 0; round < 200; round++) {
        image bad = image_read();
        memcpy(bad.bytes, good.bytes, good.size);
        for (uint64_t n = 1 + random_next(&seed) % 20; n > 0; n--) { /* the metadata of the first segment, mostly */
            size_t at = (size_t)(random_next(&seed) % (round % 4 ? 42 * 4096 : bad.size)) / 8 * 8;
            if (round % 4 == 3)
                at = 24576 + at % 8192; /* entries */
            bad.bytes[at + seed % 8] ^= (unsigned char)(1 + (seed >> 20) % 255);
        }
        image_write(&bad, bad.size);
        image_drop(&bad);
        REQUIRE(ran_well(damaged_use));
        image_write(&good, good.size);
    }
    image_drop(&good);
}

/* --- who has it open ------------------------------------------------------------------------------------------------------- */

static void others_are_busy(void)
{
    REQUIRE(!open_with(0) && errno == EBUSY && why[0]);
    REQUIRE(!open_with(CTXALLOC_FILE_SHARED) && errno == EBUSY);
    REQUIRE(!open_with(CTXALLOC_FILE_READ_ONLY) && errno == EBUSY);
    ctxalloc_file_report r;
    REQUIRE(ctxalloc_file_check(path, &r, why) == EBUSY);
}

static void others_may_read(void)
{
    ctxalloc_context *c = open_with(CTXALLOC_FILE_READ_ONLY);
    REQUIRE(c);
    list_look(c);
    REQUIRE(!open_with(0) && errno == EBUSY);
    REQUIRE(ctxalloc_close(c) == 0);
}

static void n4_one_writer(void)
{
    ctxalloc_context *c = open_new();
    list_make(c);
    others_are_busy(); /* this process, too */
    REQUIRE(ran_well(others_are_busy));
    REQUIRE(ctxalloc_close(c) == 0);
    c = open_with(CTXALLOC_FILE_READ_ONLY);
    REQUIRE(c && ran_well(others_may_read));
    REQUIRE(ctxalloc_close(c) == 0);
}

static void n4_places_in_the_table(void)
{
    ctxalloc_context *open[65];
    char own[sizeof path];
    memcpy(own, path, sizeof own);
    int n = 0;
    for (; n < 65; n++) {
        snprintf(path, sizeof path, "%.40s.%d", own, n);
        (void)unlink(path);
        open[n] = open_with(CTXALLOC_FILE_NEW);
        if (!open[n])
            break;
    }
    REQUIRE(n == 64 && errno == EMFILE && why[0]);
    for (n = 0; n < 65; n++) {
        snprintf(path, sizeof path, "%.40s.%d", own, n);
        REQUIRE(n == 64 || ctxalloc_close(open[n]) == 0);
        (void)unlink(path);
    }
    memcpy(path, own, sizeof own);
}

/* --- the last sync ------------------------------------------------------------------------------------------------------------ */

static void change_and_vanish(void)
{
    ctxalloc_context *c = open_new();
    list_make(c);
    REQUIRE(ctxalloc_sync(c) == 0);
    node *last = ctxalloc_root_get(c, "list");
    REQUIRE(ctxalloc_root_set(c, "list", NULL) == 0);
    for (node *n = last, *next; n; n = next) {
        next = ctxalloc_ptr(c, n->next);
        free(n);
    }
    for (int i = 0; i < 3000; i++) {
        size_t size = random_size(&seed);
        void *p = ctxalloc_malloc(c, size);
        REQUIRE(p);
        memset(p, 0xee, size);
    }
    _exit(0);
}

static void n4_restored(void)
{
    ctxalloc_usage_t u;
    ctxalloc_file_report r;
    REQUIRE(ran_well(change_and_vanish));
    REQUIRE(ctxalloc_file_check(path, &r, why) == 0 && r.was_open && !r.recover && r.blocks == 3000 && r.roots == 0);
    ctxalloc_context *c = open_with(CTXALLOC_FILE_RESTORE); /* what was freed and would be overwritten is there again */
    REQUIRE(c && ctxalloc_usage(c, &u) && u.live_blocks == NODES);
    list_look(c);
    REQUIRE(ctxalloc_close(c) == 0);
}

/* --- too little room -------------------------------------------------------------------------------------------------------------- */

static void fill_up(ctxalloc_context *c, size_t least, size_t most)
{
    enum { MANY = 4000 };
    static void *blocks[MANY];
    size_t got = 0;
    int n = 0;
    while (n < MANY && (blocks[n] = ctxalloc_malloc(c, 5000)) != NULL) {
        memset(blocks[n], n, 5000);
        got += 5000;
        n++;
    }
    REQUIRE(n < MANY && errno == ENOMEM && got >= least && got <= most);
    REQUIRE(ctxalloc_sync(c) == 0);
    for (int i = 0; i < n; i += 2)
        free(blocks[i]);
    REQUIRE(ctxalloc_sync(c) == 0); /* or they are held */
    for (int i = 0; i < n; i += 2)
        REQUIRE((blocks[i] = ctxalloc_malloc(c, 5000)) != NULL && memset(blocks[i], i, 5000));
    for (int i = 0; i < n; i++)
        REQUIRE(((unsigned char *)blocks[i])[4999] == (unsigned char)i);
    ctxalloc_usage_t u;
    REQUIRE(ctxalloc_close(c) == 0);
    c = open_with(0);
    REQUIRE(c && ctxalloc_usage(c, &u) && u.live_blocks == (uint64_t)n);
    REQUIRE(ctxalloc_close(c) == 0);
}

static void n4_limit(void)
{
    (void)unlink(path);
    ctxalloc_file_options o = {.size = sizeof o, .flags = CTXALLOC_FILE_NEW, .limit = 4 << 20, .why = why};
    ctxalloc_context *c = ctxalloc_open(path, &o);
    REQUIRE(c);
    fill_up(c, 3 << 20, 4 << 20);
    struct stat s;
    REQUIRE(stat(path, &s) == 0 && s.st_size <= 4 << 20);
    (void)unlink(path);
    o.limit = 0;
    o.reserve = 4 << 20;
    c = ctxalloc_open(path, &o);
    REQUIRE(c);
    fill_up(c, 3 << 20, 4 << 20);
}

static void with_file_limit(void)
{
    signal(SIGXFSZ, SIG_IGN);
    REQUIRE(setrlimit(RLIMIT_FSIZE, &(struct rlimit){3 << 20, 3 << 20}) == 0);
    fill_up(open_new(), 2 << 20, 3 << 20);
    REQUIRE(setrlimit(RLIMIT_FSIZE, &(struct rlimit){50000, 50000}) == 0);
    (void)unlink(path);
    REQUIRE(!open_with(CTXALLOC_FILE_NEW) && why[0]);
}

static bool mounted;
static char disk[40]; /* where a small file system is mounted */

static void with_small_disk(void)
{
    if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) || mount("tmpfs", disk, "tmpfs", 0, "size=2m"))
        _exit(2);
    snprintf(path, sizeof path, "%s/heap", disk);
    fill_up(open_new(), 1 << 20, 2 << 20);
}

static void with_little_address_space(void)
{
    unsigned long pages;
    FILE *f = fopen("/proc/self/statm", "r");
    REQUIRE(f && fscanf(f, "%lu", &pages) == 1);
    fclose(f);
    rlim_t least = (rlim_t)pages * 4096 + (3ULL << 30); /* more by less than the usual reserve */
    REQUIRE(setrlimit(RLIMIT_AS, &(struct rlimit){least, least}) == 0);
    ctxalloc_context *c = open_new();
    REQUIRE(ctxalloc_malloc(c, 1 << 20));
    REQUIRE(ctxalloc_close(c) == 0);
}

static void n4_full_disk(void)
{
    REQUIRE(ran_well(with_file_limit));
    REQUIRE(!CA_INTERPOSE || ran_well(with_little_address_space));
    snprintf(disk, sizeof disk, "stored-disk-%d", (int)getpid());
    REQUIRE(mkdir(disk, 0700) == 0 || errno == EEXIST);
    int status = run_apart(with_small_disk);
    mounted = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    REQUIRE(mounted || (WIFEXITED(status) && WEXITSTATUS(status) == 2));
    (void)rmdir(disk);
}

/* Opens and closes as fast as it can, always another file. */
static bool forks_done;

static void *open_and_close(void *unused)
{
    char own[sizeof path + 8];
    (void)unused;
    snprintf(own, sizeof own, "%s.other", path);
    while (!__atomic_load_n(&forks_done, __ATOMIC_RELAXED)) {
        ctxalloc_context *c = ctxalloc_open(own, &(ctxalloc_file_options){.size = sizeof(ctxalloc_file_options), .flags = CTXALLOC_FILE_NEW});
        REQUIRE(c && ctxalloc_close(c) == 0 && unlink(own) == 0);
    }
    return NULL;
}

static void open_in_child(void)
{
    (void)alarm(60);
    snprintf(path, sizeof path, "/dev/shm/files-%d.heap", (int)getpid());
    ctxalloc_context *c = open_new();
    char *p = ctxalloc_malloc(c, 100);
    REQUIRE(p);
    free(p);
    REQUIRE(ctxalloc_close(c) == 0 && unlink(path) == 0);
}

/* A lock that another thread had at the fork is not left taken in the child. */
static void n4_forks_while_another_thread_opens(void)
{
    pthread_t thread;
    __atomic_store_n(&forks_done, false, __ATOMIC_RELAXED);
    REQUIRE(!pthread_create(&thread, NULL, open_and_close, NULL));
    for (int i = 0; i < 300; i++)
        REQUIRE(ran_well(open_in_child));
    __atomic_store_n(&forks_done, true, __ATOMIC_RELAXED);
    REQUIRE(!pthread_join(thread, NULL));
}

int main(void)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } tests[] = {{"n4_reopened_at_its_own_address", n4_reopened_at_its_own_address}, {"n4_roots", n4_roots}, {"n4_sizes_and_alignments", n4_sizes_and_alignments},
                 {"n4_malloc_free_and_realloc", n4_malloc_free_and_realloc}, {"n4_wrong_frees_end_the_process", n4_wrong_frees_end_the_process},
                 {"n4_bad_files_are_refused", n4_bad_files_are_refused}, {"n4_foreign_files_are_refused", n4_foreign_files_are_refused},
                 {"n4_damage_never_crashes", n4_damage_never_crashes}, {"n4_one_writer", n4_one_writer}, {"n4_places_in_the_table", n4_places_in_the_table},
                 {"n4_restored", n4_restored}, {"n4_limit", n4_limit}, {"n4_full_disk", n4_full_disk},
                 {"n4_forks_while_another_thread_opens", n4_forks_while_another_thread_opens}};
    snprintf(path, sizeof path, "/dev/shm/files-%d.heap", (int)getpid());
    char own[sizeof path];
    memcpy(own, path, sizeof own);
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
        tests[i].run();
        memcpy(path, own, sizeof own);
        (void)unlink(path);
        printf("ok %s\n", tests[i].name);
        fflush(stdout);
    }
    if (!mounted)
        printf("not run: a file system of 2 MiB (it cannot be mounted here)\n");
    return 0;
}
