/* The work of a request, written as any library is: it knows malloc, and nothing of contexts.  Every failure to allocate is seen and given back as false; what
 * was allocated until then is freed. */
#ifndef EXAMPLE_WORDS_H
#define EXAMPLE_WORDS_H

#include <stdbool.h>
#include <stddef.h>

/* The words of a text, sorted, one a line, each with its length: a page that the caller frees. false: no memory. */
bool words_of_text(const char *text, size_t bytes, char **page, size_t *page_bytes);
/* The same for `count` words that are always the same. */
bool words_made_up(unsigned long count, char **page, size_t *page_bytes);

#endif
