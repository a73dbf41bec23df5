/* malloc_usable_size of a block that was freed. */
#include "tests/misuse/misuse.h"

int main(void) {
    void *p = allocate(48);
    release(p);
    expect("malloc_usable_size", p, "freed pointer");
    ask_size(p);
    return 0;
}
