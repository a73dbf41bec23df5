/* realloc of a misaligned address. */
#include "tests/misuse/misuse.h"

int main(void) {
    void *p = allocate(160);
    expect("realloc", offset(p, 8), "misaligned pointer");
    resize(offset(p, 8), 300);
    return 0;
}
