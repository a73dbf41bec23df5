#include "base/print.h"

#include "base/os.h"

typedef struct sink {
    char *to, *end; /* end: where the NUL must fit */
} sink;

static void sink_char(sink *s, char c)
{
    if (s->to < s->end)
        *s->to++ = c;
}

static void sink_string(sink *s, const char *text)
{
    for (; *text; text++)
        sink_char(s, *text);
}

static void sink_number(sink *s, uint64_t value, unsigned base)
{
    char digits[20];
    int n = 0;
    do {
        digits[n++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value);
    while (n)
        sink_char(s, digits[--n]);
}

size_t ca_vformat(char *buffer, size_t size, const char *format, va_list arguments)
{
    sink s = {buffer, buffer + size - 1};
    for (; *format; format++) {
        if (*format != '%') {
            sink_char(&s, *format);
            continue;
        }
        switch (*++format) {
        case 's': {
            const char *text = va_arg(arguments, const char *);
            sink_string(&s, text ? text : "(null)");
            break;
        }
        case 'c': sink_char(&s, (char)va_arg(arguments, int)); break;
        case 'd': {
            int value = va_arg(arguments, int);
            if (value < 0)
                sink_char(&s, '-');
            sink_number(&s, (uint64_t)(value < 0 ? -(int64_t)value : value), 10);
            break;
        }
        case 'u': sink_number(&s, va_arg(arguments, unsigned), 10); break;
        case 'z': sink_number(&s, va_arg(arguments, size_t), 10); break;
        case 'x':
            sink_string(&s, "0x");
            sink_number(&s, va_arg(arguments, uint64_t), 16);
            break;
        default: sink_char(&s, *format); break;
        }
    }
    *s.to = '\0';
    return (size_t)(s.to - buffer);
}

size_t ca_format(char *buffer, size_t size, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    size_t n = ca_vformat(buffer, size, format, arguments);
    va_end(arguments);
    return n;
}

void ca_print(int fd, const char *format, ...)
{
    char line[1000];
    va_list arguments;
    va_start(arguments, format);
    size_t n = ca_vformat(line, sizeof line, format, arguments);
    va_end(arguments);
    ca_os_write(fd, line, n);
}
