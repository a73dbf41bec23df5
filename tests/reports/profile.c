/* A program whose allocation sites and their bytes are known, for profile.sh: writes a heap profile to the file named by its argument, and for each site a line
 * "name address live-bytes allocated-bytes" to standard output. */
#include <pthread.h>

#include "include/ctxalloc.h"
#include "tests/face.h"

#define SITE(name)                                                \
    __attribute__((noinline)) static void *name(size_t size) {    \
        void *p = malloc(hide_size(size));                        \
        if (!p)                                                   \
            abort();                                              \
        return hide_pointer(p);                                   \
    }
SITE(site_large)
SITE(site_small)
SITE(site_freed)
SITE(site_destroyed)
SITE(site_reset)
SITE(site_rolled_back)
SITE(site_adopted)
SITE(site_inherited)
SITE(site_global)
SITE(site_elsewhere)
SITE(site_before)

__attribute__((noinline)) static void *site_grown(void *p, size_t size) {
    p = realloc(p, hide_size(size));
    if (!p)
        abort();
    return hide_pointer(p);
}

__attribute__((noinline)) static void *site_zeroed(size_t size) {
    void *p = calloc(1, hide_size(size));
    if (!p)
        abort();
    return hide_pointer(p);
}

__attribute__((noinline)) static void *site_aligned(size_t size) {
    void *p = aligned_alloc(64, hide_size(size));
    if (!p)
        abort();
    return hide_pointer(p);
}

__attribute__((noinline)) static void *site_direct(ctxalloc_context *c, size_t size) {
    void *p = ctxalloc_malloc(c, hide_size(size));
    if (!p)
        abort();
    return hide_pointer(p);
}

