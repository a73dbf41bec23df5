/* What a stored heap looks like in its file.  docs/files.md tells the same in prose; a change here is a new CA_STORED_VERSION.
 *
 * The file is a row of segments, each as large as all before it together (the first: 1024 pages), so that it can grow without a limit set in advance and
 * nothing ever moves.  A segment is
 *
 *     live entries, live bits | index | entries A, bits A | entries B, bits B | pages for blocks …
 *
 * and the first one has six more pages in front: header, state and slots, control, roots live, roots A, roots B.
 *
 *   entries    8 bytes a page: what run starts there, or how far back the run starts that covers it
 *   bits       32 bytes a page: of a slab's first page on, one bit an object
 *   roots      names and offsets, and how much of each segment is in use
 *
 * The three live parts are the truth about the heap; A and B are copies, checkpoints, made by turns when the program asks for a sync.
 * Index and control are derived: made anew whenever nobody has the file open, or who held the lock was killed.
 *
 * Every change of the truth is one store of 8 bytes that leads from a valid heap to a valid heap; what it makes visible was written before.
 * So a process that is killed anywhere leaves a valid one.  After a loss of power pages may be old and new side by side: then the last checkpoint is taken.
 *
 * [F1] header, state and slots carry right checks; version, byte order and page size are ours
 * [F2] runs do not overlap, lie inside their segment's used pages, and every page of one points to its start
 * [F3] an entry's check is right for its page
 * [F4] a slab's bits beyond its objects are 0
 * [F5] a root is nothing or the start of a live block; its name ends, and no other root has it
 * [F6] used pages of segments lie in the file
 * [F7] the pages of the newest checkpoint add up to the sum in its slot
 */
#ifndef CA_HEAP_STORED_FORMAT_H
#define CA_HEAP_STORED_FORMAT_H

#include <pthread.h>

#include "base/base.h"
#include "engine/bin.h"

enum {
    CA_STORED_VERSION = 1,
    CA_STORED_SEGMENTS = 22, /* 2^31 pages, 8 TiB */
    CA_STORED_FIRST = 1024,  /* pages of the first segment */
    CA_STORED_HEAD = 6,      /* pages before the first segment's arrays */
    CA_STORED_CLASSES = 32,
    CA_STORED_SMALL_MAX = 8192,
    CA_STORED_ROOTS = 62,
    CA_STORED_NAME = 56,     /* a root's, with its NUL */
    CA_STORED_BINS = 256
};

/* Pages before the arrays. */
enum { CA_STORED_PAGE_HEADER, CA_STORED_PAGE_STATE, CA_STORED_PAGE_CONTROL, CA_STORED_PAGE_ROOTS };

/* Parts of which there are three. */
enum ca_stored_copy { CA_STORED_LIVE, CA_STORED_A, CA_STORED_B };

#define CA_STORED_MAGIC "ctxalloc-heap\n\r"
#define CA_STORED_UNBORN "ctxalloc-being\n"

/* Never changed after the file was made. */
typedef struct ca_stored_header {
    char magic[16];
    uint32_t order; /* 0x01020304 */
    uint32_t version;
    uint32_t page;  /* bytes */
    uint32_t flags; /* CA_STORED_VOLATILE */
    uint64_t id;
    uint64_t hint;  /* where it wants to be mapped */
    uint64_t check; /* of what is above */
} ca_stored_header;

enum { CA_STORED_VOLATILE = 1 }; /* in memory: no checkpoints */

/* A sector of 512 bytes each. [S1] changed only while the newest checkpoint says the same as what is live */
typedef struct ca_stored_state {
    uint64_t check;
    uint32_t open;  /* a process has it open for writing, or was killed */
    uint32_t unused;
    char boot[40];  /* in which start of the machine */
} ca_stored_state;

typedef struct ca_stored_slot {
    uint64_t check;
    uint64_t sequence; /* 0: none */
    uint64_t sum;      /* of the checkpoint's pages */
} ca_stored_slot;

typedef struct ca_stored_root {
    uint64_t offset; /* 0: none */
    char name[CA_STORED_NAME];
} ca_stored_root;

/* A page. */
typedef struct ca_stored_roots {
    uint32_t used[CA_STORED_SEGMENTS]; /* pages from the segment's start that are backed; 0: none, or more than its arrays */
    uint32_t unused[32 - CA_STORED_SEGMENTS];
    ca_stored_root roots[CA_STORED_ROOTS];
} ca_stored_roots;
_Static_assert(sizeof(ca_stored_roots) == CA_PAGE, "a page of roots");

