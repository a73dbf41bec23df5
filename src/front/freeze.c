/* Freezing: a context's memory is read-only for a while.
 *
 * A frozen context is current nowhere, and its lock is not needed to know that nothing is allocated: `holder` says FROZEN, which no switch and no call gets past, and the annex is not
 * given to anybody.  Frees by other threads wait in its inboxes, as ever, and huge blocks go back at once, writable again. */
#include <errno.h>

#include "base/os.h"
#include "front/context.h"

/* All runs of a list; false: some may have the old access. */
static bool runs_protect(const ca_run_list *runs, enum ca_os_access access)
{
    bool done = true;
    for (ca_page page = ca_region_first_run(runs); page != UINT32_MAX && done; page = ca_region_next_run(page))
        done = ca_os_protect(ca_region_address(page), (size_t)ca_region_run_pages(page) * CA_PAGE, access);
    return done;
}

static bool context_protect(const ca_context *c, enum ca_os_access access)
{
    return runs_protect(&c->heap->runs, access) && (!c->annex || runs_protect(&c->annex->runs, access)) && runs_protect(&c->runs, access);
}

int ca_context_freeze(ca_context *c)
{
    uintptr_t holder = CA_LOAD_ACQUIRE(&c->holder);
    if (c->frozen)
        return 0;
    if (c->engine || ca_heap_setting.full)
        return ENOTSUP;
    if (!((holder & CA_HOLDER_LEFT) || holder == CA_HOLDER_NEW) ||
        !__atomic_compare_exchange_n(&c->holder, &holder, CA_HOLDER_FROZEN, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
        return EBUSY;
    ca_lock_take(&c->lock);
    bool done = context_protect(c, CA_OS_READ);
    /* If it can be made neither read-only nor writable again, it stays closed: thawing may be tried again. */
    CA_STORE(&c->frozen, done || !context_protect(c, CA_OS_READ_WRITE));
    ca_lock_drop(&c->lock);
    if (!c->frozen)
        CA_STORE_RELEASE(&c->holder, holder);
    return done ? 0 : ENOMEM;
}

bool ca_context_thaw(ca_context *c)
{
    if (!c->frozen)
        return true;
    ca_lock_take(&c->lock);
    bool done = context_protect(c, CA_OS_READ_WRITE);
    if (done)
        CA_STORE(&c->frozen, 0);
    ca_lock_drop(&c->lock);
    if (done)
        CA_STORE_RELEASE(&c->holder, CA_HOLDER_LEFT); /* of nobody */
    return done;
}
