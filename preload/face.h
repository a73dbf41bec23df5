/* The names of the malloc family: as the C library has them, or with the prefix ca_face_ where malloc must not be replaced
 * (builds with AddressSanitizer or ThreadSanitizer). */
#ifndef CA_PRELOAD_FACE_H
#define CA_PRELOAD_FACE_H

#include <config.h>

#if CA_INTERPOSE
#define FACE(name) name
#else
#define FACE(name) ca_face_##name
#endif

#define EXPORT __attribute__((visibility("default")))

#include "base/base.h"

/* The allocator that would have been called without us, for pointers that are not ours. */
void ca_next_free(void *p);
void *ca_next_realloc(void *p, size_t size);
size_t ca_next_usable(const void *p);

/* malloc for the other faces: sets errno. */
void *ca_face_allocate(size_t size);
void *ca_face_allocate_aligned(size_t align, size_t size);
void ca_face_release(void *p, const char *function);

#endif
