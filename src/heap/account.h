/* Accounts: how many bytes of memory an owner holds, and how many it may.
 *
 * What is counted is what the region hands out: whole runs, to the byte.  Accounts nest: what is charged to one is charged to its parents, too, and
 * all or none accept it.  The root is the process's account.  Any thread.  Cost: one atomic addition a level, on slow paths only.
 */
#ifndef CA_HEAP_ACCOUNT_H
#define CA_HEAP_ACCOUNT_H

#include "base/base.h"

typedef struct ca_account {
    uint64_t used, peak; /* bytes */
    uint64_t soft, hard; /* 0: none */
    struct ca_account *parent;
    uint32_t pressed;    /* `used` went over `soft`, and nobody was told yet */
    uint32_t refusals;   /* requests that `hard` did not let through */
    uint32_t crossed;    /* a charge that is not settled yet went over `soft` */
    uint32_t refused;    /* a part of the request that is being served was: see ca_account_end_request */
} ca_account;

CA_EXTERN ca_account ca_account_process;
/* Some account was pressed once: from then on they are looked at. */
CA_EXTERN bool ca_account_pressed_any;

/* false: a hard limit, this one's or a parent's, is in the way; nothing is charged. */
bool ca_account_charge(ca_account *account, uint64_t bytes);
/* What was charged is held now: peaks rise, soft limits are crossed. */
void ca_account_settle(ca_account *account);
/* What the account holds is charged to `to` and its parents instead of its parent and those above, whatever their limits. */
void ca_account_move(ca_account *account, ca_account *to);
/* One request may try several ways: those that refused it in the end count it once. */
void ca_account_end_request(ca_account *account, bool served);
void ca_account_discharge(ca_account *account, uint64_t bytes);

#endif
