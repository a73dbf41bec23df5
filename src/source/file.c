#include "source/file.h"

#include <errno.h>

int ca_file_map(ca_file *f, void *hint, uint64_t least, uint64_t wanted)
{
    least = ca_round_up(least, CA_PAGE);
    wanted = ca_size_max(ca_round_up(wanted, CA_PAGE), least);
    for (;;) { /* RLIMIT_AS may leave less */
        f->base = ca_os_file_map(f->fd, hint, wanted, f->write);
        if (f->base) {
            f->reserved = wanted;
            return 0;
        }
        if (wanted == least)
            return ENOMEM;
        wanted = ca_size_max(least, ca_round_up(wanted / 2, CA_PAGE));
    }
}

int ca_file_back(const ca_file *f, uint64_t first, uint64_t pages)
{
    if ((first + pages) * CA_PAGE > f->reserved)
        return ENOMEM;
    return ca_os_file_back(f->fd, first * CA_PAGE, pages * CA_PAGE);
}

void ca_file_close(ca_file *f)
{
    if (f->base)
        ca_os_release(f->base, f->reserved);
    if (f->fd >= 0)
        ca_os_file_close(f->fd);
    f->base = NULL;
    f->fd = -1;
}
