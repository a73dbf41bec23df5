/* Opening a stored heap.
 *
 * Three bytes of the file are locked, so that it is known who has it open, whatever becomes of them (the kernel drops a killed process's locks):
 *
 *   OPENING  alone, while a process opens or closes it
 *   WRITERS  alone: a process that has it for itself; shared: several that write. Who gets it alone while opening is the first, and makes the index
 *   READERS  shared: who only reads; alone: a process that has it for itself
 */
#include "heap/stored.h"

#include <errno.h>
#include <string.h>

#include "base/lock.h"
#include "base/print.h"

enum { OPENING, WRITERS, READERS };
#define USUAL_RESERVE (64ULL << 30)

ca_stored ca_stored_table[CA_STORED_MOST];
uint32_t ca_stored_mapped;
static ca_lock table_lock;

ca_stored *ca_stored_search(const void *p)
{
    uint32_t n = CA_LOAD_ACQUIRE(&ca_stored_mapped);
    for (uint32_t i = 0; i < n; i++) {
        char *base = CA_LOAD_ACQUIRE(&ca_stored_table[i].file.base);
        if (base && (uintptr_t)p - (uintptr_t)base < CA_LOAD(&ca_stored_table[i].file.reserved))
            return &ca_stored_table[i];
    }
    return NULL;
}

static ca_stored *table_add(const ca_stored *made)
{
    ca_stored *place = NULL;
    ca_lock_take(&table_lock);
    for (uint32_t i = 0; i < CA_STORED_MOST && !place; i++)
        if (!CA_LOAD(&ca_stored_table[i].file.base)) {
            place = &ca_stored_table[i];
            char *base = made->file.base;
            *place = *made;
            place->file.base = NULL;
            CA_STORE_RELEASE(&place->file.base, base);
            if (i >= ca_stored_mapped)
                CA_STORE_RELEASE(&ca_stored_mapped, i + 1);
        }
    ca_lock_drop(&table_lock);
    return place;
}

void ca_stored_lock_table(void)
{
    ca_lock_take(&table_lock);
}

void ca_stored_unlock_table(void)
{
    ca_lock_drop(&table_lock);
}

/* What is said of a failure that has no text of its own. */
static int fail(char *why, int error, const char *what)
{
    ca_format(why, CA_STORED_WHY, "%s", what);
    return error;
}

/* --- locks ----------------------------------------------------------------------------------------------------- */

static int lock_it(const ca_stored *h, char *why, bool *first)
{
    int fd = h->file.fd, error;
    bool reads = !ca_stored_may_write(h);
    *first = false;
    error = ca_os_file_set_lock(fd, OPENING, h->file.write ? CA_OS_LOCK_ALONE : CA_OS_LOCK_SHARED, true);
    if (error)
        return fail(why, error, "it cannot be locked");
    if (reads) {
        error = ca_os_file_set_lock(fd, READERS, CA_OS_LOCK_SHARED, false);
    } else {
        error = ca_os_file_set_lock(fd, WRITERS, CA_OS_LOCK_ALONE, false);
        *first = error == 0;
        if (error == EAGAIN && h->flags & CA_STORED_SHARED)
            error = ca_os_file_set_lock(fd, WRITERS, CA_OS_LOCK_SHARED, false);
        if (!error && !(h->flags & CA_STORED_SHARED))
            error = ca_os_file_set_lock(fd, READERS, CA_OS_LOCK_ALONE, false);
    }
    if (error == EAGAIN)
        return fail(why, EBUSY, "another process has it open");
    return error ? fail(why, error, "it cannot be locked") : 0;
}

/* --- state ------------------------------------------------------------------------------------------------------ */

static bool is_volatile(const ca_stored *h)
{
    return ((const ca_stored_header *)(const void *)h->file.base)->flags & CA_STORED_VOLATILE;
}

