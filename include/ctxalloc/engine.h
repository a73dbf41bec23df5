/* What the engines' headers share. */
#ifndef CTXALLOC_ENGINE_H
#define CTXALLOC_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CTXALLOC_NONE UINT64_MAX /* no offset, no index: a request that failed */

#endif
