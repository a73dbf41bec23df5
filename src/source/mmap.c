/* The mmap source: private anonymous memory, reserved without access and committed in place. */
#include "base/os.h"
#include "source/source.h"

static void *mmap_reserve(const ca_source *s, size_t least, size_t *bytes)
{
    (void)s;
    void *p = ca_os_reserve(*bytes);
    if (!p && *bytes > least)
        p = ca_os_reserve(*bytes = least);
    return p;
}

static bool mmap_commit(const ca_source *s, void *p, size_t bytes) { (void)s; return ca_os_commit(p, bytes); }
static bool mmap_purge(const ca_source *s, void *p, size_t bytes) { (void)s; return ca_os_purge(p, bytes); }
static bool mmap_renew(const ca_source *s, void *p, size_t bytes) { (void)s; return ca_os_renew(p, bytes); }
static bool mmap_move(const ca_source *s, void *from, void *to, size_t bytes) { (void)s; return ca_os_move(from, to, bytes); }
static void mmap_release(const ca_source *s, void *p, size_t bytes) { (void)s; ca_os_release(p, bytes); }

const ca_source ca_source_mmap = {sizeof(ca_source), NULL, 0, mmap_reserve, mmap_commit, mmap_purge, mmap_release, mmap_move, mmap_renew};
