/* Fuzz target: CTXALLOC_OPTIONS with any text.  Whatever it says, every option stays in its range, complaints are counted by the
 * item, and reading the same text twice changes nothing. */
#include <fcntl.h>
#include <string.h>

#include "base/options.h"
#include "fuzz/fuzz.h"

static void number_check(const char *key, uint64_t value, uint64_t least, uint64_t most)
{
    FUZZ_CHECK(value >= least && value <= most, "%s is %llu", key, (unsigned long long)value);
}

static void word_check(const char *key, uint64_t value, const char *words)
{
    uint64_t count = 1;
    for (; *words; words++)
        count += *words == '|';
    FUZZ_CHECK(value < count, "%s is word %llu", key, (unsigned long long)value);
}

static void options_check(const ca_options *o)
{
#define CA_OPTION_WORD(key, standard, words, help) word_check(#key, o->key, words);
#define CA_OPTION_NUMBER(key, standard, least, most, help) number_check(#key, o->key, least, most);
#define CA_OPTION_TEXT(key, standard, form, right, help) FUZZ_CHECK(memchr(o->key, '\0', sizeof o->key), "%s does not end", #key);
#include "base/options.def"
#undef CA_OPTION_WORD
#undef CA_OPTION_NUMBER
#undef CA_OPTION_TEXT
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int nowhere = -1;
    if (nowhere < 0)
        nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    char *text = malloc(size + 1); /* of this size exactly, so that the sanitizer sees a read past its end */
    if (!text)
        return 0;
    if (size)
        memcpy(text, data, size);
    text[size] = '\0';

    ca_options once, twice;
    ca_options_default(&once);
    options_check(&once);
    int complaints = ca_options_parse(&once, text, nowhere);
    options_check(&once);
    int items = 1;
    for (const char *p = text; *p; p++)
        items += *p == ',';
    FUZZ_CHECK(complaints >= 0 && complaints <= items, "%d complaints about %d items", complaints, items);

    twice = once;
    FUZZ_CHECK(ca_options_parse(&twice, text, nowhere) == complaints, "other complaints the second time");
    FUZZ_CHECK(!memcmp(&once, &twice, sizeof once), "other values the second time");
    free(text);
    return 0;
}
