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

/* The functions of preload/malloc.c, for the other faces, too. */
EXPORT void *FACE(malloc)(size_t size);
EXPORT void FACE(free)(void *p);
EXPORT void *FACE(calloc)(size_t count, size_t size);
EXPORT void *FACE(realloc)(void *p, size_t size);
EXPORT void *FACE(reallocarray)(void *p, size_t count, size_t size);
EXPORT void *FACE(reallocf)(void *p, size_t size);
EXPORT int FACE(reallocarr)(void *pp, size_t count, size_t size);
EXPORT void *FACE(aligned_alloc)(size_t align, size_t size);
EXPORT void *FACE(memalign)(size_t align, size_t size);
EXPORT int FACE(posix_memalign)(void **out, size_t align, size_t size);
EXPORT void *FACE(valloc)(size_t size);
EXPORT void *FACE(pvalloc)(size_t size);
EXPORT void FACE(cfree)(void *p);
EXPORT size_t FACE(malloc_usable_size)(void *p);
EXPORT size_t FACE(malloc_size)(const void *p);
EXPORT size_t FACE(malloc_good_size)(size_t size);
EXPORT void FACE(free_sized)(void *p, size_t size);
EXPORT void FACE(free_aligned_sized)(void *p, size_t align, size_t size);

/* The allocator that would have been called without us, for pointers that are not ours. */
void *ca_next_symbol(const char *name); /* NULL: there is none. Keeps errno */
void *ca_default_symbol(const char *name); /* the one that the program would get */
void ca_next_free(void *p);
void *ca_next_realloc(void *p, size_t size);
size_t ca_next_usable(const void *p);

/* Once, before the first context: see preload/loader.c. */
CA_EXTERN bool ca_face_begun;
void ca_face_begin(void);
/* From now on what the C library allocates is global, whatever is current: see preload/libc.c. */
CA_EXTERN bool ca_face_libc_is_led;

/* malloc for the other faces: sets errno. */
void *ca_face_allocate(size_t size);
void *ca_face_allocate_aligned(size_t align, size_t size);
void ca_face_release(void *p, const char *function);
/* What ca_fast_free has left. */
void ca_face_free_rest(void *p);
void ca_face_release_sized(void *p, size_t size, const char *function);

#endif
