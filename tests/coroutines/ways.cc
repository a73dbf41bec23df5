// ways WAY THREADS COROUTINES STEPS: fibers.cc, compiled for each way to switch (stackful.hpp; 0: C++20), in one program.
#include <cstddef>
#include <cstdio>
#include <cstdlib>

int fibers_0(int threads, std::size_t coroutines, std::size_t steps);
int fibers_1(int threads, std::size_t coroutines, std::size_t steps);
int fibers_2(int threads, std::size_t coroutines, std::size_t steps);
int fibers_3(int threads, std::size_t coroutines, std::size_t steps);

int main(int count, char **words) {
    int (*const ways[])(int, std::size_t, std::size_t) = {fibers_0, fibers_1, fibers_2, fibers_3};
    unsigned long n[4] = {};
    for (int i = 0; i < 4 && i + 1 < count; i++)
        n[i] = std::strtoul(words[i + 1], nullptr, 10);
    if (count != 5 || n[0] > 3 || n[1] == 0) {
        std::fprintf(stderr, "usage: ways WAY THREADS COROUTINES STEPS\n");
        return 2;
    }
    return ways[n[0]](static_cast<int>(n[1]), n[2], n[3]);
}
