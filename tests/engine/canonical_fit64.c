#include "ctxalloc/fit.h"

typedef uint64_t unit; /* as in engine/fit64.c */
typedef struct ctxalloc_fit64 fit;
#define fit_struct ctxalloc_fit64
#define FIT(name) ctxalloc_fit64_##name
#define UNIT_MAX UINT64_MAX

#define CANONICAL canonical_fit64
#include "tests/engine/canonical_fit.h"
