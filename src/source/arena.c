#include "source/arena.h"

#include <errno.h>

#include "base/check.h"
#include "base/lock.h"
#include "base/os.h"
#include "source/region.h"

enum { SLABS = 16, SLAB_LEAST = 16 /* blocks */, SLAB_SHIFT = 27 /* bits of a block's number in its slab */ };
/* In a link: the block is out; it is free, and was never prepared. */
#define OUT UINT32_MAX
#define RAW 0x80000000U
#define BLOCKS_MOST (((uint64_t)1 << SLAB_SHIFT) - 2) /* of a slab: so no name is as large as RAW */

/* The rest of a ctxalloc_arena.  A block's name is slab << SLAB_SHIFT | index, plus 1: 0 ends the list of free ones. */
typedef struct arena {
    uint32_t guard;      /* its lock; 0: not in use since it was made, or ended */
    uint32_t free;
    uint32_t slabs;      /* records: ca_region.chunks, linked, the newest first */
    uint32_t slab_count;
    uint64_t out;
    uint64_t all;        /* blocks in all slabs */
} arena;
_Static_assert(sizeof(arena) <= sizeof ((ctxalloc_arena *)0)->opaque, "an arena's own part");

/* [A1] link[i] of a block: OUT, or the name of the next free one, perhaps with RAW; blocks from `fresh` on are in no list, and raw */
typedef struct slab {
    uint32_t next, number;
    ca_page links;       /* run of the first zone: a word a block */
    uint32_t blocks, fresh;
    uint32_t pages;      /* of the reservation */
    char *base;
} slab;
_Static_assert(sizeof(slab) <= CA_CHUNK_RECORD, "a slab is one record");

static arena *inside(ctxalloc_arena *a)
{
    return (arena *)(void *)a->opaque;
}

/* --- locks --------------------------------------------------------------------------------------------------------- */

/* An arena's lock. It is some arena's for ever, so it can be taken by who came too late for this one. */
typedef struct guard {
    ca_lock lock;
    uint32_t next;      /* of all */
    uint32_t next_free; /* of those without an arena */
} guard;
_Static_assert(sizeof(guard) <= CA_CHUNK_RECORD, "a guard is one record");

static struct {
    ca_lock lock;
    uint32_t all, free; /* records: ca_region.chunks */
} guards;

static guard *guard_at(uint32_t number)
{
    return ca_pool_at(&ca_region.chunks, number);
}

/* false: no memory. */
static bool guard_give(arena *in)
{
    ca_lock_take(&guards.lock);
    uint32_t number = in->guard;
    if (!number && guards.free) {
        number = guards.free;
        guards.free = guard_at(number)->next_free;
    } else if (!number) {
        number = ca_pool_take(&ca_region.chunks);
        if (number) {
            *guard_at(number) = (guard){.next = guards.all};
            guards.all = number;
        }
    }
    CA_STORE_RELEASE(&in->guard, number);
    ca_lock_drop(&guards.lock);
    return number != 0;
}

/* false: no memory for a lock. */
static bool arena_lock(arena *in)
{
    for (;;) {
        uint32_t number = CA_LOAD_ACQUIRE(&in->guard);
        if (!number && !guard_give(in))
            return false;
        if (!number)
            continue;
        ca_lock_take(&guard_at(number)->lock);
        if (CA_LOAD(&in->guard) == number)
            return true;
        ca_lock_drop(&guard_at(number)->lock); /* it ended meanwhile */
    }
}

static void arena_unlock(const arena *in)
{
    ca_lock_drop(&guard_at(in->guard)->lock);
}

/* pre: locked */
static void arena_unlock_last(arena *in)
{
    uint32_t number = in->guard;
    CA_STORE(&in->guard, 0);
    ca_lock_drop(&guard_at(number)->lock);
    ca_lock_take(&guards.lock);
    guard_at(number)->next_free = guards.free;
    guards.free = number;
    ca_lock_drop(&guards.lock);
}

/* Those up to `end` are let go. */
static void guards_drop(uint32_t end)
{
    for (uint32_t number = guards.all; number != end; number = guard_at(number)->next)
        ca_lock_drop(&guard_at(number)->lock);
    ca_lock_drop(&guards.lock);
}

void ca_arena_lock_all(void)
{
    for (;;) {
        ca_lock_take(&guards.lock);
        uint32_t number = guards.all;
        while (number && ca_lock_try(&guard_at(number)->lock))
            number = guard_at(number)->next;
        if (!number)
            return;
        guards_drop(number);
        ca_lock_take(&guard_at(number)->lock); /* when this one is free, the next try goes further */
        ca_lock_drop(&guard_at(number)->lock);
    }
}

