/* The C library's own allocations while a context is current: what it keeps is never the context's, what it hands out is. Rows CA1, CA3 and N2.
 *
 * Each use that keeps something is tried in a child, so that it is the first one of its process.
 * libc_fixed is the same in a program that is not position-independent: there malloc's address, which is taken below, is not the library's, but that of an entry in the program which leads there. libc_archive has libctxalloc.a in it. */
#include <dlfcn.h>
#include <iconv.h>
#include <libintl.h>
#include <limits.h>
#include <locale.h>
#include <netdb.h>
#include <pwd.h>
#include <sys/wait.h>
#include <syslog.h>
#include <time.h>
#include <wchar.h>

#include "tests/contexts/contexts.h"

/* --- what it keeps ------------------------------------------------------------------------------------------------ */

static bool zones(void) {
    time_t day = 86400;
    struct tm *tm = localtime(&day);
    return tm && tm->tm_year == 70;
}

static bool environment(void) {
    return setenv("CTXALLOC_TEST_A", "first", 1) == 0 && setenv("CTXALLOC_TEST_B", "second", 1) == 0 && strcmp(getenv("CTXALLOC_TEST_A"), "first") == 0;
}

static void at_end(void) { }

static bool handlers(void) {
    bool done = true;
    for (int i = 0; i < 100; i++)
        done = done && atexit(at_end) == 0;
    return done;
}

static bool locales(void) { return setlocale(LC_ALL, "C.UTF-8") && mblen("\xc3\xa9", 2) == 2 && setlocale(LC_ALL, "C"); }

static bool users(void) {
    struct passwd *root = getpwuid(0);
    return root && strcmp(root->pw_name, "root") == 0;
}

static bool hosts(void) {
    struct addrinfo *list = NULL;
    int error = getaddrinfo("127.0.0.1", "80", NULL, &list);
    if (!error)
        freeaddrinfo(list);
    (void)gethostbyname("localhost"); /* may fail where there is no such name, and keeps its buffer */
    return !error;
}

static bool services(void) {
    (void)getservbyname("http", "tcp"); /* the same */
    return getprotobyname("tcp") || true;
}

static bool messages(void) { return strstr(strerror(99999), "99999") && strstr(strsignal(99), "99"); }

static bool failing_lookups(void) { return !dlsym(RTLD_DEFAULT, "ctxalloc_no_such_symbol") && strstr(dlerror(), "no_such") && !dlopen("/nonexistent/library.so", RTLD_NOW); }

static bool translations(void) { return bindtextdomain("ctxalloc-test", "/tmp") && textdomain("ctxalloc-test") && strcmp(gettext("text"), "text") == 0; }

static bool conversions(void) {
    iconv_t converter = iconv_open("UTF-16LE", "ISO-8859-2");
    char in[] = "abc", out[16], *from = in, *to = out;
    size_t left = 3, room = sizeof out;
    bool done = converter != (iconv_t)-1 && iconv(converter, &from, &left, &to, &room) == 0 && out[4] == 'c'; /* NOLINT(performance-no-int-to-ptr): iconv's own */
    return done && iconv_close(converter) == 0;
}

static bool wide_streams(void) {
    static FILE *file;
    if (!file)
        file = fopen("/dev/null", "w");
    return file && fwprintf(file, L"wide %d\n", 1) > 0 && fflush(file) == 0;
}

static bool streams(void) {
    static FILE *file;
    if (!file)
        file = fopen("/dev/null", "w");
    return file && fprintf(file, "narrow %d\n", 1) > 0 && fflush(file) == 0 && setvbuf(stdin, NULL, _IOFBF, 0) == 0 && getc(stdin) == EOF;
}

static bool logs(void) {
    openlog("ctxalloc-test", LOG_NDELAY, LOG_USER);
    syslog(LOG_DEBUG, "a line of the test of contexts");
    return true;
}

static void destructor(void *value) { free(value); }

static bool thread_keys(void) {
    static pthread_key_t keys[80];
    static bool made;
    bool done = true;
    for (int i = 0; i < 80 && !made; i++)
        done = done && pthread_key_create(&keys[i], destructor) == 0;
    made = true;
    return done && pthread_setspecific(keys[79], NULL) == 0;
}

static const struct {
    const char *name;
    bool (*use)(void);
} keepers[] = {
    {"localtime", zones},       {"setenv", environment},        {"atexit", handlers},      {"setlocale", locales},   {"getpwuid", users},          {"getaddrinfo", hosts},
    {"getservbyname", services}, {"strerror", messages},        {"dlerror", failing_lookups}, {"gettext", translations}, {"iconv", conversions},      {"wide streams", wide_streams},
    {"streams", streams},       {"syslog", logs},               {"pthread_setspecific", thread_keys},
};

