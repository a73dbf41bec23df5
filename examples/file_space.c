/* A free-space map in a file: a store of records of any length in one file, whose map lies in the file itself.
 *
 *   file_space FILE put TEXT     stores a text, prints its handle (OFFSET:SIZE)
 *   file_space FILE get HANDLE   prints it
 *   file_space FILE drop HANDLE  its space is free again
 *   file_space FILE list         all records, and what is free
 *
 * The file begins with the engine's metadata, mapped; ctxalloc_fit_attach makes an instance of it at whatever address it lies this
 * time.  The data follow, in units of 16 bytes, and grow with the file: best fit, so that it stays small.  A handle is the 8 bytes that
 * an index would store.  One process at a time; a crash in the middle of a call leaves the map as it was then (a real store would
 * write the map last, or keep two).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ctxalloc/fit.h>

enum { UNIT = 16, MOST_RECORDS = 10000, FIRST_UNITS = 64 };

static size_t map_bytes(void)
{
    return (ctxalloc_fit_memory(UINT32_MAX, MOST_RECORDS) + 4095) / 4096 * 4096;
}

static off_t place(uint32_t offset)
{
    return (off_t)map_bytes() + (off_t)offset * UNIT;
}

static int fail(const char *what)
{
    fprintf(stderr, "file_space: %s: %s\n", what, strerror(errno));
    return 1;
}

/* The file's map; a new file gets one. */
static ctxalloc_fit *space_open(int file)
{
    struct stat status;
    if (fstat(file, &status) || (status.st_size == 0 && ftruncate(file, place(FIRST_UNITS))))
        return NULL;
    void *map = mmap(NULL, map_bytes(), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (map == MAP_FAILED)
        return NULL;
    errno = EINVAL; /* not such a file */
    return status.st_size ? ctxalloc_fit_attach(map, map_bytes()) : ctxalloc_fit_init(map, map_bytes(), FIRST_UNITS, MOST_RECORDS);
}

/* A record is its length and its bytes. */
static int record_put(ctxalloc_fit *space, int file, const char *text)
{
    uint32_t length = (uint32_t)strlen(text), units = (length + (uint32_t)sizeof length + UNIT - 1) / UNIT;
    ctxalloc_fit_block block = ctxalloc_fit_alloc(space, units);
    if (!block.size) {
        uint64_t more = ctxalloc_fit_capacity(space) / 2 + units;
        errno = ctxalloc_fit_grow(space, more);
        if (errno || ftruncate(file, place((uint32_t)ctxalloc_fit_capacity(space))))
            return fail("grow");
        block = ctxalloc_fit_alloc(space, units);
        errno = ENOSPC;
        if (!block.size)
            return fail("put");
    }
    if (pwrite(file, &length, sizeof length, place(block.offset)) != sizeof length ||
        pwrite(file, text, length, place(block.offset) + (off_t)sizeof length) != (ssize_t)length)
        return fail("write");
    printf("%u:%u\n", block.offset, block.size);
    return 0;
}

static int record_get(int file, ctxalloc_fit_block block)
{
    uint32_t length;
    char text[4096];
    if (pread(file, &length, sizeof length, place(block.offset)) != sizeof length || length >= sizeof text ||
        pread(file, text, length, place(block.offset) + (off_t)sizeof length) != (ssize_t)length)
        return fail("read");
    text[length] = 0;
    printf("%s\n", text);
    return 0;
}

static int list(const ctxalloc_fit *space)
{
    ctxalloc_range range = {0};
    while (ctxalloc_fit_next_used(space, &range))
        printf("%llu:%llu\n", (unsigned long long)range.offset, (unsigned long long)range.size);
    printf("%u records, %llu of %llu units free, the largest range %llu\n", ctxalloc_fit_live(space),
           (unsigned long long)ctxalloc_fit_free_total(space), (unsigned long long)ctxalloc_fit_capacity(space),
           (unsigned long long)ctxalloc_fit_free_largest(space));
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 3 || (argc < 4 && strcmp(argv[2], "list") != 0)) {
        fprintf(stderr, "usage: file_space FILE put TEXT | get HANDLE | drop HANDLE | list\n");
        return 2;
    }
    int file = open(argv[1], O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    ctxalloc_fit *space = file < 0 ? NULL : space_open(file);
    if (!space)
        return fail(argv[1]);
    if (strcmp(argv[2], "list") == 0)
        return list(space);
    if (strcmp(argv[2], "put") == 0)
        return record_put(space, file, argv[3]);
    char *end;
    ctxalloc_fit_block block = {(uint32_t)strtoul(argv[3], &end, 10), 0};
    if (*end == ':')
        block.size = (uint32_t)strtoul(end + 1, NULL, 10);
    errno = strcmp(argv[2], "drop") == 0 ? ctxalloc_fit_free(space, block) : ctxalloc_fit_size(space, block) ? 0 : EINVAL;
    if (errno)
        return fail(argv[3]);
    return strcmp(argv[2], "get") == 0 ? record_get(file, block) : 0;
}