void ca_arena_unlock_all(void)
{
    guards_drop(0);
}

static slab *slab_at(uint32_t record)
{
    return ca_pool_at(&ca_region.chunks, record);
}

static uint32_t *links_of(const slab *s)
{
    return ca_region_address(s->links);
}

static const ca_source *under(const ctxalloc_arena *a)
{
    return a->settings.from ? a->settings.from : &ca_source_mmap;
}

/* --- slabs ------------------------------------------------------------------------------------------------------ */

/* How many blocks the next slab may have. */
static uint64_t slab_blocks(const ctxalloc_arena *a, const arena *in)
{
    uint64_t wanted = ca_size_min((uint64_t)SLAB_LEAST << in->slab_count, BLOCKS_MOST);
    return a->settings.most ? ca_size_min(wanted, a->settings.most - in->all) : wanted;
}

/* pre: locked. 0 or an errno value. */
static int slab_add(ctxalloc_arena *a, arena *in)
{
    size_t block = a->settings.block_bytes, blocks = slab_blocks(a, in), bytes;
    if (!blocks)
        return ENOSPC;
    if (in->slab_count == SLABS || __builtin_mul_overflow(blocks, block, &bytes))
        return ENOMEM;
    uint32_t record = ca_pool_take(&ca_region.chunks);
    if (!record)
        return ENOMEM;
    char *base = under(a)->reserve(under(a), block, &bytes);
    blocks = base ? ca_size_min(bytes / block, BLOCKS_MOST) : 0;
    if (a->settings.most)
        blocks = ca_size_min(blocks, a->settings.most - in->all);
    ca_run links = {0, 0, 0, false};
    if (base && bytes >> CA_PAGE_SHIFT <= UINT32_MAX)
        links = ca_region_take(NULL, (blocks * sizeof(uint32_t) + CA_PAGE - 1) / CA_PAGE, 1, NULL);
    if (!links.pages) {
        if (base && under(a)->release)
            under(a)->release(under(a), base, bytes);
        ca_pool_give_list(&ca_region.chunks, record, record);
        return ENOMEM;
    }
    *slab_at(record) = (slab){.next = in->slabs, .number = in->slab_count++, .links = links.page, .blocks = (uint32_t)blocks,
                              .pages = (uint32_t)(bytes >> CA_PAGE_SHIFT), .base = base};
    in->slabs = record;
    in->all += blocks;
    return 0;
}

static void slabs_release(ctxalloc_arena *a, arena *in)
{
    while (in->slabs) {
        uint32_t record = in->slabs;
        slab s = *slab_at(record);
        in->slabs = s.next;
        if (under(a)->release)
            under(a)->release(under(a), s.base, (size_t)s.pages * CA_PAGE);
        ca_region_give(s.links, NULL);
        ca_pool_give_list(&ca_region.chunks, record, record);
    }
}

/* --- blocks ------------------------------------------------------------------------------------------------------- */

static slab *slab_named(const arena *in, uint32_t number)
{
    uint32_t record = in->slabs;
    while (slab_at(record)->number != number)
        record = slab_at(record)->next;
    return slab_at(record);
}

/* A block that is out from now on, NULL: there is none. pre: locked */
static char *block_pop(ctxalloc_arena *a, arena *in, bool *raw)
{
    slab *s;
    uint32_t i;
    if (in->free) {
        s = slab_named(in, (in->free - 1) >> SLAB_SHIFT);
        i = (in->free - 1) & ((1U << SLAB_SHIFT) - 1);
        uint32_t link = links_of(s)[i];
        *raw = (link & RAW) != 0;
        in->free = link & ~RAW;
    } else if (in->slabs && slab_at(in->slabs)->fresh < slab_at(in->slabs)->blocks) {
        s = slab_at(in->slabs);
        i = s->fresh++;
        *raw = true;
    } else {
        return NULL;
    }
    links_of(s)[i] = OUT;
    in->out++;
    return s->base + i * a->settings.block_bytes;
}

/* pre: locked. false: not a block that is out. */
static bool block_push(ctxalloc_arena *a, arena *in, const char *block, bool raw)
{
    for (uint32_t record = in->slabs; record; record = slab_at(record)->next) {
        const slab *s = slab_at(record);
        size_t offset = (size_t)(block - s->base), i = offset / a->settings.block_bytes;
        if (block < s->base || i >= s->fresh)
            continue;
        if (offset % a->settings.block_bytes || links_of(s)[i] != OUT)
            return false;
        links_of(s)[i] = in->free | (raw ? RAW : 0);
        in->free = (s->number << SLAB_SHIFT | (uint32_t)i) + 1;
        in->out--;
        return true;
    }
    return false;
}

