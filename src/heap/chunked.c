#include "heap/chunked.h"

#include "base/check.h"

enum {
    CHUNK_LEAST = CA_PAGE,
    CHUNK_PART = 8,              /* beyond CA_CHUNK_MOST a new chunk is this part of what there is, */
    CHUNK_LARGEST = 16 * CA_CHUNK_MOST, /* up to here */
    UNITS_LEAST = 8,             /* in the first chunk */
    PIECE_GRANULES = CA_PIECE_BYTES / CA_GRANULE
};

/* A chunk or the piece. Places in it are numbers of granules. */
typedef struct area {
    uint32_t number; /* of the chunk; 0: the piece */
    uint32_t granules;
    char *start;
    ca_start_word *words;
} area;

/* --- areas ------------------------------------------------------------------------------------------------------- */

CA_INLINE area area_at(const ca_chunked *h, uint32_t number)
{
    if (!number)
        return (area){0, CA_LOAD(&h->piece) ? PIECE_GRANULES : 0, CA_LOAD(&h->piece), (ca_start_word *)(uintptr_t)h->words_of_piece};
    const ca_chunk *c = ca_chunk_at(number);
    return (area){number, c->pages * (CA_PAGE / CA_GRANULE), ca_chunk_start(c), ca_start_at(ca_page_granule(c->page))};
}

CA_INLINE area area_of(const ca_chunked *h, const void *p)
{
    const char *piece = CA_LOAD(&h->piece);
    bool in_piece = piece && (uintptr_t)p - (uintptr_t)piece < CA_PIECE_BYTES;
    return area_at(h, in_piece ? 0 : ca_chunk_of(p));
}

static uint32_t place_of(const area *a, const void *p)
{
    return (uint32_t)((size_t)((const char *)p - a->start) / CA_GRANULE);
}

static char *address_of(const area *a, uint32_t place)
{
    return a->start + place * (size_t)CA_GRANULE;
}

static uint32_t *most_of(ca_chunked *h, uint32_t number)
{
    return number ? &ca_chunk_at(number)->state : &h->piece_most;
}

/* No block of the area was ever higher. Others ask, too, while the owner moves on: `at` first, since it leaves an area after that area's mark is raised. */
static const char *high_now(const ca_chunked *h, const area *a)
{
    const char *at = CA_LOAD_ACQUIRE(&h->at), *high = a->number ? CA_LOAD(&ca_chunk_at(a->number)->used_end) : CA_LOAD(&h->piece_high);
    bool here = at > a->start && at <= a->start + a->granules * (size_t)CA_GRANULE;
    return here && at > high ? at : high;
}

/* --- bits ---------------------------------------------------------------------------------------------------------- */

enum which { BOUNDARIES, LIVE, DEAD };

static uint64_t word_load(const ca_start_word *w, enum which which)
{
    uint64_t born = CA_LOAD_ACQUIRE(&w->born);
    uint64_t died = CA_LOAD_ACQUIRE(&w->died); /* what others did with a block comes before they freed it */
    return which == BOUNDARIES ? born : which == LIVE ? born & ~died : born & died;
}

/* The first of a kind at or after a place; a->granules: none. */
CA_INLINE uint32_t next_of(const area *a, uint32_t place, enum which which)
{
    if (place >= a->granules)
        return a->granules;
    uint32_t w = place / 64;
    uint64_t bits = word_load(&a->words[w], which) & ~0ULL << place % 64;
    while (!bits && ++w * 64 < a->granules)
        bits = word_load(&a->words[w], which);
    return bits ? w * 64 + ca_bit_low(bits) : a->granules;
}

/* The last of a kind at or before a place; a->granules: none. */
static uint32_t last_of(const area *a, uint32_t place, enum which which)
{
    uint32_t w = place / 64;
    uint64_t bits = word_load(&a->words[w], which) & ~0ULL >> (63 - place % 64);
    while (!bits && w)
        bits = word_load(&a->words[--w], which);
    return bits ? w * 64 + ca_bit_high(bits) : a->granules;
}

/* A dead block starts there. Died before born, so that it never looks live. */
static void plant(const area *a, uint32_t place)
{
    ca_start_word *w = &a->words[place / 64];
    uint64_t bit = 1ULL << place % 64;
    if (!(CA_LOAD(&w->died) & bit))
        __atomic_fetch_or(&w->died, bit, __ATOMIC_RELEASE);
    CA_STORE_RELEASE(&w->born, CA_LOAD(&w->born) | bit);
}

