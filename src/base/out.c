#include "base/out.h"

#include <string.h>

#include "base/os.h"
#include "base/print.h"

void ca_out_begin(ca_out *out, int fd)
{
    out->fd = fd;
    out->failed = false;
    out->used = 0;
}

static void flush(ca_out *out)
{
    if (out->used && !out->failed)
        out->failed = !ca_os_write(out->fd, out->text, out->used);
    out->used = 0;
}

static void put(ca_out *out, const char *text, size_t length)
{
    if (out->used + length > sizeof out->text)
        flush(out);
    memcpy(out->text + out->used, text, length);
    out->used += length;
}

void ca_out_print(ca_out *out, const char *format, ...)
{
    char piece[1000];
    va_list arguments;
    va_start(arguments, format);
    size_t n = ca_vformat(piece, sizeof piece, format, arguments);
    va_end(arguments);
    put(out, piece, n);
}

/* Bytes of the character that begins here; 0: this is no UTF-8. (Table 3-7 of the Unicode standard.) */
static unsigned utf8_length(const unsigned char *c, size_t rest)
{
    unsigned length = c[0] < 0x80 ? 1 : c[0] >= 0xc2 && c[0] <= 0xdf ? 2 : c[0] >= 0xe0 && c[0] <= 0xef ? 3 : c[0] >= 0xf0 && c[0] <= 0xf4 ? 4 : 0;
    if (!length || length > rest)
        return 0;
    for (unsigned i = 1; i < length; i++)
        if (c[i] < 0x80 || c[i] > 0xbf)
            return 0;
    bool wrong = (c[0] == 0xe0 && c[1] < 0xa0) || (c[0] == 0xed && c[1] > 0x9f) || (c[0] == 0xf0 && c[1] < 0x90) || (c[0] == 0xf4 && c[1] > 0x8f);
    return length > 1 && wrong ? 0 : length;
}

void ca_out_json(ca_out *out, const char *text, size_t most)
{
    static const char digits[] = "0123456789abcdef";
    size_t all = 0;
    while (all < most && text[all])
        all++;
    put(out, "\"", 1);
    for (size_t i = 0; i < all;) {
        const unsigned char *c = (const unsigned char *)text + i;
        unsigned length = utf8_length(c, all - i);
        if (*c == '"' || *c == '\\') {
            const char escaped[2] = {'\\', (char)*c};
            put(out, escaped, sizeof escaped);
        } else if (*c < 0x20 || *c == 0x7f || !length) {
            const char escaped[6] = {'\\', 'u', '0', '0', digits[*c >> 4], digits[*c & 15]};
            put(out, escaped, sizeof escaped);
        } else {
            put(out, text + i, length);
        }
        i += length ? length : 1;
    }
    put(out, "\"", 1);
}

bool ca_out_end(ca_out *out)
{
    flush(out);
    return !out->failed;
}