#define CREATE(...) ctxalloc_create(&(ctxalloc_options){.size = sizeof(ctxalloc_options), __VA_ARGS__})
#define MUST(condition)                                                         \
    do {                                                                        \
        if (!(condition)) {                                                     \
            (void)fprintf(stderr, "profile.c:%d: %s\n", __LINE__, #condition);  \
            exit(2);                                                            \
        }                                                                       \
    } while (0)

enum { MANY = 20000 };
static void *kept[MANY];

static void *free_all(void *count) {
    for (size_t i = 0; i < *(size_t *)count; i++)
        free(kept[i]);
    return NULL;
}

static void tell(const char *name, uintptr_t site, size_t live, size_t all) { printf("%s %#zx %zu %zu\n", name, (size_t)site, live, all); }
#define TELL(site, live, all) tell(#site, (uintptr_t)&(site), live, all)

int main(int count, char **arguments) {
    static const enum ctxalloc_lifetime lifetimes[] = {CTXALLOC_LONG, CTXALLOC_MEDIUM, CTXALLOC_SHORT};
    if (count < 2)
        return 2;
    for (size_t i = 0; i < MANY; i++)
        (void)site_small(100 + i % 64);
    TELL(site_small, (size_t)MANY * 100 + (size_t)MANY / 64 * 2016 + 496, (size_t)MANY * 100 + (size_t)MANY / 64 * 2016 + 496);
    for (size_t i = 0; i < 40; i++)
        (void)site_large((size_t)100 << 10);
    TELL(site_large, (size_t)4000 << 10, (size_t)4000 << 10);

    for (size_t i = 0; i < MANY; i++)
        kept[i] = site_freed(150);
    size_t all = MANY;
    for (size_t i = 0; i < MANY; i += 2)
        free(kept[i]), kept[i] = NULL;
    pthread_t thread;
    all = MANY / 2; /* a quarter of them live on */
    MUST(pthread_create(&thread, NULL, free_all, &all) == 0 && pthread_join(thread, NULL) == 0);
    TELL(site_freed, (size_t)MANY / 4 * 150, (size_t)MANY * 150);

    for (size_t l = 0; l < 3; l++) {
        ctxalloc_context *c = CREATE(.lifetime = lifetimes[l]);
        MUST(c && ctxalloc_switch(c));
        for (size_t i = 0; i < MANY / 4; i++)
            (void)site_reset(200);
        MUST(ctxalloc_reset(c) == 0);
        ctxalloc_mark_t mark;
        if (lifetimes[l] == CTXALLOC_SHORT) {
            for (size_t i = 0; i < MANY / 4; i++)
                (void)site_before(200);
            MUST(ctxalloc_mark(c, &mark) == 0);
            for (size_t i = 0; i < MANY / 4; i++)
                (void)site_rolled_back(200);
            MUST(ctxalloc_rollback(c, &mark) == 0);
        } else {
            for (size_t i = 0; i < MANY / 4; i++)
                (void)site_destroyed(200);
        }
        MUST(ctxalloc_switch(CTXALLOC_GLOBAL));
        if (lifetimes[l] != CTXALLOC_SHORT)
            MUST(ctxalloc_destroy(c) == 0);
    }
    TELL(site_reset, 0, (size_t)MANY / 4 * 3 * 200);
    TELL(site_destroyed, 0, (size_t)MANY / 4 * 2 * 200);
    TELL(site_before, (size_t)MANY / 4 * 200, (size_t)MANY / 4 * 200);
    TELL(site_rolled_back, 0, (size_t)MANY / 4 * 200);

    for (size_t l = 0; l < 3; l++) { /* left to a parent that goes, to one that stays, to nobody */
        ctxalloc_context *goes = CREATE(.name = "goes"), *stays = CREATE(.name = "stays"), *parents[] = {goes, stays, NULL};
        void *(*sites[])(size_t) = {site_adopted, site_inherited, site_global};
        for (size_t k = 0; k < 3; k++) {
            ctxalloc_context *c = CREATE(.lifetime = lifetimes[l], .parent = parents[k], .escape = CTXALLOC_ADOPT);
            MUST(c && ctxalloc_switch(c));
            for (size_t i = 0; i < MANY / 4; i++)
                (void)sites[k](200);
            MUST(ctxalloc_switch(CTXALLOC_GLOBAL) && ctxalloc_destroy(c) == 0);
        }
        MUST(ctxalloc_destroy(goes) == 0);
        for (int i = 0; i < 100; i++) { /* records of what is gone are used again */
            ctxalloc_context *c = CREATE(.lifetime = lifetimes[l]);
            MUST(ctxalloc_malloc(c, 1) && ctxalloc_destroy(c) == 0);
        }
    }
    TELL(site_adopted, 0, (size_t)MANY / 4 * 3 * 200);
    TELL(site_inherited, (size_t)MANY / 4 * 3 * 200, (size_t)MANY / 4 * 3 * 200);
    TELL(site_global, (size_t)MANY / 4 * 3 * 200, (size_t)MANY / 4 * 3 * 200);

    for (size_t i = 0; i < 200; i++) { /* to twice the size, seven times: the block counts where it was resized last */
        void *p = site_elsewhere(1000);
        for (size_t size = 2000; size <= 128000; size *= 2)
            p = site_grown(p, size);
    }
    TELL(site_elsewhere, 0, 200 * 1000);
    TELL(site_grown, (size_t)200 * 128000, (size_t)200 * 254000);
    for (size_t i = 0; i < MANY / 4; i++) {
        (void)site_zeroed(500);
        (void)site_aligned(500);
        (void)site_direct(CTXALLOC_GLOBAL, 500);
    }
    TELL(site_zeroed, (size_t)MANY / 4 * 500, (size_t)MANY / 4 * 500);
    TELL(site_aligned, (size_t)MANY / 4 * 500, (size_t)MANY / 4 * 500);
    TELL(site_direct, (size_t)MANY / 4 * 500, (size_t)MANY / 4 * 500);
    errno = 77;
    MUST(ctxalloc_profile_dump(arguments[1]) == 0);
    MUST(ctxalloc_profile_dump(NULL) == EINVAL);
    MUST(ctxalloc_profile_dump("/nowhere/at/all") == ENOENT);
    MUST(errno == 77);
    return 0;
}
