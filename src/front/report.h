/* What the process and its contexts hold: numbers, as text for people, as JSON for programs; and what a context leaves behind.
 *
 * Any thread; numbers are sums of words that other threads change, each right at some time during the call, and exact while nobody allocates or frees.  Nothing
 * here allocates, keeps a lock or changes errno; a report can be written at any time, also at exit.
 */
#ifndef CA_FRONT_REPORT_H
#define CA_FRONT_REPORT_H

#include "front/front.h"

typedef struct ca_report {
    ca_heap_usage heaps;             /* `small` and `large` blocks, in heaps of threads and of contexts */
    uint64_t heap_count, context_count;
    uint64_t engine_count, engine_bytes; /* live blocks in contexts that have no heap */
    uint64_t huge_count, huge_bytes;
    uint64_t live_count, live_bytes; /* all of these */
    uint64_t committed, given;       /* bytes of the region: usable; of these, with heaps, contexts and huge blocks */
    uint64_t purged;                 /* bytes given back to the kernel, all in all */
    uint64_t lost, foreign;          /* blocks lost for want of a magazine; frees that were not ours */
} ca_report;
ca_report ca_report_get(void);

/* false: some of it could not be written. */
bool ca_report_text(int fd);
bool ca_report_json(int fd);

/* One line on stderr that says what is still live in a context, if anything is; with the option trace one more for each of the first blocks, with its stack. */
void ca_report_escapes(struct ca_context *context);

#endif
