/* What all fuzz targets share: reading decisions out of the input, and the end of a run that found something.
 *
 * An input is a program for one target: each byte chooses an operation, the bytes after it are its arguments.  Reading past the
 * end yields zeros, so every input is a valid program, and cutting one short yields a prefix of its operations.
 */
#ifndef CA_FUZZ_FUZZ_H
#define CA_FUZZ_FUZZ_H

#include <stdio.h>
#include <stdlib.h>

#include "base/base.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* abort, not exit: libFuzzer then writes the input and the stack. */
#define FUZZ_CHECK(condition, ...)                                                 \
    do {                                                                           \
        if (!(condition)) {                                                        \
            fprintf(stderr, "%s:%d: %s: ", __FILE__, __LINE__, #condition);        \
            fprintf(stderr, __VA_ARGS__);                                          \
            fputc('\n', stderr);                                                   \
            abort();                                                               \
        }                                                                          \
    } while (0)

typedef struct fuzz_input {
    const uint8_t *at, *end;
} fuzz_input;

static inline bool fuzz_more(const fuzz_input *in)
{
    return in->at < in->end;
}

static inline unsigned fuzz_byte(fuzz_input *in)
{
    return fuzz_more(in) ? *in->at++ : 0U;
}

static inline unsigned fuzz_two(fuzz_input *in)
{
    unsigned low = fuzz_byte(in);
    return low | fuzz_byte(in) << 8;
}

static inline uint64_t fuzz_eight(fuzz_input *in)
{
    uint64_t x = 0;
    for (int i = 0; i < 4; i++)
        x = x << 16 | fuzz_two(in);
    return x;
}

#endif
