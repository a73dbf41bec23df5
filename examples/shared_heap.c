/* Two processes on one heap in shared memory: the parent makes strings, the child takes them out of a list, measures and frees them, and adds its answers.
 *
 * The memory has no name; the child gets it by its descriptor, and maps it where it likes: places in it are offsets.  The list is a stack of blocks
 * whose head is a root block; the heap has a lock of its own for malloc and free, what the program builds in it is the program's to guard: here one word, by compare-and-swap.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ctxalloc.h>

enum { STRINGS = 10000 };

typedef struct message {
    uint64_t next; /* offset */
    char text[];
} message;

typedef struct mailbox {
    uint64_t first;    /* offset of a message; all are taken at once */
    uint64_t messages, bytes; /* what the child has seen */
} mailbox;

static void message_send(ctxalloc_context *heap, mailbox *box, const char *text)
{
    message *m = ctxalloc_malloc(heap, sizeof *m + strlen(text) + 1);
    if (!m)
        abort();
    strcpy(m->text, text);
    m->next = __atomic_load_n(&box->first, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(&box->first, &m->next, ctxalloc_offset(heap, m), true, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
        ;
}

static int child_run(int fd)
{
    ctxalloc_file_options o = {.size = sizeof o, .flags = CTXALLOC_FILE_SHARED};
    ctxalloc_context *heap = ctxalloc_open_fd(fd, &o);
    if (!heap)
        return 1;
    mailbox *box = ctxalloc_root_get(heap, "mailbox");
    while (box->messages < STRINGS) {
        message *m = ctxalloc_ptr(heap, __atomic_exchange_n(&box->first, 0, __ATOMIC_ACQUIRE));
        while (m) {
            message *next = ctxalloc_ptr(heap, m->next);
            box->bytes += strlen(m->text);
            box->messages++;
            free(m); /* the block knows which heap it is of */
            m = next;
        }
    }
    char *answer = ctxalloc_strdup(heap, "all read");
    return !answer || ctxalloc_root_set(heap, "answer", answer) || ctxalloc_close(heap);
}

int main(void)
{
    ctxalloc_context *heap = ctxalloc_open_shared(NULL, NULL);
    mailbox *box = heap ? ctxalloc_calloc(heap, 1, sizeof *box) : NULL;
    if (!box || ctxalloc_root_set(heap, "mailbox", box)) {
        fprintf(stderr, "no shared heap: %s\n", strerror(errno));
        return 1;
    }
    pid_t child = fork();
    if (child == 0)
        _exit(child_run(ctxalloc_file_fd(heap)));
    uint64_t bytes = 0;
    for (int i = 0; i < STRINGS; i++) {
        char text[64];
        bytes += (uint64_t)snprintf(text, sizeof text, "string number %d", i);
        message_send(heap, box, text);
    }
    int status;
    if (waitpid(child, &status, 0) != child || status != 0)
        return 1;
    ctxalloc_usage_t u;
    const char *answer = ctxalloc_root_get(heap, "answer");
    bool right = answer && !strcmp(answer, "all read") && box->messages == STRINGS && box->bytes == bytes && ctxalloc_usage(heap, &u) && u.live_blocks == 2;
    printf("%d strings, %llu bytes, went through one heap: %s\n", STRINGS, (unsigned long long)box->bytes, right ? "right" : "wrong");
    return ctxalloc_close(heap) || !right;
}
