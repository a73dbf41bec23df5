// Coroutines with stacks of their own, over one of three ways to switch: -DSTACKFUL=1 ucontext, 2 by hand (switch.h), 3 Boost.Context.
//
// Each has a context, and its stack is a block of that context (Boost's own: of what was current when it was made).  What it owes ctxalloc is in resume(), two calls;
// everything else is what any such library does.  A coroutine is resumed by one thread at a time, any; whoever hands it over synchronises.
#ifndef EXAMPLES_STACKFUL_HPP
#define EXAMPLES_STACKFUL_HPP

#include <functional>
#include <new>
#include <utility>

#include <ctxalloc.h>

#if STACKFUL == 1
#include <ucontext.h>
#elif STACKFUL == 2
#include "switch.h"
#else
#include <boost/context/fiber.hpp>
#include <boost/context/fixedsize_stack.hpp>
#endif

class coroutine {
public:
    static constexpr std::size_t stack_size = 64 << 10;

    coroutine(ctxalloc_context *home, std::function<void(coroutine &)> body) : current(home), fn(std::move(body)) { prepare(home); }
    coroutine(const coroutine &) = delete;
    coroutine &operator=(const coroutine &) = delete;

    // Runs it until it yields or ends; false: it has ended.
    bool resume() {
        ctxalloc_context *mine = ctxalloc_switch(current); // what it had current when it yielded; its own at first
        if (!mine)
            std::abort();
        enter();
        current = ctxalloc_switch(mine);
        return !ended;
    }

    // By the coroutine itself: back to whoever resumed it. Returns in the thread that resumes it next.
    void yield() { leave(); }

private:
    static void begin(coroutine *self) {
        self->fn(*self);
        self->ended = true;
    }

#if STACKFUL == 1
    static void entry(unsigned high, unsigned low) {
        auto self = reinterpret_cast<coroutine *>(static_cast<std::uintptr_t>(high) << 32 | low);
        begin(self);
        self->leave();
    }
    void prepare(ctxalloc_context *home) {
        auto address = reinterpret_cast<std::uintptr_t>(this);
        if (getcontext(&inside))
            throw std::bad_alloc();
        inside.uc_stack.ss_sp = ctxalloc_malloc(home, stack_size);
        inside.uc_stack.ss_size = stack_size;
        if (!inside.uc_stack.ss_sp)
            throw std::bad_alloc();
        makecontext(&inside, reinterpret_cast<void (*)()>(entry), 2, static_cast<unsigned>(address >> 32), static_cast<unsigned>(address));
    }
    void enter() { swapcontext(&outside, &inside); }
    void leave() { swapcontext(&inside, &outside); }
    ucontext_t inside{}, outside{};
#elif STACKFUL == 2
    static void entry(void *self) {
        begin(static_cast<coroutine *>(self));
        static_cast<coroutine *>(self)->leave();
    }
    void prepare(ctxalloc_context *home) {
        void *stack = ctxalloc_malloc(home, stack_size);
        if (!stack)
            throw std::bad_alloc();
        inside = stack_prepare(stack, stack_size, entry, this);
    }
    void enter() { stack_switch(&outside, inside); }
    void leave() { stack_switch(&inside, outside); }
    void *inside = nullptr, *outside = nullptr;
#else
    void prepare(ctxalloc_context *) {
        inside = boost::context::fiber(std::allocator_arg, boost::context::fixedsize_stack(stack_size), [this](boost::context::fiber &&from) {
            outside = std::move(from);
            begin(this);
            return std::move(outside);
        });
    }
    void enter() { inside = std::move(inside).resume(); }
    void leave() { outside = std::move(outside).resume(); }
    boost::context::fiber inside, outside;
#endif

    ctxalloc_context *current; // while it is suspended
    std::function<void(coroutine &)> fn;
    bool ended = false;
};

#endif
