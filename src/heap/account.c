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

bool ca_account_charge(ca_account *account, uint64_t bytes)
{
    for (ca_account *a = account; a; a = a->parent) {
        uint64_t used = __atomic_add_fetch(&a->used, bytes, __ATOMIC_RELAXED), hard = CA_LOAD(&a->hard);
        if (CA_UNLIKELY(hard && used > hard)) {
            CA_STORE(&a->refused, 1);
            discharge_below(account, a->parent, bytes);
            return false;
        }
    }
    return true;
}

void ca_account_settle(ca_account *account, uint64_t bytes)
{
    for (ca_account *a = account; a; a = a->parent) {
        uint64_t used = CA_LOAD(&a->used), soft = CA_LOAD(&a->soft), peak = CA_LOAD(&a->peak);
        if (CA_UNLIKELY(soft && used > soft && used - bytes <= soft))
            CA_STORE(&a->pressed, 1);
        while (used > peak && !__atomic_compare_exchange_n(&a->peak, &peak, used, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
            ;
    }
}

void ca_account_move(ca_account *account, ca_account *to)
{
    uint64_t used = CA_LOAD(&account->used);
    for (ca_account *a = to; a; a = a->parent)
        __atomic_fetch_add(&a->used, used, __ATOMIC_RELAXED);
    ca_account_discharge(account->parent, used);
    account->parent = to;
}

void ca_account_end_request(ca_account *account, bool served)
{
    for (ca_account *a = account; a; a = a->parent)
        if (CA_LOAD(&a->refused)) {
            CA_STORE(&a->refused, 0);
            if (!served)
                __atomic_fetch_add(&a->refusals, 1, __ATOMIC_RELAXED);
        }
}
