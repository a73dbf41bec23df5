/*
 * Says which file serves malloc in a process, as proof that a preload took effect.
 *
 * lib.sh preloads this object behind the allocator under test. When a program starts, one line is
 * appended to the file named by CTXALLOC_WITNESS:
 *
 *     <command name> <process id> <path of the mapping that holds malloc>
 *
 * A preload that was ignored, or a program with a malloc of its own, shows another path. The
 * constructor writes the line, not a destructor: programs that end by _exit, by exec or by a signal
 * are seen too. It never allocates, and keeps errno.
 *
 * The address looked up is what the dynamic linker bound this object's own call of malloc to. `&malloc`
 * will not do: in a program linked at a fixed address that takes it too (node does), the C language's
 * one address of malloc is a stub inside the program, whoever serves the calls.
 * Must be linked with -z now, so that the slot is bound before the constructor runs.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAPS_BYTES = 256 * 1024, COMM_BYTES = 64, LINE_BYTES = 4096 };

static char maps[MAPS_BYTES];

extern const ElfW(Ehdr) __ehdr_start __attribute__((visibility("hidden")));

void *ctxalloc_witness_call(size_t size);

/* Never called: it is the call whose slot malloc_bound reads. */
void *ctxalloc_witness_call(size_t size)
{
    return malloc(size);
}

/* The address in this object's linkage slot for malloc; 0 when there is no such slot. */
static uintptr_t malloc_bound(void)
{
    const ElfW(Sym) *symbols = NULL;
    const char *names = NULL;
    const ElfW(Rela) *slots = NULL;
    size_t slot_count = 0;
    for (const ElfW(Dyn) *entry = _DYNAMIC; entry->d_tag != DT_NULL; entry++) {
        switch (entry->d_tag) {
        case DT_SYMTAB:
            symbols = (const ElfW(Sym) *)entry->d_un.d_ptr;
            break;
        case DT_STRTAB:
            names = (const char *)entry->d_un.d_ptr;
            break;
        case DT_JMPREL:
            slots = (const ElfW(Rela) *)entry->d_un.d_ptr;
            break;
        case DT_PLTRELSZ:
            slot_count = entry->d_un.d_val / sizeof(ElfW(Rela));
            break;
        default:
            break;
        }
    }
    if (symbols == NULL || names == NULL || slots == NULL) {
        return 0;
    }
    for (size_t i = 0; i < slot_count; i++) {
        const ElfW(Sym) *symbol = &symbols[ELF64_R_SYM(slots[i].r_info)];
        if (strcmp(names + symbol->st_name, "malloc") == 0) {
            return *(const uintptr_t *)((uintptr_t)&__ehdr_start + slots[i].r_offset);
        }
    }
    return 0;
}

/* Reads a whole file of /proc, which comes in pieces; the text is cut at size - 1 bytes. */
static size_t file_read(const char *path, char *text, size_t size)
{
    size_t used = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    while (fd >= 0 && used < size - 1) {
        ssize_t got = read(fd, text + used, size - 1 - used);
        if (got <= 0) {
            break;
        }
        used += (size_t)got;
    }
    if (fd >= 0) {
        close(fd);
    }
    text[used] = '\0';
    return used;
}

/* The path at the end of the maps line that covers the address; "none" when there is no such line. */
static const char *mapping_path(char *text, uintptr_t address)
{
    for (char *line = text; line != NULL && *line != '\0';) {
        char *next = strchr(line, '\n');
        if (next != NULL) {
            *next++ = '\0';
        }
        char *end = NULL;
        uintptr_t low = strtoul(line, &end, 16);
        uintptr_t high = *end == '-' ? strtoul(end + 1, NULL, 16) : 0;
        if (address >= low && address < high) {
            const char *path = strchr(line, '/');
            return path != NULL ? path : "none";
        }
        line = next;
    }
    return "none";
}

__attribute__((constructor)) static void testify(void)
{
    int kept_errno = errno;
    const char *log = getenv("CTXALLOC_WITNESS");
    if (log != NULL) {
        char comm[COMM_BYTES];
        char line[LINE_BYTES];
        size_t comm_bytes = file_read("/proc/self/comm", comm, sizeof comm);
        if (comm_bytes > 0 && comm[comm_bytes - 1] == '\n') {
            comm[comm_bytes - 1] = '\0';
        }
        file_read("/proc/self/maps", maps, sizeof maps);
        int length = snprintf(line, sizeof line, "%s %ld %s\n", comm, (long)getpid(),
                              mapping_path(maps, malloc_bound()));
        int fd = open(log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
        /* A line that is lost makes the test fail, so the result needs no second look here. */
        if (fd >= 0 && length > 0 && length < LINE_BYTES) {
            ssize_t written = write(fd, line, (size_t)length);
            (void)written;
        }
        if (fd >= 0) {
            close(fd);
        }
    }
    errno = kept_errno;
}
