// N1: coroutines that move between threads allocate rightly.  -DSTACKFUL=1, 2, 3 (stackful.hpp) or 0: C++20; -DRUN=fibers_1 or the like names the function that ways.cc calls.
//
// -Dcoroutine=coroutine_1 or the like keeps the classes of several ways apart that are linked into one program.
//
// Every coroutine has a context. Before and after each suspension, in one function that the compiler may optimise as it likes, it allocates in each way there is and asks whose the
// blocks are.  A library whose idea of the current thread can be kept over a suspension gives blocks of the coroutine that the old thread runs now, and is found out.
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include <unistd.h>

#include <ctxalloc.hpp>

#if STACKFUL
#include "examples/coroutines/stackful.hpp"
#else
#include "examples/coroutines/stackless.hpp"
#endif
#include "examples/coroutines/scheduler.hpp"

int RUN(int threads, std::size_t coroutines, std::size_t steps);

namespace {

#define INLINE static inline __attribute__((always_inline))

[[noreturn]] static __attribute__((noinline, cold)) void wrong(const char *what) {
    char text[200];
    int length = std::snprintf(text, sizeof text, "fibers: %s\n", what);
    ssize_t written = write(2, text, static_cast<std::size_t>(length));
    (void)written;
    _exit(1);
}

// What a program wraps malloc in, inlined.
INLINE char *text_make(const char *text) {
    std::size_t size = std::strlen(text) + 1;
    char *p = static_cast<char *>(std::malloc(size));
    return p ? static_cast<char *>(std::memcpy(p, text, size)) : nullptr;
}

// The compiler knows malloc too well: it must not see that nobody keeps the block.
INLINE void *seen(void *p) {
    __asm__ volatile("" : "+r"(p) : : "memory");
    return p;
}

struct numbers {
    std::uint64_t a, b;
};

// What a coroutine keeps over a suspension.
struct kept {
    ctxalloc_context *home;
    std::uint64_t number;
    void *plain = nullptr, *zeroed = nullptr;
    char *copy = nullptr, *made = nullptr;
    numbers *object = nullptr;
    std::string text{};
    std::size_t size = 0;
};

INLINE void own(const kept &k, const void *p, const char *what) {
    if (ctxalloc_owner(p) != k.home)
        wrong(what);
}

INLINE void allocate(kept &k, std::uint64_t step) {
    if (ctxalloc_current() != k.home)
        wrong("another context is current");
    k.size = 16 + (k.number * 37 + step * 101) % 900;
    own(k, k.plain = seen(std::malloc(k.size)), "malloc: a block of another context");
    own(k, k.zeroed = seen(std::calloc(3, 40)), "calloc: a block of another context");
    own(k, k.copy = static_cast<char *>(seen(strdup("a line of text, copied"))), "strdup: a block of another context");
    own(k, k.made = static_cast<char *>(seen(text_make("made by a wrapper"))), "an inlined wrapper: a block of another context");
    own(k, k.object = static_cast<numbers *>(seen(new numbers{k.number, step})), "new: a block of another context");
    k.text = std::string(40 + step % 50, static_cast<char>('a' + k.number % 26));
    own(k, k.text.data(), "std::string: a block of another context");
    std::memset(k.plain, static_cast<int>(k.number & 0xff), k.size);
}

INLINE void release(kept &k, std::uint64_t step) {
    auto bytes = static_cast<const unsigned char *>(k.plain);
    for (std::size_t i = 0; i < k.size; i++)
        if (bytes[i] != (k.number & 0xff))
            wrong("somebody else wrote into a block");
    if (k.object->a != k.number || k.object->b != step || std::strcmp(k.copy, "a line of text, copied") != 0)
        wrong("somebody else wrote into a small block");
    own(k, k.plain = std::realloc(k.plain, k.size * 2), "realloc: a block of another context");
    std::free(k.plain);
    std::free(k.zeroed);
    std::free(k.copy);
    std::free(k.made);
    delete k.object;
    k.text = std::string();
}

#if STACKFUL
#define SUSPEND(self) (self).yield()
#define COROUTINE void
#else
#define SUSPEND(self) co_await std::suspend_always()
#define COROUTINE coroutine
struct none {};
#endif

#if STACKFUL
// ctxalloc_run and a scope may be left in another thread than they were entered in.
struct nested {
    coroutine *self;
    kept k;
    std::uint64_t step;
};
static void *nested_run(void *argument) {
    auto n = static_cast<nested *>(argument);
    allocate(n->k, n->step);
    n->self->yield();
    release(n->k, n->step);
    allocate(n->k, n->step);
    release(n->k, n->step);
    return argument;
}
static void nest(coroutine &self, ctxalloc_context *home, std::uint64_t number, std::uint64_t step) {
    ctxalloc::context inner;
    nested n{&self, {inner, number}, step};
    if (ctxalloc_run(inner, nested_run, &n) != &n || ctxalloc_current() != home)
        wrong("ctxalloc_run: what was current is not restored in the new thread");
    {
        ctxalloc::scope in(inner);
        allocate(n.k, step);
        self.yield();
        release(n.k, step);
        allocate(n.k, step);
        release(n.k, step);
    }
    if (ctxalloc_current() != home)
        wrong("a scope: what was current is not restored in the new thread");
}
static COROUTINE body(coroutine &self, ctxalloc_context *home, std::uint64_t number, std::uint64_t steps) {
#else
static COROUTINE body(none, ctxalloc_context *home, std::uint64_t number, std::uint64_t steps) {
#endif
    kept k{home, number};
    for (std::uint64_t step = 0; step < steps; step++) {
        allocate(k, step);
        void *before = seen(std::malloc(48));
        errno = 0;
        SUSPEND(self);
        void *after = seen(std::malloc(48)); // the pair that a cached address gets wrong
        own(k, before, "a block from before the suspension has changed hands");
        own(k, after, "malloc after the suspension: a block of another context");
        std::free(before);
        std::free(after);
        release(k, step);
        allocate(k, step);
        release(k, step);
#if STACKFUL
        if (step % 8 == 3)
            nest(self, home, number, step);
#endif
    }
}

struct job {
    ctxalloc::context home;
    std::unique_ptr<coroutine> co;
    std::uint64_t number;
    int last = -1;
    unsigned resumed = 0;

    job(std::uint64_t which, std::uint64_t steps, bool brief) : home([&] {
              ctxalloc_options o = ctxalloc::named("coroutine");
              o.lifetime = brief ? CTXALLOC_SHORT : CTXALLOC_LONG;
              return o;
          }()), number(which) {
#if STACKFUL
        ctxalloc_context *c = home;
        co = std::make_unique<coroutine>(home, [=](coroutine &self) { body(self, c, which, steps); });
#else
        ctxalloc::scope in(home);
        co = std::make_unique<coroutine>(body(none{}, home, which, steps));
#endif
    }
    bool resume() { return co->resume(); }
};

} // namespace

int RUN(int threads, std::size_t coroutines, std::size_t steps) {
    std::vector<std::unique_ptr<job>> jobs;
    scheduler<job> s(threads, true);
    for (std::size_t i = 0; i < coroutines; i++) {
        jobs.push_back(std::make_unique<job>(i, steps, i % 4 == 3));
        s.add(jobs.back().get());
    }
    // Half of the contexts go in the thread that saw the coroutine end, half later. The rest of the blocks (the stack) goes with them.
    s.run([&](job *j) {
        if (j->home.usage().live_blocks > 8)
            wrong("blocks were lost");
        if (j->number % 2) {
            j->co.reset();
            if (j->home.destroy())
                wrong("a context that nobody runs cannot be destroyed");
        }
    });
    jobs.clear();
    if (ctxalloc_current() != CTXALLOC_GLOBAL)
        wrong("main thread: a context is left current");
    if (s.migrations() < coroutines * steps / 3)
        wrong("hardly a coroutine has moved: this test shows nothing");
    std::printf("%d threads, %zu coroutines, %llu migrations\n", threads, coroutines, s.migrations());
    return 0;
}
