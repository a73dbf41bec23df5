// ctxalloc for C++17: contexts as objects, as std::pmr memory resources and as allocators.  Header only, over ctxalloc.h and the standard library.
//
//     ctxalloc::context request{ctxalloc::named("request", 1 << 20)};       // at most 1 MiB
//     auto answer = ctxalloc::run(request, [&] { return handle(input); });  // all that handle allocates, however deep, is the request's
//     ctxalloc::memory_resource resource{request};
//     std::pmr::vector<int> numbers{&resource};                            // the request's, whatever is current
//     ctxalloc::pinned<std::map<int, std::string>> cache;                  // global, whatever is current, and so is what it puts into itself
//     cache->emplace(1, "one");
//
// Objects stay where they were made: one that is returned or moved out of a context still owns blocks of the context, and must not outlive it. Copy it out.
// The standard library's operator new must be the library's: it is, preloaded or linked.  Errors are exceptions: std::system_error with the errno value of the C
// function, std::bad_alloc for memory.  Threads: as in ctxalloc.h.
#ifndef CTXALLOC_HPP
#define CTXALLOC_HPP

#include <stdlib.h>

#include <cerrno>
#include <cstddef>
#include <exception>
#include <limits>
#include <memory>
#include <memory_resource>
#include <new>
#include <optional>
#include <system_error>
#include <type_traits>
#include <utility>

#include <ctxalloc.h>

namespace ctxalloc {

namespace detail {

[[noreturn]] inline void fail(int error, const char *what) {
    throw std::system_error(error, std::generic_category(), what);
}

// Blocks of `context`; NULL: of what is current.
inline void *allocate(ctxalloc_context *context, std::size_t size, std::size_t align) {
    void *p = nullptr;
    if (align <= alignof(std::max_align_t))
        p = context ? ctxalloc_malloc(context, size) : ::malloc(size);
    else
        p = ctxalloc_memalign(context ? context : ctxalloc_current(), align, size);
    if (!p)
        throw std::bad_alloc();
    return p;
}

} // namespace detail

// Zeros, which are the defaults, and the size.
inline ctxalloc_options options() noexcept {
    ctxalloc_options o{};
    o.size = sizeof o;
    return o;
}

// The defaults with a name, and a hard limit in bytes (0: none).
inline ctxalloc_options named(const char *name, std::size_t hard_limit = 0) noexcept {
    ctxalloc_options o = options();
    o.name = name;
    o.hard_limit = hard_limit;
    return o;
}

// A context that goes with this object.  Converts to the pointer that the C functions take.
class context {
public:
    context() : context(options()) {}
    explicit context(const ctxalloc_options &o) : handle(ctxalloc_create(&o)) {
        if (!handle)
            detail::fail(errno, "ctxalloc_create");
    }
    explicit context(ctxalloc_context *owned) noexcept : handle(owned) {}
    context(context &&other) noexcept : handle(other.release()) {}
    context &operator=(context &&other) noexcept {
        if (this != &other) {
            (void)destroy();
            handle = other.release();
        }
        return *this;
    }
    // A context that cannot be destroyed (another thread has it current; live blocks under CTXALLOC_REFUSE) stays: call destroy() to know.
    ~context() { (void)destroy(); }

    operator ctxalloc_context *() const noexcept { return handle; }
    ctxalloc_context *get() const noexcept { return handle; }
    ctxalloc_context *release() noexcept { return std::exchange(handle, nullptr); }

    // 0: it is gone, and this object is empty. Otherwise the errno value, and nothing changed.
    int destroy() noexcept {
        int error = handle ? ctxalloc_destroy(handle) : 0;
        if (!error)
            handle = nullptr;
        return error;
    }
    // All blocks cease to be.
    void reset() {
        if (int error = ctxalloc_reset(handle))
            detail::fail(error, "ctxalloc_reset");
    }
    void set_limits(std::size_t soft, std::size_t hard) {
        if (int error = ctxalloc_set_limits(handle, soft, hard))
            detail::fail(error, "ctxalloc_set_limits");
    }
    ctxalloc_usage_t usage() const noexcept {
        ctxalloc_usage_t u{};
        (void)ctxalloc_usage(handle, &u);
        return u;
    }
    const char *name() const noexcept { return ctxalloc_name(handle); }
    bool owns(const void *p) const noexcept { return handle && ctxalloc_owner(p) == handle; }

private:
    ctxalloc_context *handle;
};

// While it lives, this thread allocates from `to`; what was current before comes back with its end. Scopes end in the opposite order of their beginnings.
// A coroutine may be suspended inside, and go on in another thread, if its scheduler keeps the rule of docs/coroutines.md.
class scope {
public:
    explicit scope(ctxalloc_context *to) : from(ctxalloc_switch(to)) {
        if (!from)
            detail::fail(errno, "ctxalloc_switch");
    }
    scope(const scope &) = delete;
    scope &operator=(const scope &) = delete;
    // What was current before is gone, or another thread took it: there is nothing right to go on with.
    ~scope() {
        if (!ctxalloc_switch(from))
            std::terminate();
    }
    ctxalloc_context *before() const noexcept { return from; }

private:
    ctxalloc_context *from;
};

// Calls fn() with `to` current and returns what it returns. Restored on every way out: return, exception, longjmp, pthread_exit, cancellation.
template <class Fn> decltype(auto) run(ctxalloc_context *to, Fn &&fn) {
    using result = std::invoke_result_t<Fn &&>;
    using kept = std::conditional_t<std::is_reference_v<result>, std::add_pointer_t<result>,
                                    std::conditional_t<std::is_void_v<result>, bool, std::optional<result>>>;
    struct call {
        std::remove_reference_t<Fn> *fn;
        kept value;
        bool done;
    } made{std::addressof(fn), kept{}, false};
    (void)ctxalloc_run(
        to,
        [](void *argument) -> void * {
            call *c = static_cast<call *>(argument);
            if constexpr (std::is_void_v<result>)
                std::forward<Fn>(*c->fn)();
            else if constexpr (std::is_reference_v<result>)
                c->value = std::addressof(std::forward<Fn>(*c->fn)());
            else
                c->value.emplace(std::forward<Fn>(*c->fn)());
            c->done = true;
            return nullptr;
        },
        &made);
    if (!made.done)
        detail::fail(errno, "ctxalloc_run");
    if constexpr (std::is_reference_v<result>)
        return static_cast<result>(*made.value);
    else if constexpr (!std::is_void_v<result>)
        return result(std::move(*made.value));
}

// Blocks of one context (or CTXALLOC_GLOBAL, CTXALLOC_THREAD) for containers of std::pmr, whatever is current.
// Two are equal when their context is the same: blocks could be freed through any, but they must not come to belong to a container that outlives their context.
class memory_resource : public std::pmr::memory_resource {
public:
    explicit memory_resource(ctxalloc_context *from) noexcept : handle(from) {}
    ctxalloc_context *get() const noexcept { return handle; }

private:
    void *do_allocate(std::size_t size, std::size_t align) override { return detail::allocate(handle, size, align); }
    void do_deallocate(void *p, std::size_t, std::size_t) override { ::free(p); }
    bool do_is_equal(const std::pmr::memory_resource &other) const noexcept override {
        auto same = dynamic_cast<const memory_resource *>(&other);
        return same && same->handle == handle;
    }

