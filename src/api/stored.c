/* The public API of heaps in files: checks arguments, sets errno; what is done is in src/heap/stored*.c. */
#include <config.h>
#include "ctxalloc.h"

#include <errno.h>
#include <string.h>

#include "front/context.h"
#include "front/process.h"
#include "heap/stored.h"

_Static_assert((int)CTXALLOC_FILE_CREATE == (int)CA_STORED_CREATE && (int)CTXALLOC_FILE_NEW == (int)CA_STORED_NEW &&
                   (int)CTXALLOC_FILE_READ_ONLY == (int)CA_STORED_READ_ONLY && (int)CTXALLOC_FILE_SHARED == (int)CA_STORED_SHARED &&
                   (int)CTXALLOC_FILE_CLIENT == (int)CA_STORED_CLIENT && (int)CTXALLOC_FILE_RESTORE == (int)CA_STORED_RESTORE,
               "flags");
_Static_assert((int)CTXALLOC_FILE_WHY == (int)CA_STORED_WHY, "room for a reason");

#define API __attribute__((visibility("default"), noinline))

enum {
    FLAGS = CTXALLOC_FILE_CREATE | CTXALLOC_FILE_NEW | CTXALLOC_FILE_READ_ONLY | CTXALLOC_FILE_SHARED | CTXALLOC_FILE_CLIENT | CTXALLOC_FILE_RESTORE,
    MAKING = CTXALLOC_FILE_CREATE | CTXALLOC_FILE_NEW,
    READING = CTXALLOC_FILE_READ_ONLY | CTXALLOC_FILE_CLIENT,
    SHM_NAME_MOST = 255
};

static void *fail(int error)
{
    errno = error;
    return NULL;
}

/* The heap of a live context; NULL: it has none. */
static ca_stored *heap_of(ctxalloc_context *handle)
{
    if ((uintptr_t)handle <= (uintptr_t)CTXALLOC_THREAD)
        return NULL;
    ca_context *c = (ca_context *)(void *)handle;
    return CA_LOAD(&c->state) == CA_CONTEXT_LIVE ? c->stored : NULL;
}

/* --- opening and closing ------------------------------------------------------------------------------------------------ */

static bool settings_are_right(const ctxalloc_file_options *o, ca_stored_settings *s)
{
    if (!o)
        return true;
    if (o->size < sizeof *o || o->flags & ~(unsigned)FLAGS || (o->flags & READING && o->flags & (MAKING | CTXALLOC_FILE_RESTORE)) ||
        (o->flags & READING) == READING || (o->flags & CTXALLOC_FILE_RESTORE && o->flags & CTXALLOC_FILE_SHARED) || (uintptr_t)o->base % CA_PAGE || o->mode & ~07777U ||
        o->reserve > 1ULL << 46)
        return false;
    s->flags |= o->flags;
    s->mode = o->mode ? o->mode : 0600;
    s->reserve = o->reserve;
    s->limit = o->limit;
    s->base = o->base;
    return true;
}

static ctxalloc_context *heap_open(const ca_stored_settings *how, const ctxalloc_file_options *o)
{
    char why[CA_STORED_WHY];
    ca_stored_settings mine = *how, *s = &mine;
    int error = ENOMEM;
    s->why = o && o->why ? o->why : why;
    s->why[0] = '\0';
    s->mode = 0600;
    if (!settings_are_right(o, s)) {
        memcpy(s->why, "an option is out of range", sizeof "an option is out of range");
        return fail(EINVAL);
    }
    if (s->flags & CA_STORED_IN_MEMORY && s->flags & READING)
        s->flags &= ~(uint32_t)(CA_STORED_CREATE | CA_STORED_IN_MEMORY);
    ca_stored *h = ca_process_start() ? ca_stored_open(s, &error) : NULL;
    if (!h)
        return fail(error);
    ca_context *c = ca_context_create(&(ca_context_settings){.name = o && o->name ? o->name : "file", .kind = CA_TARGET_STORED, .stored = h});
    if (!c) {
        (void)ca_stored_close(h);
        return fail(ENOMEM);
    }
    return (ctxalloc_context *)(void *)c;
}

API ctxalloc_context *ctxalloc_open(const char *path, const ctxalloc_file_options *o)
{
    ca_stored_settings s = {.path = path, .fd = -1};
    return path ? heap_open(&s, o) : fail(EINVAL);
}

API ctxalloc_context *ctxalloc_open_shared(const char *name, const ctxalloc_file_options *o)
{
    static const char folder[] = "/dev/shm"; /* where shm_open keeps them */
    char path[sizeof folder + SHM_NAME_MOST + 1];
    ca_stored_settings s = {.fd = -1, .flags = CA_STORED_IN_MEMORY | CA_STORED_SHARED | CA_STORED_CREATE};
    if (!name) {
        if (o && o->flags & READING)
            return fail(EINVAL);
        return heap_open(&s, o);
    }
    size_t length = strlen(name);
    if (length < 2 || length > SHM_NAME_MOST || name[0] != '/' || memchr(name + 1, '/', length - 1) || name[1] == '.')
        return fail(EINVAL);
    memcpy(path, folder, sizeof folder - 1);
    memcpy(path + sizeof folder - 1, name, length + 1);
    s.path = path;
    return heap_open(&s, o);
}