static void *(*volatile taken)(size_t) = malloc;

static void dirty(void) {
    void *p[600];
    for (size_t i = 0; i < ARRAY_LENGTH(p); i++)
        p[i] = memset(taken(16 + i * 8), 0xa5, 16 + i * 8);
    for (size_t i = 0; i < ARRAY_LENGTH(p); i++)
        free(p[i]);
}

/* 0: kept outside, and there after the context; otherwise what went wrong. */
static int use_in_a_context(bool (*use)(void), enum ctxalloc_lifetime lifetime) {
    ctxalloc_context *context = CREATE(.lifetime = lifetime), *next;
    if (!context || !ctxalloc_switch(context))
        return 2;
    bool used = use();
    (void)ctxalloc_switch(CTXALLOC_GLOBAL);
    ctxalloc_usage_t usage;
    if (!used || !ctxalloc_usage(context, &usage))
        return 3;
    if (usage.live_blocks)
        return 4;
    if (ctxalloc_destroy(context) != 0 || !(next = CREATE(.lifetime = lifetime)))
        return 5;
    (void)ctxalloc_switch(next);
    dirty();
    (void)ctxalloc_switch(CTXALLOC_GLOBAL);
    return use() ? 0 : 6;
}

static void n2_what_the_c_library_keeps_is_never_a_contexts(void **state) {
    (void)state;
    if (!CA_INTERPOSE)
        skip();
    EACH_LIFETIME(l) {
        for (size_t i = 0; i < ARRAY_LENGTH(keepers); i++) {
            (void)fflush(NULL);
            pid_t child = fork();
            if (!child) {
                if (!freopen("/dev/null", "r", stdin))
                    _exit(7);
                _exit(use_in_a_context(keepers[i].use, *l));
            }
            int status = -1;
            assert_int_equal(waitpid(child, &status, 0), child);
            if (status)
                print_error("%s in a context of lifetime %d: status %#x\n", keepers[i].name, (int)*l, (unsigned)status);
            assert_int_equal(status, 0);
        }
    }
}

/* --- what it hands out -------------------------------------------------------------------------------------------- */

__attribute__((format(printf, 1, 2))) static char *print(const char *format, ...) {
    va_list arguments;
    char *p = NULL;
    va_start(arguments, format);
    int length = vasprintf(&p, format, arguments);
    va_end(arguments);
    return length < 0 ? NULL : p;
}

static char *asprintf_short(void) {
    char *p = NULL;
    return asprintf(&p, "%d", 42) == 2 && strcmp(p, "42") == 0 ? p : NULL;
}

static char *asprintf_long(void) {
    char *p = NULL;
    return asprintf(&p, "%03000d", 7) == 3000 && strlen(p) == 3000 && p[2999] == '7' ? p : NULL;
}

static char *vasprintf_some(void) {
    char *p = print("%s-%d", "some", 7);
    return p && strcmp(p, "some-7") == 0 ? p : NULL;
}

int __asprintf_chk(char **out, int flag, const char *format, ...); /* what _FORTIFY_SOURCE makes of asprintf */

static char *asprintf_checked(void) {
    char *p = NULL;
    return __asprintf_chk(&p, 1, "%x", 255) == 2 && strcmp(p, "ff") == 0 ? p : NULL;
}

static char *duplicate(void) {
    char *p = strdup("text");
    return p && strcmp(p, "text") == 0 ? p : NULL;
}

static char *duplicate_part(void) {
    char *p = strndup("text and more", 4);
    return p && strcmp(p, "text") == 0 ? p : NULL;
}

static char *duplicate_wide(void) {
    wchar_t *p = wcsdup(L"wide");
    return p && wcscmp(p, L"wide") == 0 ? (char *)p : NULL;
}

/* The first line, then in all_of_a_file more than the first buffer holds. */
static char *line(void) {
    char *p = NULL, file_name[] = "/proc/self/status";
    size_t room = 0;
    FILE *pipe = fopen(file_name, "r");
    bool read = pipe && getline(&p, &room, pipe) > 5 && strncmp(p, "Name:", 5) == 0 && p[strlen(p) - 1] == '\n';
    return pipe && fclose(pipe) == 0 && read ? p : NULL;
}

