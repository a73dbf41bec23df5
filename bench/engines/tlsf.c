#include "ctxalloc/tlsf.h"

#include "adapter.h"

ADAPTER_DEFINE(ctxalloc_block, ctxalloc_tlsf, ctxalloc_tlsf_create(capacity, live), ctxalloc_tlsf_alloc(it, size),
	       (void)ctxalloc_tlsf_free(it, *block), ctxalloc_tlsf_destroy(it))

const struct adapter adapter_tlsf = { "tlsf", "", UINT32_MAX, adapter_make, adapter_steps, adapter_drop };
