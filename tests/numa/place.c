/* Where pages lie, in a guest with several nodes: see run. */
#include "tests/numa/numa.h"

/* --- for run --self --- */

static void self_pass(void) {}
static void self_fail(void) { MUST(node_of(&(int){1}) == 7); }
static void self_hang(void) { pause(); }

/* --- what the kernel does, and the tests rest on --- */

static void *touched(void *argument)
{
    size_t bytes = *(size_t *)argument;
    char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    MUST(p != MAP_FAILED);
    memset(p, 1, bytes);
    return p;
}

static void kernel_places_at_first_touch(void)
{
    size_t bytes = 4 << 20;
    for (int node = 0; node < 2; node++) {
        struct spread s = spread_of(on_node(node, touched, &bytes), bytes);
        MUST_EQUAL(s.all, bytes / PAGE);
        MUST_EQUAL(s.on[node], s.all);
    }
}

static const struct numa_case cases[] = {
    {"self_pass", "", self_pass},
    {"self_fail", "", self_fail},
    {"self_hang", "", self_hang},
    {"kernel_places_at_first_touch", "", kernel_places_at_first_touch},
};

int main(int argc, char **argv) { return numa_main(argc, argv, cases, sizeof cases / sizeof cases[0]); }
