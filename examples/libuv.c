/* libuv on a context: what the event loop itself allocates is counted, limited and told apart from what the handlers do.
 *
 *     cc libuv.c $(pkg-config --cflags --libs ctxalloc libuv)
 */
#include <string.h>
#include <unistd.h>

#include <uv.h>

#include <ctxalloc.h>

#include "must.h"

static ctxalloc_context *loops; /* uv_replace_allocator has no argument for it: one for the process */

static void *loops_malloc(size_t size) { return ctxalloc_malloc(loops, size); }
static void *loops_calloc(size_t count, size_t size) { return ctxalloc_calloc(loops, count, size); }
static void *loops_realloc(void *p, size_t size) { return ctxalloc_realloc(loops, p, size); }

enum { MESSAGES = 200, LONG_PATH = 16 << 20 };
static uv_pipe_t here, there;
static uv_timer_t timer;
static int received, written, ticks, opened;

static void read_buffer(uv_handle_t *h, size_t wanted, uv_buf_t *buffer) {
    (void)h;
    *buffer = uv_buf_init(malloc(wanted), (unsigned)wanted); /* the program's, not the loop's */
    MUST(ctxalloc_owner(buffer->base) == CTXALLOC_GLOBAL);
}

static void on_read(uv_stream_t *s, ssize_t count, const uv_buf_t *buffer) {
    MUST(count > 0);
    received += (int)count;
    free(buffer->base);
    if (received < MESSAGES * 8)
        return;
    uv_close((uv_handle_t *)s, NULL);
    uv_close((uv_handle_t *)&here, NULL);
    uv_close((uv_handle_t *)&timer, NULL);
}

static void on_write(uv_write_t *w, int status) {
    MUST(!status);
    written++;
    free(w);
}

static void on_open(uv_fs_t *f) {
    MUST(f->result >= 0);
    opened++;
    close((int)f->result);
    uv_fs_req_cleanup(f);
    free(f);
}

/* More than four pieces: libuv keeps the list in a block of its own. And a file opened by its threads, whose path it copies. */
static void on_tick(uv_timer_t *t) {
    uv_buf_t pieces[8];
    static char byte[] = "x";
    if (ticks++ >= MESSAGES) {
        uv_timer_stop(t);
        return;
    }
    for (int i = 0; i < 8; i++)
        pieces[i] = uv_buf_init(byte, 1);
    MUST(!uv_write(malloc(sizeof(uv_write_t)), (uv_stream_t *)&here, pieces, 8, on_write));
    if (ticks % 10 == 0)
        MUST(!uv_fs_open(t->loop, malloc(sizeof(uv_fs_t)), "/dev/null", 0, 0, on_open));
}

static uint64_t blocks(void) {
    ctxalloc_usage_t usage;
    MUST(ctxalloc_usage(loops, &usage));
    return usage.live_blocks;
}

int main(void) {
    ctxalloc_options o = {.size = sizeof o, .name = "libuv", .hard_limit = 8 << 20, .escape = CTXALLOC_REFUSE};
    MUST((loops = ctxalloc_create(&o)) != NULL);
    MUST(!uv_replace_allocator(loops_malloc, loops_realloc, loops_calloc, free)); /* before anything else of libuv */

    uv_loop_t loop;
    uv_os_sock_t pair[2];
    MUST(!uv_loop_init(&loop) && blocks() > 0);
    MUST(!uv_socketpair(SOCK_STREAM, 0, pair, UV_NONBLOCK_PIPE, UV_NONBLOCK_PIPE));
    MUST(!uv_pipe_init(&loop, &here, 0) && !uv_pipe_open(&here, pair[0]) && !uv_pipe_init(&loop, &there, 0) && !uv_pipe_open(&there, pair[1]));
    MUST(!uv_read_start((uv_stream_t *)&there, read_buffer, on_read));
    MUST(!uv_timer_init(&loop, &timer) && !uv_timer_start(&timer, on_tick, 0, 1));

    /* A path of 16 MiB does not fit, and libuv says so. */
    char *path = malloc(LONG_PATH + 1);
    uv_fs_t request;
    MUST(path && memset(path, 'x', LONG_PATH));
    path[LONG_PATH] = '\0';
    MUST(uv_fs_open(&loop, &request, path, 0, 0, on_open) == UV_ENOMEM);
    free(path);

    MUST(!uv_run(&loop, UV_RUN_DEFAULT));
    MUST(received == MESSAGES * 8 && written == MESSAGES && opened == MESSAGES / 10);
    MUST(!uv_loop_close(&loop));
    uv_library_shutdown();
    MUST(!ctxalloc_destroy(loops)); /* EBUSY, were anything left */
    puts("a request beyond the limit: ENOMEM; 200 messages and 20 files; nothing left at the end");
    return 0;
}