/* No block starts in [from, to); all that did are dead. */
static void clear(const area *a, uint32_t from, uint32_t to)
{
    for (uint32_t w = from / 64; w * 64 < to; w++) {
        uint64_t mask = (w == from / 64 ? ~0ULL << from % 64 : ~0ULL) & (to - w * 64 < 64 ? (1ULL << (to - w * 64)) - 1 : ~0ULL);
        ca_start_word *word = &a->words[w];
        if (CA_LOAD(&word->born) & mask)
            CA_STORE_RELEASE(&word->born, CA_LOAD(&word->born) & ~mask);
        if (CA_LOAD(&word->died) & mask)
            __atomic_fetch_and(&word->died, ~mask, __ATOMIC_RELEASE);
    }
}

/* --- runs ------------------------------------------------------------------------------------------------------------ */

/* There is no run in use any more; what is left of it is a dead block. */
static void run_leave(ca_chunked *h)
{
    h->note_area = UINT32_MAX; /* a dead block may come behind the stretch noted last; and all searches begin here, which set `state` anew */
    if (!h->at)
        return;
    area a = area_at(h, h->current);
    ca_chunked_high_raise(h, h->current, h->at);
    if (h->at < h->end) {
        plant(&a, place_of(&a, h->at));
        uint32_t *most = most_of(h, h->current), left = h->last ? (uint32_t)((size_t)(h->end - h->at) / CA_GRANULE) : UINT32_MAX; /* a block taken back: what lies before that may be dead */
        *most = *most > left ? *most : left; /* if what lies before it was freed meanwhile, that has set it to all */
        h->failed = left < h->failed ? h->failed : UINT32_MAX;
    }
    CA_STORE_RELEASE(&h->at, NULL);
    h->end = h->last = NULL;
}

/* pre: none is in use. [from, to) is a part of a dead run, to its end. */
static void run_load(ca_chunked *h, const area *a, uint32_t from, uint32_t to)
{
    clear(a, from + 1, to);
    h->start = a->start;
    h->area_bytes = a->granules * CA_GRANULE;
    h->words = a->words;
    h->end = address_of(a, to);
    CA_STORE(&h->current, a->number);
    CA_STORE_RELEASE(&h->at, address_of(a, from));
}

typedef struct run {
    uint32_t from, to;
} run;

/* The first dead run at or after a place in which `wanted` granules fit, aligned. *most: the longest that was seen. */
static bool area_find(const area *a, uint32_t place, uint32_t wanted, size_t align, run *found, uint32_t *most)
{
    for (;;) {
        uint32_t from = next_of(a, place, DEAD);
        if (from == a->granules)
            return false;
        place = next_of(a, from, LIVE);
        *most = place - from > *most ? place - from : *most;
        uint32_t aligned = place_of(a, (char *)ca_round_up((uintptr_t)address_of(a, from), align));
        if (place >= aligned && place - aligned >= wanted) {
            *found = (run){aligned, place};
            return true;
        }
    }
}

static uint32_t area_after(const ca_chunked *h, uint32_t number)
{
    uint32_t next = number ? ca_chunk_at(number)->next : h->chunks;
    return next || h->piece ? next : h->chunks;
}

/* Where other threads have freed there may be longer runs. */
static void remote_collect(ca_chunked *h)
{
    uint64_t dirty = CA_LOAD(&h->remote) ? __atomic_exchange_n(&h->remote, 0, __ATOMIC_ACQUIRE) : 0;
    if (!dirty)
        return;
    h->failed = UINT32_MAX;
    if (dirty & 1)
        h->piece_most = UINT32_MAX;
    for (uint32_t number = h->chunks; number; number = ca_chunk_at(number)->next)
        if (dirty >> number % 64 & 1)
            ca_chunk_at(number)->state = UINT32_MAX;
}

