/* A pool of metadata records: equal sizes, numbered, in one flat range of reserved address space that is committed in
 * steps and never given back.  Number 0 is no record.  Any thread: one lock a call; take several at once.
 *
 * A record given back keeps its bytes except the first four, which link the free ones; a new record is zero.
 */
#ifndef CA_BASE_POOL_H
#define CA_BASE_POOL_H

#include "base/base.h"
#include "base/lock.h"

typedef struct ca_pool {
    char *base;         /* record 0, at a page boundary; never used itself */
    uint32_t record;    /* bytes a record */
    uint32_t most;      /* records that fit into the reservation, number 0 included */
    uint32_t committed; /* records that may be touched; [P1] fresh <= committed <= most */
    uint32_t fresh;     /* the lowest number never handed out */
    uint32_t free;      /* head of the list of records given back, 0: none */
    char *side;         /* a parallel array of `side_record` bytes a record, committed with it; or NULL */
    uint32_t side_record;
    ca_lock lock;
} ca_pool;

/* `range` (and `side`) is reserved, not committed. */
void ca_pool_init(ca_pool *pool, void *range, size_t bytes, size_t record, void *side, size_t side_record);

/* One record, 0: no memory. */
uint32_t ca_pool_take(ca_pool *pool);
/* Up to `wanted` records linked by their first word (0 ends), fewer when memory is short; 0: none. */
uint32_t ca_pool_take_list(ca_pool *pool, uint32_t wanted);
/* Gives back a list linked by the first words. */
void ca_pool_give_list(ca_pool *pool, uint32_t first, uint32_t last);

CA_INLINE void *ca_pool_at(const ca_pool *pool, uint32_t number)
{
    return pool->base + (size_t)number * pool->record;
}

/* The link of a record that is in a list. */
CA_INLINE uint32_t *ca_pool_link(const ca_pool *pool, uint32_t number)
{
    return (uint32_t *)ca_pool_at(pool, number);
}

#endif
