#include "front/stack.h"

#include <config.h>
#include <dlfcn.h>
#include <elf.h>
#include <string.h>

#include "base/lock.h"
#include "base/os.h"
#include "base/print.h"

enum { HEADS = 1 << 13 };

/* The part of the unwinder's interface that is used (Itanium C++ ABI, level I). */
struct _Unwind_Context;
typedef int visitor(struct _Unwind_Context *context, void *argument);
typedef int backtrace(visitor *fn, void *argument);
typedef uintptr_t address(struct _Unwind_Context *context);
enum { GO_ON = 0 /* _URC_NO_REASON */, STOP = 5 /* _URC_END_OF_STACK */ };

static struct {
    ca_lock lock;
    uint32_t last;
    unsigned frames;
    ca_stack *stacks; /* CA_STACKS, NULL: off */
    uint32_t *heads;
    backtrace *walk;
    address *address_of;
    uintptr_t text; /* this library's code, whose frames are left out */
    size_t text_bytes;
} table;

static __thread bool busy __attribute__((tls_model("initial-exec"))); /* the unwinder itself allocates, once */

bool ca_stack_init(unsigned frames)
{
    size_t heads = HEADS * sizeof *table.heads, bytes = ca_round_up(heads + CA_STACKS * sizeof *table.stacks, CA_PAGE);
    void *p = ca_os_reserve(bytes);
    if (!p || !ca_os_commit(p, bytes)) {
        if (p)
            ca_os_release(p, bytes);
        return false;
    }
    table.frames = frames < CA_STACK_FRAMES ? frames : CA_STACK_FRAMES;
    table.heads = p;
    table.stacks = (ca_stack *)(void *)((char *)p + heads);
    return true;
}

#ifdef PIC

/* The shared library finds the unwinder at run time: a reference would make every program load libgcc_s. */
extern const Elf64_Ehdr __ehdr_start __attribute__((visibility("hidden")));

bool ca_stack_find_unwinder(void)
{
    const Elf64_Phdr *segments = (const Elf64_Phdr *)(const void *)((const char *)&__ehdr_start + __ehdr_start.e_phoff);
    table.text = (uintptr_t)&__ehdr_start;
    for (unsigned i = 0; i < __ehdr_start.e_phnum; i++)
        if (segments[i].p_type == PT_LOAD && segments[i].p_vaddr + segments[i].p_memsz > table.text_bytes)
            table.text_bytes = segments[i].p_vaddr + segments[i].p_memsz;
    void *library = dlopen("libgcc_s.so.1", RTLD_NOW | RTLD_LOCAL);
    void *walk = library ? dlsym(library, "_Unwind_Backtrace") : NULL, *ip = library ? dlsym(library, "_Unwind_GetIP") : NULL;
    if (!walk || !ip)
        return false;
    memcpy(&table.address_of, &ip, sizeof ip);
    __atomic_store_n(&table.walk, (backtrace *)(uintptr_t)walk, __ATOMIC_RELEASE);
    return true;
}

#else

/* A program that is linked with the archive has an unwinder or not. */
extern backtrace _Unwind_Backtrace __attribute__((weak));
extern address _Unwind_GetIP __attribute__((weak));

bool ca_stack_find_unwinder(void)
{
    if (!_Unwind_Backtrace || !_Unwind_GetIP)
        return false;
    table.address_of = _Unwind_GetIP;
    __atomic_store_n(&table.walk, _Unwind_Backtrace, __ATOMIC_RELEASE);
    return true;
}

#endif

typedef struct found {
    unsigned count;
    uintptr_t frame[CA_STACK_FRAMES];
} found;

static int frame_add(struct _Unwind_Context *context, void *argument)
{
    found *f = argument;
    uintptr_t ip = table.address_of(context);
    if (!ip)
        return STOP;
    if (f->count || ip - table.text >= table.text_bytes)
        f->frame[f->count++] = ip;
    return f->count < table.frames ? GO_ON : STOP;
}

/* In the list that starts at number; 0: not there. */
static uint32_t stack_find(uint32_t number, const found *f)
{
    for (; number; number = table.stacks[number].next)
        if (table.stacks[number].count == f->count && !memcmp(table.stacks[number].frame, f->frame, f->count * sizeof f->frame[0]))
            break;
    return number;
}

static uint32_t stack_intern(const found *f)
{
    uint64_t hash = 0;
    for (unsigned i = 0; i < f->count; i++)
        hash = (hash ^ f->frame[i]) * 0x9e3779b97f4a7c15ULL;
    uint32_t *head = &table.heads[hash >> 32 & (HEADS - 1)];
    uint32_t number = stack_find(CA_LOAD_ACQUIRE(head), f);
    if (number)
        return number;
    ca_lock_take(&table.lock);
    number = stack_find(*head, f);
    if (!number && table.last < CA_STACKS - 1) {
        number = table.last + 1;
        ca_stack *s = &table.stacks[number];
        s->next = *head;
        s->count = f->count;
        memcpy(s->frame, f->frame, f->count * sizeof f->frame[0]);
        CA_STORE_RELEASE(head, number);
        CA_STORE_RELEASE(&table.last, number);
    }
    ca_lock_drop(&table.lock);
    return number;
}

uint32_t ca_stack_take(void)
{
    backtrace *walk = __atomic_load_n(&table.walk, __ATOMIC_ACQUIRE);
    if (!walk || !table.stacks || busy)
        return 0;
    found f = {.count = 0};
    busy = true;
    (void)walk(frame_add, &f);
    busy = false;
    return f.count ? stack_intern(&f) : 0;
}

ca_stack *ca_stack_at(uint32_t number)
{
    return &table.stacks[number];
}

uint32_t ca_stack_last(void)
{
    return CA_LOAD_ACQUIRE(&table.last);
}

size_t ca_stack_format(uint32_t number, char *to, size_t size)
{
    size_t used = 0;
    to[0] = '\0';
    if (!number || number > ca_stack_last())
        return 0;
    const ca_stack *s = &table.stacks[number];
    for (uint32_t i = 0; i < s->count; i++) {
        Dl_info info;
        /* the address of the call, not the one after: that may be another line's, or another function's */
        uintptr_t call = s->frame[i] - 1;
        const char *file = dladdr((void *)call, &info) && info.dli_fname ? info.dli_fname : NULL;
        if (file) {
            for (const char *c = file; *c; c++)
                file = *c == '/' ? c + 1 : file;
            used += ca_format(to + used, size - used, " %s+%x", file, (uint64_t)(call - (uintptr_t)info.dli_fbase));
        } else {
            used += ca_format(to + used, size - used, " %x", (uint64_t)call);
        }
    }
    return used;
}

void ca_stack_lock(void)
{
    ca_lock_take(&table.lock);
}

void ca_stack_unlock(void)
{
    ca_lock_drop(&table.lock);
}
