/* Heap profiling by sampling (option profile=BYTES): of every BYTES allocated, one block on average is noted with its stack.
 *
 * Each byte is the one that is noted with the same probability, so a block of n bytes is noted with 1 - exp(-n / BYTES); viewers undo that.  Noted blocks are in a
 * table of fixed size until they are freed, resized, or dropped with their context.  The text that is written is gperftools' heap profile ("heap_v2"), which
 * pprof, google-pprof and jeprof read.
 *
 * While a profile is taken there are no fast paths (ca_heap_setting.slow); otherwise nothing here is ever called.  Any thread.  One lock around the
 * table of blocks; frees of other blocks read one word of it.  Nothing here allocates.
 */
#ifndef CA_FRONT_PROFILE_H
#define CA_FRONT_PROFILE_H

#include "heap/context.h"

/* Once, at start. false: no memory for it. interval: bytes, not 0 */
bool ca_profile_init(uint64_t interval);

/* p is a new block of `size` bytes, as asked for. */
void ca_profile_born(const void *p, size_t size);
/* p is about to be freed: its note, out of the table; 0: there is none. */
uint32_t ca_profile_detach(const void *p);
/* The block of the note is still there. */
void ca_profile_attach(uint32_t note);
/* The block of the note is gone. */
void ca_profile_died(uint32_t note);

/* Notes of a context's blocks: all are gone / those that are not live are gone / they are global from now on. */
enum ca_profile_fate { CA_PROFILE_DROPPED, CA_PROFILE_ROLLED_BACK, CA_PROFILE_GLOBAL };
void ca_profile_context(ca_context *context, enum ca_profile_fate fate);

/* The profile as text. false: some of it could not be written. */
bool ca_profile_write(int fd);
/* The same into a file of that name. 0, or an errno value. */
int ca_profile_write_to(const char *path);

/* Fork: the lock of this file. */
void ca_profile_lock(void);
void ca_profile_unlock(void);

#endif
