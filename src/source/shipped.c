#include "source/shipped.h"

#include <errno.h>

#include "base/check.h"
#include "base/os.h"
#include "source/region.h"

enum { NAME_MOST = 80, HUGE_STEP = 16 << 20 /* bytes of 2 MiB pages that are reserved at once */ };

#define MMAP_FLAGS 0xfffU

/* --- mmap ---------------------------------------------------------------------------------------------------- */

/* The table's functions get it constant; the struct is the caller's, and is not. */
static ctxalloc_mmap_source *mapped(const ca_source *s)
{
    return s->context;
}

static bool has(const ctxalloc_mmap_source *m, unsigned flag)
{
    return (m->settings.flags & flag) != 0;
}

/* What the kernel may leave undone without harm. */
static void wish(ctxalloc_mmap_source *m, bool done)
{
    if (!done)
        __atomic_fetch_add(&m->unheeded, 1, __ATOMIC_RELAXED);
}

/* Once for the whole range: it holds for all pages to come. */
static bool range_set(ctxalloc_mmap_source *m, void *p, size_t bytes)
{
    if (m->settings.name)
        wish(m, ca_os_name(p, bytes, m->settings.name));
    if (has(m, CTXALLOC_MMAP_HUGE))
        wish(m, ca_os_advise(p, bytes, CA_OS_HUGE));
    if (has(m, CTXALLOC_MMAP_NOT_HUGE))
        wish(m, ca_os_advise(p, bytes, CA_OS_NOT_HUGE));
    return (!has(m, CTXALLOC_MMAP_NODUMP) || ca_os_advise(p, bytes, CA_OS_NO_DUMP)) && (!has(m, CTXALLOC_MMAP_DONTFORK) || ca_os_advise(p, bytes, CA_OS_NO_FORK)) &&
           (!has(m, CTXALLOC_MMAP_WIPEONFORK) || ca_os_advise(p, bytes, CA_OS_WIPE_ON_FORK));
}

static char *range_map(const ctxalloc_mmap_source *m, size_t bytes)
{
    unsigned how = (has(m, CTXALLOC_MMAP_SHARED) ? CA_OS_SHARED : 0U) | (has(m, CTXALLOC_MMAP_CHARGED) ? CA_OS_CHARGED : 0U) |
                   (has(m, CTXALLOC_MMAP_HINT_ONLY) ? CA_OS_AT_HINT : 0U);
    return ca_os_map(m->settings.hint, bytes, how);
}

static void *mapped_reserve(const ca_source *s, size_t least, size_t *bytes)
{
    ctxalloc_mmap_source *m = mapped(s);
    size_t guards = 2 * m->settings.guard, wanted = m->settings.reserve ? ca_size_max(m->settings.reserve, least) : *bytes;
    if (wanted > SIZE_MAX - guards)
        return NULL;
    char *p = range_map(m, wanted + guards);
    while (!p && wanted > least) { /* little is left: there are not so many reservations that each could be the least */
        wanted = ca_size_max(least, wanted / 2 / CA_PAGE * CA_PAGE);
        p = range_map(m, wanted + guards);
    }
    if (!p)
        return NULL;
    *bytes = wanted;
    if (range_set(m, p + m->settings.guard, wanted))
        return p + m->settings.guard;
    ca_os_release(p, wanted + guards);
    return NULL;
}

static bool mapped_commit(const ca_source *s, void *p, size_t bytes)
{
    const ctxalloc_mmap_source *m = mapped(s);
    return ca_os_protect(p, bytes, has(m, CTXALLOC_MMAP_EXECUTABLE) ? CA_OS_EXECUTE : CA_OS_READ_WRITE) &&
           (!has(m, CTXALLOC_MMAP_LOCK) || ca_os_lock(p, bytes)) && (!has(m, CTXALLOC_MMAP_PREFAULT) || ca_os_populate(p, bytes));
}