/* pre: none is in use. looks: areas. */
static bool run_find(ca_chunked *h, uint32_t wanted, size_t align, uint32_t looks)
{
    remote_collect(h);
    if (wanted >= h->failed)
        return false;
    uint32_t all = h->chunk_count + (h->piece != NULL);
    for (uint32_t i = 0; i <= all && i < looks; i++) { /* the first area twice: from the cursor on, and all of it */
        uint32_t number = h->cursor, *most = most_of(h, number);
        if (*most >= wanted) {
            area a = area_at(h, number);
            uint32_t longest = 0;
            run found;
            if (area_find(&a, h->cursor_place, wanted, align, &found, &longest)) {
                h->cursor_place = (uint16_t)found.to; /* areas are smaller than 2^16 granules */
                run_load(h, &a, found.from, found.to);
                return true;
            }
            if (!h->cursor_place)
                *most = longest;
        }
        h->cursor = area_after(h, number);
        h->cursor_place = 0;
    }
    if (looks <= all)
        return false;
    if (align <= CA_GRANULE)
        h->failed = wanted;
    return false;
}

/* --- chunks -------------------------------------------------------------------------------------------------------------- */

static uint64_t chunk_wanted(const ca_chunked *h)
{
    uint64_t bytes = ca_size_max(h->chunk_bytes, ca_size_max(CHUNK_LEAST, h->unit * (size_t)UNITS_LEAST));
    if (bytes > CA_CHUNK_MOST)
        bytes = ca_size_min(ca_size_max(h->chunk_bytes / CHUNK_PART, CA_CHUNK_MOST), CHUNK_LARGEST);
    return ca_round_up(bytes, CA_PAGE);
}

/* A new area, all of it the run in use. pre: none is */
static bool area_take(ca_chunked *h, ca_account *account, uint32_t context, size_t bytes)
{
    if (!h->piece && !h->chunks && bytes <= CA_PIECE_BYTES && ca_chunk_is_shared(CA_LOAD(&h->zone))) {
        CA_STORE(&h->piece, ca_piece_take(CA_LOAD(&h->zone), account, context));
        if (h->piece) {
            area a = area_at(h, 0);
            CA_STORE(&h->piece_high, h->piece);
            run_load(h, &a, 0, PIECE_GRANULES);
            return true;
        }
    }
    uint64_t wanted = chunk_wanted(h), least = ca_round_up(bytes, CA_PAGE);
    uint32_t number = ca_chunk_take(CA_LOAD(&h->zone), account, context, ca_size_max(wanted, least));
    if (!number && wanted > least)
        number = ca_chunk_take(CA_LOAD(&h->zone), account, context, least);
    if (!number)
        return false;
    ca_chunk *c = ca_chunk_at(number);
    c->next = h->chunks;
    c->state = 0; /* nothing of it is dead yet */
    c->used_end = ca_chunk_start(c);
    CA_STORE_RELEASE(&h->chunks, number);
    h->chunk_count++;
    h->chunk_bytes += ca_chunk_bytes(c);
    area a = area_at(h, number);
    run_load(h, &a, 0, a.granules);
    return true;
}

/* --- blocks ------------------------------------------------------------------------------------------------------------------ */

void ca_chunked_set_unit(ca_chunked *h, size_t block_size)
{
    h->unit = block_size && block_size <= CA_CHUNKED_UNIT_MOST ? (uint32_t)ca_round_up(block_size, CA_GRANULE) : CA_GRANULE;
}

/* The next block begins where it is aligned; what is left out is a dead block. false: not in this run. */
static bool run_align(ca_chunked *h, size_t align)
{
    char *aligned = (char *)ca_round_up((uintptr_t)h->at, align);
    if (aligned == h->at)
        return true;
    if (aligned >= h->end)
        return false;
    area a = area_at(h, h->current);
    plant(&a, place_of(&a, h->at));
    *most_of(h, h->current) = UINT32_MAX;
    h->failed = UINT32_MAX;
    CA_STORE_RELEASE(&h->at, aligned);
    return true;
}

static void *run_cut(ca_chunked *h, size_t size, size_t align)
{
    return h->at && (align <= CA_GRANULE || run_align(h, align)) ? ca_chunked_quick(h, size) : NULL;
}

void *ca_chunked_alloc(ca_chunked *h, ca_account *account, uint32_t context, size_t size, size_t align)
{
    align = align < CA_GRANULE ? CA_GRANULE : align;
    void *p = run_cut(h, size, align);
    if (CA_LIKELY(p != NULL))
        return p;
    size_t bytes = ca_chunked_round(h, size);
    uint32_t wanted = (uint32_t)(bytes / CA_GRANULE);
    run_leave(h);
    if (!run_find(h, wanted, align, CA_CHUNKED_LOOKS) && !area_take(h, account, context, bytes + align - CA_GRANULE) &&
        !run_find(h, wanted, align, UINT32_MAX))
        return NULL;
    return run_cut(h, size, align);
}

