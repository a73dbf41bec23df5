// The 20 operators new and delete: blocks of the right size and alignment, bad_alloc and its nothrow forms, and the new_handler,
// which is called again and again until it gives up, throws, or has found memory. A plain program: exits 1 at the first failure.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>

#include "tests/face.h"

#if CA_INTERPOSE

// clang declares the sized forms only when it is told to call them by itself.
void operator delete(void *p, std::size_t size) noexcept;
void operator delete[](void *p, std::size_t size) noexcept;
void operator delete(void *p, std::size_t size, std::align_val_t alignment) noexcept;
void operator delete[](void *p, std::size_t size, std::align_val_t alignment) noexcept;

#define CHECK(condition)                                                                                                        \
    do {                                                                                                                        \
        if (!(condition)) {                                                                                                     \
            std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                                \
            std::exit(1);                                                                                                       \
        }                                                                                                                       \
    } while (0)

static const std::size_t impossible = SIZE_MAX / 2 + 1;
static const std::size_t hopeless = static_cast<std::size_t>(1) << 60;

static std::align_val_t align(std::size_t n) { return static_cast<std::align_val_t>(n); }

static void *used(void *p, std::size_t size, std::size_t alignment) {
    CHECK(p != nullptr);
    CHECK((reinterpret_cast<std::uintptr_t>(p) & (alignment - 1)) == 0);
    CHECK(malloc_usable_size(p) >= size);
    std::memset(p, 0x11, size);
    return hide_pointer(p);
}

static void all_forms(std::size_t size) {
    ::operator delete(used(::operator new(size), size, 16));
    ::operator delete[](used(::operator new[](size), size, 16));
    ::operator delete(used(::operator new(size, std::nothrow), size, 16), std::nothrow);
    ::operator delete[](used(::operator new[](size, std::nothrow), size, 16), std::nothrow);
    ::operator delete(used(::operator new(size), size, 16), size);
    ::operator delete[](used(::operator new[](size), size, 16), size);
    for (std::size_t a = 1; a <= 65536; a *= 4) {
        ::operator delete(used(::operator new(size, align(a)), size, a), align(a));
        ::operator delete[](used(::operator new[](size, align(a)), size, a), align(a));
        ::operator delete(used(::operator new(size, align(a), std::nothrow), size, a), align(a), std::nothrow);
        ::operator delete[](used(::operator new[](size, align(a), std::nothrow), size, a), align(a), std::nothrow);
        ::operator delete(used(::operator new(size, align(a)), size, a), size, align(a));
        ::operator delete[](used(::operator new[](size, align(a)), size, a), size, align(a));
    }
}

// One allocator under all names: new may be freed by free, malloc by delete, and nothing is a foreign pointer.
static void mixed_with_malloc() {
    std::free(used(::operator new(100), 100, 16));
    ::operator delete(used(std::malloc(100), 100, 16));
    std::free(used(::operator new(100, align(256)), 100, 256));
    ::operator delete(hide_pointer(nullptr));
    ::operator delete[](hide_pointer(nullptr));
    ::operator delete(hide_pointer(nullptr), static_cast<std::size_t>(8));
    ::operator delete(hide_pointer(nullptr), align(64));
    ::operator delete(hide_pointer(nullptr), std::nothrow);
}

template <class Allocate> static bool throws_bad_alloc(Allocate allocate) {
    try {
        void *p = hide_pointer(allocate());
        std::fprintf(stderr, "gave %p\n", p);
    } catch (const std::bad_alloc &) {
        return true;
    }
    return false;
}

