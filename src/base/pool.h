/* Pools of metadata records: equal sizes, numbered, never given back.
 *
 * All pools take their pages from one range, the *store*, which is used from its end downwards and committed in steps; so the first pages of
 * all kinds of records lie together.  Every pool numbers its records from the store's start: record n lies at base + n * size.
 * Number 0 is no record.  Any thread: one lock a call; take several at once.
 *
 *   [ reserved ………… | committed | pages in pools ]  end
 *
 * A record given back keeps its bytes except the first four, which link the free ones; a new record is zero.
 */
#ifndef CA_BASE_POOL_H
#define CA_BASE_POOL_H

#include "base/base.h"
#include "base/lock.h"

/* [P1] base < committed <= low <= end */
typedef struct ca_store {
    char *base;      /* at a page boundary; its first page is never used, so that no number is 0 */
    char *low;       /* pages from here on belong to pools */
    char *committed; /* pages from here on may be touched */
    char *end;
    char *side;      /* a parallel array, committed with the store; or NULL */
    uint32_t side_page; /* its bytes for a page of the store */
    ca_lock lock;
} ca_store;

typedef struct ca_pool {
    char *base;      /* the store's */
    uint32_t record; /* bytes */
    uint32_t fresh;  /* the next record of the pool's newest pages, */
    uint32_t end;    /* up to here */
    uint32_t pages;  /* taken at once: one, if it holds a whole number of records */
    uint32_t free;   /* head of the list of records given back, 0: none */
    ca_store *store;
    ca_lock lock;
} ca_pool;

/* `range` (and `side`) is reserved; its last `committed` bytes are committed, too, with their part of `side`. */
void ca_store_init(ca_store *store, void *range, size_t bytes, size_t committed, void *side, uint32_t side_page);
void ca_pool_init(ca_pool *pool, ca_store *store, uint32_t record);
/* What every process needs can share pages: `bytes` at the store's end, committed, are the caller's, and a pool is given its first records there.  At start, before anything was taken.
 * pre: `first` is a multiple of the record's size from the store's base */
void ca_store_cut(ca_store *store, size_t bytes);
void ca_pool_begin(ca_pool *pool, const char *first, uint32_t count);

/* At least `bytes` are committed that no pool has yet; false: no memory. */
bool ca_store_spare(ca_store *store, size_t bytes);

/* One record, 0: no memory. */
uint32_t ca_pool_take(ca_pool *pool);
/* Up to `wanted` records linked by their first word (0 ends), fewer when more would take another page or memory is short; 0: none. */
uint32_t ca_pool_take_list(ca_pool *pool, uint32_t wanted);
/* Gives back a list linked by the first words. */
void ca_pool_give_list(ca_pool *pool, uint32_t first, uint32_t last);
/* The same for the list that starts at *head, of any length; it is empty then. */
void ca_pool_give_chain(ca_pool *pool, uint32_t *head);

/* For a pool whose size of records the caller knows: no multiplication by what lies in memory. */
CA_INLINE void *ca_pool_at_sized(const ca_pool *pool, uint32_t number, uint32_t record)
{
    return pool->base + (size_t)number * record;
}

CA_INLINE void *ca_pool_at(const ca_pool *pool, uint32_t number)
{
    return pool->base + (size_t)number * pool->record;
}

/* Whether there can be such a record: it may be read. Any thread. */
CA_INLINE bool ca_pool_has(const ca_pool *pool, uint32_t number)
{
    const char *p = ca_pool_at(pool, number);
    return p >= CA_LOAD(&pool->store->committed) && p < pool->store->end;
}

/* The link of a record that is in a list. */
CA_INLINE uint32_t *ca_pool_link(const ca_pool *pool, uint32_t number)
{
    return (uint32_t *)ca_pool_at(pool, number);
}

#endif
