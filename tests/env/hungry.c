/* Takes blocks of the given size until none is left, wants that to be at least the given number of MiB and at the end NULL with ENOMEM;
 * then gives all back, and takes as much again. */
#include "tests/env/env.h"

struct link {
    struct link *next;
};

static size_t take_all(size_t size, struct link **list) {
    size_t count = 0;
    for (;;) {
        errno = 0;
        struct link *block = (struct link *)malloc(size);
        if (block == NULL) {
            CHECK(errno == ENOMEM);
            return count;
        }
        block->next = *list;
        *list = block;
        count++;
        CHECK(count * size < (size_t)1 << 40);
    }
}

static void give_back(struct link *list) {
    while (list != NULL) {
        struct link *next = list->next;
        free(list);
        list = next;
    }
}

int main(int argc, char **argv) {
    require_library();
    CHECK(argc == 3);
    size_t size = (size_t)strtoul(argv[1], NULL, 10), wanted_mib = (size_t)strtoul(argv[2], NULL, 10);
    struct link *list = NULL;
    size_t first = take_all(size, &list);
    /* With nothing left, what is there still works. */
    CHECK(realloc(list, (size_t)1 << 45) == NULL && errno == ENOMEM);
    CHECK(calloc((size_t)1 << 25, 1 << 20) == NULL && errno == ENOMEM);
    void *aligned = &list;
    CHECK(posix_memalign(&aligned, 1 << 20, (size_t)1 << 45) == ENOMEM && aligned == &list);
    give_back(list);
    list = NULL;
    size_t second = take_all(size, &list);
    give_back(list);
    malloc_trim(0);
    void *p = malloc(size);
    CHECK(p != NULL);
    free(hidden(p));
    char text[150];
    snprintf(text, sizeof text, "blocks of %zu: %zu MiB, the second time %zu MiB, wanted %zu\n", size, first * size / MIB,
             second * size / MIB, wanted_mib);
    say(text);
    CHECK(first * size / MIB >= wanted_mib);
    CHECK(second >= first - first / 10);
    return 0;
}
