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
#include "front/profile.h"
#include "front/report.h"
#include "front/stack.h"
#include "heap/placement.h"
#include "heap/remote.h"
#include "heap/stored.h"
#include "source/numa.h"

extern int _IO_file_doallocate(void *stream); /* the C library's; never called here */

/* By this pthread_atfork, which is linked in, says which library asks. The compiler's start files define it, and the library does without them (Makefile.am); programs, which this is linked into, too, have theirs. */
extern void *const __dso_handle;
__attribute__((weak, visibility("hidden"))) void *const __dso_handle = (void *)(uintptr_t)&__dso_handle;

enum { NOT_STARTED, STARTED, FAILED };

static struct {
    ca_lock lock;
    uint32_t state;
    bool options_known;
} process;

ca_options ca_process_options;
bool ca_full_traces; /* of full.c, whose variables few processes touch */

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
    ca_region_purge_at_once(ca_process_options.decay == 0);
    ca_account_process.hard = ca_process_options.limit;
}

static const ca_source *process_source(void)
{
    return strcmp(ca_process_options.numa, "default") ? ca_numa_start(&ca_source_mmap, ca_process_options.numa) : &ca_source_mmap;
}

/* What is asked for and cannot be had is not there; a line says so. */
static void profile_start(void)
{
    if (!ca_process_options.profile || ca_heap_setting.profile)
        return;
    if (!ca_stack_init(CA_STACK_FRAMES) || !ca_profile_init(ca_process_options.profile)) {
        ca_print(2, "ctxalloc: profile: no memory for the tables; there is no profile\n");
        return;
    }
    ca_heap_setting.profile = ca_heap_setting.slow = true;
}

static void trace_start(void)
{
    if (!ca_process_options.trace || !ca_heap_setting.full)
        return;
    ca_full_traces = ca_heap_setting.profile || ca_stack_init((unsigned)ca_process_options.trace);
    if (!ca_full_traces)
        ca_print(2, "ctxalloc: trace: no memory for the table of stacks; there are no traces\n");
}

static bool start(void)
{
    options_read(environ);
    ca_heap_setting.check = ca_process_options.check != CA_CHECK_OFF;
    ca_heap_setting.full = ca_heap_setting.slow = ca_process_options.check == CA_CHECK_FULL;
    profile_start();
    trace_start();
    ca_os_loader(&ca_outsiders.loader, &ca_outsiders.loader_bytes);
    ca_outsiders.stdio = (uintptr_t)&_IO_file_doallocate;
    if (!ca_region_init(process_source(), ca_process_options.region))
        return false;
    ca_region_quarantine(ca_process_options.quarantine);
    ca_heap_setting.quarantine = ca_process_options.quarantine != 0;
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
    ca_profile_lock();
    ca_stack_lock();
    ca_heap_lock_list();
    ca_region_lock_all();
    ca_placement_lock();
    ca_stored_lock_table();
}

static void fork_parent(void)
{
    ca_stored_unlock_table();
    ca_placement_unlock();
    ca_region_unlock_all();
    ca_heap_unlock_list();
    ca_stack_unlock();
    ca_profile_unlock();
    ca_full_unlock();
    ca_context_unlock_all();
}

static void fork_child(void)
{
    fork_parent();
    ca_full_after_fork();
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
        if (ca_process_options.check == CA_CHECK_OFF)
            ca_heap_setting.check = false;
        profile_start();
        if ((!ca_heap_setting.check || ca_heap_setting.slow) && ca_current != &ca_target_none) /* the one thread there is has the one heap there is */
            ca_heap_uncheck(ca_heap_of(ca_current));
    }
    if ((ca_heap_setting.profile || ca_full_traces) && !ca_stack_find_unwinder())
        ca_print(2, "ctxalloc: libgcc_s.so.1 cannot be loaded: stacks are unknown\n");
    /* Not on the first malloc: that may come from inside pthread_atfork, which holds its lock. */
    (void)pthread_atfork(fork_prepare, fork_parent, fork_child);
}

static void profile_end(void)
{
    char path[64];
    (void)ca_format(path, sizeof path, "ctxalloc.%d.heap", ca_os_process());
    int error = ca_profile_write_to(path);
    if (error)
        ca_print(2, "ctxalloc: profile: cannot write %s in the current directory (error %d)\n", path, error);
}

__attribute__((destructor)) static void process_destructor(void)
{
    if (process.state != STARTED)
        return;
    if (ca_process_options.stats == CA_STATS_EXIT)
        (void)ca_report_text(2);
    else if (ca_process_options.stats == CA_STATS_JSON)
        (void)ca_report_json(2);
    if (ca_heap_setting.profile)
        profile_end();
}