bool ca_chunked_is_live(const ca_chunked *h, const void *p)
{
    if ((uintptr_t)p % CA_GRANULE)
        return false;
    area a = area_of(h, p);
    uint32_t place = place_of(&a, p);
    return word_load(&a.words[place / 64], LIVE) >> place % 64 & 1;
}

/* The size of the block at a place, which is p; `at` was read before. */
static size_t size_at(const area *a, uint32_t place, const char *at)
{
    const char *p = address_of(a, place), *end = address_of(a, next_of(a, place + 1, BOUNDARIES));
    return (size_t)((at > p && at < end ? at : end) - p);
}

/* `at` is read first: what it moved over has its boundaries then. Again, when the owner has taken back a block meanwhile: see ca_chunk_lower. */
size_t ca_chunked_size(const ca_chunked *h, const void *p)
{
    for (;;) {
        uint32_t before = CA_LOAD_ACQUIRE(&h->retreats);
        const char *at = CA_LOAD_ACQUIRE(&h->at);
        area a = area_of(h, p);
        size_t size = size_at(&a, place_of(&a, p), at);
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        if (CA_LOAD(&h->retreats) == before)
            return size;
    }
}

const void *ca_chunked_start(const ca_chunked *h, const void *p)
{
    area a = area_of(h, p);
    if (!a.start || (const char *)p >= high_now(h, &a))
        return NULL;
    uint32_t place = last_of(&a, place_of(&a, p), BOUNDARIES);
    if (place == a.granules)
        return NULL;
    const char *start = address_of(&a, place);
    return (const char *)p < start + ca_chunked_size(h, start) ? start : NULL;
}

bool ca_chunked_was_block(const ca_chunked *h, const void *p)
{
    area a = area_of(h, p);
    return (const char *)p < high_now(h, &a);
}

/* Where the live block before a place starts, where none does itself; 0: there is none, or there. */
static uint32_t live_before(const area *a, uint32_t place)
{
    uint32_t last = last_of(a, place, LIVE);
    return last < a->granules ? last : 0;
}

/* The block at a place is dead now: how long a run it may be in. From the live block before, itself included, to the one behind: its end need not be looked for.
 * Blocks that are freed in order, either way, lengthen the stretch that was noted last, so that it is not looked through each time. */
CA_INLINE void run_note(ca_chunked *h, const area *a, uint32_t place)
{
    bool same = a->number == h->note_area;
    uint32_t from = same && place == h->note_to ? h->note_from : live_before(a, place);
    uint32_t to = same && place == h->note_from ? h->note_to : next_of(a, place, LIVE);
    h->note_area = to <= UINT16_MAX ? a->number : UINT32_MAX;
    h->note_from = (uint16_t)from;
    h->note_to = (uint16_t)to;
    uint32_t longest = to - from, *most = most_of(h, a->number);
    *most = *most > longest ? *most : longest;
    h->failed = longest < h->failed ? h->failed : UINT32_MAX;
}

CA_INLINE bool free_in(ca_chunked *h, const area *a, const void *p, bool mine)
{
    uint32_t place = place_of(a, p), number = a->number;
    ca_start_word *w = &a->words[place / 64];
    uint64_t bit = 1ULL << place % 64;
    if (!(CA_LOAD(&w->born) & bit) || __atomic_fetch_or(&w->died, bit, __ATOMIC_ACQ_REL) & bit)
        return false;
    if (mine) {
        run_note(h, a, place);
        CA_STORE(&h->blocks, h->blocks - 1);
        h->own_freed++;
    } else { /* from here on the chunk may be gone, or another context's */
        __atomic_fetch_or(&h->remote, 1ULL << number % 64, __ATOMIC_RELEASE);
        __atomic_fetch_add(&h->freed, 1, __ATOMIC_RELEASE);
    }
    return true;
}

bool ca_chunked_free(ca_chunked *h, void *p, bool mine)
{
    area a = area_of(h, p);
    return free_in(h, &a, p, mine);
}