API ctxalloc_context *ctxalloc_open_fd(int fd, const ctxalloc_file_options *o)
{
    ca_stored_settings s = {.fd = fd};
    return fd >= 0 ? heap_open(&s, o) : fail(EBADF);
}

API int ctxalloc_sync(ctxalloc_context *handle)
{
    ca_stored *h = heap_of(handle);
    return h ? ca_stored_sync(h) : EINVAL;
}

API int ctxalloc_close(ctxalloc_context *handle)
{
    ca_stored *h = heap_of(handle);
    if (!h)
        return EINVAL;
    int error = ca_stored_may_write(h) ? ca_stored_sync(h) : 0;
    if (!error && !(h->flags & CA_STORED_SHARED))
        h->flags |= CA_STORED_IS_SYNCED;
    int busy = ca_context_destroy((ca_context *)(void *)handle);
    if (busy)
        h->flags &= ~(uint32_t)CA_STORED_IS_SYNCED;
    return busy ? busy : error;
}

/* --- handles, roots --------------------------------------------------------------------------------------------------- */

static uint64_t bytes_of(const ca_stored *h)
{
    const ca_stored_roots *roots = ca_stored_roots_of(h->file.base, CA_STORED_LIVE);
    for (unsigned s = CA_STORED_SEGMENTS; s-- > 0;)
        if (CA_LOAD(&roots->used[s]))
            return ((uint64_t)ca_stored_first(s) + CA_LOAD(&roots->used[s])) * CA_PAGE;
    return 0;
}

API void *ctxalloc_ptr(ctxalloc_context *handle, uint64_t offset)
{
    const ca_stored *h = heap_of(handle);
    if (!h)
        return fail(EINVAL);
    if (offset == 0)
        return NULL;
    return offset < bytes_of(h) ? h->file.base + offset : fail(EINVAL);
}

API uint64_t ctxalloc_offset(ctxalloc_context *handle, const void *p)
{
    const ca_stored *h = heap_of(handle);
    if (h && !p)
        return 0;
    if (h && (uintptr_t)p - (uintptr_t)h->file.base < bytes_of(h))
        return (uintptr_t)p - (uintptr_t)h->file.base;
    errno = EINVAL;
    return 0;
}

API void *ctxalloc_file_base(ctxalloc_context *handle, bool *wanted)
{
    const ca_stored *h = heap_of(handle);
    if (!h)
        return fail(EINVAL);
    if (wanted)
        *wanted = ((const ca_stored_header *)(const void *)h->file.base)->hint == (uint64_t)(uintptr_t)h->file.base;
    return h->file.base;
}

API int ctxalloc_file_fd(ctxalloc_context *handle)
{
    const ca_stored *h = heap_of(handle);
    if (h)
        return h->file.fd;
    errno = EINVAL;
    return -1;
}

API int ctxalloc_root_set(ctxalloc_context *handle, const char *name, const void *p)
{
    ca_stored *h = heap_of(handle);
    if (!h || !name || (p && ca_stored_around(p) != h))
        return EINVAL;
    return ca_stored_root_set(h, name, p ? (uint64_t)((const char *)p - h->file.base) : 0);
}

API void *ctxalloc_root_get(ctxalloc_context *handle, const char *name)
{
    ca_stored *h = heap_of(handle);
    if (!h || !name)
        return fail(EINVAL);
    uint64_t offset = ca_stored_root_get(h, name);
    return offset ? h->file.base + offset : fail(ENOENT);
}

/* --- looking ----------------------------------------------------------------------------------------------------------- */

API int ctxalloc_file_walk(ctxalloc_context *handle, bool (*fn)(const void *block, size_t size, void *arg), void *arg)
{
    ca_stored *h = heap_of(handle);
    if (!h || !fn)
        return EINVAL;
    (void)ca_stored_walk(h, fn, arg);
    return 0;
}

API int ctxalloc_file_check(const char *path, ctxalloc_file_report *to, char *why)
{
    char room[CA_STORED_WHY];
    ca_stored_report r;
    if (!path || !to)
        return EINVAL;
    int error = ca_stored_check_file(path, &r, why ? why : room);
    *to = (ctxalloc_file_report){.bytes = r.bytes, .blocks = r.live.blocks, .block_bytes = r.live.bytes, .free_pages = r.live.free_pages, .roots = r.live.roots,
                                 .dangling = r.live.dangling, .sequence = r.sequence, .in_memory = r.in_memory, .was_open = r.was_open, .recover = r.recover,
                                 .live_fault = r.live.which, .live_page = r.live.page, .sync_fault = r.checkpoint.which, .sync_page = r.checkpoint.page};
    return error;
}