static char *all_of_a_file(void) {
    char *p = NULL;
    size_t room = 0;
    FILE *file = fopen("/proc/self/status", "r");
    bool read = file && getdelim(&p, &room, 0, file) > 500 && room > 500 && strstr(p, "VmRSS");
    return file && fclose(file) == 0 && read ? p : NULL;
}

static char *real_path(void) {
    char *p = realpath("/proc/../proc/./version", NULL);
    return p && strcmp(p, "/proc/version") == 0 ? p : NULL;
}

static char *canonical(void) {
    char *p = canonicalize_file_name("/proc/../proc/./version");
    return p && strcmp(p, "/proc/version") == 0 ? p : NULL;
}

static char *working_folder(void) {
    char here[PATH_MAX], *p = getcwd(NULL, 0);
    return p && getcwd(here, sizeof here) == here && strcmp(p, here) == 0 ? p : NULL;
}

static char *working_folder_with_room(void) {
    char *p = getcwd(NULL, PATH_MAX);
    return p && malloc_usable_size(p) >= PATH_MAX ? p : NULL;
}

static char *working_folder_by_name(void) { return get_current_dir_name(); }

static const struct {
    const char *name;
    char *(*make)(void);
} makers[] = {
    {"strdup", duplicate},       {"strndup", duplicate_part}, {"wcsdup", duplicate_wide}, {"asprintf", asprintf_short},   {"asprintf, long", asprintf_long},     {"vasprintf", vasprintf_some},
    {"__asprintf_chk", asprintf_checked}, {"getline", line}, {"getdelim", all_of_a_file}, {"realpath", real_path},        {"canonicalize_file_name", canonical}, {"getcwd", working_folder},
    {"getcwd with a size", working_folder_with_room}, {"get_current_dir_name", working_folder_by_name},
};

static void ca3_what_the_c_library_hands_out_is_the_contexts(void **state) {
    (void)state;
    if (!CA_INTERPOSE)
        skip();
    EACH_LIFETIME(l) {
        ctxalloc_context *context = CREATE(.lifetime = *l);
        assert_non_null(context);
        for (size_t i = 0; i < ARRAY_LENGTH(makers); i++) {
            char *outside = makers[i].make();
            (void)ctxalloc_switch(context);
            char *inside = makers[i].make();
            (void)ctxalloc_switch(CTXALLOC_GLOBAL);
            if (!inside || !outside || ctxalloc_owner(inside) != context || ctxalloc_owner(outside) != CTXALLOC_GLOBAL)
                print_error("%s in a context of lifetime %d\n", makers[i].name, (int)*l);
            assert_non_null(inside);
            assert_non_null(outside);
            assert_ptr_equal(ctxalloc_owner(inside), context);
            assert_ptr_equal(ctxalloc_owner(outside), CTXALLOC_GLOBAL);
            free(outside);
        }
        assert_int_equal(usage_of(context).live_blocks, ARRAY_LENGTH(makers)); /* and nothing else is */
        assert_int_equal(ctxalloc_destroy(context), 0);
    }
}

static void n3_what_the_c_library_hands_out_obeys_the_limit(void **state) {
    (void)state;
    if (!CA_INTERPOSE)
        skip();
    ctxalloc_context *context = CREATE(.hard_limit = 1 << 20);
    assert_non_null(context);
    (void)ctxalloc_switch(context);
    void *p;
    while ((p = malloc(3000)))
        ;
    while ((p = malloc(16)))
        ;
    char *text = (char *)1, *line_read = NULL, *path;
    size_t room = 0;
    errno = 0;
    int length = asprintf(&text, "%02900d", 1), error = errno;
    FILE *file = fopen("/proc/self/status", "r"); /* global, so it opens */
    errno = 0;
    ssize_t read = file ? getdelim(&line_read, &room, 0, file) : 0;
    int read_error = errno;
    errno = 0;
    path = realpath("/proc/version", NULL);
    int path_error = errno;
    (void)ctxalloc_switch(CTXALLOC_GLOBAL);
    assert_int_equal(length, -1);
    assert_int_equal(error, ENOMEM);
    assert_non_null(file);
    assert_int_equal(read, -1);
    assert_int_equal(read_error, ENOMEM);
    assert_null(path);
    assert_int_equal(path_error, ENOMEM);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(ctxalloc_destroy(context), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(n2_what_the_c_library_keeps_is_never_a_contexts),
        TEST(ca3_what_the_c_library_hands_out_is_the_contexts),
        TEST(n3_what_the_c_library_hands_out_obeys_the_limit),
    };
    return cmocka_run_group_tests_name("libc", tests, NULL, NULL);
}
