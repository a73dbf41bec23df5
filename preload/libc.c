/* What the C library hands out.
 *
 * localtime, getpwnam, getaddrinfo, setlocale, strerror, atexit, dlerror and their like keep what they allocate, for the next call or for ever; a stream's buffer is made on its first use. From a
 * context it would go with the context. So what the C library asks for is global, whatever is current (preload/loader.c).  Its frees, and its reallocs of a block that there is, find the owner.
 *
 * Strings and lines that it allocates for its caller are to be the context's all the same. So the functions that do that are here; by them the program's calls are told from the C library's own.
 * Structures with a function of their own to free them (fopen, opendir, getaddrinfo, regcomp, glob, scandir) stay global.
 *
 * Where the C library's pointers are not found (a static program has none) nothing is global but the buffers of streams, see front/fast.h.
 */
#undef _FORTIFY_SOURCE /* the headers' own definitions, inline, are not wanted where the functions are made */
#ifndef __NO_INLINE__
#define __NO_INLINE__ 1
#endif
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wchar.h>

#include "base/check.h"
#include "front/fast.h"
#include "preload/face.h"

bool ca_face_libc_is_led; /* here, so that whoever leads it has these functions linked, too */

#if CA_INTERPOSE

/* In the archive a program's own functions of these names go first, as they do before the C library's. */
#ifdef PIC
#define FUNCTION EXPORT
#else
#define FUNCTION EXPORT __attribute__((weak))
#endif

/* glibc's, for programs that were compiled with _FORTIFY_SOURCE, or long ago. */
FUNCTION char *__strdup(const char *s);
FUNCTION char *__strndup(const char *s, size_t most);
FUNCTION int __vasprintf_chk(char **out, int flag, const char *format, va_list arguments);
FUNCTION int __asprintf_chk(char **out, int flag, const char *format, ...);

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

FUNCTION char *strdup(const char *s)
{
    return copy(s, strlen(s) + 1);
}

FUNCTION char *__strdup(const char *s)
{
    return strdup(s);
}

FUNCTION char *strndup(const char *s, size_t most)
{
    const char *end = memchr(s, 0, most);
    size_t length = end ? (size_t)(end - s) : most;
    char *p = malloc(length + 1);
    if (!p)
        return NULL;
    p[length] = 0;
    return memcpy(p, s, length);
}

FUNCTION char *__strndup(const char *s, size_t most)
{
    return strndup(s, most);
}

FUNCTION wchar_t *wcsdup(const wchar_t *s)
{
    size_t length = 0;
    while (s[length])
        length++;
    return copy(s, (length + 1) * sizeof *s);
}

/* --- the C library's answers, moved into the context --------------------------------------------------------------- */

#ifdef PIC
#define PLAIN(name) NULL
#else

/* A static program has no functions behind ours; what they are made of it has. */
int __vsnprintf_chk(char *out, size_t size, int flag, size_t room, const char *format, va_list arguments);
char *__realpath_chk(const char *path, char *buffer, size_t room);
char *__getcwd_chk(char *buffer, size_t size, size_t room);

static int plain___vasprintf_chk(char **out, int flag, const char *format, va_list arguments)
{
    char text[256];
    va_list again;
    va_copy(again, arguments);
    int length = __vsnprintf_chk(text, sizeof text, flag, sizeof text, format, arguments);
    size_t size = (size_t)length + 1;
    *out = length < 0 ? NULL : malloc(size);
    if (*out && size <= sizeof text)
        memcpy(*out, text, size);
    else if (*out)
        length = __vsnprintf_chk(*out, size, flag, size, format, again);
    va_end(again);
    return *out ? length : -1;
}

static int plain_vasprintf(char **out, const char *format, va_list arguments)
{
    return plain___vasprintf_chk(out, 0, format, arguments);
}

/* Room for `bytes` in a line. */
static bool line_reserve(char **line, size_t *size, size_t bytes)
{
    if (*line && bytes <= *size)
        return true;
    size_t room = *line && *size > 60 ? *size * 2 : 120;
    room = room < bytes ? bytes : room;
    char *p = realloc(*line, room);
    if (!p)
        return false;
    *line = p;
    *size = room;
    return true;
}

