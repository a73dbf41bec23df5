#include "heap/account.h"

ca_account ca_account_process;

void ca_account_discharge(ca_account *account, uint64_t bytes)
{
    for (; account; account = account->parent)
        __atomic_fetch_sub(&account->used, bytes, __ATOMIC_RELAXED);
}

static void discharge_below(ca_account *account, const ca_account *end, uint64_t bytes)
{
    for (; account != end; account = account->parent)
        __atomic_fetch_sub(&account->used, bytes, __ATOMIC_RELAXED);
}

static void peak_raise(ca_account *account, uint64_t used)
{
    uint64_t peak = CA_LOAD(&account->peak);
    while (used > peak && !__atomic_compare_exchange_n(&account->peak, &peak, used, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        ;
}

bool ca_account_charge(ca_account *account, uint64_t bytes)
{
    for (ca_account *a = account; a; a = a->parent) {
        uint64_t used = __atomic_add_fetch(&a->used, bytes, __ATOMIC_RELAXED);
        uint64_t soft = CA_LOAD(&a->soft), hard = CA_LOAD(&a->hard);
        if (CA_UNLIKELY(hard && used > hard)) {
            __atomic_fetch_add(&a->refusals, 1, __ATOMIC_RELAXED);
            discharge_below(account, a->parent, bytes);
            return false;
        }
        if (CA_UNLIKELY(soft && used > soft && used - bytes <= soft))
            CA_STORE(&a->pressed, 1);
        peak_raise(a, used);
    }
    return true;
}
