// C++: operator new allocates from the current context, and ctxalloc_run restores when an exception leaves it, with the compiler's runtime shared
// or in the program itself. Rows CA6 and N2.
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

#include "include/ctxalloc.h"
#include "tests/face.h"

#define CHECK(condition)                                                      \
    do {                                                                      \
        if (!(condition)) {                                                   \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);   \
            _Exit(1);                                                         \
        }                                                                     \
    } while (0)

static ctxalloc_context *context;

static ctxalloc_context *create(enum ctxalloc_lifetime lifetime) {
    ctxalloc_options options{};
    options.size = sizeof options;
    options.lifetime = lifetime;
    return ctxalloc_create(&options);
}

static void *throw_deep(void *depth) {
    uintptr_t n = reinterpret_cast<uintptr_t>(depth);
    std::string local(100, 'x'); // destructors on the way
    if (n != 0)
        return ctxalloc_run(n % 2 ? CTXALLOC_GLOBAL : context, throw_deep, reinterpret_cast<void *>(n - 1));
    throw std::runtime_error("thrown in a context");
}

static void *rethrow(void *unused) {
    try {
        return ctxalloc_run(CTXALLOC_GLOBAL, throw_deep, unused);
    } catch (const std::runtime_error &) {
        CHECK(ctxalloc_current() == context);
        throw;
    }
}

static void ca6_run_restores_on_an_exception() {
    for (uintptr_t depth = 0; depth < 6; depth++) {
        bool caught = false;
        try {
            ctxalloc_run(context, throw_deep, reinterpret_cast<void *>(depth));
        } catch (const std::runtime_error &e) {
            caught = std::string(e.what()) == "thrown in a context";
        }
        CHECK(caught && ctxalloc_current() == CTXALLOC_GLOBAL);
    }
    bool caught = false;
    try {
        ctxalloc_run(context, rethrow, nullptr);
    } catch (const std::exception &) {
        caught = true;
    }
    CHECK(caught && ctxalloc_current() == CTXALLOC_GLOBAL);
}

static void *fill(void *argument) {
    auto *strings = static_cast<std::vector<std::string> *>(argument);
    for (int i = 0; i < 1000; i++)
        strings->push_back(std::string(100, static_cast<char>('a' + i % 26)));
    return strings;
}

// A container that was filled in a context, and is emptied elsewhere.
static void n2_operator_new_allocates_from_the_current_context() {
#if CA_INTERPOSE
    std::vector<std::string> strings;
    ctxalloc_run(context, fill, &strings);
    CHECK(ctxalloc_owner(strings.data()) == context && ctxalloc_owner(strings[500].data()) == context);
    for (int i = 0; i < 1000; i++)
        CHECK(strings[i] == std::string(100, static_cast<char>('a' + i % 26)));
    CHECK(ctxalloc_owner(strings[500].data()) == context);
#else
    (void)fill;
#endif
}

static void *exhaust(void *argument) {
    auto *p = static_cast<std::vector<std::unique_ptr<char[]>> *>(argument);
    for (;;)
        p->emplace_back(new char[10000]);
}

static void n3_a_hard_limit_is_bad_alloc() {
#if CA_INTERPOSE
    CHECK(ctxalloc_set_limits(context, 0, 8 << 20) == 0);
    bool caught = false;
    {
        std::vector<std::unique_ptr<char[]>> blocks;
        blocks.reserve(10000);
        try {
            ctxalloc_run(context, exhaust, &blocks);
        } catch (const std::bad_alloc &) {
            caught = true;
        }
        CHECK(caught && blocks.size() > 500 && ctxalloc_current() == CTXALLOC_GLOBAL);
    }
    CHECK(ctxalloc_set_limits(context, 0, 0) == 0);
#else
    (void)exhaust;
#endif
}

int main() {
    for (int lifetime = CTXALLOC_LONG; lifetime <= CTXALLOC_SHORT; lifetime++) {
        context = create(static_cast<enum ctxalloc_lifetime>(lifetime));
        CHECK(context != nullptr);
        ca6_run_restores_on_an_exception();
        n2_operator_new_allocates_from_the_current_context();
        n3_a_hard_limit_is_bad_alloc();
        CHECK(ctxalloc_destroy(context) == 0);
    }
    return 0;
}