/* What is live is right if it was closed, or if the machine has not been started since: then the kernel has all that killed processes wrote. */
static bool needs_recovery(char *base)
{
    ca_stored_state now = {.open = 1};
    const ca_stored_state *then = ca_stored_state_of(base);
    if (then->check != ca_stored_state_check(then))
        return true;
    return then->open && (!ca_os_boot(now.boot) || memcmp(then->boot, now.boot, sizeof now.boot) != 0);
}

static int state_set(ca_stored *h, bool open)
{
    ca_stored_state s = {.open = open};
    if (!ca_os_boot(s.boot))
        s.boot[0] = '?'; /* no start of the machine has this text: the last checkpoint is taken if it is not closed */
    s.check = ca_stored_state_check(&s);
    *ca_stored_state_of(h->file.base) = s;
    return ca_os_file_sync(h->file.fd);
}

static int control_make(ca_stored *h)
{
    ca_stored_control *c = ca_stored_control_of(h->file.base);
    pthread_mutexattr_t kind;
    memset(c, 0, sizeof *c);
    int error = pthread_mutexattr_init(&kind);
    if (error)
        return error;
    error = pthread_mutexattr_setpshared(&kind, PTHREAD_PROCESS_SHARED);
    if (!error)
        error = pthread_mutexattr_setrobust(&kind, PTHREAD_MUTEX_ROBUST);
    if (!error)
        error = pthread_mutex_init(&c->lock, &kind);
    (void)pthread_mutexattr_destroy(&kind);
    if (!error)
        ca_stored_rebuild(h);
    return error;
}

/* --- recovery ----------------------------------------------------------------------------------------------------- */

static void checkpoint_apply(char *base, unsigned copy)
{
    const ca_stored_roots *roots = ca_stored_roots_of(base, copy);
    memcpy(ca_stored_roots_of(base, CA_STORED_LIVE), roots, CA_PAGE);
    for (unsigned s = 0; s < CA_STORED_SEGMENTS; s++) {
        uint32_t from = ca_stored_copy_start(s, copy), to = ca_stored_copy_start(s, CA_STORED_LIVE), split = ca_stored_pages(s) / 512;
        memcpy(ca_stored_at(base, to), ca_stored_at(base, from), (size_t)ca_stored_entry_pages(roots->used[s]) * CA_PAGE);
        memcpy(ca_stored_at(base, to + split), ca_stored_at(base, from + split), (size_t)ca_stored_bit_pages(roots->used[s]) * CA_PAGE);
    }
}

/* A file that no process uses: looked at, and only then changed. */
static int first_opens(ca_stored *h, uint64_t bytes, char *why)
{
    char *base = h->file.base;
    ca_stored_fault fault;
    uint64_t sequence;
    bool memory = is_volatile(h), recover = !memory && (needs_recovery(base) || h->flags & CA_STORED_RESTORE);
    unsigned copy = 0;
    if (recover) {
        copy = ca_stored_checkpoint(base, bytes, &fault, &sequence);
        if (!copy) {
            ca_format(why, CA_STORED_WHY, "power was lost, and there is no checkpoint to take: %s", ca_stored_fault_text(fault.which));
            return EUCLEAN;
        }
    } else if (!ca_stored_is_valid(base, bytes, CA_STORED_LIVE, &fault)) {
        ca_format(why, CA_STORED_WHY, "%s (page %u); ctxalloc-fsck --restore goes back to the last checkpoint", ca_stored_fault_text(fault.which), fault.page);
        return EUCLEAN;
    }
    if (recover)
        checkpoint_apply(base, copy);
    /* What a killed process wrote is to be on the disk before anything is built on it. */
    int error = memory ? 0 : ca_os_file_sync(h->file.fd);
    if (!error)
        error = control_make(h);
    if (!error && recover)
        error = ca_stored_sync(h);
    if (!error && !memory && (recover || !ca_stored_state_of(base)->open))
        error = state_set(h, true);
    return error ? fail(why, error, "it cannot be written") : 0;
}

