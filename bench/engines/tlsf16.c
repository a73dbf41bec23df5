#include "ctxalloc/tlsf.h"

#include "adapter.h"

ADAPTER_DEFINE(ctxalloc_block, ctxalloc_tlsf16, ctxalloc_tlsf16_create(capacity, live), ctxalloc_tlsf16_alloc(it, size),
	       (void)ctxalloc_tlsf16_free(it, *block), ctxalloc_tlsf16_destroy(it))

const struct adapter adapter_tlsf16 = { "tlsf16", "", 32766, adapter_make, adapter_steps, adapter_drop };
