/* A small HTTP server with a context for each request: what the handler and all the code below it allocate is the request's, is limited, and goes at once.
 *
 *   server [--plain] [--limit BYTES] [--port N]
 *
 * It prints "port N" and serves until SIGTERM, then prints what it did.  --plain: the same without contexts; everything is freed one by one, and there is no limit.
 *
 *   GET /words?n=N      a page of N words, made by code that knows nothing of contexts: strdup, getline, open_memstream, qsort
 *   POST /words         the same from the words of the body
 *
 * What there is to copy: `request_begin`, `request_end`, and how `handle` answers 413 when the context's limit was met.  The connection's own buffers live longer
 * than any request, so they are allocated outside, with no context current.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <ctxalloc.h>

#include "words.h"

enum { EVENTS = 64, HEAD_MOST = 4096, BODY_MOST = 64 << 20 };

static struct {
    bool plain;
    size_t limit;
    int poll;
    unsigned long requests, refused, other;
} server;

/* One connection: what was read of the next request, and what is still to be sent. Both are the connection's, not a request's. */
typedef struct connection {
    int fd;
    bool closing;
    char *in, *out;
    size_t in_used, in_size, out_used, out_sent;
} connection;

typedef struct request {
    size_t head, body; /* bytes */
    const char *at;    /* the body */
    unsigned long words;
    bool post;
} request;

/* --- a context for each request ------------------------------------------------------------------------------ */

/* From here on malloc is the request's. false: no memory. */
static bool request_begin(ctxalloc_context **context)
{
    *context = NULL;
    if (server.plain)
        return true;
    *context = ctxalloc_create(&(ctxalloc_options){.size = sizeof(ctxalloc_options), .name = "request", .lifetime = CTXALLOC_SHORT,
                                                   .hard_limit = server.limit});
    return *context && ctxalloc_switch(*context);
}

/* malloc is as before; all that the request has is gone. Whether its limit was met. */
static bool request_end(ctxalloc_context *context)
{
    ctxalloc_usage_t usage = {0};
    if (!context)
        return false;
    ctxalloc_switch(CTXALLOC_GLOBAL);
    (void)ctxalloc_usage(context, &usage);
    (void)ctxalloc_destroy(context);
    return usage.refusals > 0;
}

/* --- answers ------------------------------------------------------------------------------------------------------ */

static bool grow(char **buffer, size_t *size, size_t needed)
{
    size_t bytes = *size ? *size : 1024;
    while (bytes < needed)
        bytes *= 2;
    char *p = bytes > *size ? realloc(*buffer, bytes) : *buffer;
    if (!p)
        return false;
    *buffer = p;
    *size = bytes;
    return true;
}

static void answer(connection *c, int code, const char *reason, const char *text, size_t bytes)
{
    char head[160];
    int n = snprintf(head, sizeof head, "HTTP/1.1 %d %s\r\nContent-Length: %zu\r\n\r\n", code, reason, bytes);
    char *out = malloc((size_t)n + bytes);
    if (!out) {
        c->closing = true;
        return;
    }
    memcpy(out, head, (size_t)n);
    if (bytes)
        memcpy(out + n, text, bytes);
    c->out = out;
    c->out_used = (size_t)n + bytes;
    c->out_sent = 0;
}

static void handle(connection *c, const request *r)
{
    ctxalloc_context *context;
    char *page = NULL;
    size_t bytes = 0;
    server.requests++;
    bool made = request_begin(&context);
    if (made)
        made = r->post ? words_of_text(r->at, r->body, &page, &bytes) : words_made_up(r->words, &page, &bytes);
    /* The page is the request's: it is copied out before that ends, by an allocation outside. */
    ctxalloc_context *before = context ? ctxalloc_switch(CTXALLOC_GLOBAL) : NULL;
    if (made)
        answer(c, 200, "OK", page, bytes);
    if (before)
        (void)ctxalloc_switch(before);
    free(page); /* right whatever is current, and whoever's it is */
    bool refused = request_end(context);
    if (made)
        return;
    if (refused)
        server.refused++;
    else
        server.other++;
    answer(c, refused ? 413 : 503, refused ? "Content Too Large" : "Service Unavailable", NULL, 0);
}

/* --- requests ------------------------------------------------------------------------------------------------------- */

/* Whether there is a whole request in the buffer; -1: nonsense. */
static int parse(connection *c, request *r)
{
    c->in[c->in_used] = '\0';
    char *end = strstr(c->in, "\r\n\r\n");
    if (!end)
        return c->in_used > HEAD_MOST ? -1 : 0;
    memset(r, 0, sizeof *r);
    r->head = (size_t)(end - c->in) + 4;
    r->at = c->in + r->head;
    *end = '\0'; /* the searches below stay in the head */
    const char *length = strcasestr(c->in, "\r\nContent-Length:");
    r->body = length ? strtoul(length + 17, NULL, 10) : 0;
    r->post = !strncmp(c->in, "POST /words ", 12);
    bool get = !strncmp(c->in, "GET /words?n=", 13);
    if (get)
        r->words = strtoul(c->in + 13, NULL, 10);
    *end = '\r';
    if ((!r->post && !get) || r->body > BODY_MOST)
        return -1;
    return c->in_used >= r->head + r->body;
}

