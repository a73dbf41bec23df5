/* sebbbi/OffsetAllocator, where the machine has its source: bench/engines/run builds this with it. */
#include "offsetAllocator.hpp"

#include "adapter.h"

using OffsetAllocator::Allocation;
using OffsetAllocator::Allocator;

/* Twice as many nodes as blocks: it has none on top for free ranges. */
ADAPTER_DEFINE(Allocation, Allocator, new Allocator((uint32_t)capacity, 2 * live + 8), it->allocate(size), it->free(*block), delete it)

extern "C" const struct adapter adapter = { "OffsetAllocator", "42 61 249", UINT32_MAX, adapter_make, adapter_steps, adapter_drop };
