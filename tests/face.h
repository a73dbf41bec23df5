/* The malloc face, as the tests call it.
 *
 * A normal build interposes malloc, and a test then calls the standard names. Under AddressSanitizer and ThreadSanitizer the
 * sanitizer owns these names, and the library offers the same functions as ca_face_malloc and so on: this header maps one to the
 * other, so that one test source serves both. Include it after every system header: the mapping is done with macros.
 */
#ifndef CTXALLOC_TESTS_FACE_H
#define CTXALLOC_TESTS_FACE_H

#include <config.h>

#include <errno.h>
#include <malloc.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Values that the compiler must not see through: it knows malloc too well, removes pairs of malloc and free, and warns of
 * exactly the misuse that a test is about. */
static inline size_t hide_size(size_t n) {
    __asm__ volatile("" : "+r"(n));
    return n;
}

static inline void *hide_pointer(void *p) {
    __asm__ volatile("" : "+r"(p) : : "memory");
    return p;
}

#ifdef __cplusplus
extern "C" {
#endif

#if CA_INTERPOSE

void *reallocf(void *p, size_t size);
int reallocarr(void *pointer_to_p, size_t count, size_t size);
void cfree(void *p);
size_t malloc_size(const void *p);
size_t malloc_good_size(size_t size);
void free_sized(void *p, size_t size);
void free_aligned_sized(void *p, size_t alignment, size_t size);
void *__libc_malloc(size_t size);
void __libc_free(void *p);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *p, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void *__libc_valloc(size_t size);
void *__libc_pvalloc(size_t size);

#else

void *ca_face_malloc(size_t size);
void ca_face_free(void *p);
void *ca_face_calloc(size_t count, size_t size);
void *ca_face_realloc(void *p, size_t size);
void *ca_face_reallocarray(void *p, size_t count, size_t size);
void *ca_face_reallocf(void *p, size_t size);
int ca_face_reallocarr(void *pointer_to_p, size_t count, size_t size);
void *ca_face_aligned_alloc(size_t alignment, size_t size);
void *ca_face_memalign(size_t alignment, size_t size);
int ca_face_posix_memalign(void **p, size_t alignment, size_t size);
void *ca_face_valloc(size_t size);
void *ca_face_pvalloc(size_t size);
void ca_face_cfree(void *p);
size_t ca_face_malloc_usable_size(void *p);
size_t ca_face_malloc_size(const void *p);
size_t ca_face_malloc_good_size(size_t size);
void ca_face_free_sized(void *p, size_t size);
void ca_face_free_aligned_sized(void *p, size_t alignment, size_t size);
int ca_face_malloc_trim(size_t keep);
int ca_face_mallopt(int option, int value);
struct mallinfo ca_face_mallinfo(void);
struct mallinfo2 ca_face_mallinfo2(void);
void ca_face_malloc_stats(void);
int ca_face_malloc_info(int options, FILE *stream);
void *ca_face___libc_malloc(size_t size);
void ca_face___libc_free(void *p);
void *ca_face___libc_calloc(size_t count, size_t size);
void *ca_face___libc_realloc(void *p, size_t size);
void *ca_face___libc_memalign(size_t alignment, size_t size);
void *ca_face___libc_valloc(size_t size);
void *ca_face___libc_pvalloc(size_t size);

#define malloc ca_face_malloc
#define free ca_face_free
#define calloc ca_face_calloc
#define realloc ca_face_realloc
#define reallocarray ca_face_reallocarray
#define reallocf ca_face_reallocf
#define reallocarr ca_face_reallocarr
#define aligned_alloc ca_face_aligned_alloc
#define memalign ca_face_memalign
#define posix_memalign ca_face_posix_memalign
#define valloc ca_face_valloc
#define pvalloc ca_face_pvalloc
#define cfree ca_face_cfree
#define malloc_usable_size ca_face_malloc_usable_size
#define malloc_size ca_face_malloc_size
#define malloc_good_size ca_face_malloc_good_size
#define free_sized ca_face_free_sized
#define free_aligned_sized ca_face_free_aligned_sized
#define malloc_trim ca_face_malloc_trim
#define mallopt ca_face_mallopt
/* with parentheses: struct mallinfo keeps its name */
#define mallinfo() ca_face_mallinfo()
#define mallinfo2() ca_face_mallinfo2()
#define malloc_stats ca_face_malloc_stats
#define malloc_info ca_face_malloc_info
#define __libc_malloc ca_face___libc_malloc
#define __libc_free ca_face___libc_free
#define __libc_calloc ca_face___libc_calloc
#define __libc_realloc ca_face___libc_realloc
#define __libc_memalign ca_face___libc_memalign
#define __libc_valloc ca_face___libc_valloc
#define __libc_pvalloc ca_face___libc_pvalloc

#endif

#ifdef __cplusplus
}
#endif

#endif
