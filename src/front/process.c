#include "front/process.h"

#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "base/lock.h"
#include "base/os.h"
#include "base/print.h"
#include "front/context.h"
#include "front/fast.h"
#include "front/front.h"
#include "front/full.h"
#include "heap/remote.h"
#include "source/numa.h"

extern int _IO_file_doallocate(void *stream); /* the C library's; never called here */

enum { NOT_STARTED, STARTED, FAILED };

static struct {
    ca_lock lock;
    uint32_t state;
    bool options_known;
} process;

ca_options ca_process_options;

/* The environment is not there yet when the dynamic loader makes the first call; the constructor below asks again then. */
static void options_read(char **environment)
{
    ca_options_default(&ca_process_options);
    static const char key[] = "CTXALLOC_OPTIONS=";
    for (char **e = environment; e && *e; e++) {
        size_t i = 0;
        while (key[i] && (*e)[i] == key[i])
            i++;
        if (!key[i] && !ca_os_secure())
            (void)ca_options_parse(&ca_process_options, *e + i, 2);
    }
    process.options_known = environment != NULL;
    ca_heap_setting.decay = (uint32_t)ca_process_options.decay;
    ca_account_process.hard = ca_process_options.limit;
}

static const ca_source *process_source(void)
{
    return strcmp(ca_process_options.numa, "default") ? ca_numa_start(&ca_source_mmap, ca_process_options.numa) : &ca_source_mmap;
}

static bool start(void)
{
    options_read(environ);
    ca_heap_setting.check = ca_process_options.check != CA_CHECK_OFF;
    ca_heap_setting.full = ca_process_options.check == CA_CHECK_FULL;
    ca_class_init();
    ca_os_loader(&ca_outsiders.loader, &ca_outsiders.loader_bytes);
    ca_outsiders.stdio = (uintptr_t)&_IO_file_doallocate;
    if (!ca_region_init(process_source(), ca_process_options.region))
        return false;
    ca_thread_init();
    return true;
}

CA_COLD static bool start_once(void)
{
    ca_lock_take(&process.lock);
    if (process.state == NOT_STARTED)
        CA_STORE_RELEASE(&process.state, start() ? STARTED : FAILED);
    ca_lock_drop(&process.lock);
    return process.state == STARTED;
}

bool ca_process_start(void)
{
    uint32_t state = CA_LOAD_ACQUIRE(&process.state);
    return CA_LIKELY(state == STARTED) || (state == NOT_STARTED && start_once());
}

/* --- fork ------------------------------------------------------------------------------------------------------ */

/* The order of the locks: list of heaps, region, pools. Registered first of all, so that our prepare runs last. */
static void fork_prepare(void)
{
    ca_context_lock_all();
    ca_full_lock();
    ca_heap_lock_list();
    ca_region_lock_all();
}

static void fork_parent(void)
{
    ca_region_unlock_all();
    ca_heap_unlock_list();
    ca_full_unlock();
    ca_context_unlock_all();
}

static void fork_child(void)
{
    fork_parent();
    ca_thread_after_fork();
    ca_context_after_fork();
}

/* --- constructor and destructor ----------------------------------------------------------------------------------- */

__attribute__((constructor(101))) static void process_constructor(int argc, char **argv, char **environment)
{
    (void)argc, (void)argv;
    if (!ca_process_start())
        return;
    if (!process.options_known) {
        options_read(environment);
        ca_region_set_source(process_source());
        if (ca_process_options.check == CA_CHECK_FULL) /* blocks made before have no trailers */
            ca_print(2, "ctxalloc: check=full: the environment came too late, using on\n");
        if (ca_heap_setting.check && ca_process_options.check == CA_CHECK_OFF) {
            ca_heap_setting.check = false; /* the one thread there is has the one heap there is */
            if (ca_current != &ca_target_none)
                ca_heap_uncheck(ca_heap_of(ca_current));
        }
    }
    /* Not on the first malloc: that may come from inside pthread_atfork, which holds its lock. */
    (void)pthread_atfork(fork_prepare, fork_parent, fork_child);
}

__attribute__((destructor)) static void process_destructor(void)
{
    if (ca_process_options.stats == CA_STATS_EXIT && process.state == STARTED)
        ca_front_print_stats(2);
}
