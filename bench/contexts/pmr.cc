/* std::pmr::monotonic_buffer_resource over new and delete. */
#include <memory_resource>
#include <new>

typedef struct {
	alignas(std::pmr::monotonic_buffer_resource) unsigned char bytes[sizeof(std::pmr::monotonic_buffer_resource)];
} peer;

#define PEER_VARIANTS "monotonic"
#define PEER_SWITCH 0

static void peer_begin(int)
{
}

static inline std::pmr::monotonic_buffer_resource *resource(peer *p)
{
	return std::launder(reinterpret_cast<std::pmr::monotonic_buffer_resource *>(p->bytes));
}

static inline bool peer_create(peer *p)
{
	new (p->bytes) std::pmr::monotonic_buffer_resource(std::pmr::new_delete_resource());
	return true;
}

static inline void *peer_alloc(peer *p, size_t bytes)
{
	return resource(p)->allocate(bytes);
}

static inline void peer_destroy(peer *p)
{
	resource(p)->~monotonic_buffer_resource();
}

#include "bench/contexts/scenarios.h"