static bool mapped_purge(const ca_source *s, void *p, size_t bytes)
{
    const ctxalloc_mmap_source *m = mapped(s);
    if (has(m, CTXALLOC_MMAP_LAZY_PURGE)) { /* the table's flags say so, too */
        (void)ca_os_advise(p, bytes, CA_OS_PURGE_LAZILY);
        return false; /* the bytes may be there until then */
    }
    return has(m, CTXALLOC_MMAP_SHARED) ? ca_os_advise(p, bytes, CA_OS_PUNCH) : ca_os_purge(p, bytes);
}

static void mapped_release(const ca_source *s, void *p, size_t bytes)
{
    size_t guard = mapped(s)->settings.guard;
    ca_os_release((char *)p - guard, bytes + 2 * guard);
}

static bool name_is_good(const char *name)
{
    size_t n = 0;
    for (; name[n]; n++)
        if (n == NAME_MOST || name[n] < 0x20 || name[n] > 0x7e || name[n] == '\\' || name[n] == '`' || name[n] == '$' || name[n] == '[' || name[n] == ']')
            return false; /* the kernel's own rule */
    return n != 0;
}

static bool settings_are_good(const ctxalloc_mmap_settings *s)
{
    unsigned f = s->flags;
    bool at_odds = ((f & CTXALLOC_MMAP_SHARED) && (f & (CTXALLOC_MMAP_WIPEONFORK | CTXALLOC_MMAP_LAZY_PURGE))) ||
                   ((f & CTXALLOC_MMAP_HUGE) && (f & CTXALLOC_MMAP_NOT_HUGE)) || ((f & CTXALLOC_MMAP_HINT_ONLY) && !s->hint);
    return !(f & ~MMAP_FLAGS) && !at_odds && (uintptr_t)s->hint % CA_PAGE == 0 && s->reserve % CA_PAGE == 0 && s->guard % CA_PAGE == 0 &&
           s->guard <= SIZE_MAX / 4 && s->reserve <= SIZE_MAX / 4 && (!s->name || name_is_good(s->name));
}

int ca_source_mmap_init(ctxalloc_mmap_source *m, const ctxalloc_mmap_settings *s)
{
    static const ctxalloc_mmap_settings none = {.size = sizeof none};
    s = s ? s : &none;
    if (!m || s->size < sizeof *s || !settings_are_good(s))
        return EINVAL;
    bool stays = (s->flags & (CTXALLOC_MMAP_PREFAULT | CTXALLOC_MMAP_LOCK)) != 0;
    *m = (ctxalloc_mmap_source){.settings = *s};
    m->source = (ca_source){.size = sizeof m->source, .context = m, .flags = (stays ? CTXALLOC_SOURCE_EXACT : 0U) | (has(m, CTXALLOC_MMAP_LAZY_PURGE) ? CTXALLOC_SOURCE_LAZY : 0U), .reserve = mapped_reserve,
                            .commit = mapped_commit, .purge = stays ? NULL : mapped_purge, .release = mapped_release};
    return 0;
}

/* --- huge pages -------------------------------------------------------------------------------------------------- */

static ctxalloc_huge_source *huge(const ca_source *s)
{
    return s->context;
}

/* Readable and writable, beginning at a 2 MiB boundary, so that huge pages can be had without asking. */
static void *plain_reserve(ctxalloc_huge_source *h, size_t bytes)
{
    size_t align = (size_t)1 << 21, all;
    if (__builtin_add_overflow(bytes, align, &all))
        return NULL;
    char *p = ca_os_map(NULL, all, 0);
    if (!p)
        return NULL;
    char *at = (char *)ca_round_up((uintptr_t)p, align);
    if (!ca_os_protect(at, bytes, CA_OS_READ_WRITE)) {
        ca_os_release(p, all);
        return NULL;
    }
    if (at > p)
        ca_os_release(p, (size_t)(at - p));
    if (at + bytes < p + all)
        ca_os_release(at + bytes, (size_t)(p + all - (at + bytes)));
    (void)ca_os_advise(at, bytes, CA_OS_HUGE); /* without it they are plain pages */
    __atomic_fetch_add(&h->plain_bytes, bytes, __ATOMIC_RELAXED);
    __atomic_fetch_add(&h->fallbacks, 1, __ATOMIC_RELAXED);
    return at;
}