static bool block_prepare(const ctxalloc_arena *a, void *block, bool raw)
{
    const ca_source *from = under(a);
    size_t bytes = a->settings.block_bytes;
    return (!raw || !from->commit || from->commit(from, block, bytes)) && (!a->settings.prepare || a->settings.prepare(block, bytes, raw, a->settings.arg));
}

int ca_arena_take(ctxalloc_arena *a, void **block)
{
    arena *in = inside(a);
    bool raw = false;
    int error = 0;
    *block = NULL;
    if (!arena_lock(in))
        return ENOMEM;
    *block = block_pop(a, in, &raw);
    if (!*block)
        error = slab_add(a, in);
    if (!*block && !error)
        *block = block_pop(a, in, &raw);
    arena_unlock(in);
    if (!*block || block_prepare(a, *block, raw))
        return error;
    if (arena_lock(in)) { /* it has its lock: a block is out */
        (void)block_push(a, in, *block, raw);
        arena_unlock(in);
    }
    *block = NULL;
    return ENOMEM;
}

int ca_arena_give(ctxalloc_arena *a, void *block)
{
    arena *in = inside(a);
    if (!CA_LOAD_ACQUIRE(&in->guard) || !arena_lock(in))
        return EINVAL;
    bool done = block_push(a, in, block, false);
    arena_unlock(in);
    return done ? 0 : EINVAL;
}

size_t ca_arena_out(const ctxalloc_arena *a)
{
    return CA_LOAD(&((const arena *)(const void *)a->opaque)->out);
}

int ca_arena_end(ctxalloc_arena *a)
{
    arena *in = inside(a);
    if (!CA_LOAD_ACQUIRE(&in->guard) || !arena_lock(in))
        return 0;
    if (in->out) {
        arena_unlock(in);
        return EBUSY;
    }
    slabs_release(a, in);
    in->free = in->slab_count = 0;
    in->all = 0;
    arena_unlock_last(in);
    return 0;
}

/* --- as a source ------------------------------------------------------------------------------------------------------ */

static void *arena_reserve(const ca_source *s, size_t least, size_t *bytes)
{
    ctxalloc_arena *a = s->context;
    void *block = NULL;
    *bytes = a->settings.block_bytes;
    return least <= *bytes && ca_arena_take(a, &block) == 0 ? block : NULL;
}

static bool arena_purge(const ca_source *s, void *p, size_t bytes)
{
    const ca_source *from = under(s->context);
    return from->purge && from->purge(from, p, bytes);
}

static void arena_release(const ca_source *s, void *p, size_t bytes)
{
    (void)bytes;
    (void)ca_arena_give(s->context, p);
}

int ca_arena_init(ctxalloc_arena *a, const ctxalloc_arena_settings *s)
{
    if (!a || !s || s->size < sizeof *s || !s->block_bytes || s->block_bytes % CA_PAGE || s->block_bytes > SIZE_MAX / 4 || (s->from && !s->from->reserve))
        return EINVAL;
    *a = (ctxalloc_arena){.settings = *s};
    a->source = (ca_source){.size = sizeof a->source, .context = a, .flags = CTXALLOC_SOURCE_PRIVATE | CTXALLOC_SOURCE_DIRTY | CTXALLOC_SOURCE_ONCE, .reserve = arena_reserve,
                            .purge = arena_purge, .release = arena_release};
    return 0;
}

/* --- stacks --------------------------------------------------------------------------------------------------------------- */

/* The page below a new stack is closed, once for all its uses. */
static bool stack_prepare(void *block, size_t bytes, bool first, void *stacks)
{
    (void)bytes, (void)stacks;
    return !first || ca_os_protect(block, CA_PAGE, CA_OS_NONE);
}

int ca_stacks_init(ctxalloc_stacks *s, size_t bytes, const ca_source *from, size_t most)
{
    if (!s || !bytes || bytes > SIZE_MAX / 8)
        return EINVAL;
    bytes = ca_round_up(bytes, CA_PAGE);
    s->bytes = bytes;
    return ca_arena_init(&s->arena, &(ctxalloc_arena_settings){.size = sizeof(ctxalloc_arena_settings), .from = from, .block_bytes = bytes + CA_PAGE, .most = most,
                                                               .prepare = stack_prepare, .arg = s});
}