/* Reads only; writers may be at work. */
static int reader_opens(ca_stored *h, uint64_t bytes, char *why)
{
    ca_stored_fault fault;
    if (ca_os_file_is_locked(h->file.fd, WRITERS))
        return 0;
    if (!is_volatile(h) && needs_recovery(h->file.base))
        return fail(why, EROFS, "it needs recovery: open it for writing first");
    if (ca_stored_is_valid(h->file.base, bytes, CA_STORED_LIVE, &fault))
        return 0;
    return fail(why, EUCLEAN, ca_stored_fault_text(fault.which));
}

/* --- mapping ------------------------------------------------------------------------------------------------------- */

/* Clients write blocks, and read the rest. */
static int client_protect(ca_stored *h)
{
    uint64_t pages = h->file.reserved / CA_PAGE;
    for (unsigned s = 0; s < CA_STORED_SEGMENTS && ca_stored_data(s) < pages; s++) {
        uint64_t data = ca_stored_data(s), end = ca_size_min(pages, (uint64_t)ca_stored_first(s) + ca_stored_pages(s));
        int error = ca_os_file_protect(h->file.base + data * CA_PAGE, (end - data) * CA_PAGE, true);
        if (error)
            return error;
    }
    return 0;
}

static int map_it(ca_stored *h, const ca_stored_settings *s, uint64_t bytes, uint64_t hint, char *why)
{
    uint64_t wanted = s->reserve ? s->reserve : USUAL_RESERVE;
    bool write = h->file.write;
    h->file.write = ca_stored_may_write(h);
    int error = ca_file_map(&h->file, s->base ? s->base : (void *)(uintptr_t)hint, bytes, bytes + bytes / 4 > wanted && !s->reserve ? bytes * 2 : wanted);
    h->file.write = write;
    if (!error && h->flags & CA_STORED_CLIENT)
        error = client_protect(h);
    return error ? fail(why, error, "there is no address space for it") : 0;
}

/* --- making -------------------------------------------------------------------------------------------------------- */

/* Far from where programs, libraries and stacks are, and different for each heap, so that it is mostly free. The place at 2^44 is left out: AddressSanitizer's shadow ends there. */
static uint64_t hint_make(uint64_t id)
{
    return 0x100000000000U + (1 + ca_stored_mix(id) % 63) * 0x8000000000U;
}

/* Names of the kind are right until the last step: who finds it unborn begins again. */
static int heap_make(ca_stored *h, const ca_stored_settings *s, char *why)
{
    static const char unborn[16] = CA_STORED_UNBORN, magic[16] = CA_STORED_MAGIC;
    static uint32_t made;
    uint64_t bytes = (uint64_t)ca_stored_data(0) * CA_PAGE;
    bool memory = s->flags & CA_STORED_IN_MEMORY;
    uint64_t id = ca_stored_mix(ca_os_milliseconds() ^ (uint64_t)ca_os_process() << 40 ^ (uint64_t)__atomic_add_fetch(&made, 1, __ATOMIC_RELAXED) << 32);
    int error = ca_os_file_resize(h->file.fd, 0);
    if (!error)
        error = ca_os_file_write(h->file.fd, unborn, sizeof unborn, 0);
    if (!error)
        error = ca_os_file_back(h->file.fd, 0, bytes);
    if (error)
        return fail(why, error, "there is no room to make it");
    error = map_it(h, s, bytes, hint_make(id), why);
    if (error)
        return error;
    ca_stored_header *header = (ca_stored_header *)(void *)h->file.base;
    *header = (ca_stored_header){.order = 0x01020304, .version = CA_STORED_VERSION, .page = CA_PAGE, .flags = memory ? CA_STORED_VOLATILE : 0,
                                 .id = id, .hint = s->base ? (uint64_t)(uintptr_t)s->base : hint_make(id)};
    memcpy(header->magic, magic, sizeof magic);
    header->check = ca_stored_header_check(header);
    memcpy(header->magic, unborn, sizeof unborn);
    CA_STORE_RELEASE(&ca_stored_roots_of(h->file.base, CA_STORED_LIVE)->used[0], ca_stored_data(0));
    error = control_make(h);
    if (!error && !memory)
        error = ca_stored_sync(h);
    if (!error && !memory)
        error = state_set(h, true);
    if (error)
        return fail(why, error, "it cannot be written");
    uint64_t last;
    memcpy(&last, magic + 8, sizeof last); /* the first half is the same */
    CA_STORE_RELEASE((uint64_t *)(void *)(header->magic + 8), last);
    error = memory ? 0 : ca_os_file_sync(h->file.fd);
    if (!error && !memory && s->path)
        error = ca_os_directory_sync(s->path);
    return error ? fail(why, error, "it cannot be written") : 0;
}

