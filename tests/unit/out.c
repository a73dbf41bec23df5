/* Longer texts for a descriptor: nothing is lost between buffers, names become JSON strings, failures are told. */
#include "base/out.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/cmocka_face.h"

static char said[1 << 20];
static size_t said_length;

static int file_new(void)
{
    char path[] = "/tmp/ctxalloc-out-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    unlink(path);
    return fd;
}

static void file_read(int fd)
{
    ssize_t n = pread(fd, said, sizeof said - 1, 0);
    assert_true(n >= 0);
    said_length = (size_t)n;
    said[n] = '\0';
    close(fd);
}

static const char *json_of(const char *text, size_t most)
{
    ca_out out;
    int fd = file_new();
    ca_out_begin(&out, fd);
    ca_out_json(&out, text, most);
    assert_true(ca_out_end(&out));
    file_read(fd);
    return said;
}

static void pieces_arrive_whole_and_in_order(void **state)
{
    (void)state;
    ca_out out;
    int fd = file_new();
    ca_out_begin(&out, fd);
    for (int i = 0; i < 20000; i++)
        ca_out_print(&out, "%d,%s\n", i, i % 7 ? "x" : "a longer one that moves the buffers' ends about");
    assert_true(ca_out_end(&out));
    file_read(fd);
    const char *at = said;
    for (int i = 0; i < 20000; i++) {
        char line[100];
        int n = snprintf(line, sizeof line, "%d,%s\n", i, i % 7 ? "x" : "a longer one that moves the buffers' ends about");
        assert_memory_equal(at, line, (size_t)n);
        at += n;
    }
    assert_int_equal(at - said, said_length);
}

static void names_become_strings(void **state)
{
    (void)state;
    assert_string_equal(json_of("", 10), "\"\"");
    assert_string_equal(json_of("plain", 10), "\"plain\"");
    assert_string_equal(json_of("plain", 2), "\"pl\"");
    assert_string_equal(json_of("a\"b\\c", 10), "\"a\\\"b\\\\c\"");
    assert_string_equal(json_of("\n\x01\x7f", 10), "\"\\u000a\\u0001\\u007f\"");
    assert_string_equal(json_of("\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\x98", 20), "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\x98\"");
    assert_string_equal(json_of("\xe2\x82\xac", 2), "\"\\u00e2\\u0082\""); /* cut */
    assert_string_equal(json_of("\xff\x80", 10), "\"\\u00ff\\u0080\"");
    assert_string_equal(json_of("\xc0\xaf", 10), "\"\\u00c0\\u00af\"");                 /* longer than it must be */
    assert_string_equal(json_of("\xe0\x80\xaf", 10), "\"\\u00e0\\u0080\\u00af\"");
    assert_string_equal(json_of("\xf0\x80\x80\xaf", 10), "\"\\u00f0\\u0080\\u0080\\u00af\"");
    assert_string_equal(json_of("\xed\xa0\x80", 10), "\"\\u00ed\\u00a0\\u0080\"");      /* half a pair */
    assert_string_equal(json_of("\xf4\x90\x80\x80", 10), "\"\\u00f4\\u0090\\u0080\\u0080\""); /* beyond the last one */
    assert_string_equal(json_of("\xf4\x8f\xbf\xbf", 10), "\"\xf4\x8f\xbf\xbf\"");       /* the last one */
}

static void failures_are_told_and_errno_is_kept(void **state)
{
    (void)state;
    ca_out out;
    errno = 77;
    ca_out_begin(&out, -1);
    for (int i = 0; i < 1000; i++)
        ca_out_print(&out, "%d lines for nobody\n", i);
    assert_false(ca_out_end(&out));
    ca_out_begin(&out, -1);
    assert_true(ca_out_end(&out)); /* nothing is written, nothing is lost */
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    if (fd >= 0) {
        errno = 77;
        ca_out_begin(&out, fd);
        ca_out_print(&out, "x");
        assert_false(ca_out_end(&out));
        close(fd);
    }
    assert_int_equal(errno, 77);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_arrive_whole_and_in_order),
        cmocka_unit_test(names_become_strings),
        cmocka_unit_test(failures_are_told_and_errno_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