CA_NOINLINE static bool free_elsewhere(ca_chunked *h, uint32_t context, const void *p)
{
    ca_granule g = ca_region_granule(p);
    if (g == UINT64_MAX || (uintptr_t)p % CA_GRANULE)
        return false;
    const ca_page_entry *e = &ca_region.entries[ca_granule_page(g)];
    if (CA_LOAD(&e->tag) != CA_TAG_BUMP || CA_LOAD(&ca_chunk_at(CA_LOAD(&e->number))->context) != context)
        return false;
    area a = area_at(h, CA_LOAD(&e->number));
    return free_in(h, &a, p, true);
}

bool ca_chunked_free_own(ca_chunked *h, uint32_t context, void *p)
{
    return CA_LIKELY(ca_chunked_free_quick(h, p)) || free_elsewhere(h, context, p);
}

static void shrink(ca_chunked *h, const area *a, char *p, size_t size)
{
    plant(a, place_of(a, p + size));
    run_note(h, a, place_of(a, p + size));
}

bool ca_chunked_resize(ca_chunked *h, void *block, size_t size)
{
    char *p = block;
    if (size > CA_CHUNKED_MOST)
        return false;
    size = ca_chunked_round(h, size);
    size_t old = ca_chunked_size(h, p);
    area a = area_of(h, p);
    uint32_t behind = place_of(&a, p + old), wanted = place_of(&a, p + size);
    if (size == old)
        return true;
    if (h->at == p + old && h->current == a.number) { /* the run in use is behind it */
        if (size > (size_t)(h->end - p))
            return false;
        ca_chunked_high_raise(h, a.number, h->at);
        if (h->at < h->end)
            clear(&a, behind, behind + 1); /* [K2] */
        CA_STORE_RELEASE(&h->at, p + size);
        return true;
    }
    if (size < old) {
        shrink(h, &a, p, size);
        return true;
    }
    uint32_t end = next_of(&a, behind, LIVE);
    if (h->at && h->current == a.number && h->at > p && place_of(&a, h->at) < end)
        end = place_of(&a, h->at);
    if (behind == a.granules || wanted > end)
        return false;
    ca_chunked_high_raise(h, a.number, p + size);
    if (wanted < end)
        plant(&a, wanted);
    clear(&a, behind, wanted);
    return true;
}

/* --- all of them ---------------------------------------------------------------------------------------------------------------- */

bool ca_chunked_area(const ca_chunked *h, uint32_t number, ca_area *a)
{
    if (number && !ca_area_of_chunk(number, a))
        return false;
    if (!number)
        *a = (ca_area){.start = CA_LOAD(&h->piece), .words = h->words_of_piece, .granules = PIECE_GRANULES};
    a->end = CA_LOAD(&h->current) == number ? CA_LOAD_ACQUIRE(&h->at) : NULL;
    return a->start != NULL;
}

bool ca_chunked_walk(const ca_chunked *h, ca_area_fn *fn, void *argument)
{
    ca_area a;
    bool on = !ca_chunked_area(h, 0, &a) || ca_area_walk(&a, fn, argument);
    for (uint32_t number = CA_LOAD_ACQUIRE(&h->chunks), looks = 0; on && number && ca_chunked_area(h, number, &a) && looks < CA_CHUNKS_MOST; looks++) {
        number = CA_LOAD(&ca_chunk_at(number)->next);
        on = ca_area_walk(&a, fn, argument);
    }
    return on;
}

void ca_chunked_trim(ca_chunked *h, ca_account *account)
{
    run_leave(h);
    for (uint32_t *link = &h->chunks; *link;) {
        uint32_t number = *link;
        ca_chunk *c = ca_chunk_at(number);
        area a = area_at(h, number);
        if (next_of(&a, 0, LIVE) < a.granules) {
            link = &c->next;
            continue;
        }
        CA_STORE(link, c->next);
        h->chunk_count--;
        h->chunk_bytes -= ca_chunk_bytes(c);
        ca_chunk_give(account, number, 1); /* any number: that something was here, see heap/verdict.c */
    }
    h->cursor = h->chunks;
    CA_STORE(&h->current, h->chunks);
    h->cursor_place = 0;
    h->area_bytes = 0;
}