static void connection_close(connection *c)
{
    close(c->fd);
    free(c->in);
    free(c->out);
    free(c);
}

static void watch(connection *c, uint32_t events)
{
    (void)epoll_ctl(server.poll, EPOLL_CTL_MOD, c->fd, &(struct epoll_event){.events = events, .data.ptr = c});
}

/* What can be sent now is; false: the other side is gone. */
static bool flush_out(connection *c)
{
    while (c->out_sent < c->out_used) {
        ssize_t n = send(c->fd, c->out + c->out_sent, c->out_used - c->out_sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) {
            watch(c, EPOLLOUT);
            return true;
        }
        if (n < 0)
            return false;
        c->out_sent += (size_t)n;
    }
    free(c->out);
    c->out = NULL;
    c->out_used = c->out_sent = 0;
    watch(c, EPOLLIN);
    return !c->closing;
}

/* Requests one after the other, as long as whole ones are there and answers go out. */
static bool serve(connection *c)
{
    request r;
    int whole = 0;
    while (!c->out && c->in && (whole = parse(c, &r)) > 0) {
        handle(c, &r);
        c->in_used -= r.head + r.body;
        memmove(c->in, c->in + r.head + r.body, c->in_used);
        if (!flush_out(c))
            return false;
    }
    if (whole < 0) {
        c->closing = true;
        c->in_used = 0;
        answer(c, 400, "Bad Request", NULL, 0);
        return flush_out(c);
    }
    return true;
}

static bool fill_in(connection *c)
{
    for (;;) {
        if (!grow(&c->in, &c->in_size, c->in_used + 2048))
            return false;
        ssize_t n = recv(c->fd, c->in + c->in_used, c->in_size - c->in_used - 1, 0);
        if (n <= 0)
            return n < 0 && errno == EAGAIN;
        c->in_used += (size_t)n;
        if (c->in_used > BODY_MOST + HEAD_MOST)
            return false;
    }
}

static void on_event(connection *c, uint32_t events)
{
    bool good = true;
    if (events & EPOLLOUT)
        good = flush_out(c);
    else if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        good = fill_in(c);
    if (!good || !serve(c))
        connection_close(c);
}

/* --- the loop ---------------------------------------------------------------------------------------------------------- */

static void on_connect(int listener)
{
    int one = 1, fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    connection *c = fd >= 0 ? calloc(1, sizeof *c) : NULL;
    if (!c) {
        if (fd >= 0)
            close(fd);
        return;
    }
    c->fd = fd;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (epoll_ctl(server.poll, EPOLL_CTL_ADD, fd, &(struct epoll_event){.events = EPOLLIN, .data.ptr = c}))
        connection_close(c);
}

static int listen_at(unsigned port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) || bind(fd, (struct sockaddr *)&address, length) ||
        listen(fd, 128) || getsockname(fd, (struct sockaddr *)&address, &length)) {
        perror("server");
        exit(1);
    }
    printf("port %u\n", (unsigned)ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

static void loop(unsigned port)
{
    struct epoll_event events[EVENTS];
    sigset_t stop;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    sigprocmask(SIG_BLOCK, &stop, NULL);
    server.poll = epoll_create1(EPOLL_CLOEXEC);
    int listener = listen_at(port), signals = signalfd(-1, &stop, SFD_NONBLOCK | SFD_CLOEXEC);
    /* epoll's word for these two is the address of the variable; a connection's is its own. */
    if (server.poll < 0 || signals < 0 || epoll_ctl(server.poll, EPOLL_CTL_ADD, listener, &(struct epoll_event){.events = EPOLLIN, .data.ptr = &listener}) ||
        epoll_ctl(server.poll, EPOLL_CTL_ADD, signals, &(struct epoll_event){.events = EPOLLIN, .data.ptr = &signals})) {
        perror("server");
        exit(1);
    }
    for (;;) {
        int n = epoll_wait(server.poll, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr == &listener)
                on_connect(listener);
            else if (events[i].data.ptr == &signals)
                return;
            else
                on_event(events[i].data.ptr, events[i].events);
        }
        if (n < 0 && errno != EINTR)
            return;
    }
}

int main(int argc, char **argv)
{
    unsigned port = 0;
    server.limit = 1 << 20;
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--plain")) {
            server.plain = true;
        } else if (!strcmp(argv[i], "--limit") && i + 1 < argc) {
            server.limit = strtoul(argv[++i], NULL, 10);
        } else if (!strcmp(argv[i], "--port") && i + 1 < argc) {
            port = (unsigned)strtoul(argv[++i], NULL, 10);
        } else {
            fprintf(stderr, "usage: server [--plain] [--limit BYTES] [--port N]\n");
            return 2;
        }
    }
    loop(port);
    struct rusage used;
    (void)getrusage(RUSAGE_SELF, &used);
    double cpu = (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1e6 + (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
    printf("requests %lu refused %lu other %lu cpu_ns %.0f\n", server.requests, server.refused, server.other,
           server.requests ? cpu * 1000 / (double)server.requests : 0);
    return 0;
}