/* --- opening ------------------------------------------------------------------------------------------------------- */

static int descriptor_get(const ca_stored_settings *s, char *why)
{
    bool write = !(s->flags & CA_STORED_READ_ONLY);
    int how = (write ? CA_OS_WRITE : 0) | (s->flags & CA_STORED_CREATE ? CA_OS_CREATE : 0) | (s->flags & CA_STORED_NEW ? CA_OS_NEW : 0);
    int fd = s->path ? ca_os_file_open(s->path, how, s->mode) : s->fd < 0 ? ca_os_file_in_memory("ctxalloc") : ca_os_file_again(s->fd, write);
    if (fd < 0)
        (void)fail(why, -fd, fd == -EINVAL ? "it is not a regular file" : fd == -ENOENT ? "there is no such file" : fd == -EEXIST ? "it is there already" : "it cannot be opened");
    return fd;
}

/* pre: locked, OPENING held */
static int heap_open(ca_stored *h, const ca_stored_settings *s, bool first, char *why)
{
    ca_stored_header header;
    uint64_t bytes;
    int error = ca_os_file_size(h->file.fd, &bytes);
    if (error)
        return fail(why, error, "its size is not to be had");
    memset(&header, 0, sizeof header);
    error = bytes ? ca_os_file_read(h->file.fd, &header, ca_size_min(sizeof header, bytes), 0) : 0;
    if (error)
        return fail(why, error, "it cannot be read");
    bool unborn = bytes == 0 || memcmp(header.magic, CA_STORED_UNBORN, sizeof header.magic) == 0;
    if (unborn) {
        if (first && s->flags & (CA_STORED_CREATE | CA_STORED_NEW | CA_STORED_IN_MEMORY))
            return heap_make(h, s, why);
        return fail(why, EILSEQ, bytes ? "not a ctxalloc heap: its making was not finished" : "not a ctxalloc heap: it is empty");
    }
    error = ca_stored_header_judge(&header, why);
    if (error)
        return error;
    if (bytes < (uint64_t)ca_stored_data(0) * CA_PAGE)
        return fail(why, EUCLEAN, ca_stored_fault_text(6));
    error = map_it(h, s, bytes, header.hint, why);
    if (error)
        return error;
    if (!ca_stored_may_write(h))
        return reader_opens(h, bytes, why);
    if (first)
        return first_opens(h, bytes, why);
    return ca_stored_control_of(h->file.base)->ready ? 0 : fail(why, EUCLEAN, "who opened it first did not finish");
}

/* What a failed making leaves is an empty file. */
static bool is_half_made(const ca_stored *h)
{
    char magic[16];
    return h->file.write && ca_os_file_read(h->file.fd, magic, sizeof magic, 0) == 0 && memcmp(magic, CA_STORED_UNBORN, sizeof magic) == 0;
}