/* Only the piece is there, all of it the run in use. */
static void piece_restart(ca_chunked *h)
{
    for (int i = 0; i < CA_PIECE_WORDS; i++)
        h->words_of_piece[i] = (ca_start_word){0, 0};
    h->piece_most = 0;
    h->remote = 0;
    CA_STORE(&h->blocks, 0); /* others may be asking whether it is empty */
    CA_STORE(&h->freed, 0);
    h->failed = h->note_area = UINT32_MAX;
    h->cursor = h->cursor_place = h->own_freed = 0;
    CA_STORE(&h->retreats, 0);
    CA_STORE(&h->current, 0);
    h->area_bytes = 0;
    CA_STORE_RELEASE(&h->at, NULL);
    h->end = h->last = NULL;
    if (h->piece) {
        area a = area_at(h, 0);
        run_load(h, &a, 0, PIECE_GRANULES);
    }
}

void ca_chunked_drop(ca_chunked *h, ca_account *account, uint32_t dead, bool keep)
{
    if (h->at && !h->current)
        ca_chunked_high_raise(h, 0, h->at);
    if (keep)
        run_leave(h); /* notes how high its blocks came */
    for (uint32_t number = keep ? h->chunks : 0; number; number = ca_chunk_at(number)->next) {
        area a = area_at(h, number);
        ca_chunk_clear(ca_chunk_at(number));
        plant(&a, 0);
        *most_of(h, number) = UINT32_MAX;
    }
    if (!keep) {
        ca_chunk_give_list(account, h->chunks, dead);
        h->chunks = h->chunk_count = 0;
        h->chunk_bytes = 0;
    }
    piece_restart(h);
    h->cursor = h->chunks;
}

void ca_chunked_retire(ca_chunked *h, ca_account *account, uint32_t dead)
{
    CA_STORE_RELEASE(&h->at, NULL);
    h->end = h->last = NULL;
    h->area_bytes = 0;
    if (h->piece)
        ca_piece_give(account, h->piece, dead);
    CA_STORE(&h->piece, NULL);
    h->piece_high = NULL;
}

/* --- audit --------------------------------------------------------------------------------------------------------------------------- */

static bool area_is_valid(const ca_chunked *h, const area *a, uint32_t most, int *which)
{
    bool in_use = h->at && h->current == a->number;
    uint32_t at = in_use ? place_of(a, h->at) : a->granules, end = in_use ? place_of(a, h->end) : a->granules;
    uint32_t first = next_of(a, 0, BOUNDARIES), longest = 0;
    *which = 1;
    if (a->granules && first != 0 && !(in_use && at == 0))
        return false;
    *which = 2;
    if (in_use && (at > end || (at < end && next_of(a, at + 1, BOUNDARIES) < end) || (at < end && next_of(a, at, LIVE) < end)))
        return false;
    *which = 3;
    for (uint32_t w = 0; w * 64 < a->granules; w++)
        if (a->words[w].died & ~a->words[w].born)
            return false;
    *which = 4;
    for (uint32_t from = next_of(a, 0, DEAD); from < a->granules;) {
        uint32_t to = next_of(a, from, LIVE);
        if (in_use && from < at && to > at)
            to = at;
        if (in_use && from == at)
            to = from = end;
        longest = to - from > longest ? to - from : longest;
        from = next_of(a, to > from ? to : from + (from == at), DEAD);
    }
    return longest <= most || h->remote;
}

bool ca_chunked_is_valid(const ca_chunked *h, int *which)
{
    area piece = area_at(h, 0);
    if (!area_is_valid(h, &piece, h->piece_most, which))
        return false;
    uint32_t count = 0;
    uint64_t bytes = 0;
    for (uint32_t number = h->chunks; number; number = ca_chunk_at(number)->next) {
        area a = area_at(h, number);
        if (!area_is_valid(h, &a, ca_chunk_at(number)->state, which))
            return false;
        count++;
        bytes += ca_chunk_bytes(ca_chunk_at(number));
    }
    *which = 6;
    if (h->last && !h->at)
        return false;
    if (h->last) {
        area a = area_at(h, h->current);
        uint32_t last = place_of(&a, h->last), at = place_of(&a, h->at);
        if (last >= at || (next_of(&a, last, LIVE) == last && next_of(&a, last + 1, BOUNDARIES) < at))
            return false;
    }
    *which = 5;
    return count == h->chunk_count && bytes == h->chunk_bytes;
}
