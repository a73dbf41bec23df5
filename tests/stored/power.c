/* N4: loss of power, simulated.  fdatasync is ours: a `disk` is what was flushed, and at a random moment (also inside of a flush, and in the recovery after a loss) the
 * power goes: of the sectors that differ from the disk a random part was written.  The heap then opens as it was at the last sync that returned (or at the one that was
 * under way): exactly its blocks, with their bytes, also those that were freed and would have been reused since; and its roots. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/base.h"
#include "heap/stored.h"
#include "tests/stored/stored.h"

enum { SECTOR = 512, SLOTS = 300, PROMISES = 2 };

typedef struct disk {
    const char *path;
    unsigned char *bytes;
    size_t size;
} disk;

typedef struct slot {
    uint64_t offset, seed;
    size_t size; /* 0: none */
} slot;

/* What the heap was when it was synced: number sequence % 2 each. */
static struct promise {
    uint64_t sequence, root, blocks;
    slot slots[SLOTS];
} promises[PROMISES];

static const struct promise *recovering; /* what the recovery that is under way goes back to */
static slot slots[SLOTS];
static uint64_t root, seed = 2463534242;
static disk *current; /* NULL: flushes do nothing */
static bool in_sync, losing;
static char own_path[60], lost[60], lost_again[60]; /* of this process alone */
static unsigned losses, losses_in_sync, losses_in_recovery, taken_of_new;
static char why[CA_STORED_WHY];

/* --- disks ------------------------------------------------------------------------------------------------------- */

static size_t file_read(const char *path, unsigned char **bytes)
{
    struct stat s;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    REQUIRE(fd >= 0 && fstat(fd, &s) == 0);
    *bytes = malloc((size_t)s.st_size + 1);
    REQUIRE(*bytes && read(fd, *bytes, (size_t)s.st_size) == s.st_size);
    close(fd);
    return (size_t)s.st_size;
}

static void file_write(const char *path, const unsigned char *bytes, size_t size)
{
    (void)unlink(path);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    REQUIRE(fd >= 0 && write(fd, bytes, size) == (ssize_t)size);
    close(fd);
}

static void disk_flush(disk *d)
{
    free(d->bytes);
    d->size = file_read(d->path, &d->bytes);
}

/* The size is part of what a flush makes sure of; grown since: any size in between. Returns how many sectors of the new ones were taken. */
static void disk_lose(const disk *d, const char *to)
{
    unsigned char *now;
    size_t now_size = file_read(d->path, &now), size = random_next(&seed) % 2 ? now_size : d->size;
    size = size < d->size ? d->size : size;
    unsigned char *image = calloc(1, size);
    REQUIRE(image);
    memcpy(image, d->bytes, d->size);
    unsigned of_eight = (unsigned)(random_next(&seed) % 9); /* how many of eight sectors got there */
    for (size_t at = 0; at < size; at += SECTOR) {
        bool whole_pages = seed >> 40 & 1;
        if (!whole_pages || at % CA_PAGE == 0)
            (void)random_next(&seed);
        if ((seed >> 20) % 8 < of_eight)
            memcpy(image + at, now + at, SECTOR);
    }
    ca_stored_state *state = (ca_stored_state *)(void *)(image + (size_t)CA_STORED_PAGE_STATE * CA_PAGE);
    if (state->check == ca_stored_state_check(state) && state->open) { /* the machine was started again */
        memcpy(state->boot, "another start", 14);
        state->check = ca_stored_state_check(state);
    }
    file_write(to, image, size);
    free(image);
    free(now);
}

/* --- heaps ---------------------------------------------------------------------------------------------------------- */

static ca_stored *heap_open(const char *path, uint32_t flags)
{
    int error;
    ca_stored *h = ca_stored_open(&(ca_stored_settings){.path = path, .fd = -1, .flags = flags, .mode = 0600, .reserve = 1ULL << 30, .why = why}, &error);
    if (!h)
        fprintf(stderr, "%s: %s (%s)\n", path, strerror(error), why);
    REQUIRE(h);
    return h;
}

/* Exactly what was there, with all bytes. */
static bool heap_equals(ca_stored *h, const struct promise *p)
{
    for (int i = 0; i < SLOTS; i++) {
        ca_stored_place o = ca_stored_inspect(h, h->file.base + p->slots[i].offset);
        if (p->slots[i].size && (o.what != CA_STORED_IS_LIVE || o.size < p->slots[i].size || !bytes_are(o.start, p->slots[i].size, p->slots[i].seed)))
            return false;
    }
    return ca_stored_get_usage(h).blocks == p->blocks && ca_stored_root_get(h, "root") == p->root;
}

static void heap_is_promised(ca_stored *h)
{
    int which;
    uint64_t last;
    (void)ca_stored_newest(h->file.base, &last);
    uint64_t sequence = last - 1; /* the recovery itself has made a checkpoint */
    const struct promise *p = &promises[sequence % PROMISES];
    REQUIRE(p->sequence == sequence);
    taken_of_new += in_sync && sequence > promises[(sequence + 1) % PROMISES].sequence;
    REQUIRE(ca_stored_index_is_valid(h, &which));
    REQUIRE(heap_equals(h, p));
}

static void power_lose(void);

int fdatasync(int fd)
{
    (void)fd;
    if (!current)
        return 0;
    if (random_next(&seed) % 4 == 0)
        power_lose();
    disk_flush(current);
    return 0;
}

