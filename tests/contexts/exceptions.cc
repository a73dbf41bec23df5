// C++: operator new allocates from the current context, and ctxalloc_run restores when an exception leaves it, with the compiler's runtime shared
// or in the program itself. Rows CA6 and N2.
#include <csetjmp>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <dlfcn.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "include/ctxalloc.h"
#include "tests/face.h"

#define CHECK(condition)                                                      \
    do {                                                                      \
        if (!(condition)) {                                                   \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);   \
            _Exit(1);                                                         \
        }                                                                     \
    } while (0)

enum { FIBER_STACK = 256 << 10 };

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

// Whether the exception of throw_deep and its like leaves ctxalloc_run.
static bool is_thrown(void *(*fn)(void *), void *argument) {
    try {
        ctxalloc_run(context, fn, argument);
    } catch (const std::runtime_error &e) {
        return std::string(e.what()) == "thrown in a context";
    }
    return false;
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
        CHECK(is_thrown(throw_deep, reinterpret_cast<void *>(depth)));
        CHECK(ctxalloc_current() == CTXALLOC_GLOBAL);
    }
    CHECK(is_thrown(rethrow, nullptr) && ctxalloc_current() == CTXALLOC_GLOBAL);
}

// On a stack that is not the thread's own: another context is current around it, whose frame lies on the thread's stack.
static ucontext_t thread_side, fiber_side;
static bool fiber_done;

static void fiber_body() {
    CHECK(ctxalloc_switch(CTXALLOC_GLOBAL) != nullptr);
    ca6_run_restores_on_an_exception();
    fiber_done = true;
    swapcontext(&fiber_side, &thread_side);
}

static void *fiber_enter(void *stack) {
    ctxalloc_context *around = ctxalloc_current();
    fiber_done = false;
    CHECK(getcontext(&fiber_side) == 0);
    fiber_side.uc_stack.ss_sp = stack;
    fiber_side.uc_stack.ss_size = FIBER_STACK;
    makecontext(&fiber_side, fiber_body, 0);
    CHECK(swapcontext(&thread_side, &fiber_side) == 0 && fiber_done);
    CHECK(ctxalloc_current() == CTXALLOC_GLOBAL && ctxalloc_switch(around) == CTXALLOC_GLOBAL);
    return stack;
}

static void ca6_run_restores_on_an_exception_in_a_fiber() {
    char *stack = static_cast<char *>(mmap(nullptr, FIBER_STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    CHECK(stack != MAP_FAILED);
    ctxalloc_context *around = create(CTXALLOC_LONG);
    CHECK(ctxalloc_run(around, fiber_enter, stack) == stack && ctxalloc_current() == CTXALLOC_GLOBAL);
    CHECK(ctxalloc_destroy(around) == 0 && munmap(stack, FIBER_STACK) == 0);
}

// Frames that were left by a jump lie where the next ones' functions have their variables: they are not taken for live ones.
static jmp_buf way_out;

static void *jump_deep(void *depth) {
    uintptr_t n = reinterpret_cast<uintptr_t>(depth);
    if (n != 0)
        return ctxalloc_run(n % 2 ? context : CTXALLOC_GLOBAL, jump_deep, reinterpret_cast<void *>(n - 1));
    longjmp(way_out, 1);
}

static void *throw_over_what_is_left(void *) {
    char hole[40000];
    asm volatile("" : : "r"(hole) : "memory"); // never written
    throw std::runtime_error("thrown in a context");
}

static void ca6_frames_left_by_a_jump_are_not_restored_again() {
    if (setjmp(way_out) == 0)
        (void)ctxalloc_run(context, jump_deep, reinterpret_cast<void *>(uintptr_t{40}));
    CHECK(ctxalloc_current() == CTXALLOC_GLOBAL);
    ctxalloc_context *mine = create(CTXALLOC_LONG);
    (void)ctxalloc_switch(mine);
    CHECK(is_thrown(throw_over_what_is_left, nullptr) && ctxalloc_current() == mine);
    CHECK(ctxalloc_switch(CTXALLOC_GLOBAL) == mine && ctxalloc_destroy(mine) == 0);
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

static void all() {
    for (int lifetime = CTXALLOC_LONG; lifetime <= CTXALLOC_SHORT; lifetime++) {
        context = create(static_cast<enum ctxalloc_lifetime>(lifetime));
        CHECK(context != nullptr);
        ca6_run_restores_on_an_exception();
        ca6_run_restores_on_an_exception_in_a_fiber();
        ca6_frames_left_by_a_jump_are_not_restored_again();
        n2_operator_new_allocates_from_the_current_context();
        n3_a_hard_limit_is_bad_alloc();
        CHECK(ctxalloc_destroy(context) == 0);
    }
}

int main() {
    all();
    std::thread(all).join();
    CHECK(dlopen("libgcc_s.so.1", RTLD_NOW) != nullptr); // as pthread_exit does; it is not what a program with an unwinder of its own unwinds with
    all();
    return 0;
}