/* From the stream's buffer, piece by piece. */
static ssize_t plain___getdelim(char **line, size_t *size, int delimiter, FILE *f)
{
    if (!line || !size) {
        errno = EINVAL;
        return -1;
    }
    size_t length = 0;
    bool done = false, refused = false;
    flockfile(f);
    while (!done && !refused && getc_unlocked(f) != EOF) {
        const char *from = --f->_IO_read_ptr; /* back to the first one of what is there now */
        size_t there = (size_t)(f->_IO_read_end - from);
        const char *end = memchr(from, delimiter, there);
        done = end;
        there = end ? (size_t)(end - from) + 1 : there;
        refused = !line_reserve(line, size, length + there + 1);
        if (!refused) {
            memcpy(*line + length, from, there);
            f->_IO_read_ptr += there;
            (*line)[length += there] = 0;
        }
    }
    funlockfile(f);
    return length && !refused ? (ssize_t)length : -1;
}

static char *plain_realpath(const char *path, char *buffer)
{
    return __realpath_chk(path, buffer, SIZE_MAX);
}

static char *plain_canonicalize_file_name(const char *path)
{
    return plain_realpath(path, NULL);
}

static char *plain_getcwd(char *buffer, size_t size)
{
    return __getcwd_chk(buffer, size, SIZE_MAX);
}

static char *plain_get_current_dir_name(void)
{
    const char *name = getenv("PWD");
    struct stat named, here;
    bool right = name && stat(name, &named) == 0 && stat(".", &here) == 0 && named.st_dev == here.st_dev && named.st_ino == here.st_ino;
    return right ? strdup(name) : plain_getcwd(NULL, 0);
}

#define PLAIN(name) ((void *)(uintptr_t)plain_##name)
#endif

static void *next_function(void **known, const char *name, void *plain)
{
    void *function = CA_LOAD(known);
    if (CA_UNLIKELY(!function)) {
        function = ca_next_symbol(name);
        function = function ? function : plain;
        CA_CHECK(function, "a function of the C library is not there");
        CA_STORE(known, function);
    }
    return function;
}

#define NEXT(name)                                                            \
    ({                                                                        \
        static void *known;                                                   \
        (__typeof__(&name))(uintptr_t)next_function(&known, #name, PLAIN(name)); \
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

FUNCTION int vasprintf(char **out, const char *format, va_list arguments)
{
    return printed(out, NEXT(vasprintf)(out, format, arguments));
}

FUNCTION int __vasprintf_chk(char **out, int flag, const char *format, va_list arguments)
{
    return printed(out, NEXT(__vasprintf_chk)(out, flag, format, arguments));
}

FUNCTION int asprintf(char **out, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vasprintf(out, format, arguments);
    va_end(arguments);
    return length;
}

FUNCTION int __asprintf(char **out, const char *format, ...) __attribute__((alias("asprintf")));

FUNCTION int __asprintf_chk(char **out, int flag, const char *format, ...)
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

FUNCTION ssize_t __getdelim(char **line, size_t *size, int delimiter, FILE *stream)
{
    return line_begin(line, size) ? NEXT(__getdelim)(line, size, delimiter, stream) : -1;
}

FUNCTION ssize_t getdelim(char **line, size_t *size, int delimiter, FILE *stream)
{
    return __getdelim(line, size, delimiter, stream);
}

FUNCTION ssize_t getline(char **line, size_t *size, FILE *stream)
{
    return __getdelim(line, size, '\n', stream);
}

FUNCTION char *realpath(const char *path, char *buffer)
{
    char *p = NEXT(realpath)(path, buffer);
    return buffer ? p : moved_string(p);
}

FUNCTION char *canonicalize_file_name(const char *path)
{
    return moved_string(NEXT(canonicalize_file_name)(path));
}

FUNCTION char *getcwd(char *buffer, size_t size)
{
    char *p = NEXT(getcwd)(buffer, size);
    return buffer || !p ? p : moved(p, size ? size : strlen(p) + 1);
}

FUNCTION char *get_current_dir_name(void)
{
    return moved_string(NEXT(get_current_dir_name)());
}

#endif
