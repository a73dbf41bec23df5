/* Formatted output with no allocation and no lock: a line is built on the stack and written by one call,
 * so that lines of several threads do not mix.  Any thread, any time, also in a signal handler. */
#ifndef CA_BASE_PRINT_H
#define CA_BASE_PRINT_H

#include <stdarg.h>
#include "base/base.h"

/* Understands %s, %c, %d (int), %u (unsigned), %z (size_t, decimal), %x (uint64_t, hex with 0x), %%.  Output past 1000
 * bytes is cut.  Lost if the descriptor refuses it. */
void ca_print(int fd, const char *format, ...);

/* The same into `buffer`: at most `size` - 1 bytes and a NUL. Returns the length written. */
size_t ca_format(char *buffer, size_t size, const char *format, ...);
size_t ca_vformat(char *buffer, size_t size, const char *format, va_list arguments);

#endif
