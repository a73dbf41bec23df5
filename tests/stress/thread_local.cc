// C++ thread_local objects and static ones allocate and free in their destructors: at the end of each thread and of the program, when
// the allocator may have said goodbye already.
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <config.h>

struct late_worker {
    std::map<int, std::string> words;
    ~late_worker() {
        for (int i = 0; i < 200; i++)
            words[i] = std::string(static_cast<std::size_t>(i) * 5, 'x');
        for (int i = 0; i < 200; i += 2)
            words.erase(i);
        std::vector<std::unique_ptr<std::string>> more;
        for (int i = 0; i < 100; i++)
            more.push_back(std::make_unique<std::string>(words[i % 100]));
        for (int i = 1; i < 200; i += 2)
            if (words[i].size() != static_cast<std::size_t>(i) * 5 && i >= 100) {
                std::fputs("a word has changed\n", stderr);
                std::abort();
            }
    }
};

static thread_local late_worker first;
static thread_local std::vector<std::string> second;
static late_worker at_exit;

static void use(int seed) {
    for (int i = 0; i < 50; i++) {
        first.words[i + seed] = std::to_string(i);
        second.push_back(std::string(static_cast<std::size_t>(i + seed % 7), 'y'));
    }
}

int main() {
    for (int round = 0; round < 100; round++) {
        std::vector<std::thread> threads;
        for (int i = 0; i < 4; i++)
            threads.emplace_back(use, round + i);
        for (auto &thread : threads)
            thread.join();
    }
    use(1);
    at_exit.words[1] = "one";
    // A thread that runs on while the program ends.
    std::thread([] {
        for (;;)
            delete new std::string(100, 'z');
    }).detach();
    return 0;
}
