/* N4, N10: killed at every instruction.  A child works on a heap and is single-stepped: after each of its instructions, what lies in the file is a valid heap that has all
 * blocks and the root which it should have.  A kill is the end of that child between two instructions, so this is every kill there can be.
 * Then: a process is killed that holds the lock and has left index and control in ruins; the next one that takes it makes them anew. */
#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "base/os.h"
#include "heap/stored.h"
#include "tests/stored/stored.h"

enum { BLOCKS = 40 };

static struct journal {
    uint64_t offsets[BLOCKS], roots[2]; /* 0: none, or may be there or not; roots: one of them */
    uint32_t running;
} *journal;

static char path[64], why[CA_STORED_WHY];

static ca_stored *heap_open(uint32_t flags)
{
    int error;
    ca_stored *h = ca_stored_open(&(ca_stored_settings){.path = path, .fd = -1, .flags = flags, .mode = 0600, .reserve = 64 << 20, .why = why}, &error);
    if (!h)
        fprintf(stderr, "%s: %s (%s)\n", path, strerror(error), why);
    REQUIRE(h);
    return h;
}

/* --- the child ------------------------------------------------------------------------------------------------------ */

static void block_make(ca_stored *h, int i, size_t size, size_t align)
{
    char *p = ca_stored_alloc(h, size, align);
    REQUIRE(p);
    CA_STORE_RELEASE(&journal->offsets[i], (uint64_t)(p - h->file.base));
}

static void block_drop(ca_stored *h, int i)
{
    char *p = h->file.base + journal->offsets[i];
    CA_STORE_RELEASE(&journal->offsets[i], 0);
    ca_stored_free(h, p, "free");
}

static void block_change(ca_stored *h, int i, size_t size)
{
    char *p = h->file.base + journal->offsets[i];
    CA_STORE_RELEASE(&journal->offsets[i], 0);
    char *q = ca_stored_realloc(h, p, size);
    REQUIRE(q);
    CA_STORE_RELEASE(&journal->offsets[i], (uint64_t)(q - h->file.base));
}

/* Resized where it is: there all the time. */
static void block_stretch(ca_stored *h, int i, size_t size)
{
    REQUIRE(ca_stored_resize(h, h->file.base + journal->offsets[i], size));
}

static void root_change(ca_stored *h, const char *name, int i)
{
    uint64_t to = i < 0 ? 0 : journal->offsets[i];
    CA_STORE_RELEASE(&journal->roots[1], to);
    REQUIRE(ca_stored_root_set(h, name, to) == 0);
    CA_STORE_RELEASE(&journal->roots[0], to);
}

static void work(ca_stored *h)
{
    for (int i = 0; i < 12; i++)
        block_make(h, i, 700, CA_GRANULE); /* more than a slab */
    block_make(h, 20, 20000, CA_GRANULE);
    block_make(h, 21, 9000, 16384);
    block_make(h, 22, 300000, CA_GRANULE); /* the file grows */
    root_change(h, "root", 3);
    block_make(h, 12, 80000, CA_GRANULE);
    block_make(h, 13, 80000, CA_GRANULE);
    block_drop(h, 13);
    block_stretch(h, 12, 120000); /* into what was another block's */
    block_stretch(h, 22, 100000);
    block_stretch(h, 22, 200000);
    block_change(h, 5, 2000);
    block_change(h, 5, 30);
    for (int i = 0; i < 8; i++)
        if (i != 3)
            block_drop(h, i);
    root_change(h, "root", 20);
    REQUIRE(ca_stored_sync(h) == 0);
    block_drop(h, 22);
    block_drop(h, 8);
    block_make(h, 23, 250000, CA_GRANULE);
    for (int i = 24; i < 36; i++)
        block_make(h, i, 700, CA_GRANULE);
    for (int i = 9; i < 12; i++)
        block_drop(h, i);
    REQUIRE(ca_stored_sync(h) == 0);
    root_change(h, "root", -1);
    block_make(h, 36, 2 << 20, CA_GRANULE);
    block_make(h, 37, 3 << 20, CA_GRANULE); /* the next segment */
    block_drop(h, 36);
    block_drop(h, 3);
}

static void child_run(void)
{
    ca_stored *h = heap_open(0);
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
        _exit(77);
    CA_STORE_RELEASE(&journal->running, 1);
    raise(SIGSTOP);
    work(h);
    CA_STORE_RELEASE(&journal->running, 0);
    _exit(0);
}

/* --- who looks after each step ---------------------------------------------------------------------------------------- */

