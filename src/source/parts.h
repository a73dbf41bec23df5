/* Parts: the ranges of addresses that the region's page numbers stand for, and the side arrays beside them.
 *
 *   numbers   [ the first range, part 0:  …  inner parts  …  ][ far parts, each at numbers of its own ]
 *
 * Part 0 is one large range, and where malloc is fastest: base + number.  An *inner* part is a run of it that has a zone of its own.  A *far* part lies anywhere; its
 * numbers are chosen so that what is aligned by number is aligned by address.  Each part commits its own windows of the side arrays, so that one with high numbers
 * costs nothing for the numbers below it.
 *
 * Threads: a part is changed under its zone's lock; adding and dropping parts takes the table's lock.  ca_part_of and the look-ups in region.h
 * take none: their caller holds something of the part, or is told that there is nothing.
 */
#ifndef CA_SOURCE_PARTS_H
#define CA_SOURCE_PARTS_H

#include "source/region.h"

enum {
    CA_PART_ALIGN = 4096,   /* pages: numbers are given to parts by this many; the largest alignment in far parts */
    CA_BASE_ALIGN = 2 << 20 /* bytes: of the first range; the largest alignment in its continuations */
};

/* An array's window for one part, committed from its start on. */
typedef struct ca_window {
    char *base;
    size_t committed, all; /* bytes */
} ca_window;

/* [P1] pages [first, first + committed) are usable, the rest of the part is reserved
 * [P2] touched <= committed, but for inner parts
 * [P3] no two parts have a page number in common, but for inner parts, whose are also part 0's */
typedef struct ca_part {
    uintptr_t base;
    ca_page first, pages, committed, touched; /* pages 0: the record is free. touched: pages ever handed out end here (inner: also by the first zone) */
    ca_zone *zone;
    struct ca_part *next; /* of the zone */
    void *range;          /* what the source reserved: the part lies in it. NULL: an inner part */
    size_t range_bytes;
    ca_window entries, runs, live;
    ca_node numbers; /* far: its numbers' block */
    ca_node outer;   /* inner: the run that it is, in the first zone; its run record is in use otherwise */
} ca_part;

/* The side arrays for `pages` page numbers, records for `used` pages, and part 0 with `first` pages, which is `zone`'s. false: no memory. */
bool ca_parts_init(ca_zone *zone, uint64_t pages, uint64_t used, uint64_t first);

/* Far: [base, base + pages). NULL: no numbers or records left, or no memory. `align`: pages that numbers and addresses are alike by, a power of two. */
ca_part *ca_part_add(ca_zone *zone, uintptr_t base, uint64_t pages, uint64_t align);
/* Inner: a run of part 0, CA_PART_ALIGN pages or a multiple, aligned by address. */
ca_part *ca_part_add_inner(ca_zone *zone, ca_page first, ca_page pages);
/* pre: nothing in it is in use. Its side arrays read as zero. */
void ca_part_drop(ca_part *p);

/* Makes the first `end` pages usable, and some more, so that this is rarely called. */
bool ca_part_commit(ca_part *p, ca_page end);

/* Records for heaps of so many pages can be had without asking the system, if nobody else takes them. */
bool ca_parts_spare(ca_page pages);

ca_part *ca_part_of(ca_page page);
ca_part *ca_part_first(void);

/* Fork: the table, all pools. */
void ca_parts_lock(void);
void ca_parts_unlock(void);

#endif