static void failures_throw_or_return_null(std::size_t size) {
    CHECK(throws_bad_alloc([=] { return ::operator new(hide_size(size)); }));
    CHECK(throws_bad_alloc([=] { return ::operator new[](hide_size(size)); }));
    CHECK(throws_bad_alloc([=] { return ::operator new(hide_size(size), align(64)); }));
    CHECK(throws_bad_alloc([=] { return ::operator new[](hide_size(size), align(64)); }));
    CHECK(hide_pointer(::operator new(hide_size(size), std::nothrow)) == nullptr);
    CHECK(hide_pointer(::operator new[](hide_size(size), std::nothrow)) == nullptr);
    CHECK(hide_pointer(::operator new(hide_size(size), align(64), std::nothrow)) == nullptr);
    CHECK(hide_pointer(::operator new[](hide_size(size), align(64), std::nothrow)) == nullptr);
}

static int handler_calls;

static void handler_that_gives_up_at_third() {
    if (++handler_calls == 3)
        std::set_new_handler(nullptr);
}

struct handlers_own {};

static void handler_that_throws() {
    handler_calls++;
    throw handlers_own();
}

static void handler_that_throws_bad_alloc() {
    handler_calls++;
    throw std::bad_alloc();
}

template <class Allocate> static void handler_is_retried(Allocate allocate, bool nothrow) {
    handler_calls = 0;
    std::set_new_handler(handler_that_gives_up_at_third);
    if (nothrow)
        CHECK(hide_pointer(allocate()) == nullptr);
    else
        CHECK(throws_bad_alloc(allocate));
    CHECK(handler_calls == 3);
    CHECK(std::get_new_handler() == nullptr);
}

static void handlers_are_called() {
    handler_is_retried([] { return ::operator new(hide_size(hopeless)); }, false);
    handler_is_retried([] { return ::operator new[](hide_size(hopeless)); }, false);
    handler_is_retried([] { return ::operator new(hide_size(hopeless), align(4096)); }, false);
    handler_is_retried([] { return ::operator new[](hide_size(hopeless), align(4096)); }, false);
    handler_is_retried([] { return ::operator new(hide_size(hopeless), std::nothrow); }, true);
    handler_is_retried([] { return ::operator new[](hide_size(hopeless), std::nothrow); }, true);
    handler_is_retried([] { return ::operator new(hide_size(hopeless), align(4096), std::nothrow); }, true);
    handler_is_retried([] { return ::operator new[](hide_size(hopeless), align(4096), std::nothrow); }, true);

    // What the handler throws passes through the throwing forms,
    handler_calls = 0;
    std::set_new_handler(handler_that_throws);
    bool caught = false;
    try {
        hide_pointer(::operator new(hide_size(hopeless)));
    } catch (const handlers_own &) {
        caught = true;
    }
    CHECK(caught);
    CHECK(handler_calls == 1);
    // and ends as a null pointer in the nothrow ones.
    handler_calls = 0;
    std::set_new_handler(handler_that_throws_bad_alloc);
    CHECK(hide_pointer(::operator new(hide_size(hopeless), std::nothrow)) == nullptr);
    CHECK(handler_calls == 1);
    std::set_new_handler(nullptr);
}

static void real_expressions() {
    struct alignas(128) wide {
        char bytes[300];
    };
    for (int i = 0; i < 1000; i++) {
        int *one = new int(i);
        CHECK(*static_cast<int *>(hide_pointer(one)) == i);
        delete one;
        auto *many = new std::uint64_t[static_cast<std::size_t>(i) + 1]();
        CHECK(static_cast<std::uint64_t *>(hide_pointer(many))[i] == 0);
        delete[] many;
        auto *aligned = new wide;
        CHECK((reinterpret_cast<std::uintptr_t>(hide_pointer(aligned)) & 127) == 0);
        delete aligned;
    }
}

int main() {
    for (std::size_t size = 0; size < 70000; size = size * 3 / 2 + 1)
        all_forms(size);
    all_forms(static_cast<std::size_t>(5) << 20);
    mixed_with_malloc();
    failures_throw_or_return_null(impossible);
    failures_throw_or_return_null(hopeless);
    failures_throw_or_return_null(SIZE_MAX);
    handlers_are_called();
    real_expressions();
    return 0;
}

#else

int main() {
    std::fputs("skipped: in this build the sanitizer owns the operators\n", stderr);
    return 77;
}

#endif
