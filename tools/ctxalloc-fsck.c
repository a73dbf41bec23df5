/* ctxalloc-fsck: looks at a heap in a file, says what is in it and what is wrong; on request goes back to its last sync. See ctxalloc-fsck(1). */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <ctxalloc.h>

enum { RIGHT = 0, RESTORED = 1, DAMAGED = 4, NOT_LOOKED_AT = 8, USAGE = 16 }; /* as fsck(8) */

static bool quiet;

static const char *fault_text(int fault)
{
    static const char *const texts[] = {"right",
                                        "header or state damaged",
                                        "table of pages damaged: runs",
                                        "table of pages damaged: an entry",
                                        "bits of a slab damaged",
                                        "roots damaged",
                                        "file too short",
                                        "none, or damaged"};
    return fault >= 0 && fault < (int)(sizeof texts / sizeof *texts) ? texts[fault] : "?";
}

static void report_print(const char *path, const ctxalloc_file_report *r)
{
    printf("%s: %llu bytes, %llu blocks of %llu bytes, %llu free pages, %llu roots\n", path, (unsigned long long)r->bytes, (unsigned long long)r->blocks,
           (unsigned long long)r->block_bytes, (unsigned long long)r->free_pages, (unsigned long long)r->roots);
    printf("  was %s\n", r->in_memory ? "in memory: no syncs" : r->recover ? "open when the machine stopped: opening it goes back to the last sync"
                                                         : r->was_open ? "left open: its process was killed" : "closed");
    if (r->live_fault)
        printf("  what is live: %s (F%d, page %u)\n", fault_text(r->live_fault), r->live_fault, r->live_page);
    if (!r->in_memory && r->sync_fault)
        printf("  last sync: %s (F%d, page %u)\n", fault_text(r->sync_fault), r->sync_fault, r->sync_page);
    else if (!r->in_memory)
        printf("  last sync: number %llu\n", (unsigned long long)r->sequence);
    if (r->dangling)
        printf("  %llu roots are not live blocks\n", (unsigned long long)r->dangling);
}

static int file_restore(const char *path)
{
    char why[CTXALLOC_FILE_WHY];
    ctxalloc_file_options o = {.size = sizeof o, .flags = CTXALLOC_FILE_RESTORE, .why = why};
    ctxalloc_context *heap = ctxalloc_open(path, &o);
    int error = heap ? ctxalloc_close(heap) : errno;
    if (!error) {
        printf("%s: is as at its last sync\n", path);
        return RESTORED;
    }
    fprintf(stderr, "ctxalloc-fsck: %s: not restored: %s (%s)\n", path, heap ? "it cannot be written" : why, strerror(error));
    return DAMAGED;
}

static int file_check(const char *path, bool restore)
{
    char why[CTXALLOC_FILE_WHY];
    ctxalloc_file_report r;
    int error = ctxalloc_file_check(path, &r, why);
    if (error) {
        fprintf(stderr, "ctxalloc-fsck: %s: %s (%s)\n", path, why, strerror(error));
        return error == EUCLEAN ? DAMAGED : NOT_LOOKED_AT;
    }
    /* What is live does not count when the last sync is taken, and the other way round a sync that is damaged is replaced by the next one. */
    bool damaged = r.recover ? r.sync_fault != 0 : r.live_fault != 0;
    if (!quiet || damaged)
        report_print(path, &r);
    if (restore)
        return file_restore(path);
    return damaged ? DAMAGED : RIGHT;
}

int main(int count, char **arguments)
{
    bool restore = false;
    int status = RIGHT, i = 1;
    for (; i < count && arguments[i][0] == '-' && arguments[i][1]; i++) {
        if (!strcmp(arguments[i], "--")) {
            i++;
            break;
        }
        if (!strcmp(arguments[i], "-q"))
            quiet = true;
        else if (!strcmp(arguments[i], "--restore"))
            restore = true;
        else if (!strcmp(arguments[i], "-V")) {
            printf("ctxalloc-fsck %s\n", ctxalloc_version());
            return 0;
        } else
            i = count;
    }
    if (i >= count) {
        fprintf(stderr, "usage: ctxalloc-fsck [-q] [--restore] FILE ...\n       ctxalloc-fsck -V\n");
        return USAGE;
    }
    for (; i < count; i++)
        status |= file_check(arguments[i], restore);
    return status;
}
