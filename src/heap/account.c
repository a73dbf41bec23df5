#include "heap/account.h"

ca_account ca_account_process;
bool ca_account_pressed_any;

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

/* Adds, if the hard limit allows. A sum that is refused is never seen by others. */
static bool charge_one(ca_account *a, uint64_t bytes)
{
    uint64_t used = CA_LOAD(&a->used), hard = CA_LOAD(&a->hard);
    if (CA_LIKELY(!hard)) {
        used = __atomic_fetch_add(&a->used, bytes, __ATOMIC_RELAXED);
    } else {
        do
            if (bytes > hard || used > hard - bytes)
                return false;
        while (!__atomic_compare_exchange_n(&a->used, &used, used + bytes, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    }
    uint64_t soft = CA_LOAD(&a->soft);
    if (CA_UNLIKELY(soft && used <= soft && used + bytes > soft))
        CA_STORE(&a->crossed, 1);
    return true;
}

bool ca_account_charge(ca_account *account, uint64_t bytes)
{
    for (ca_account *a = account; a; a = a->parent)
        if (CA_UNLIKELY(!charge_one(a, bytes))) {
            CA_STORE(&a->refused, 1);
            discharge_below(account, a, bytes);
            return false;
        }
    return true;
}

void ca_account_settle(ca_account *account)
{
    for (ca_account *a = account; a; a = a->parent) {
        uint64_t used = CA_LOAD(&a->used), peak = CA_LOAD(&a->peak);
        if (CA_UNLIKELY(CA_LOAD(&a->crossed)) && __atomic_exchange_n(&a->crossed, 0, __ATOMIC_RELAXED) && used > CA_LOAD(&a->soft)) {
            CA_STORE(&a->pressed, 1);
            CA_STORE(&ca_account_pressed_any, true);
        }
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
