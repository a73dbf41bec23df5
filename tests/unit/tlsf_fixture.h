/* A TLSF over an array of nodes, as small as a test wants it. fixture_copy makes an independent second
 * instance in the same state. */
#ifndef TESTS_UNIT_TLSF_FIXTURE_H
#define TESTS_UNIT_TLSF_FIXTURE_H

#include <string.h>

#include "engine/tlsf.h"

enum { FIXTURE_NODES = 64 };

typedef struct fixture {
    ca_tlsf tlsf;
    ca_tlsf_node nodes[FIXTURE_NODES];
    uint32_t marks[FIXTURE_NODES];
    ca_node bins[CA_BIN_COUNT];
    uint64_t second[CA_TLSF_WORDS(CA_BIN_FIRST_LEVELS)];
} fixture;

/* count < FIXTURE_NODES */
static inline void fixture_init(fixture *f, uint32_t count)
{
    memset(f, 0, sizeof *f);
    ca_tlsf_init(&f->tlsf, f->nodes, f->marks, f->bins, f->second, CA_BIN_FIRST_LEVELS);
    ca_tlsf_give_nodes(&f->tlsf, 1, count);
}

static inline void fixture_copy(fixture *to, const fixture *from)
{
    memcpy(to, from, sizeof *to);
    to->tlsf.nodes = to->nodes;
    to->tlsf.marks = to->marks;
    to->tlsf.bins = to->bins;
    to->tlsf.second = to->second;
}

static inline bool fixture_is_valid(const fixture *f)
{
    int which;
    return ca_tlsf_is_valid(&f->tlsf, &which);
}

#endif
