#include "base/lock.h"

#include "base/os.h"

enum { SPINS = 100 };

CA_COLD void ca_lock_wait(ca_lock *lock)
{
    for (int i = 0; i < SPINS; i++) { /* what it guards is short: a holder that runs is soon done */
        uint32_t free = 0;
        if (CA_LOAD(&lock->state) == 0 &&
            __atomic_compare_exchange_n(&lock->state, &free, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
            return;
    }
    while (__atomic_exchange_n(&lock->state, 2, __ATOMIC_ACQUIRE) != 0)
        ca_os_wait(&lock->state, 2);
}

CA_COLD void ca_lock_wake(ca_lock *lock)
{
    ca_os_wake(&lock->state, 1);
}
