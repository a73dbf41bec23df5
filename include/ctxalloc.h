/* ctxalloc: a malloc replacement whose current heap can be switched.
 *
 * Preloaded or linked (-lctxalloc), the library replaces malloc and its family; nothing of this header is needed for that.
 * See ctxalloc(3).
 */
#ifndef CTXALLOC_H
#define CTXALLOC_H

#include <ctxalloc/engine.h>
#include <ctxalloc/tlsf.h>
#include <ctxalloc/fit.h>
#include <ctxalloc/blocks.h>
#include <ctxalloc/chunks.h>
#include <ctxalloc/bump.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CTXALLOC_VERSION_MAJOR 0
#define CTXALLOC_VERSION_MINOR 1
#define CTXALLOC_VERSION_PATCH 0

/* The version of the library that is running, "0.1.0". Constant text, any thread. A program that finds this symbol
 * (dlsym) knows that ctxalloc is loaded. */
const char *ctxalloc_version(void);

#ifdef __cplusplus
}
#endif

#endif
