/* Blocks that one thread allocates and another frees: one way (producer and consumer), and both ways at once.
 *
 * Blocks travel in batches through a ring that has one writer and one reader, so that the ring costs little and the
 * allocator's handling of foreign frees is what is measured.
 */
#include "bench.h"

#include <sched.h>
#include <stdatomic.h>

enum { RING_BATCHES = 64, BATCH_ROOM = 128 };

struct batch {
	size_t count;
	void *blocks[BATCH_ROOM];
};

/* written - read <= RING_BATCHES; the writer alone stores `written`, the reader alone `read`; lines of their own. */
struct ring {
	_Alignas(64) atomic_size_t written;
	_Alignas(64) atomic_size_t read;
	_Alignas(64) struct batch batches[RING_BATCHES];
};

struct side {
	const struct bench_case *self;
	struct ring *out, *in; /* either may be absent */
	uint64_t batches;      /* to send, and as many to receive */
	uint64_t seed;
};

static int ring_put(struct ring *ring, struct bench_random *random, const struct bench_case *self)
{
	size_t written = atomic_load_explicit(&ring->written, memory_order_relaxed);
	struct batch *batch = &ring->batches[written % RING_BATCHES];

	if (written - atomic_load_explicit(&ring->read, memory_order_acquire) == RING_BATCHES)
		return 0;
	batch->count = self->live < BATCH_ROOM ? self->live : BATCH_ROOM;
	for (size_t i = 0; i < batch->count; i++)
		batch->blocks[i] = bench_malloc(bench_random_size(random, self));
	atomic_store_explicit(&ring->written, written + 1, memory_order_release);
	return 1;
}

static int ring_take(struct ring *ring)
{
	size_t read = atomic_load_explicit(&ring->read, memory_order_relaxed);
	struct batch *batch = &ring->batches[read % RING_BATCHES];

	if (atomic_load_explicit(&ring->written, memory_order_acquire) == read)
		return 0;
	for (size_t i = 0; i < batch->count; i++) {
		bench_require(*(unsigned char *)batch->blocks[i] == 0x5a, "a block arrives as it was written");
		free(batch->blocks[i]);
	}
	atomic_store_explicit(&ring->read, read + 1, memory_order_release);
	return 1;
}

static void *run_side(void *argument)
{
	struct side *side = argument;
	struct bench_random random = bench_random_seed(side->seed);
	uint64_t to_send = side->out ? side->batches : 0;
	uint64_t to_receive = side->in ? side->batches : 0;

	while (to_send || to_receive) {
		int moved = 0;

		if (to_send && ring_put(side->out, &random, side->self)) {
			to_send--;
			moved = 1;
		}
		if (to_receive && ring_take(side->in)) {
			to_receive--;
			moved = 1;
		}
		if (!moved)
			sched_yield(); /* there may be fewer CPUs than threads */
	}
	return NULL;
}

static void run_both(struct side sides[2])
{
	pthread_t threads[2];

	for (int i = 0; i < 2; i++)
		bench_start(&threads[i], run_side, &sides[i]);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
}

void bench_producer(const struct bench_case *self, double scale)
{
	static struct ring ring;
	uint64_t batches = bench_steps(self, scale) / self->live + 1;
	struct side sides[2] = {
		{ self, &ring, NULL, batches, 11 },
		{ self, NULL, &ring, batches, 12 },
	};

	run_both(sides);
}

void bench_exchange(const struct bench_case *self, double scale)
{
	static struct ring rings[2];
	uint64_t batches = bench_steps(self, scale) / self->live + 1;
	struct side sides[2] = {
		{ self, &rings[0], &rings[1], batches, 13 },
		{ self, &rings[1], &rings[0], batches, 14 },
	};

	run_both(sides);
}
