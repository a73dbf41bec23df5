/* What programs for the GNU C library also call: statistics, tuning, and the __libc_ names. */
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>

#include "front/front.h"
#include "front/report.h"
#include "preload/face.h"

EXPORT int FACE(malloc_trim)(size_t pad);
EXPORT int FACE(mallopt)(int parameter, int value);
EXPORT struct mallinfo FACE(mallinfo)(void);
EXPORT struct mallinfo2 FACE(mallinfo2)(void);
EXPORT void FACE(malloc_stats)(void);
EXPORT int FACE(malloc_info)(int options, FILE *stream);

int FACE(malloc_trim)(size_t pad)
{
    (void)pad;
    return ca_front_trim();
}

/* glibc's parameters tune mechanisms that are not here: they are taken, and change nothing. */
int FACE(mallopt)(int parameter, int value)
{
    (void)parameter, (void)value;
    return 1;
}

struct mallinfo2 FACE(mallinfo2)(void)
{
    ca_report r = ca_report_get();
    struct mallinfo2 info;
    memset(&info, 0, sizeof info);
    uint64_t live = r.live_bytes - r.huge_bytes, arena = r.given - (r.huge_bytes < r.given ? r.huge_bytes : r.given);
    info.arena = arena;
    info.ordblks = r.heap_count;
    info.hblks = r.huge_count;
    info.hblkhd = r.huge_bytes;
    info.fsmblks = r.heaps.cached_bytes;
    info.uordblks = live;
    info.fordblks = arena - (live < arena ? live : arena);
    info.keepcost = r.committed - r.given;
    return info;
}

static int clamp(size_t n)
{
    return n > 0x7fffffff ? 0x7fffffff : (int)n;
}

struct mallinfo FACE(mallinfo)(void)
{
    struct mallinfo2 wide = FACE(mallinfo2)();
    return (struct mallinfo){.arena = clamp(wide.arena), .ordblks = clamp(wide.ordblks), .hblks = clamp(wide.hblks),
                             .hblkhd = clamp(wide.hblkhd), .fsmblks = clamp(wide.fsmblks),
                             .uordblks = clamp(wide.uordblks), .fordblks = clamp(wide.fordblks),
                             .keepcost = clamp(wide.keepcost)};
}

void FACE(malloc_stats)(void)
{
    (void)ca_report_text(2);
}

int FACE(malloc_info)(int options, FILE *stream)
{
    if (options != 0) {
        errno = EINVAL;
        return -1;
    }
    ca_report r = ca_report_get();
    int n = fprintf(stream,
                    "<malloc version=\"1\">\n"
                    "<heaps count=\"%zu\"/>\n"
                    "<contexts count=\"%zu\"/>\n"
                    "<total type=\"small\" count=\"%zu\" size=\"%zu\"/>\n"
                    "<total type=\"large\" count=\"%zu\" size=\"%zu\"/>\n"
                    "<total type=\"engines\" count=\"%zu\" size=\"%zu\"/>\n"
                    "<total type=\"mmap\" count=\"%zu\" size=\"%zu\"/>\n"
                    "<total type=\"cached\" size=\"%zu\"/>\n"
                    "<system type=\"current\" size=\"%zu\"/>\n"
                    "</malloc>\n",
                    (size_t)r.heap_count, (size_t)r.context_count, (size_t)r.heaps.small_count, (size_t)r.heaps.small_bytes, (size_t)r.heaps.large_count,
                    (size_t)r.heaps.large_bytes, (size_t)r.engine_count, (size_t)r.engine_bytes, (size_t)r.huge_count, (size_t)r.huge_bytes,
                    (size_t)r.heaps.cached_bytes, (size_t)r.committed);
    return n < 0 ? -1 : 0;
}

/* --- the __libc_ names: old programs and some libraries call these ---------------------------------------------- */

EXPORT void *FACE(__libc_malloc)(size_t size);
EXPORT void FACE(__libc_free)(void *p);
EXPORT void *FACE(__libc_calloc)(size_t count, size_t size);
EXPORT void *FACE(__libc_realloc)(void *p, size_t size);
EXPORT void *FACE(__libc_memalign)(size_t align, size_t size);
EXPORT void *FACE(__libc_valloc)(size_t size);
EXPORT void *FACE(__libc_pvalloc)(size_t size);

void *FACE(__libc_malloc)(size_t size) { return FACE(malloc)(size); }
void FACE(__libc_free)(void *p) { FACE(free)(p); }
void *FACE(__libc_calloc)(size_t count, size_t size) { return FACE(calloc)(count, size); }
void *FACE(__libc_realloc)(void *p, size_t size) { return FACE(realloc)(p, size); }
void *FACE(__libc_memalign)(size_t align, size_t size) { return FACE(memalign)(align, size); }
void *FACE(__libc_valloc)(size_t size) { return FACE(valloc)(size); }
void *FACE(__libc_pvalloc)(size_t size) { return FACE(pvalloc)(size); }
