/* Nothing wrong: what `run` starts with wrong options, to see that the program goes on. */
#include "tests/misuse/misuse.h"

int main(void) {
    void *p = allocate(100);
    p = resize(p, 1000);
    if (ask_size(p) < 1000)
        return 2;
    release(p);
    if (write(1, "ran\n", 4) != 4)
        return 2;
    return 0;
}
