/* The widths of ctxalloc_fit: 32-bit offsets and sizes. */
#ifndef CA_ENGINE_FIT32_H
#define CA_ENGINE_FIT32_H

#include "ctxalloc/fit.h"

typedef uint32_t unit; /* an offset or a size */
typedef struct ctxalloc_fit fit;
typedef ctxalloc_fit_block fit_block;
#define fit_struct ctxalloc_fit
#define FIT(name) ctxalloc_fit_##name
#define UNIT_MAX UINT32_MAX
#define FIT_MOST_CAPACITY UINT32_MAX

#endif
