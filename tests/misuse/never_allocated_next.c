/* free of the place after the only block of its size. Nobody had that place; the map of live blocks cannot
 * tell a place that was given back from one that nobody had yet, so both verdicts are right. */
#include "tests/misuse/misuse.h"

int main(void) {
    void *p = allocate(1700);
    void *next = offset(p, ask_size(p));
    expect("free", next, "never allocated");
    expect("free", next, "double free");
    release(next);
    return 0;
}
