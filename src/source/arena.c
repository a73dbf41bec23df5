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
    ca_lock lock;
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
    ca_lock_take(&in->lock);
    *block = block_pop(a, in, &raw);
    if (!*block && (error = slab_add(a, in)) == 0)
        *block = block_pop(a, in, &raw);
    ca_lock_drop(&in->lock);
    if (!*block || block_prepare(a, *block, raw))
        return error;
    ca_lock_take(&in->lock);
    (void)block_push(a, in, *block, raw);
    ca_lock_drop(&in->lock);
    *block = NULL;
    return ENOMEM;
}

int ca_arena_give(ctxalloc_arena *a, void *block)
{
    arena *in = inside(a);
    ca_lock_take(&in->lock);
    bool done = block_push(a, in, block, false);
    ca_lock_drop(&in->lock);
    return done ? 0 : EINVAL;
}

size_t ca_arena_out(const ctxalloc_arena *a)
{
    return CA_LOAD(&((const arena *)(const void *)a->opaque)->out);
}

int ca_arena_end(ctxalloc_arena *a)
{
    arena *in = inside(a);
    ca_lock_take(&in->lock);
    bool busy = in->out != 0;
    if (!busy) {
        slabs_release(a, in);
        in->free = in->slab_count = 0;
        in->all = 0;
    }
    ca_lock_drop(&in->lock);
    return busy ? EBUSY : 0;
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
