#include "ctxalloc/tlsf.h"

typedef uint16_t node_index; /* as in engine/tlsf16.c */
typedef struct ctxalloc_tlsf16 tlsf;
#define tlsf_struct ctxalloc_tlsf16
#define TLSF(name) ctxalloc_tlsf16_##name
#define USED_IN_NEXT 0
#define HIGH_HALVES 0

#define CANONICAL canonical_tlsf16
#include "tests/engine/canonical_tlsf.h"