/* Derived, of a page: lists by page number, 0 is none. */
typedef struct ca_stored_index {
    uint32_t free; /* the first and the last page of a free run: its pages; otherwise 0 */
    uint32_t next, prev; /* a free run: in its bin; a slab: in the list of those with room; a held run: next only */
    uint32_t count;   /* a slab: objects that are live or held; a held run: its pages */
    uint32_t touched; /* a slab: next in the list of those that hold objects; CA_STORED_END: the last one; 0: not in it */
    uint8_t dirty;    /* of the segment's metadata page of this number (see ca_stored_dirty): bit 1: it differs from A, bit 2: from B */
    uint8_t listed;   /* a slab: in the list of those with room */
    uint8_t unused[2];
} ca_stored_index;
_Static_assert(sizeof(ca_stored_index) == 24, "six pages for 1024");
#define CA_STORED_END UINT32_MAX

/* Derived, a page. Under its lock. */
typedef struct ca_stored_control {
    pthread_mutex_t lock;
    uint32_t ready;  /* the index is right */
    uint32_t newest; /* copy that the last checkpoint is in */
    uint64_t sequence;
    uint64_t sums[3];
    uint8_t whole[3]; /* nothing is known about this copy: all is to be copied */
    uint8_t doubt;    /* a slot was written and may be on the disk or not */
    uint32_t held;    /* runs that wait for a sync */
    uint32_t touched; /* slabs with objects that do; CA_STORED_END: none */
    uint64_t blocks, bytes; /* live */
    uint64_t held_pages;
    uint64_t bin_words[CA_STORED_BINS / 64];
    uint32_t bins[CA_STORED_BINS];
    uint32_t room[CA_STORED_CLASSES];
} ca_stored_control;
_Static_assert(sizeof(ca_stored_control) <= CA_PAGE, "a page of control");

/* --- places -------------------------------------------------------------------------------------------------- */

CA_INLINE unsigned ca_stored_segment(uint32_t page)
{
    return page < CA_STORED_FIRST ? 0 : ca_bit_high(page) - 9;
}

CA_INLINE uint32_t ca_stored_first(unsigned segment)
{
    return segment ? (uint32_t)CA_STORED_FIRST << (segment - 1) : 0;
}

/* Pages of a segment. */
CA_INLINE uint32_t ca_stored_pages(unsigned segment)
{
    return segment ? ca_stored_first(segment) : CA_STORED_FIRST;
}

CA_INLINE uint32_t ca_stored_copy_pages(unsigned segment)
{
    return ca_stored_pages(segment) / 1024 * 10;
}

/* First page of the arrays, the index, or the first page for blocks. */
CA_INLINE uint32_t ca_stored_arrays(unsigned segment)
{
    return ca_stored_first(segment) + (segment ? 0 : CA_STORED_HEAD);
}

CA_INLINE uint32_t ca_stored_index_start(unsigned segment)
{
    return ca_stored_arrays(segment) + ca_stored_copy_pages(segment);
}

CA_INLINE uint32_t ca_stored_copy_start(unsigned segment, unsigned copy)
{
    uint32_t index = ca_stored_pages(segment) / 1024 * 6;
    return ca_stored_arrays(segment) + (copy ? index + copy * ca_stored_copy_pages(segment) : 0);
}

CA_INLINE uint32_t ca_stored_data(unsigned segment)
{
    return ca_stored_copy_start(segment, CA_STORED_B) + ca_stored_copy_pages(segment);
}

CA_INLINE char *ca_stored_at(char *base, uint32_t page)
{
    return base + (uint64_t)page * CA_PAGE;
}

CA_INLINE ca_stored_control *ca_stored_control_of(char *base)
{
    return (ca_stored_control *)(void *)ca_stored_at(base, CA_STORED_PAGE_CONTROL);
}

CA_INLINE ca_stored_roots *ca_stored_roots_of(char *base, unsigned copy)
{
    return (ca_stored_roots *)(void *)ca_stored_at(base, CA_STORED_PAGE_ROOTS + copy);
}

CA_INLINE uint64_t *ca_stored_entry(char *base, unsigned copy, uint32_t page)
{
    unsigned s = ca_stored_segment(page);
    return (uint64_t *)(void *)ca_stored_at(base, ca_stored_copy_start(s, copy)) + (page - ca_stored_first(s));
}

/* Four words, and those of the pages after it behind them. */
CA_INLINE uint64_t *ca_stored_bits(char *base, unsigned copy, uint32_t page)
{
    unsigned s = ca_stored_segment(page);
    uint32_t start = ca_stored_copy_start(s, copy) + ca_stored_pages(s) / 512;
    return (uint64_t *)(void *)ca_stored_at(base, start) + (uint64_t)(page - ca_stored_first(s)) * 4;
}

