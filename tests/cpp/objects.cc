// ctxalloc.hpp: who owns what, on every way.  Compiled by tests/cpp/compilers.sh with every compiler and standard there is.
#include <cerrno>
#include <csetjmp>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <future>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include <pthread.h>

#include <ctxalloc.hpp>

#define CHECK(condition)                                                                                                                          \
    do {                                                                                                                                          \
        if (!(condition)) {                                                                                                                       \
            std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                                                  \
            std::exit(1);                                                                                                                         \
        }                                                                                                                                         \
    } while (0)

static const std::string long_text(100, 'x'); // too long for the object itself: text() of a copy is a block

static bool is_global(const void *p) { return ctxalloc_owner(p) == CTXALLOC_GLOBAL; }

template <class Fn> static int error_of(Fn &&fn) {
    try {
        fn();
    } catch (const std::system_error &e) {
        return e.code().value();
    }
    return 0;
}

// A thread that is there before a context is current, and calls fn when told.
class elsewhere {
public:
    void call(std::function<void()> what) {
        std::promise<void> done;
        fn = [&] {
            what();
            done.set_value();
        };
        start.set_value();
        done.get_future().wait();
    }
    ~elsewhere() { thread.join(); }

private:
    std::function<void()> fn;
    std::promise<void> start;
    std::thread thread{[this] {
        start.get_future().wait();
        fn();
    }};
};

static void contexts_are_owned() {
    ctxalloc::context a{ctxalloc::named("first", 4 << 20)};
    CHECK(std::string(a.name()) == "first" && a.usage().hard_limit == 4 << 20);
    ctxalloc_context *raw = a;
    ctxalloc::context b = std::move(a);
    CHECK(!a.get() && b.get() == raw);
    void *p = ctxalloc_malloc(b, 10);
    CHECK(b.owns(p) && !a.owns(p));
    ctxalloc::context c;
    c = std::move(b);
    CHECK(c.get() == raw && !b.get());
    c.reset();
    CHECK(c.usage().live_blocks == 0);
    c.set_limits(0, 0);
    CHECK(c.usage().hard_limit == 0);
    CHECK(c.destroy() == 0 && !c.get() && c.destroy() == 0);

    // Destroyed with the object.
    static int ended;
    {
        ctxalloc::context d;
        CHECK(ctxalloc_on_destroy(d, [](void *) { ended++; }, nullptr) == 0);
    }
    CHECK(ended == 1);
    {
        ctxalloc::context d;
        CHECK(ctxalloc_on_destroy(d, [](void *) { ended++; }, nullptr) == 0);
        d = ctxalloc::context();
        CHECK(ended == 2 && d.get());
    }
    CHECK(ended == 2);

    // Refuses, and says so; the object keeps it.
    ctxalloc_options o = ctxalloc::options();
    o.escape = CTXALLOC_REFUSE;
    ctxalloc::context refusing{o};
    p = ctxalloc_malloc(refusing, 100);
    CHECK(refusing.destroy() == EBUSY && refusing.get());
    std::free(p);
    CHECK(refusing.destroy() == 0);

    o.soft_limit = 2;
    o.hard_limit = 1;
    CHECK(error_of([&] { ctxalloc::context wrong{o}; }) == EINVAL);
}

static void scopes_nest() {
    ctxalloc::context a, b;
    elsewhere other;
    {
        ctxalloc::scope in_a(a);
        CHECK(in_a.before() == CTXALLOC_GLOBAL && ctxalloc_current() == a);
        std::string s = long_text;
        CHECK(a.owns(s.data()));
        {
            ctxalloc::scope in_b(b);
            CHECK(in_b.before() == a);
            s.reserve(1000); // new: b's
            CHECK(b.owns(s.data()));
            std::unique_ptr<int> i(new int);
            CHECK(b.owns(i.get()));
            try {
                ctxalloc::scope global(CTXALLOC_GLOBAL);
                std::unique_ptr<int> j(new int);
                CHECK(is_global(j.get()));
                throw 1;
            } catch (int) {
                CHECK(ctxalloc_current() == b);
            }
        }
        CHECK(ctxalloc_current() == a);
        int busy = 0;
        other.call([&] { busy = error_of([&] { ctxalloc::scope theirs(a); }); });
        CHECK(busy == EBUSY);
        CHECK(error_of([] { ctxalloc::scope none(nullptr); }) == EINVAL);
        CHECK(ctxalloc_current() == a);
    }
    CHECK(ctxalloc_current() == CTXALLOC_GLOBAL);
}

