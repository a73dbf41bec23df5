/* realloc to nothing of a block that was freed: a free by another name, so both verdicts are right. */
#include "tests/misuse/misuse.h"

int main(void) {
    void *p = allocate(48);
    release(p);
    expect("realloc", p, "freed pointer");
    expect("realloc", p, "double free");
    resize(p, hide_size(0));
    return 0;
}
