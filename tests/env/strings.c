/* What the C library allocates for its caller, in a program with libctxalloc.a in it: the right text, from the context that is current, also where no C library's functions lie behind ours (a static program). */
#include <limits.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wchar.h>

#include "include/ctxalloc.h"
#include "tests/env/env.h"

static ctxalloc_context *context;

/* A block of the current context, with that text; it goes. */
static void is_text(char *p, const char *text) {
    CHECK(p != NULL && strcmp(p, text) == 0 && ctxalloc_owner(p) == context);
    free(p);
}

int __asprintf_chk(char **out, int flag, const char *format, ...);

__attribute__((format(printf, 2, 3))) static int print(char **out, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int length = vasprintf(out, format, arguments);
    va_end(arguments);
    return length;
}

static void copies(void) {
    is_text(strdup("a text"), "a text");
    is_text(strndup("a text", 3), "a t");
    size_t more = 300;
    is_text(strndup("a text", *(volatile size_t *)&more), "a text");
    wchar_t *wide = wcsdup(L"wide");
    CHECK(wide != NULL && wcscmp(wide, L"wide") == 0 && ctxalloc_owner(wide) == context);
    free(wide);
}

static void prints(void) {
    char *p, expected[3001];
    for (int length = 1; length <= 3000; length += length < 250 || length > 270 ? 37 : 1) {
        memset(expected, '0', sizeof expected);
        expected[length - 1] = '7';
        expected[length] = 0;
        CHECK(asprintf(&p, "%0*d", length, 7) == length);
        is_text(p, expected);
        CHECK(__asprintf_chk(&p, 1, "%0*d", length, 7) == length);
        is_text(p, expected);
        CHECK(print(&p, "%0*d", length, 7) == length);
        is_text(p, expected);
    }
}

/* Lines of many lengths, the last one without an end, through buffers of several sizes: 0 is none, 1 a character at a time. Of these only the first lines, each costs as many system calls. */
static void lines(void) {
    enum { LINES = 300, FEW = 30, LONGEST = 5000, LARGE = 4096 };
    static const size_t buffers[] = {0, 1, 7, 4096, 65536};
    FILE *f = tmpfile();
    CHECK(f != NULL);
    for (int i = 0; i < LINES; i++)
        CHECK(fprintf(f, "%0*d%s", 1 + i * i % LONGEST, i, i < LINES - 1 ? "\n" : "") > 0);
    for (size_t b = 0; b < sizeof buffers / sizeof *buffers; b++) {
        char *line = NULL, *buffer = (char *)malloc(buffers[b] + 1), expected[LONGEST + 3];
        size_t room = 0;
        rewind(f);
        int again = dup(fileno(f));
        FILE *in = fdopen(again, "r");
        CHECK(buffer != NULL && in != NULL && setvbuf(in, buffers[b] ? buffer : NULL, buffers[b] ? _IOFBF : _IONBF, buffers[b]) == 0);
        for (int i = 0; i < (buffers[b] < LARGE ? FEW : LINES); i++) {
            ssize_t length = sprintf(expected, "%0*d%s", 1 + i * i % LONGEST, i, i < LINES - 1 ? "\n" : "");
            CHECK(getline(&line, &room, in) == length && strcmp(line, expected) == 0 && room > (size_t)length && ctxalloc_owner(line) == context);
        }
        CHECK(buffers[b] < LARGE || (getline(&line, &room, in) == -1 && feof(in) && !ferror(in)));
        free(line);
        CHECK(fclose(in) == 0);
        free(buffer);
    }
    rewind(f);
    char *line = NULL;
    size_t room = 0;
    CHECK(getdelim(&line, &room, '3', f) > 0 && strchr(line, '3') == line + strlen(line) - 1);
    CHECK(ungetc('x', f) == 'x' && getline(&line, &room, f) > 0 && line[0] == 'x');
    free(line);
    CHECK(fclose(f) == 0);
}

/* The environment is kept: in a static program, where nothing leads the C library elsewhere, it must not be the context's. */
static bool set_folder(const char *name) {
    ctxalloc_context *before = ctxalloc_switch(CTXALLOC_GLOBAL);
    bool done = setenv("PWD", name, 1) == 0;
    return ctxalloc_switch(before) == CTXALLOC_GLOBAL && done;
}

static void folders(const char *work) {
    char here[PATH_MAX], name[PATH_MAX + 16], *p;
    CHECK(chdir(work) == 0 && getcwd(here, sizeof here) == here);
    is_text(getcwd(NULL, 0), here);
    CHECK((p = getcwd(NULL, PATH_MAX)) != NULL && malloc_usable_size(p) >= PATH_MAX);
    is_text(p, here);
    errno = 0;
    CHECK(getcwd(NULL, 1) == NULL && errno == ERANGE);
    is_text(realpath(".", NULL), here);
    is_text(canonicalize_file_name("./."), here);
    CHECK(realpath(".", name) == name && strcmp(name, here) == 0);
    errno = 0;
    CHECK(realpath("/nonexistent/place", NULL) == NULL && errno == ENOENT);
    snprintf(name, sizeof name, "%s/by-link", here);
    CHECK((unlink(name) == 0 || errno == ENOENT) && symlink(here, name) == 0 && set_folder(name));
    is_text(get_current_dir_name(), name);
    CHECK(set_folder("/proc"));
    is_text(get_current_dir_name(), here);
    CHECK(unlink(name) == 0);
}

int main(int count, char **arguments) {
    CHECK(count == 2);
    for (int lifetime = CTXALLOC_LONG; lifetime <= CTXALLOC_SHORT; lifetime++) {
        ctxalloc_options options = {.size = sizeof options, .lifetime = (enum ctxalloc_lifetime)lifetime};
        context = ctxalloc_create(&options);
        CHECK(context != NULL && ctxalloc_switch(context) == CTXALLOC_GLOBAL);
        copies();
        prints();
        lines();
        folders(arguments[1]);
        CHECK(ctxalloc_switch(CTXALLOC_GLOBAL) == context && ctxalloc_destroy(context) == 0);
    }
    return 0;
}