ca_stored *ca_stored_open(const ca_stored_settings *s, int *error)
{
    ca_stored h = {.file = {.fd = -1, .write = !(s->flags & CA_STORED_READ_ONLY)}, .flags = s->flags, .process = (uint32_t)ca_os_process(), .limit = s->limit};
    bool first;
    s->why[0] = '\0';
    h.file.fd = descriptor_get(s, s->why);
    if (h.file.fd < 0) {
        *error = -h.file.fd;
        return NULL;
    }
    *error = lock_it(&h, s->why, &first);
    if (!*error)
        *error = heap_open(&h, s, first, s->why);
    ca_stored *place = NULL;
    if (!*error && h.flags & CA_STORED_SHARED && first) {
        *error = ca_os_file_set_lock(h.file.fd, WRITERS, CA_OS_LOCK_SHARED, false);
        *error = *error ? fail(s->why, *error, "it cannot be locked") : 0;
    }
    if (!*error) {
        place = table_add(&h);
        *error = place ? 0 : fail(s->why, EMFILE, "too many heaps are open");
    }
    if (*error && first && is_half_made(&h))
        (void)ca_os_file_resize(h.file.fd, 0);
    if (*error)
        ca_file_close(&h.file);
    else
        (void)ca_os_file_set_lock(h.file.fd, OPENING, CA_OS_UNLOCKED, false);
    return place;
}

int ca_stored_close(ca_stored *h)
{
    int error = 0;
    ca_file file = h->file;
    if (ca_stored_may_write(h) && h->process == (uint32_t)ca_os_process() && !is_volatile(h)) {
        (void)ca_os_file_set_lock(file.fd, OPENING, CA_OS_LOCK_ALONE, true);
        error = h->flags & CA_STORED_IS_SYNCED ? 0 : ca_stored_sync(h);
        bool last = !(h->flags & CA_STORED_SHARED) || ca_os_file_set_lock(file.fd, WRITERS, CA_OS_LOCK_ALONE, false) == 0;
        if (!error && last)
            error = state_set(h, false);
    }
    h->file.fd = -1;
    CA_STORE_RELEASE(&h->file.base, NULL);
    ca_file_close(&file);
    return error;
}

/* --- looking at a file ------------------------------------------------------------------------------------------------ */

int ca_stored_check_file(const char *path, ca_stored_report *r, char *why)
{
    ca_stored h = {.file = {.fd = -1}, .flags = CA_STORED_READ_ONLY};
    ca_stored_settings s = {.path = path, .flags = CA_STORED_READ_ONLY, .why = why};
    ca_stored_header header;
    bool first;
    memset(r, 0, sizeof *r);
    memset(&header, 0, sizeof header);
    why[0] = '\0';
    h.file.fd = descriptor_get(&s, why);
    if (h.file.fd < 0)
        return -h.file.fd;
    int error = lock_it(&h, why, &first);
    if (!error && ca_os_file_is_locked(h.file.fd, WRITERS))
        error = fail(why, EBUSY, "another process has it open");
    if (!error)
        error = ca_os_file_size(h.file.fd, &r->bytes);
    if (!error && r->bytes)
        error = ca_os_file_read(h.file.fd, &header, ca_size_min(sizeof header, r->bytes), 0);
    if (error && !why[0])
        (void)fail(why, error, "it cannot be read");
    if (!error)
        error = ca_stored_header_judge(&header, why);
    if (!error && r->bytes < (uint64_t)ca_stored_data(0) * CA_PAGE)
        error = fail(why, EUCLEAN, ca_stored_fault_text(6));
    if (!error)
        error = map_it(&h, &(ca_stored_settings){.reserve = 1}, r->bytes, 0, why);
    if (!error) {
        char *base = h.file.base;
        const ca_stored_state *state = ca_stored_state_of(base);
        r->in_memory = header.flags & CA_STORED_VOLATILE;
        r->recover = !r->in_memory && needs_recovery(base);
        r->was_open = state->open;
        (void)ca_stored_is_valid(base, r->bytes, CA_STORED_LIVE, &r->live);
        if (!r->in_memory)
            (void)ca_stored_checkpoint(base, r->bytes, &r->checkpoint, &r->sequence);
    }
    ca_file_close(&h.file);
    return error;
}
