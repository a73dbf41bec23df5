/* The process's options, from the environment variable CTXALLOC_OPTIONS ("key=value,key=value").
 * Read once at start, constant after.  A wrong key or value: one line on stderr that names it, and the default. */
#ifndef CA_BASE_OPTIONS_H
#define CA_BASE_OPTIONS_H

#include "base/base.h"

enum { CA_OPTION_TEXT_SIZE = 64 };

typedef struct ca_options {
#define CA_OPTION_WORD(key, standard, words, help) uint64_t key;
#define CA_OPTION_NUMBER(key, standard, least, most, help) uint64_t key;
#define CA_OPTION_TEXT(key, standard, form, right, help) char key[CA_OPTION_TEXT_SIZE];
#include "base/options.def"
#undef CA_OPTION_WORD
#undef CA_OPTION_NUMBER
#undef CA_OPTION_TEXT
} ca_options;

enum { CA_CHECK_OFF, CA_CHECK_ON, CA_CHECK_FULL };
enum { CA_STATS_OFF, CA_STATS_EXIT, CA_STATS_JSON };
enum { CA_LOADER_DIVERT, CA_LOADER_LOOK };

/* The defaults. */
void ca_options_default(ca_options *options);
/* Reads `text` over what is there; complaints and help go to `fd`. Returns the number of complaints. */
int ca_options_parse(ca_options *options, const char *text, int fd);
void ca_options_help(int fd);

#endif
