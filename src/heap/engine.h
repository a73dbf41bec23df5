/* Engines of contexts: how blocks come and go in a context that is no full heap (heap/heap.h, which is called directly).
 *
 * A table of functions for each kind.  The pages of an engine have tags of their own, between CA_TAG_ENGINES and CA_TAG_LARGE, so that a block's tag says whether
 * an engine answers for it; huge blocks and those of the annex are not the engine's affair.
 *
 * Owner of a context: who has it current, or holds it by ca_context_try.
 */
#ifndef CA_HEAP_ENGINE_H
#define CA_HEAP_ENGINE_H

#include "heap/class.h"
#include "source/region.h"

struct ca_area;
struct ca_context;

typedef struct ca_engine {
    /* --- the owner's --- */
    /* NULL: no memory, or the account refuses. size + align <= CA_MAX_SIZE; align: a power of two. */
    void *(*alloc)(struct ca_context *context, size_t size, size_t align);
    /* In place or not at all. */
    bool (*resize)(struct ca_context *context, void *p, size_t size);
    /* Gives back what is unused and cheap to find; a request was refused. */
    void (*trim)(struct ca_context *context);
    /* All blocks cease to be. keep: memory stays for what comes next, where that is cheap. `dead`: what the entries of pages that go hold from now on. */
    void (*drop)(struct ca_context *context, uint32_t dead, bool keep);
    /* What is left of its memory goes. pre: dropped, not kept */
    void (*retire)(struct ca_context *context, uint32_t dead);
    /* Marks; NULL: there are none. The number of a new one, 0: no memory / back to it; false: there is no such mark. */
    uint64_t (*mark)(struct ca_context *context);
    bool (*rollback)(struct ca_context *context, uint64_t mark);

    /* --- any thread that holds the block --- */
    /* false: it was not live. mine: the caller is the owner. */
    bool (*free)(struct ca_context *context, void *p, bool mine);
    /* Bytes of the block that starts at p. */
    size_t (*size)(const struct ca_context *context, const void *p);

    /* --- any thread, for any address in a page of the engine --- */
    bool (*is_live)(const struct ca_context *context, const void *p);
    /* The start of the block that p lies in, live or not; NULL: none. */
    const void *(*start)(const struct ca_context *context, const void *p);
    /* p is where a block was that was taken back. */
    bool (*was_block)(const struct ca_context *context, const void *p);

    /* --- any thread; exact while nobody allocates or frees --- */
    bool (*is_empty)(const struct ca_context *context);
    /* Live blocks, and the bytes they may use. */
    void (*count)(const struct ca_context *context, uint64_t *blocks, uint64_t *bytes);
    /* Calls fn for the live blocks until it says false; whether it never did. */
    bool (*walk)(struct ca_context *context, bool (*fn)(const void *block, size_t size, void *argument), void *argument);
    /* One chunk (heap/chunk.h), 0: the piece. false: nothing in it is live. Exact in so far as blocks that nobody frees meanwhile are in it, with their sizes. */
    bool (*area)(const struct ca_context *context, uint32_t chunk, struct ca_area *area);
} ca_engine;

/* Of contexts of a kind of enum ca_target_kind; NULL: they have a heap. */
const ca_engine *ca_engine_of(uint32_t kind);

/* An engine answers for blocks in pages with this tag. */
CA_INLINE bool ca_tag_is_engine(uint32_t tag)
{
    return tag - CA_TAG_ENGINES < (uint32_t)(CA_TAG_LARGE - CA_TAG_ENGINES);
}

/* The number of the context that a page with such a tag belongs to, at p; 0: none. */
uint32_t ca_engine_owner(ca_page page, uint32_t tag, const void *p);

#endif
