/* One allocator under test: a name, and random replacement on it.  An adapter's object file or shared object defines `adapter`.
 *
 * The loop is compiled into each adapter, so that every allocator is called as directly as its users call it.  A step frees a random
 * block and allocates one of 1 to 1024 units.  The caller's own table of handles is prefetched one step ahead, for every allocator:
 * its cache misses are not the allocator's.
 */
#ifndef BENCH_ENGINES_ADAPTER_H
#define BENCH_ENGINES_ADAPTER_H

#include <stdint.h>
#include <stdlib.h>

struct adapter {
	const char *name;
	const char *figure; /* what figures of other machines call it */
	uint32_t most_live;
	void *(*make)(uint32_t live, uint64_t capacity);
	void (*steps)(void *self, uint64_t count);
	void (*drop)(void *self);
};

#ifdef __cplusplus
extern "C" {
#endif
extern const struct adapter adapter;
#ifdef __cplusplus
}
#endif

enum { ADAPTER_SIZES = 1024 };

static inline uint32_t adapter_random(uint64_t *state, uint32_t bound)
{
	uint64_t x = *state;

	*state = x * 6364136223846793005u + 1442695040888963407u;
	x ^= x >> 29;
	return (uint32_t)(((x >> 32) * bound) >> 32);
}

/* Defines adapter_make, adapter_steps and adapter_drop: HANDLE, INSTANCE * and three expressions. */
#define ADAPTER_DEFINE(HANDLE, INSTANCE, CREATE, ALLOC, FREE, DESTROY)                                  \
	struct adapter_self {                                                                           \
		INSTANCE *it;                                                                           \
		uint32_t live, next;                                                                    \
		uint64_t random;                                                                        \
		HANDLE *block;                                                                          \
	};                                                                                              \
	static void *adapter_make(uint32_t live, uint64_t capacity)                                     \
	{                                                                                               \
		struct adapter_self *self = (struct adapter_self *)calloc(1, sizeof *self);             \
		INSTANCE *it = CREATE;                                                                  \
		if (!self || !it)                                                                       \
			return NULL;                                                                    \
		self->it = it;                                                                          \
		self->live = live;                                                                      \
		self->random = 42;                                                                      \
		self->block = (HANDLE *)malloc(live * sizeof *self->block);                             \
		for (uint32_t i = 0; i < live; i++) {                                                   \
			uint32_t size = 1 + adapter_random(&self->random, ADAPTER_SIZES);               \
			self->block[i] = ALLOC;                                                         \
		}                                                                                       \
		return self;                                                                            \
	}                                                                                               \
	static void adapter_steps(void *data, uint64_t count)                                           \
	{                                                                                               \
		struct adapter_self *self = (struct adapter_self *)data;                                \
		INSTANCE *it = self->it;                                                                \
		for (uint64_t i = 0; i < count; i++) {                                                  \
			HANDLE *block = &self->block[self->next];                                       \
			self->next = adapter_random(&self->random, self->live);                         \
			__builtin_prefetch(&self->block[self->next], 1);                                \
			FREE;                                                                           \
			uint32_t size = 1 + adapter_random(&self->random, ADAPTER_SIZES);               \
			*block = ALLOC;                                                                 \
		}                                                                                       \
	}                                                                                               \
	static void adapter_drop(void *data)                                                            \
	{                                                                                               \
		struct adapter_self *self = (struct adapter_self *)data;                                \
		INSTANCE *it = self->it;                                                                \
		DESTROY;                                                                                \
		free(self->block);                                                                      \
		free(self);                                                                             \
	}

#endif