static std::jmp_buf back;

static void *run_and_exit(void *c) {
    ctxalloc::run(static_cast<ctxalloc_context *>(c), [] { pthread_exit(nullptr); });
    return nullptr;
}

static void run_restores() {
    ctxalloc::context a;
    // Values, references, things that only move, nothing.
    CHECK(ctxalloc::run(a, [&] { return ctxalloc_current() == a; }));
    int x = 1;
    int &same = ctxalloc::run(a, [&]() -> int & { return x; });
    CHECK(&same == &x);
    auto made = ctxalloc::run(a, [] { return std::make_unique<int>(7); });
    CHECK(*made == 7 && a.owns(made.get()));
    made.reset();
    ctxalloc::run(a, [&] { x = ctxalloc_current() == a ? 2 : 3; });
    CHECK(x == 2 && ctxalloc_current() == CTXALLOC_GLOBAL);
    std::unique_ptr<int> carried(new int(5)); // a callable that only moves
    int five = ctxalloc::run(a, [c = std::move(carried)] { return *c; });
    CHECK(five == 5);

    try {
        ctxalloc::run(a, [] { throw std::string("out"); });
        CHECK(false);
    } catch (const std::string &s) {
        CHECK(s == "out");
    }
    CHECK(ctxalloc_current() == CTXALLOC_GLOBAL);
    if (!setjmp(back))
        ctxalloc::run(a, [] { std::longjmp(back, 1); });
    CHECK(ctxalloc_current() == CTXALLOC_GLOBAL);
    pthread_t t;
    CHECK(!pthread_create(&t, nullptr, run_and_exit, a.get()) && !pthread_join(t, nullptr));
    { ctxalloc::scope free_again(a); }

    elsewhere other;
    ctxalloc::scope in_a(a);
    bool called = false;
    int error = 0;
    other.call([&] { error = error_of([&] { ctxalloc::run(a, [&] { called = true; }); }); });
    CHECK(error == EBUSY && !called);
}

static void resources_allocate_there() {
    ctxalloc::context a, b;
    ctxalloc::memory_resource in_a{a}, in_b{b}, again{a}, global{CTXALLOC_GLOBAL};
    CHECK(in_a == again && in_a != in_b && in_a != *std::pmr::new_delete_resource());
    std::pmr::vector<std::pmr::string> words{&in_a};
    words.emplace_back(long_text.c_str());
    CHECK(a.owns(words.data()) && a.owns(words[0].data()));
    ctxalloc::scope in(b);
    for (int i = 0; i < 1000; i++)
        words.emplace_back(long_text.c_str());
    CHECK(a.owns(words.data()) && a.owns(words.back().data()));
    std::pmr::vector<std::pmr::string> other{&in_b};
    other = std::move(words); // unequal: copied, not taken
    CHECK(b.owns(other.data()) && b.owns(other.back().data()));
    std::pmr::vector<int> shared{100, &global};
    CHECK(is_global(shared.data()));
    void *p = in_a.allocate(3, 256);
    CHECK(reinterpret_cast<std::uintptr_t>(p) % 256 == 0 && a.owns(p));
    in_a.deallocate(p, 3, 256);

    a.set_limits(0, 1 << 20);
    bool refused = false;
    try {
        (void)in_a.allocate(8 << 20);
    } catch (const std::bad_alloc &) {
        refused = true;
    }
    CHECK(refused && a.usage().refusals > 0);
}

template <class T> using there = ctxalloc::allocator<T>;