/* A reservation of hugetlbfs. */
typedef struct huge_range {
    uint32_t next, unused;
    uintptr_t base;
    size_t bytes;
} huge_range;
_Static_assert(sizeof(huge_range) <= CA_CHUNK_RECORD, "a range is one record");

static ca_lock huge_lock; /* of all such sources' lists */

static huge_range *range_at(uint32_t number)
{
    return ca_pool_at(&ca_region.chunks, number);
}

/* The link to the record of the range that holds p; NULL: p is plain memory. pre: locked */
static uint32_t *range_find(ctxalloc_huge_source *h, const void *p)
{
    for (uint32_t *link = &h->ranges; *link; link = &range_at(*link)->next)
        if ((uintptr_t)p - range_at(*link)->base < range_at(*link)->bytes)
            return link;
    return NULL;
}

static void *huge_map(ctxalloc_huge_source *h, size_t bytes)
{
    uint32_t number = ca_pool_take(&ca_region.chunks);
    if (!number)
        return NULL;
    void *p = ca_os_map_huge(bytes, h->page_shift);
    if (p && !ca_os_populate(p, bytes)) { /* a control group may have fewer than the kernel reserves, and whoever touches one more is ended by a signal */
        ca_os_release(p, bytes);
        p = NULL;
    }
    if (!p) {
        ca_pool_give_list(&ca_region.chunks, number, number);
        return NULL;
    }
    ca_lock_take(&huge_lock);
    *range_at(number) = (huge_range){.next = h->ranges, .base = (uintptr_t)p, .bytes = bytes};
    h->ranges = number;
    ca_lock_drop(&huge_lock);
    __atomic_fetch_add(&h->huge_bytes, bytes, __ATOMIC_RELAXED);
    return p;
}

static void *huge_reserve(const ca_source *s, size_t least, size_t *bytes)
{
    ctxalloc_huge_source *h = huge(s);
    size_t page = (size_t)1 << h->page_shift;
    if (least > SIZE_MAX / 4)
        return NULL;
    size_t few = ca_round_up(least, page), wanted = ca_size_max(few, ca_round_up(HUGE_STEP, page));
    void *p = huge_map(h, wanted);
    if (!p && wanted > few)
        p = huge_map(h, wanted = few);
    if (!p) {
        few = ca_round_up(least, (size_t)1 << 21);
        wanted = ca_size_max(few, HUGE_STEP);
        while (!(p = plain_reserve(h, wanted)) && wanted > few)
            wanted = ca_size_max(few, ca_round_up(wanted / 2, (size_t)1 << 21));
    }
    *bytes = wanted;
    return p;
}

static bool huge_purge(const ca_source *s, void *p, size_t bytes)
{
    ca_lock_take(&huge_lock);
    bool is_huge = range_find(huge(s), p) != NULL; /* what was given back might not be had again */
    ca_lock_drop(&huge_lock);
    return !is_huge && ca_os_purge(p, bytes);
}

static void huge_release(const ca_source *s, void *p, size_t bytes)
{
    ctxalloc_huge_source *h = huge(s);
    ca_lock_take(&huge_lock);
    uint32_t *link = range_find(h, p), number = link ? *link : 0;
    if (link)
        *link = range_at(number)->next;
    ca_lock_drop(&huge_lock);
    __atomic_fetch_sub(link ? &h->huge_bytes : &h->plain_bytes, bytes, __ATOMIC_RELAXED);
    ca_os_release(p, bytes);
    if (number)
        ca_pool_give_list(&ca_region.chunks, number, number);
}

