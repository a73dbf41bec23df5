/* CTXALLOC_OPTIONS: what is understood, and what is complained of. */
#include "base/options.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/cmocka_face.h"

static ca_options options;
static char said[4000];

/* Parses over the defaults; what was written is in `said`. */
static int parse(const char *text)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    ca_options_default(&options);
    int complaints = ca_options_parse(&options, text, ends[1]);
    close(ends[1]);
    size_t all = 0;
    for (ssize_t n; (n = read(ends[0], said + all, sizeof said - 1 - all)) > 0;)
        all += (size_t)n;
    said[all] = '\0';
    close(ends[0]);
    return complaints;
}

static void good_ones_are_taken_silently(void **state)
{
    (void)state;
    assert_int_equal(parse("check=off,stats=exit,decay=5,region=16M"), 0);
    assert_string_equal(said, "");
    assert_int_equal(options.check, CA_CHECK_OFF);
    assert_int_equal(options.stats, CA_STATS_EXIT);
    assert_int_equal(options.decay, 5);
    assert_true(options.region == (uint64_t)16 << 20);
    assert_int_equal(parse("region=2g,,decay=1k,"), 0);
    assert_true(options.region == (uint64_t)2 << 30 && options.decay == 1024);
    assert_int_equal(parse("numa=bind:0+2-3,decay=7"), 0);
    assert_string_equal(options.numa, "bind:0+2-3");
    assert_int_equal(options.decay, 7);
    assert_int_equal(parse("decay=1,decay=2"), 0);
    assert_string_equal(options.numa, "default");
    assert_int_equal(options.decay, 2);
    assert_int_equal(parse(""), 0);
    assert_int_equal(parse(NULL), 0);
}

static void bad_ones_are_named_and_the_default_stays(void **state)
{
    (void)state;
    static const struct {
        const char *text, *named;
    } bad[] = {
        {"chekc=on", "'chekc'"},         {"check", "'check'"},          {"check=", "''"},
        {"check=offf", "'offf'"},        {"check=of", "'of'"},          {"decay=-1", "'-1'"},
        {"decay=5x", "'5x'"},            {"decay=5KK", "'5KK'"},        {"decay=1000000001", "'1000000001'"},
        {"region=1", "'1'"},             {"region=99999999999999999999", "'99999999999999999999'"},
        {"region=18014398509481984K", "'18014398509481984K'"},          {"=5", "''"},
        {"numa=bind:x", "'bind:x'"},     {"numa=bind", "'bind'"},       {"numa=", "''"},
        {"numa=bind:0+00000000000000000000000000000000000000000000000000000000001", "'bind:0+0000"},
    };
    ca_options standard;
    ca_options_default(&standard);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(parse(bad[i].text), 1);
        if (!strstr(said, bad[i].named) || strchr(said, '\n') != said + strlen(said) - 1)
            fail_msg("%s: %s", bad[i].text, said);
        assert_memory_equal(&options, &standard, sizeof options);
    }
    assert_int_equal(parse("nonsense=1,decay=7,check=x"), 2);
    assert_int_equal(options.decay, 7);
}

static void help_lists_every_key(void **state)
{
    (void)state;
    assert_int_equal(parse("help"), 0);
#define CA_OPTION_WORD(key, standard, words, help) assert_non_null(strstr(said, "  " #key "=" words));
#define CA_OPTION_NUMBER(key, standard, least, most, help) assert_non_null(strstr(said, "  " #key "=" #least));
#define CA_OPTION_TEXT(key, standard, form, right, help) assert_non_null(strstr(said, "  " #key "=" form));
#include "base/options.def"
#undef CA_OPTION_WORD
#undef CA_OPTION_NUMBER
#undef CA_OPTION_TEXT
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_ones_are_taken_silently),
        cmocka_unit_test(bad_ones_are_named_and_the_default_stays),
        cmocka_unit_test(help_lists_every_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
