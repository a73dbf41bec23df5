/* ctxalloc_tlsf16: 16-bit nodes of 12 bytes, half as much metadata, for at most 32,766 blocks in a space of up to 2^32 - 1 units. */
#include "ctxalloc/tlsf.h"

typedef uint16_t node_index;
typedef struct ctxalloc_tlsf16 tlsf;
#define tlsf_struct ctxalloc_tlsf16
#define TLSF(name) ctxalloc_tlsf16_##name
#define USED_IN_NEXT 0
#define HIGH_HALVES 0
#define TLSF_MOST_NODES 0xffffULL
#define TLSF_MOST_CAPACITY UINT32_MAX

#include "engine/tlsf_calls.h"
