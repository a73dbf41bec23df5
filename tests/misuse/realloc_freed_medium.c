/* realloc of a medium block that was freed. */
#include "tests/misuse/misuse.h"

int main(void) {
    void *p = allocate(3000);
    release(p);
    expect("realloc", p, "freed pointer");
    resize(p, 6000);
    return 0;
}
