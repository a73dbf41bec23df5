// The least C++20 coroutine that a scheduler can move: its frame is a block of its context, and the glue is in resume(), as for coroutines with stacks.
#ifndef EXAMPLES_STACKLESS_HPP
#define EXAMPLES_STACKLESS_HPP

#include <coroutine>
#include <cstdlib>
#include <exception>
#include <utility>

#include <ctxalloc.h>

class coroutine {
public:
    struct promise_type {
        coroutine get_return_object() { return coroutine(std::coroutine_handle<promise_type>::from_promise(*this)); }
        std::suspend_always initial_suspend() noexcept { return {}; }
        std::suspend_always final_suspend() noexcept { return {}; }
        void return_void() {}
        void unhandled_exception() { std::terminate(); }
    };

    // Made by body(...), called with the coroutine's context current: that is where the frame comes from, and what it starts with.
    explicit coroutine(std::coroutine_handle<promise_type> h) : handle(h), current(ctxalloc_current()) {}
    coroutine(coroutine &&other) noexcept : handle(std::exchange(other.handle, nullptr)), current(other.current) {}
    coroutine &operator=(coroutine &&) = delete;
    ~coroutine() {
        if (handle)
            handle.destroy();
    }

    bool resume() {
        ctxalloc_context *mine = ctxalloc_switch(current);
        if (!mine)
            std::abort();
        handle.resume();
        current = ctxalloc_switch(mine);
        return !handle.done();
    }

private:
    std::coroutine_handle<promise_type> handle;
    ctxalloc_context *current; // while it is suspended
};

#endif
