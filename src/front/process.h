/* The process's start, its end, and fork. */
#ifndef CA_FRONT_PROCESS_H
#define CA_FRONT_PROCESS_H

#include "base/options.h"
#include "heap/heap.h"

CA_EXTERN ca_options ca_process_options;

/* Once, on the first call of any thread; cheap after it. false: no address space to be had. */
bool ca_process_start(void);

/* Called by ca_process_start when the key for thread exits is to be made; and by fork's handlers. */
void ca_thread_init(void);
void ca_thread_after_fork(void);

#endif
