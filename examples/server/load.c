/* Puts load on the server, and checks every answer: load PORT PID SECONDS [OVERSIZED_EVERY]
 *
 * Some connections at a time; each OVERSIZED_EVERY-th request (0: none) asks for more than the server's limit allows, and must be answered by 413, all others
 * by 200 and the right page.  Prints requests a second, and the server's resident memory after a fifth of the time and at the end.  It goes on for longer where
 * the machine is too busy for LEAST requests in that time.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "words.h"

enum { CONNECTIONS = 32, SIZES = 8, OVERSIZED_WORDS = 200000, ANSWER_MOST = 1 << 20, LEAST = 5000 };

/* Small pages and some larger ones; a POST for each odd one. */
static const unsigned long words_for[SIZES] = {5, 10, 20, 20, 50, 100, 200, 1000};
static struct page {
    char *text;
    size_t bytes;
} pages[SIZES];

typedef struct client {
    int fd;
    int asked; /* which size; -1: the oversized one */
    char *in;
    size_t used;
} client;

static client clients[CONNECTIONS];
static unsigned long asked, good, refused, wrong;
static unsigned long every;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void die(const char *what)
{
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void send_all(int fd, const char *text, size_t bytes)
{
    while (bytes) {
        ssize_t n = send(fd, text, bytes, MSG_NOSIGNAL);
        if (n <= 0)
            die("send");
        text += n;
        bytes -= (size_t)n;
    }
}

static void ask(client *c)
{
    char head[200];
    int n;
    asked++;
    c->used = 0;
    if (every && asked % every == 0) {
        c->asked = -1;
        n = snprintf(head, sizeof head, "GET /words?n=%d HTTP/1.1\r\nHost: example\r\n\r\n", OVERSIZED_WORDS);
        send_all(c->fd, head, (size_t)n);
        return;
    }
    c->asked = (int)(asked % SIZES);
    unsigned long words = words_for[c->asked];
    if (c->asked % 2 == 0) {
        n = snprintf(head, sizeof head, "GET /words?n=%lu HTTP/1.1\r\nHost: example\r\n\r\n", words);
        send_all(c->fd, head, (size_t)n);
        return;
    }
    /* the body: the words of the page in the order of their making */
    static char body[64 * 1024];
    size_t bytes = 0;
    for (unsigned long i = 0; i < words; i++)
        bytes += (size_t)snprintf(body + bytes, sizeof body - bytes, "word-%08lx%s", i * 2654435761UL & 0xffffffff, i % 9 ? " " : "\n");
    n = snprintf(head, sizeof head, "POST /words HTTP/1.1\r\nHost: example\r\nContent-Length: %zu\r\n\r\n", bytes);
    send_all(c->fd, head, (size_t)n);
    send_all(c->fd, body, bytes);
}

/* The whole answer is there: what it should be? */
static void check(client *c, int code, const char *body, size_t bytes)
{
    if (c->asked < 0) {
        if (code == 413 && bytes == 0)
            refused++;
        else
            wrong++;
        return;
    }
    const struct page *p = &pages[c->asked];
    if (code == 200 && bytes == p->bytes && !memcmp(body, p->text, bytes))
        good++;
    else
        wrong++;
}

/* Whether an answer was completed. */
static bool receive(client *c)
{
    ssize_t n = recv(c->fd, c->in + c->used, ANSWER_MOST - 1 - c->used, 0);
    if (n <= 0)
        die("the server closed a connection");
    c->used += (size_t)n;
    c->in[c->used] = '\0';
    char *end = strstr(c->in, "\r\n\r\n"), *length = strstr(c->in, "Content-Length: ");
    if (!end || !length)
        return false;
    size_t bytes = strtoul(length + 16, NULL, 10), head = (size_t)(end - c->in) + 4;
    if (c->used < head + bytes)
        return false;
    check(c, atoi(c->in + 9), c->in + head, c->used - head);
    return true;
}

static size_t resident_kib(const char *pid)
{
    char path[64], line[200];
    size_t kib = 0;
    snprintf(path, sizeof path, "/proc/%s/smaps_rollup", pid);
    FILE *f = fopen(path, "r");
    if (!f)
        die(path);
    while (fgets(line, sizeof line, f))
        if (sscanf(line, "Rss: %zu", &kib) == 1)
            break;
    fclose(f);
    return kib;
}

static int connect_to(unsigned port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address))
        die("connect");
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        fprintf(stderr, "usage: load PORT PID SECONDS [OVERSIZED_EVERY]\n");
        return 2;
    }
    struct pollfd polls[CONNECTIONS];
    double seconds = strtod(argv[3], NULL);
    every = argc > 4 ? strtoul(argv[4], NULL, 10) : 0;
    for (int i = 0; i < SIZES; i++)
        if (!words_made_up(words_for[i], &pages[i].text, &pages[i].bytes))
            die("memory");
    for (int i = 0; i < CONNECTIONS; i++) {
        clients[i] = (client){.fd = connect_to((unsigned)strtoul(argv[1], NULL, 10)), .in = malloc(ANSWER_MOST)};
        polls[i] = (struct pollfd){.fd = clients[i].fd, .events = POLLIN};
        if (!clients[i].in)
            die("memory");
    }
    double begin = now(), t = begin;
    size_t early = 0;
    int waiting = CONNECTIONS;
    for (int i = 0; i < CONNECTIONS; i++)
        ask(&clients[i]);
    while (waiting) {
        if (poll(polls, CONNECTIONS, 60000) <= 0)
            die("no answer for a minute");
        t = now();
        if (!early && t - begin > seconds / 5 && asked > LEAST / 5)
            early = resident_kib(argv[2]);
        for (int i = 0; i < CONNECTIONS; i++) {
            if (!(polls[i].revents & (POLLIN | POLLHUP | POLLERR)) || !receive(&clients[i]))
                continue;
            if (t - begin < seconds || asked < LEAST) {
                ask(&clients[i]);
            } else {
                polls[i].fd = -1;
                waiting--;
            }
        }
    }
    t = now() - begin;
    printf("asked %lu good %lu refused %lu wrong %lu per_second %.0f early_kib %zu late_kib %zu\n", asked, good, refused, wrong, (double)asked / t, early,
           resident_kib(argv[2]));
    return wrong != 0;
}
