/* The widths of ctxalloc_tlsf: 32-bit node numbers, 64-bit offsets. */
#ifndef CA_ENGINE_TLSF32_H
#define CA_ENGINE_TLSF32_H

#include "ctxalloc/tlsf.h"

typedef uint32_t node_index;
typedef struct ctxalloc_tlsf tlsf;
#define tlsf_struct ctxalloc_tlsf
#define TLSF(name) ctxalloc_tlsf_##name
#define USED_IN_NEXT 1
#define HIGH_HALVES 1
#define TLSF_MOST_NODES 0x7fffffffULL
#define TLSF_MOST_CAPACITY (CTXALLOC_NONE - 1)

#endif