int ca_source_huge_init(ctxalloc_huge_source *h, unsigned page_shift)
{
    if (!h || (page_shift != 21 && page_shift != 30))
        return EINVAL;
    *h = (ctxalloc_huge_source){.page_shift = page_shift};
    h->source = (ca_source){.size = sizeof h->source, .context = h, .reserve = huge_reserve, .purge = huge_purge, .release = huge_release};
    return 0;
}

/* --- the caller's memory ---------------------------------------------------------------------------------------------- */

static void *user_reserve(const ca_source *s, size_t least, size_t *bytes)
{
    ctxalloc_user_source *u = s->context;
    uintptr_t start = ca_round_up((uintptr_t)u->memory, CA_PAGE), end = ((uintptr_t)u->memory + u->bytes) / CA_PAGE * CA_PAGE;
    if (end < start || end - start < least || __atomic_exchange_n(&u->taken, 1, __ATOMIC_ACQUIRE))
        return NULL;
    *bytes = end - start;
    return (void *)start;
}

static void user_release(const ca_source *s, void *p, size_t bytes)
{
    (void)p, (void)bytes;
    __atomic_store_n(&((ctxalloc_user_source *)s->context)->taken, 0, __ATOMIC_RELEASE);
}

int ca_source_user_init(ctxalloc_user_source *u, void *p, size_t bytes)
{
    if (!u || !p || (uintptr_t)p > UINTPTR_MAX - bytes)
        return EINVAL;
    *u = (ctxalloc_user_source){.memory = p, .bytes = bytes};
    u->source = (ca_source){.size = sizeof u->source, .context = u, .flags = CTXALLOC_SOURCE_DIRTY, .reserve = user_reserve, .release = user_release};
    return 0;
}

/* --- attributes ---------------------------------------------------------------------------------------------------------- */

static bool attributes_commit(const ca_source *s, void *p, size_t bytes)
{
    size_t attributes = (size_t)s->context;
    return (!(attributes & CA_ATTRIBUTE_NODUMP) || ca_os_advise(p, bytes, CA_OS_NO_DUMP)) &&
           (!(attributes & CA_ATTRIBUTE_WIPEONFORK) || ca_os_advise(p, bytes, CA_OS_WIPE_ON_FORK)) &&
           (!(attributes & CA_ATTRIBUTE_LOCK) || ca_os_lock(p, bytes)) && (!(attributes & CA_ATTRIBUTE_PREFAULT) || ca_os_populate(p, bytes));
}

static bool attributes_purge(const ca_source *s, void *p, size_t bytes)
{
    (void)s;
    return ca_os_purge(p, bytes);
}

#define STAYS (CA_ATTRIBUTE_PREFAULT | CA_ATTRIBUTE_LOCK)
/* Inner parts: without `reserve`. */
#define ATTRIBUTES(n) \
    {sizeof(ca_source), (void *)(size_t)(n), CTXALLOC_SOURCE_EXACT, NULL, attributes_commit, (n)&STAYS ? NULL : attributes_purge, NULL, NULL, NULL}

const ca_source *ca_source_attributes(unsigned attributes)
{
    static const ca_source sources[] = {ATTRIBUTES(0), ATTRIBUTES(1), ATTRIBUTES(2),  ATTRIBUTES(3),  ATTRIBUTES(4),  ATTRIBUTES(5),  ATTRIBUTES(6),  ATTRIBUTES(7),
                                        ATTRIBUTES(8), ATTRIBUTES(9), ATTRIBUTES(10), ATTRIBUTES(11), ATTRIBUTES(12), ATTRIBUTES(13), ATTRIBUTES(14), ATTRIBUTES(15)};
    CA_ASSERT(attributes && attributes <= CA_ATTRIBUTES);
    return &sources[attributes];
}