static void heap_look(ca_stored *view, uint64_t step)
{
    ca_stored_fault f;
    uint64_t bytes;
    REQUIRE(ca_os_file_size(view->file.fd, &bytes) == 0);
    bool valid = ca_stored_is_valid(view->file.base, bytes, CA_STORED_LIVE, &f);
    if (!valid)
        fprintf(stderr, "after %llu steps: F%d at page %u\n", (unsigned long long)step, f.which, f.page);
    REQUIRE(valid);
    for (int i = 0; i < BLOCKS; i++)
        if (journal->offsets[i])
            REQUIRE(ca_stored_inspect(view, view->file.base + journal->offsets[i]).what == CA_STORED_IS_LIVE);
    uint64_t root = ca_stored_root_get(view, "root");
    REQUIRE(root == journal->roots[0] || root == journal->roots[1]);
}

static int every_step(void)
{
    int status;
    uint64_t steps = 0;
    ca_stored *made = heap_open(CA_STORED_NEW);
    REQUIRE(ca_stored_close(made) == 0);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0)
        child_run();
    REQUIRE(waitpid(child, &status, 0) == child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
        fprintf(stderr, "skipped: no process may be traced here\n");
        return 77;
    }
    REQUIRE(WIFSTOPPED(status));
    ca_stored view = {.file = {.fd = ca_os_file_open(path, 0, 0)}, .flags = CA_STORED_READ_ONLY};
    REQUIRE(view.file.fd >= 0 && ca_file_map(&view.file, NULL, 64 << 20, 64 << 20) == 0);
    for (;; steps++) {
        REQUIRE(ptrace(PTRACE_SINGLESTEP, child, NULL, NULL) == 0 && waitpid(child, &status, 0) == child);
        if (!WIFSTOPPED(status))
            break;
        REQUIRE(WSTOPSIG(status) == SIGTRAP);
        heap_look(&view, steps);
    }
    REQUIRE(WIFEXITED(status) && WEXITSTATUS(status) == 0 && !journal->running && steps > 20000);
    ca_file_close(&view.file);
    printf("a valid heap after each of %llu instructions\n", (unsigned long long)steps);
    return 0;
}

/* --- the lock's holder is killed ---------------------------------------------------------------------------------------- */

static void holder_is_killed(void)
{
    int status, which;
    uint64_t state = 42;
    char *blocks[200];
    ca_stored *h = heap_open(CA_STORED_CREATE | CA_STORED_SHARED);
    for (int i = 0; i < 200; i++)
        REQUIRE((blocks[i] = ca_stored_alloc(h, random_size(&state), CA_GRANULE)) != NULL);
    for (int i = 0; i < 200; i += 3)
        ca_stored_free(h, blocks[i], "free");
    REQUIRE(ca_stored_sync(h) == 0);
    ca_stored_usage before = ca_stored_get_usage(h);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        ca_stored_control *c = ca_stored_control_of(h->file.base);
        REQUIRE(ca_stored_take(h));
        for (uint32_t page = ca_stored_data(0); page < 300; page++)
            memset(ca_stored_index_at(h->file.base, page), 0x5a, sizeof(ca_stored_index));
        memset(c->bins, 0x5a, sizeof c->bins);
        memset(c->room, 0x5a, sizeof c->room);
        c->blocks = c->sequence = c->held = c->touched = 0x5a5a5aU;
        raise(SIGKILL);
    }
    REQUIRE(waitpid(child, &status, 0) == child && WIFSIGNALED(status));
    REQUIRE(ca_stored_take(h));
    REQUIRE(ca_stored_index_is_valid(h, &which));
    ca_stored_drop(h);
    ca_stored_usage after = ca_stored_get_usage(h);
    REQUIRE(after.blocks == before.blocks && after.bytes == before.bytes);
    for (int i = 0; i < 200; i += 3)
        REQUIRE((blocks[i] = ca_stored_alloc(h, random_size(&state), CA_GRANULE)) != NULL);
    for (int i = 0; i < 200; i++)
        ca_stored_free(h, blocks[i], "free");
    REQUIRE(ca_stored_sync(h) == 0 && ca_stored_index_is_valid(h, &which) && ca_stored_get_usage(h).blocks == before.blocks - 133);
    REQUIRE(ca_stored_close(h) == 0);
}

int main(void)
{
    snprintf(path, sizeof path, "/dev/shm/steps-%d.heap", (int)getpid());
    (void)unlink(path); /* of a process that had this number, and failed */
    journal = mmap(NULL, sizeof *journal, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    REQUIRE(journal != MAP_FAILED);
    int status = every_step();
    holder_is_killed();
    (void)unlink(path);
    return status;
}
