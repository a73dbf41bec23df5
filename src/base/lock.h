/* A mutex of one word: no initialisation, no thread identity, so it works before constructors and across fork.
 * (Drepper, "Futexes Are Tricky", mutex 2: 0 free, 1 held, 2 held and perhaps waited for.)
 * Uncontended: one compare-and-swap to lock, one exchange to unlock. */
#ifndef CA_BASE_LOCK_H
#define CA_BASE_LOCK_H

#include "base/base.h"

typedef struct ca_lock {
    uint32_t state;
} ca_lock;

void ca_lock_wait(ca_lock *lock); /* the slow part of taking it */
void ca_lock_wake(ca_lock *lock);

CA_INLINE void ca_lock_take(ca_lock *lock)
{
    uint32_t free = 0;
    if (!__atomic_compare_exchange_n(&lock->state, &free, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
        ca_lock_wait(lock);
}

/* false: somebody has it. */
CA_INLINE bool ca_lock_try(ca_lock *lock)
{
    uint32_t free = 0;
    return __atomic_compare_exchange_n(&lock->state, &free, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

CA_INLINE void ca_lock_drop(ca_lock *lock)
{
    if (__atomic_exchange_n(&lock->state, 0, __ATOMIC_RELEASE) == 2)
        ca_lock_wake(lock);
}

#endif
