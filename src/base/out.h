/* Longer texts for a descriptor: put together in a buffer on the caller's stack and written when it is full, with no allocation and no lock.
 * Owner: who declares one; one thread.  errno is kept. */
#ifndef CA_BASE_OUT_H
#define CA_BASE_OUT_H

#include "base/base.h"

typedef struct ca_out {
    int fd;
    bool failed; /* some of it could not be written */
    size_t used;
    char text[4096];
} ca_out;

void ca_out_begin(ca_out *out, int fd);
/* As ca_print: 1000 bytes at most. */
void ca_out_print(ca_out *out, const char *format, ...);
/* A JSON string with its quotes: the bytes before the first NUL, `most` at most. Quotes, backslashes and control bytes are escaped; bytes that are no UTF-8
 * are written as if they were Latin-1, so that any name gives valid JSON. */
void ca_out_json(ca_out *out, const char *text, size_t most);
/* Writes what is left. false: some of it could not be written. */
bool ca_out_end(ca_out *out);

#endif