static void power_lose(void)
{
    disk *before = current;
    if (losing) { /* once more, in the recovery */
        current = NULL;
        disk_lose(before, lost_again);
        losses_in_recovery++;
    } else {
        losing = true;
        losses++;
        losses_in_sync += in_sync;
        disk_lose(before, lost);
        disk d = {.path = lost};
        disk_flush(&d);
        uint64_t sequence;
        (void)ca_stored_newest((char *)d.bytes, &sequence);
        recovering = &promises[sequence % PROMISES];
        current = random_next(&seed) % 2 ? &d : NULL;
        ca_stored *h = heap_open(lost, 0);
        heap_is_promised(h);
        if (seed % 4 == 0) { /* it goes on from there: nothing is in the way of anything */
            current = NULL;
            for (int i = 0; i < 200; i++) {
                void *p = ca_stored_alloc(h, random_size(&seed), CA_GRANULE);
                REQUIRE(p);
                if (i % 3)
                    ca_stored_free(h, p, "free");
            }
            int which;
            REQUIRE(ca_stored_sync(h) == 0 && ca_stored_index_is_valid(h, &which));
        }
        current = NULL;
        REQUIRE(ca_stored_close(h) == 0);
        free(d.bytes);
        losing = false;
        current = before;
        return;
    }
    /* What the second loss left. */
    ca_stored *h = heap_open(lost_again, 0);
    REQUIRE(heap_equals(h, recovering));
    REQUIRE(ca_stored_close(h) == 0);
    current = before;
}

/* --- the work ---------------------------------------------------------------------------------------------------------- */

static void heap_sync(ca_stored *h)
{
    uint64_t last;
    (void)ca_stored_newest(h->file.base, &last);
    struct promise *p = &promises[(last + 1) % PROMISES];
    memcpy(p->slots, slots, sizeof slots);
    p->sequence = last + 1;
    p->root = root;
    p->blocks = ca_stored_get_usage(h).blocks;
    in_sync = true;
    REQUIRE(ca_stored_sync(h) == 0);
    in_sync = false;
}

static void slot_fill(ca_stored *h, slot *s, void *p, size_t size)
{
    *s = (slot){.offset = (uint64_t)((char *)p - h->file.base), .size = size, .seed = random_next(&seed)};
    bytes_fill(p, size, s->seed);
}

static void slot_change(ca_stored *h, slot *s)
{
    size_t size = random_size(&seed);
    if (!s->size) {
        void *p = ca_stored_alloc(h, size, seed % 16 ? CA_GRANULE : 8192);
        REQUIRE(p);
        slot_fill(h, s, p, size);
        return;
    }
    char *p = h->file.base + s->offset;
    REQUIRE(bytes_are(p, s->size, s->seed));
    if (seed % 4 == 0 && size > s->size) { /* its bytes stay what they are: what was promised is not written to */
        void *q = ca_stored_realloc(h, p, size);
        REQUIRE(q && bytes_are(q, s->size & ~(size_t)7, s->seed));
        if (q == p)
            return;
        slot_fill(h, s, q, size);
        return;
    }
    if (seed % 8 == 5 && s->size > 20000 && ca_stored_resize(h, p, 12000)) {
        s->size = 12000;
        return;
    }
    if (root == s->offset) {
        REQUIRE(ca_stored_root_set(h, "root", 0) == 0);
        root = 0;
    }
    ca_stored_free(h, p, "free");
    s->size = 0;
}

int main(void)
{
    const char *length = getenv("CTXALLOC_TEST_LONG");
    unsigned steps = length && *length == '1' ? 400000 : 12000;
    int which;
    disk d = {.path = own_path};
    snprintf(own_path, sizeof own_path, "/dev/shm/power-%d.heap", (int)getpid());
    snprintf(lost, sizeof lost, "/dev/shm/power-%d-lost.heap", (int)getpid());
    snprintf(lost_again, sizeof lost_again, "/dev/shm/power-%d-lost-again.heap", (int)getpid());
    (void)unlink(own_path);
    ca_stored *h = heap_open(own_path, CA_STORED_NEW);
    disk_flush(&d);
    current = &d;
    (void)ca_stored_newest(h->file.base, &promises[1].sequence);
    REQUIRE(promises[1].sequence == 1);
    for (unsigned step = 0; step < steps; step++) {
        slot *s = &slots[random_next(&seed) % SLOTS];
        slot_change(h, s);
        if (seed % 32 == 1 && s->size) {
            root = s->offset;
            REQUIRE(ca_stored_root_set(h, "root", root) == 0);
        }
        unsigned kind = (unsigned)(random_next(&seed) % 512);
        if (kind < 6)
            heap_sync(h);
        else if (kind < 12)
            power_lose();
        else if (kind == 12)
            REQUIRE(ca_stored_index_is_valid(h, &which));
    }
    current = NULL;
    REQUIRE(ca_stored_close(h) == 0);
    REQUIRE(losses > 100 && losses_in_sync > 20 && losses_in_recovery > 20 && taken_of_new > 3);
    printf("power lost %u times, %u of them in a sync, of which %u times the new state was there; %u times more in a recovery\n", losses, losses_in_sync, taken_of_new,
           losses_in_recovery);
    (void)unlink(own_path);
    (void)unlink(lost);
    (void)unlink(lost_again);
    return 0;
}
