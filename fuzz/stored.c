/* The opener of stored heaps against files that were made right and then changed at will: refused with a text and left as they were, or opened, and then used without a crash.
 *
 * An input: byte 0 says how to open; then changes of the file, five bytes each: place (three bytes: the header, state, roots and arrays of the first segment are below 42
 * pages), how many bytes, and what is put there (with the check of an entry, slot, state or header made right again when the place says so, so that wrong
 * values with right checks come in, too). */
#include "fuzz/fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "heap/stored.h"

enum { PAGES = 160, CHANGES = 40 };

static unsigned char *good;
static size_t good_bytes;
static int fd = -1;
static char why[CA_STORED_WHY];

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    int error;
    fd = memfd_create("fuzz", MFD_CLOEXEC);
    ca_stored *h = ca_stored_open(&(ca_stored_settings){.path = NULL, .fd = fd, .flags = CA_STORED_CREATE, .reserve = 1 << 24, .why = why}, &error);
    FUZZ_CHECK(h, "%s", why);
    char *p = NULL;
    for (unsigned i = 0; i < 120; i++) {
        p = ca_stored_alloc(h, i % 10 == 0 ? 9000 + i * 31 : i * 7, CA_GRANULE);
        FUZZ_CHECK(p, "no memory");
        if (i % 3 == 1)
            ca_stored_free(h, p, "free");
        else
            (void)ca_stored_root_set(h, i % 2 ? "one" : "other", (uint64_t)(p - h->file.base));
    }
    FUZZ_CHECK(ca_stored_close(h) == 0, "close");
    off_t size = lseek(fd, 0, SEEK_END);
    good_bytes = (size_t)size;
    good = malloc(good_bytes);
    FUZZ_CHECK(good && pread(fd, good, good_bytes, 0) == size, "read");
    return 0;
}

/* Checks are made right where the change was, so that it is not them alone that refuse. */
static void check_repair(unsigned char *file, size_t at)
{
    char *base = (char *)file;
    if (at < sizeof(ca_stored_header)) {
        ca_stored_header *header = (ca_stored_header *)(void *)base;
        header->check = ca_stored_header_check(header);
    } else if (at / CA_PAGE == CA_STORED_PAGE_STATE) {
        ca_stored_state *state = ca_stored_state_of(base);
        state->check = ca_stored_state_check(state);
        for (unsigned copy = CA_STORED_A; copy <= CA_STORED_B; copy++)
            ca_stored_slot_at(base, copy)->check = ca_stored_slot_check(ca_stored_slot_at(base, copy));
    } else {
        for (unsigned copy = CA_STORED_LIVE; copy <= CA_STORED_B; copy++) {
            size_t start = (size_t)ca_stored_copy_start(0, copy) * CA_PAGE;
            if (at >= start && at < start + 2 * (size_t)CA_PAGE) {
                uint32_t page = (uint32_t)((at - start) / 8);
                uint64_t *e = ca_stored_entry(base, copy, page);
                *e = ca_stored_entry_make(page, ca_stored_kind_of(*e) & 3, ca_stored_class_of(*e), ca_stored_pages_of(*e));
            }
        }
    }
}

static bool block_touch(const void *block, size_t size, void *argument)
{
    *(uint64_t *)argument += ((const unsigned char *)block)[0] + ((const unsigned char *)block)[size - 1];
    return true;
}

static void heap_use(ca_stored *h)
{
    void *blocks[24];
    uint64_t sum = 0;
    int which;
    FUZZ_CHECK(ca_stored_index_is_valid(h, &which), "[%d]", which);
    (void)ca_stored_walk(h, block_touch, &sum);
    (void)ca_stored_root_get(h, "one");
    for (unsigned i = 0; i < 24; i++)
        blocks[i] = ca_stored_alloc(h, i % 5 == 0 ? 5000 * i : i * 40, CA_GRANULE);
    for (unsigned i = 0; i < 24; i += 2)
        if (blocks[i])
            ca_stored_free(h, blocks[i], "free");
    FUZZ_CHECK(ca_stored_sync(h) == 0 && ca_stored_index_is_valid(h, &which), "[%d]", which);
    for (unsigned i = 1; i < 24; i += 2)
        if (blocks[i])
            ca_stored_free(h, blocks[i], "free");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input in = {data, data + size};
    static unsigned char file[PAGES * CA_PAGE * 4], after[sizeof file];
    size_t bytes = good_bytes;
    memcpy(file, good, good_bytes);
    unsigned how = fuzz_byte(&in);
    for (int i = 0; i < CHANGES && fuzz_more(&in); i++) {
        size_t at = (fuzz_two(&in) | (size_t)fuzz_byte(&in) << 16) % good_bytes;
        unsigned count = fuzz_byte(&in), value = fuzz_byte(&in);
        for (unsigned k = 0; k < count % 9 && at + k < good_bytes; k++)
            file[at + k] = (unsigned char)(value + k * (count >> 5));
        if (count & 16)
            check_repair(file, at);
    }
    if (how & 128)
        bytes = bytes * (how & 15) / 16;
    FUZZ_CHECK(ftruncate(fd, 0) == 0 && pwrite(fd, file, bytes, 0) == (ssize_t)bytes, "write");
    int error = 0;
    uint32_t flags = how & 1 ? CA_STORED_READ_ONLY : how & 2 ? CA_STORED_RESTORE : how & 4 ? CA_STORED_SHARED : 0;
    ca_stored *h = ca_stored_open(&(ca_stored_settings){.fd = fd, .flags = flags, .reserve = 1 << 24, .why = why}, &error);
    if (!h) {
        FUZZ_CHECK(error && why[0], "refused without a reason");
        FUZZ_CHECK(lseek(fd, 0, SEEK_END) == (off_t)bytes && pread(fd, after, bytes, 0) == (ssize_t)bytes && !memcmp(file, after, bytes), "a refused file was changed: %s", why);
        return 0;
    }
    uint64_t sum = 0;
    if (ca_stored_may_write(h))
        heap_use(h);
    else
        (void)ca_stored_walk(h, block_touch, &sum);
    FUZZ_CHECK(ca_stored_close(h) == 0, "close");
    return 0;
}
