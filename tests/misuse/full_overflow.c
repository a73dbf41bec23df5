/* check=full: one byte past the end of a small block, found when it is freed. */
#include "tests/misuse/misuse.h"

int main(void) {
    char *p = allocate(100);
    expect("free", p, "written past the end");
    *(char *)hide_pointer(p + 100) = 1;
    release(p);
    return 0;
}