CA_INLINE ca_stored_index *ca_stored_index_at(char *base, uint32_t page)
{
    unsigned s = ca_stored_segment(page);
    return (ca_stored_index *)(void *)ca_stored_at(base, ca_stored_index_start(s)) + (page - ca_stored_first(s));
}

/* Where the dirty bits of a metadata page are: page j of entries and the four pages of bits that go with it are numbers 5j to 5j + 4, so that they lie
 * in the part of the index that is backed as soon as the pages are. part: 0: entries; 1 to 4: bits. */
CA_INLINE uint8_t *ca_stored_dirty(char *base, unsigned segment, uint32_t j, unsigned part)
{
    return &ca_stored_index_at(base, ca_stored_first(segment) + j * 5 + part)->dirty;
}

/* --- entries -------------------------------------------------------------------------------------------------- */

/* kind: bits 0 to 7; class: 8 to 15; pages, or distance to the first page: 16 to 47; check: 48 to 63. 0: free. */
enum ca_stored_kind { CA_STORED_FREE, CA_STORED_SLAB, CA_STORED_LARGE, CA_STORED_TAIL };

CA_INLINE uint64_t ca_stored_mix(uint64_t x)
{
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93U;
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93U;
    return x ^ x >> 32;
}

CA_INLINE uint64_t ca_stored_entry_make(uint32_t page, unsigned kind, unsigned class, uint32_t pages)
{
    uint64_t e = kind | class << 8 | (uint64_t)pages << 16;
    return e | ca_stored_mix(e ^ (uint64_t)page * 0x9e3779b97f4a7c15U) << 48;
}

CA_INLINE unsigned ca_stored_kind_of(uint64_t entry) { return entry & 0xff; }
CA_INLINE unsigned ca_stored_class_of(uint64_t entry) { return entry >> 8 & 0xff; }
CA_INLINE uint32_t ca_stored_pages_of(uint64_t entry) { return (uint32_t)(entry >> 16); }

CA_INLINE bool ca_stored_is_run(uint64_t entry)
{
    return ca_stored_kind_of(entry) == CA_STORED_SLAB || ca_stored_kind_of(entry) == CA_STORED_LARGE;
}

/* --- classes -------------------------------------------------------------------------------------------------- */

/* 16 to 128 in steps of 16, then four a doubling to 8 KiB. */
CA_INLINE uint32_t ca_stored_class_size(unsigned class)
{
    return class < 8 ? (class + 1) * CA_GRANULE : (class % 4 + 5) << (class / 4 + 3);
}

/* size <= CA_STORED_SMALL_MAX */
CA_INLINE unsigned ca_stored_class_for(uint32_t size)
{
    if (size <= 128)
        return size ? (size - 1) / CA_GRANULE : 0;
    unsigned high = (unsigned)ca_bit_high(size - 1); /* 7 to 12 */
    return (high - 5) * 4 + ((size - 1) >> (high - 2)) - 4;
}

/* Pages of a slab: few, with 8 objects or more, and a 16th lost at most. */
CA_INLINE uint32_t ca_stored_slab_pages(unsigned class)
{
    static const uint8_t pages[CA_STORED_CLASSES] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
                                                       2, 2, 2, 2, 3, 3, 4, 4, 5, 6, 7, 8, 10, 12, 14, 16};
    return pages[class];
}

CA_INLINE uint32_t ca_stored_objects(unsigned class)
{
    return ca_stored_slab_pages(class) * CA_PAGE / ca_stored_class_size(class);
}

/* --- sums ---------------------------------------------------------------------------------------------------- */

typedef uint64_t __attribute__((may_alias)) ca_stored_word;

/* Of bytes that are a multiple of 8, at a place. */
CA_INLINE uint64_t ca_stored_hash(const void *from, size_t bytes, uint64_t place)
{
    const ca_stored_word *words = from;
    uint64_t h = ca_stored_mix(place + 0x9e3779b97f4a7c15U), g = h;
    for (size_t i = 0; i < bytes / 8; i += 2) {
        h = (h ^ words[i]) * 0xd6e8feb86659fd93U;
        h ^= h >> 29;
        if (i + 1 < bytes / 8) {
            g = (g ^ words[i + 1]) * 0xa0761d6478bd642fU;
            g ^= g >> 29;
        }
    }
    return ca_stored_mix(h ^ ca_stored_mix(g));
}

#endif
