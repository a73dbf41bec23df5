/* free of a misaligned address inside a block that was freed. */
#include "tests/misuse/misuse.h"

int main(void) {
    void *p = allocate(48);
    release(p);
    expect("free", offset(p, 3), "misaligned pointer");
    release(offset(p, 3));
    return 0;
}