static void allocators_allocate_there() {
    ctxalloc::context a, b;
    std::vector<int, there<int>> v{there<int>{a}};
    v.resize(1000);
    CHECK(a.owns(v.data()));
    std::map<int, int, std::less<>, there<std::pair<const int, int>>> tree{there<int>{a}};
    std::unordered_map<int, int, std::hash<int>, std::equal_to<>, there<std::pair<const int, int>>> table{there<std::pair<const int, int>>{b}};
    std::list<int, there<int>> list{there<int>{b}};
    for (int i = 0; i < 1000; i++) {
        tree[i] = i;
        table[i] = i;
        list.push_back(i);
    }
    CHECK(a.owns(&tree[5]) && b.owns(&table[5]) && b.owns(&list.front()));
    CHECK(a.usage().live_blocks == 1001 && b.usage().live_blocks >= 2000);
    CHECK(there<int>{a} == there<long>{a} && there<int>{a} != there<int>{b} && there<int>{} != there<int>{a});

    auto moved = std::move(v); // and its allocator
    CHECK(moved.get_allocator().get() == a.get() && a.owns(moved.data()));
    std::vector<int, there<int>> w{there<int>{b}};
    w = moved; // copies keep their own
    CHECK(b.owns(w.data()));
    w = std::move(moved);
    CHECK(a.owns(w.data()));

    std::vector<int, there<int>> current; // the current one
    current.resize(10);
    CHECK(is_global(current.data()));
    ctxalloc::scope in(b);
    current.resize(10000);
    CHECK(b.owns(current.data()));
    struct alignas(128) wide {
        char bytes[128];
    };
    std::vector<wide, there<wide>> wides(3);
    CHECK(b.owns(wides.data()) && reinterpret_cast<std::uintptr_t>(wides.data()) % 128 == 0);
    std::vector<wide, there<wide>> wides_a(3, there<wide>{a});
    CHECK(a.owns(wides_a.data()) && reinterpret_cast<std::uintptr_t>(wides_a.data()) % 128 == 0);
    bool too_many = false;
    try {
        std::size_t count = static_cast<std::size_t>(-1) / 64;
        (void)there<wide>{a}.allocate(count);
    } catch (const std::bad_array_new_length &) {
        too_many = true;
    }
    CHECK(too_many);
    auto made = std::allocate_shared<int>(there<int>{a}, 4);
    CHECK(a.owns(made.get()));
}

struct thrower {
    std::string text = long_text;
    explicit thrower(bool now) {
        if (now)
            throw 1;
    }
};

struct guarded { // its destructor allocates
    const void **seen;
    explicit guarded(const void **where) : seen(where) {}
    ~guarded() {
        std::string s = long_text;
        CHECK(is_global(s.data()));
        *seen = this;
    }
};

// CA10
static void pinned_objects_are_global() {
    ctxalloc_usage_t before{}, after{};
    const void *seen = nullptr;
    {
        ctxalloc::context a;
        std::optional<ctxalloc::pinned<std::vector<std::string>>> kept;
        {
            ctxalloc::scope in(a);
            ctxalloc::pinned<std::vector<std::string>> list(std::size_t{3}, long_text);
            CHECK(is_global(list.get()) && is_global(list->data()) && is_global((*list)[0].data()));
            CHECK(ctxalloc_current() == a);
            for (int i = 0; i < 1000; i++)
                list->push_back(long_text + std::to_string(i));
            CHECK(is_global(list->data()) && is_global(list->back().data()));
            std::size_t count = list.use([](std::vector<std::string> &l) {
                l.emplace_back(long_text);
                l.emplace_back(long_text);
                return l.size();
            });
            CHECK(count == 1005 && is_global((*list).back().data()) && ctxalloc_current() == a);
            try {
                (void)list->at(5000);
                CHECK(false);
            } catch (const std::out_of_range &) {
                CHECK(ctxalloc_current() == a);
            }
            const auto &unchanging = list;
            CHECK(unchanging->size() == 1005);
            kept.emplace(std::move(list));
            CHECK(!list.get());
            ctxalloc::pinned<guarded> g(&seen);
            ctxalloc::pinned<guarded> h(&seen);
            const void *first = g.get(), *second = h.get();
            g = std::move(h); // what g had goes
            CHECK(seen == first && g.get() == second && !h.get());
            int thrown = 0;
            CHECK(ctxalloc_usage(CTXALLOC_GLOBAL, &before));
            for (int i = 0; i < 1000; i++) {
                try {
                    ctxalloc::pinned<thrower> t(true);
                } catch (int) {
                    thrown++;
                }
            }
            CHECK(thrown == 1000 && ctxalloc_current() == a);
            CHECK(ctxalloc_usage(CTXALLOC_GLOBAL, &after) && after.live_blocks < before.live_blocks + 500); // nothing stays
        }
        CHECK(seen != nullptr);
        CHECK(a.destroy() == 0);
        CHECK((*kept)->size() == 1005 && (*kept)->at(1002) == long_text + "999"); // outlives the context
    }
}

int main() {
    contexts_are_owned();
    scopes_nest();
    run_restores();
    resources_allocate_there();
    allocators_allocate_there();
    pinned_objects_are_global();
    CHECK(ctxalloc_current() == CTXALLOC_GLOBAL);
    return 0;
}
