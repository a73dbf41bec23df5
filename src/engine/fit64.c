/* ctxalloc_fit64: 64-bit offsets and sizes. */
#include "ctxalloc/fit.h"

typedef uint64_t unit;
typedef struct ctxalloc_fit64 fit;
typedef ctxalloc_fit64_block fit_block;
#define fit_struct ctxalloc_fit64
#define FIT(name) ctxalloc_fit64_##name
#define UNIT_MAX UINT64_MAX
#define FIT_MOST_CAPACITY (CTXALLOC_NONE - 1)

#include "engine/fit_calls.h"
