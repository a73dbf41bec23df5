/* ickk/orderly-allocator, where the machine has its source and a Rust compiler: bench/engines/run builds orderly.rs with it. */
#include "adapter.h"

void *bench_orderly_new(uint32_t capacity);
uint64_t bench_orderly_alloc(void *it, uint32_t size);
void bench_orderly_free(void *it, uint64_t block);

ADAPTER_DEFINE(uint64_t, void, bench_orderly_new((uint32_t)capacity), bench_orderly_alloc(it, size), bench_orderly_free(it, *block), (void)it)

const struct adapter adapter = { "orderly-allocator", "491 756 897", UINT32_MAX, adapter_make, adapter_steps, adapter_drop };
