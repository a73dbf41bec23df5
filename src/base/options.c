#include "base/options.h"

#include <string.h>

#include "base/numa_policy.h"
#include "base/print.h"

typedef struct option {
    const char *key, *standard, *words, *help; /* words NULL: a number */
    uint64_t least, most;
    size_t where; /* offset of the value in ca_options */
    bool (*right)(const char *text, size_t length); /* a text, which looks like `words`; NULL: none */
} option;

static bool numa_policy_is(const char *text, size_t length)
{
    ca_numa_policy policy;
    return ca_numa_policy_parse(&policy, text, length);
}

static const option table[] = {
#define CA_OPTION_WORD(key, standard, words, help) {#key, #standard, words, help, 0, 0, offsetof(ca_options, key), NULL},
#define CA_OPTION_NUMBER(key, standard, least, most, help) \
    {#key, #standard, NULL, help, least, most, offsetof(ca_options, key), NULL},
#define CA_OPTION_TEXT(key, standard, form, right, help) {#key, #standard, form, help, 0, 0, offsetof(ca_options, key), right},
#include "base/options.def"
#undef CA_OPTION_WORD
#undef CA_OPTION_NUMBER
#undef CA_OPTION_TEXT
};
enum { OPTIONS = sizeof table / sizeof table[0] };

/* Bytes before the first `stop`, or the end. (strcspn would cost every process two pages of the C library's code and tables.) */
static size_t length_to(const char *text, char stop)
{
    size_t n = 0;
    while (text[n] && text[n] != stop)
        n++;
    return n;
}

/* Index of the word that equals value[0..length) in "a|b|c", or -1. */
static int word_find(const char *words, const char *value, size_t length)
{
    for (int index = 0;; index++) {
        size_t n = length_to(words, '|');
        if (n == length && !memcmp(words, value, n))
            return index;
        if (!words[n])
            return -1;
        words += n + 1;
    }
}

static bool number_parse(const char *value, size_t length, uint64_t *number)
{
    uint64_t n = 0;
    size_t i = 0;
    for (; i < length && value[i] >= '0' && value[i] <= '9'; i++)
        if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, (uint64_t)(value[i] - '0'), &n))
            return false;
    if (i == 0)
        return false;
    if (i < length) { /* one suffix: a power of 1024 */
        const char *suffix = memchr("KMGT", value[i] & ~0x20, 4); /* NOLINT(bugprone-not-null-terminated-result) */
        if (!suffix || i + 1 != length)
            return false;
        for (size_t power = (size_t)(suffix - "KMGT") + 1; power; power--)
            if (__builtin_mul_overflow(n, 1024, &n))
                return false;
    }
    *number = n;
    return true;
}

static bool option_set(const option *o, ca_options *options, const char *value, size_t length)
{
    uint64_t number;
    if (o->right) {
        if (length >= CA_OPTION_TEXT_SIZE || !o->right(value, length))
            return false;
        char *to = (char *)options + o->where;
        memset(to, 0, CA_OPTION_TEXT_SIZE);
        memcpy(to, value, length);
        return true;
    }
    if (o->words) {
        int index = word_find(o->words, value, length);
        if (index < 0)
            return false;
        number = (uint64_t)index;
    } else if (!number_parse(value, length, &number) || number < o->least || number > o->most) {
        return false;
    }
    memcpy((char *)options + o->where, &number, sizeof number);
    return true;
}

void ca_options_default(ca_options *options)
{
    for (size_t i = 0; i < OPTIONS; i++)
        (void)option_set(&table[i], options, table[i].standard, strlen(table[i].standard));
}

static const option *option_find(const char *key, size_t length)
{
    for (size_t i = 0; i < OPTIONS; i++)
        if (strlen(table[i].key) == length && !memcmp(table[i].key, key, length))
            return &table[i];
    return NULL;
}

void ca_options_help(int fd)
{
    ca_print(fd, "ctxalloc: CTXALLOC_OPTIONS=key=value,key=value…\n");
    for (size_t i = 0; i < OPTIONS; i++) {
        const option *o = &table[i];
        if (o->words)
            ca_print(fd, "  %s=%s (default %s)\n", o->key, o->words, o->standard);
        else
            ca_print(fd, "  %s=%z…%z (default %s)\n", o->key, (size_t)o->least, (size_t)o->most, o->standard);
        ca_print(fd, "      %s\n", o->help);
    }
}

/* Text that is not ended by a NUL, for messages. */
static const char *text_copy(char (*to)[64], const char *text, size_t length)
{
    length = ca_size_min(length, sizeof *to - 1);
    memcpy(*to, text, length);
    (*to)[length] = '\0';
    return *to;
}

static int complain(int fd, const option *o, const char *item, size_t key, size_t whole)
{
    char name[64], value[64];
    text_copy(&name, item, key);
    if (!o) {
        ca_print(fd, "ctxalloc: CTXALLOC_OPTIONS: unknown key '%s'\n", name);
        return 1;
    }
    text_copy(&value, item + key + (key < whole), whole - key - (key < whole));
    if (o->words)
        ca_print(fd, "ctxalloc: CTXALLOC_OPTIONS: wrong value '%s' for '%s' (%s); using %s\n", value, name, o->words,
                 o->standard);
    else
        ca_print(fd, "ctxalloc: CTXALLOC_OPTIONS: wrong value '%s' for '%s' (%z to %z); using %s\n", value, name,
                 (size_t)o->least, (size_t)o->most, o->standard);
    return 1;
}

int ca_options_parse(ca_options *options, const char *text, int fd)
{
    int complaints = 0;
    while (text && *text) {
        size_t whole = length_to(text, ',');
        size_t key = ca_size_min(length_to(text, '='), whole);
        const option *o = option_find(text, key);
        if (whole == 4 && !memcmp(text, "help", 4))
            ca_options_help(fd);
        else if (whole && (!o || key == whole || !option_set(o, options, text + key + 1, whole - key - 1)))
            complaints += complain(fd, o, text, key, whole);
        text += whole + (text[whole] == ',');
    }
    return complaints;
}
