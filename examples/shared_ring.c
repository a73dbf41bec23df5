/* Messages from one process to another through a ring in shared memory, without copies and without locks.
 *
 * The messages lie in blocks that both processes allocate and free; the ring carries their numbers. The two processes map the memory at different
 * addresses: a pool of blocks has none in it. The receiver keeps some messages for a while, and answers them out of order, which a ring
 * of the messages themselves could not do.
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ctxalloc.h>

enum { SLOTS = 64, MESSAGES = 100000, KEPT = 8, POOL_BYTES = 16384 };

typedef struct message {
    uint64_t number;
    unsigned length;
    unsigned char text[100];
} message;

typedef struct channel {
    _Alignas(64) unsigned char pool[POOL_BYTES]; /* first, since it wants a line of its own */
    _Alignas(64) uint64_t sent;                  /* written by the sender */
    _Alignas(64) uint64_t received;              /* written by the receiver */
    _Alignas(64) uint64_t ring[SLOTS];           /* numbers of blocks */
} channel;

static void require(int holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "shared_ring: %s\n", what);
        exit(1);
    }
}

static void send_all(channel *c)
{
    ctxalloc_blocks *pool = (ctxalloc_blocks *)(void *)c->pool;
    for (uint64_t i = 0; i < MESSAGES; i++) {
        message *m;
        while (!(m = ctxalloc_blocks_alloc(pool))) /* the receiver has them all */
            sched_yield();
        m->number = i;
        m->length = (unsigned)(i * 7 % sizeof m->text);
        memset(m->text, (int)(i % 256), m->length);
        while (i - __atomic_load_n(&c->received, __ATOMIC_ACQUIRE) == SLOTS)
            sched_yield();
        c->ring[i % SLOTS] = ctxalloc_blocks_index(pool, m);
        __atomic_store_n(&c->sent, i + 1, __ATOMIC_RELEASE);
    }
}

static void check(const message *m)
{
    require(m->length == m->number * 7 % sizeof m->text, "a message's length is wrong");
    for (unsigned i = 0; i < m->length; i++)
        require(m->text[i] == m->number % 256, "a message's text is wrong");
}

static void receive_all(channel *c)
{
    ctxalloc_blocks *pool = (ctxalloc_blocks *)(void *)c->pool;
    message *kept[KEPT] = {NULL};
    for (uint64_t i = 0; i < MESSAGES; i++) {
        while (__atomic_load_n(&c->sent, __ATOMIC_ACQUIRE) == i)
            sched_yield();
        message *m = ctxalloc_blocks_address(pool, c->ring[i % SLOTS]);
        __atomic_store_n(&c->received, i + 1, __ATOMIC_RELEASE);
        require(m && m->number == i, "a message is not the next");
        size_t place = (size_t)(i * i % KEPT);
        if (kept[place]) {
            check(kept[place]);
            require(ctxalloc_blocks_free(pool, kept[place]) == 0, "a message could not be freed");
        }
        kept[place] = m;
    }
    for (size_t i = 0; i < KEPT; i++)
        require(!kept[i] || ctxalloc_blocks_free(pool, kept[i]) == 0, "a message could not be freed");
}

int main(void)
{
    int file = memfd_create("channel", 0), status = 0, which;
    require(file >= 0 && ftruncate(file, sizeof(channel)) == 0, "there is no shared memory");
    channel *c = mmap(NULL, sizeof *c, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    require(c != MAP_FAILED, "the memory cannot be mapped");
    /* As many blocks as fit; fewer than the ring has places, so that the sender waits for blocks too. */
    uint64_t count = 48;
    require(ctxalloc_blocks_init_zeroed(c->pool, sizeof c->pool, sizeof(message), count, count) != NULL, "the pool is too small");
    pid_t child = fork();
    require(child >= 0, "there is no second process");
    if (!child) {
        channel *other = mmap(NULL, sizeof *other, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0); /* while c is there: elsewhere */
        require(other != MAP_FAILED && other != c, "the memory cannot be mapped again");
        munmap(c, sizeof *c);
        receive_all(other);
        _exit(0);
    }
    send_all(c);
    require(waitpid(child, &status, 0) == child && status == 0, "the receiver failed");
    const ctxalloc_blocks *pool = (const ctxalloc_blocks *)(const void *)c->pool;
    require(ctxalloc_blocks_live(pool) == 0 && ctxalloc_blocks_is_valid(pool, &which), "the pool is not as it was");
    printf("%d messages from process to process in %d blocks\n", MESSAGES, (int)count);
    return 0;
}