    ctxalloc_context *handle;
};

// An allocator of the standard library's kind. Made without a context, it takes from what is current at each call; otherwise from its context, whatever is current.
// It goes along when containers are moved or swapped; copies of containers take from the same place, copy assignment leaves each its own.
template <class T> class allocator {
public:
    using value_type = T;
    using propagate_on_container_move_assignment = std::true_type;
    using propagate_on_container_swap = std::true_type;
    using is_always_equal = std::false_type;

    allocator() noexcept = default;
    explicit allocator(ctxalloc_context *from) noexcept : handle(from) {}
    template <class U> allocator(const allocator<U> &other) noexcept : handle(other.get()) {}

    [[nodiscard]] T *allocate(std::size_t count) {
        if (count > std::numeric_limits<std::size_t>::max() / sizeof(T))
            throw std::bad_array_new_length();
        return static_cast<T *>(detail::allocate(handle, count * sizeof(T), alignof(T)));
    }
    void deallocate(T *p, std::size_t) noexcept { ::free(p); }

    // NULL: what is current.
    ctxalloc_context *get() const noexcept { return handle; }

private:
    ctxalloc_context *handle = nullptr;
};
template <class T, class U> bool operator==(const allocator<T> &a, const allocator<U> &b) noexcept { return a.get() == b.get(); }
template <class T, class U> bool operator!=(const allocator<T> &a, const allocator<U> &b) noexcept { return a.get() != b.get(); }

// An object that lives in CTXALLOC_GLOBAL whatever is current when it is made, and so does all that its constructor, its destructor and calls through -> allocate.
//     pinned<std::vector<std::string>> list;   list->push_back(text);
// The arguments of such a call are evaluated under it, too; but what was made before and is moved in stays where it was: copy it. `*list` is the bare object.
// In a coroutine: no co_await in the expression. Movable; the object itself does not move. Empty after it was moved from.
template <class T> class pinned {
public:
    template <class... Args, class = std::enable_if_t<std::is_constructible_v<T, Args...>>>
    explicit pinned(Args &&...args) : object(nullptr) {
        scope global(CTXALLOC_GLOBAL);
        void *p = detail::allocate(CTXALLOC_GLOBAL, sizeof(T), alignof(T));
        try {
            object = ::new (p) T(std::forward<Args>(args)...);
        } catch (...) {
            ::free(p);
            throw;
        }
    }
    pinned(pinned &&other) noexcept : object(std::exchange(other.object, nullptr)) {}
    pinned &operator=(pinned &&other) noexcept {
        pinned old(std::move(*this));
        std::swap(object, other.object);
        return *this;
    }
    ~pinned() {
        if (!object)
            return;
        scope global(CTXALLOC_GLOBAL);
        object->~T();
        ::free(const_cast<std::remove_cv_t<T> *>(object));
    }

    // Holds CTXALLOC_GLOBAL current until the end of the expression.
    class access {
    public:
        explicit access(T *to) : global(CTXALLOC_GLOBAL), object(to) {}
        T *operator->() const noexcept { return object; }

    private:
        scope global;
        T *object;
    };
    access operator->() const { return access(object); }
    T &operator*() const noexcept { return *object; }
    T *get() const noexcept { return object; }

    // fn(object) with CTXALLOC_GLOBAL current, for more than one call.
    template <class Fn> decltype(auto) use(Fn &&fn) const {
        scope global(CTXALLOC_GLOBAL);
        return std::forward<Fn>(fn)(*object);
    }

private:
    T *object;
};

} // namespace ctxalloc

#endif
