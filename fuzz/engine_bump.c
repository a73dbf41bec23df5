/* Fuzz target: a bump against two numbers, how much is in use and where the last block starts. */
#include "ctxalloc/bump.h"
#include "fuzz/fuzz.h"

#include <errno.h>

enum { ROOM = 2048, MARKS = 8 };

static _Alignas(64) unsigned char memory[ROOM];
static ctxalloc_bump bump;
static size_t used, last, capacity;
static ctxalloc_bump_mark marks[MARKS];

static void step(fuzz_input *in)
{
    unsigned op = fuzz_byte(in);
    size_t size = op & 128 ? fuzz_two(in) : fuzz_byte(in) % 64, want = size + !size, available;
    switch (op % 8) {
    case 0:
    case 1: {
        size_t align = op / 8 % 4 == 3 ? fuzz_byte(in) : (size_t)1 << op / 8 % 16, at = used;
        while (align && at <= capacity && ((uintptr_t)memory + at) % align)
            at++;
        size_t largest = ctxalloc_bump_largest(&bump, align);
        unsigned char *p = ctxalloc_bump_alloc(&bump, size, align);
        bool fits = align && at + want <= capacity;
        FUZZ_CHECK(p == (fits ? memory + at : NULL) && largest == (align && at < capacity ? capacity - at : 0), "%zu at %zu", size, align);
        if (fits) {
            last = at;
            used = at + want;
        }
        break;
    }
    case 2: {
        size_t at = op & 64 ? last : size;
        bool known = at < used && at <= last;
        FUZZ_CHECK(ctxalloc_bump_free(&bump, (void *)((uintptr_t)memory + at)) == (known ? 0 : EINVAL), "%zu", at);
        if (known && at == last)
            used = last;
        break;
    }
    case 3:
    case 4: {
        size_t at = op & 64 ? last : fuzz_two(in);
        bool known = at < used && at <= last, fits = known && at == last && last + want <= capacity;
        int error = ctxalloc_bump_resize(&bump, (void *)((uintptr_t)memory + at), size, &available);
        FUZZ_CHECK(error == (!known ? EINVAL : fits ? 0 : ENOMEM), "%zu to %zu", at, size);
        FUZZ_CHECK(available == (known && at == last ? capacity - last : 0), "%zu", available);
        used = fits ? last + want : used;
        break;
    }
    case 5:
        marks[op / 8 % MARKS] = ctxalloc_bump_get_mark(&bump);
        break;
    case 6: {
        ctxalloc_bump_mark mark = marks[op / 8 % MARKS];
        int error = ctxalloc_bump_release(&bump, mark);
        FUZZ_CHECK(error == (mark.at <= used ? 0 : EINVAL), "%zu", mark.at);
        if (!error) {
            used = mark.at;
            last = mark.last;
        }
        break;
    }
    default:
        if (op & 64) {
            size_t more = size < ROOM - capacity ? size : ROOM - capacity;
            FUZZ_CHECK(!ctxalloc_bump_grow(&bump, more), "%zu", more);
            capacity += more;
        } else if (used > last) { /* realloc of the last block, that may move it */
            size_t align = (size_t)1 << op / 8 % 8, to = last, kept = used - last;
            for (size_t i = 0; i < kept; i++)
                memory[last + i] = (unsigned char)(i + 1);
            if ((uintptr_t)(memory + last) % align)
                for (to = used; ((uintptr_t)memory + to) % align;)
                    to++;
            unsigned char *p = ctxalloc_bump_realloc(&bump, memory + last, 0, size, align);
            FUZZ_CHECK(p == (to + want <= capacity ? memory + to : NULL), "%zu to %zu", last, size);
            if (!p)
                break;
            for (size_t i = 0; i < kept && i < size; i++)
                FUZZ_CHECK(p[i] == (unsigned char)(i + 1), "byte %zu", i);
            last = to;
            used = to + want;
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input in = {data, data + size};
    int which;
    used = last = 0;
    capacity = fuzz_two(&in) % (ROOM + 1);
    for (int i = 0; i < MARKS; i++)
        marks[i] = (ctxalloc_bump_mark){0, 0};
    FUZZ_CHECK(!ctxalloc_bump_over(&bump, memory, capacity), "%zu", capacity);
    while (fuzz_more(&in)) {
        step(&in);
        FUZZ_CHECK(ctxalloc_bump_is_valid(&bump, &which), "[%d]", which);
        FUZZ_CHECK(ctxalloc_bump_used(&bump) == used && ctxalloc_bump_capacity(&bump) == capacity, "%zu", used);
    }
    return 0;
}
