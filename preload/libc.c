/* What the C library hands out.
 *
 * localtime, getpwnam, getaddrinfo, setlocale, strerror, atexit, dlerror and their like keep what they allocate, for the next call or for ever; a stream's buffer is made on its first use. From a
 * context it would go with the context. So what the C library asks for is global, whatever is current (preload/loader.c).  Its frees, and its reallocs of a block that there is, find the owner.
 *
 * Strings and lines that it allocates for its caller are to be the context's all the same. So the functions that do that are here; by them the program's calls are told from the C library's own.
 * Structures with a function of their own to free them (fopen, opendir, getaddrinfo, regcomp, glob, scandir) stay global.
 *
 * In the archive there are no such functions: in a static program nothing lies behind them. There, and where the pointers are not found, only the buffers of streams are kept out of contexts, see front/fast.h.
 */
#undef _FORTIFY_SOURCE /* the headers' own definitions, inline, are not wanted where the functions are made */
#ifndef __NO_INLINE__
#define __NO_INLINE__ 1
#endif
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

#include "base/check.h"
#include "front/fast.h"
#include "preload/face.h"

#if CA_FACE_LIBC

/* glibc's, for programs that were compiled with _FORTIFY_SOURCE, or long ago. */
EXPORT char *__strdup(const char *s);
EXPORT char *__strndup(const char *s, size_t most);
EXPORT int __vasprintf_chk(char **out, int flag, const char *format, va_list arguments);
EXPORT int __asprintf_chk(char **out, int flag, const char *format, ...);

/* Whether the C library's answer is a block of its own, and is to be the context's. */
CA_INLINE bool is_moved(void)
{
    return CA_UNLIKELY(ca_current->context != NULL) && CA_LOAD(&ca_face_libc_is_led);
}

/* --- copies, which need nothing of it ---------------------------------------------------------------------------- */

static void *copy(const void *from, size_t bytes)
{
    void *p = malloc(bytes);
    return p ? memcpy(p, from, bytes) : NULL;
}

EXPORT char *strdup(const char *s)
{
    return copy(s, strlen(s) + 1);
}

EXPORT char *__strdup(const char *s)
{
    return strdup(s);
}

EXPORT char *strndup(const char *s, size_t most)
{
    size_t length = strnlen(s, most);
    char *p = malloc(length + 1);
    if (!p)
        return NULL;
    p[length] = 0;
    return memcpy(p, s, length);
}

EXPORT char *__strndup(const char *s, size_t most)
{
    return strndup(s, most);
}

EXPORT wchar_t *wcsdup(const wchar_t *s)
{
    return copy(s, (wcslen(s) + 1) * sizeof *s);
}

/* --- the C library's answers, moved into the context --------------------------------------------------------------- */

static void *next_function(void **known, const char *name)
{
    void *function = CA_LOAD(known);
    if (CA_UNLIKELY(!function)) {
        function = ca_next_symbol(name);
        CA_CHECK(function, "a function of the C library is not there");
        CA_STORE(known, function);
    }
    return function;
}

#define NEXT(name)                                                            \
    ({                                                                        \
        static void *known;                                                   \
        (__typeof__(&name))(uintptr_t)next_function(&known, #name);           \
    })

static void *moved(void *p, size_t bytes)
{
    if (!is_moved() || !p)
        return p;
    void *q = copy(p, bytes);
    free(p);
    return q;
}

static char *moved_string(char *p)
{
    return p && is_moved() ? moved(p, strlen(p) + 1) : p;
}

static int printed(char **out, int length)
{
    if (length < 0)
        return length;
    *out = moved(*out, (size_t)length + 1);
    return *out ? length : -1;
}

EXPORT int vasprintf(char **out, const char *format, va_list arguments)
{
    return printed(out, NEXT(vasprintf)(out, format, arguments));
}

EXPORT int __vasprintf_chk(char **out, int flag, const char *format, va_list arguments)
{
    return printed(out, NEXT(__vasprintf_chk)(out, flag, format, arguments));
}

EXPORT int asprintf(char **out, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vasprintf(out, format, arguments);
    va_end(arguments);
    return length;
}

EXPORT int __asprintf(char **out, const char *format, ...) __attribute__((alias("asprintf")));

EXPORT int __asprintf_chk(char **out, int flag, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = __vasprintf_chk(out, flag, format, arguments);
    va_end(arguments);
    return length;
}

/* A line that there is already grows where it is. */
static bool line_begin(char **line, size_t *size)
{
    enum { FIRST = 120 };
    if (!is_moved() || !line || !size || (*line && *size))
        return true;
    char *p = malloc(FIRST);
    if (!p)
        return false;
    *line = p;
    *size = FIRST;
    return true;
}

EXPORT ssize_t __getdelim(char **line, size_t *size, int delimiter, FILE *stream)
{
    return line_begin(line, size) ? NEXT(__getdelim)(line, size, delimiter, stream) : -1;
}

EXPORT ssize_t getdelim(char **line, size_t *size, int delimiter, FILE *stream)
{
    return __getdelim(line, size, delimiter, stream);
}

EXPORT ssize_t getline(char **line, size_t *size, FILE *stream)
{
    return __getdelim(line, size, '\n', stream);
}

EXPORT char *realpath(const char *path, char *buffer)
{
    char *p = NEXT(realpath)(path, buffer);
    return buffer ? p : moved_string(p);
}

EXPORT char *canonicalize_file_name(const char *path)
{
    return moved_string(NEXT(canonicalize_file_name)(path));
}

EXPORT char *getcwd(char *buffer, size_t size)
{
    char *p = NEXT(getcwd)(buffer, size);
    return buffer || !p ? p : moved(p, size ? size : strlen(p) + 1);
}

EXPORT char *get_current_dir_name(void)
{
    return moved_string(NEXT(get_current_dir_name)());
}

#else
typedef int ca_libc_none; /* a translation unit is not empty */
#endif
