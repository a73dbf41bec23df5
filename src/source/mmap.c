/* The mmap source: private anonymous memory, reserved without access and committed in place. */
#include "base/os.h"
#include "source/source.h"

static void *mmap_reserve(const ca_source *s, size_t bytes) { (void)s; return ca_os_reserve(bytes); }
static bool mmap_commit(const ca_source *s, void *p, size_t bytes) { (void)s; return ca_os_commit(p, bytes); }
static bool mmap_purge(const ca_source *s, void *p, size_t bytes) { (void)s; return ca_os_purge(p, bytes); }
static bool mmap_renew(const ca_source *s, void *p, size_t bytes) { (void)s; return ca_os_renew(p, bytes); }
static bool mmap_move(const ca_source *s, void *from, void *to, size_t bytes) { (void)s; return ca_os_move(from, to, bytes); }
static void mmap_release(const ca_source *s, void *p, size_t bytes) { (void)s; ca_os_release(p, bytes); }

const ca_source ca_source_mmap = {mmap_reserve, mmap_commit, mmap_purge, mmap_renew, mmap_move, mmap_release, NULL};
