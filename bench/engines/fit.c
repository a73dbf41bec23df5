#include "ctxalloc/fit.h"

#include "adapter.h"

ADAPTER_DEFINE(ctxalloc_fit_block, ctxalloc_fit, ctxalloc_fit_create(capacity, live), ctxalloc_fit_alloc(it, size),
	       (void)ctxalloc_fit_free(it, *block), ctxalloc_fit_destroy(it))

const struct adapter adapter_fit = { "fit", "", UINT32_MAX, adapter_make, adapter_steps, adapter_drop };
