/* check=full: a byte past the end of a large block, found by realloc. */
#include "tests/misuse/misuse.h"

int main(void) {
    char *p = allocate(100001);
    expect("realloc", p, "written past the end");
    *(char *)hide_pointer(p + 100001) = 1;
    resize(p, 200000);
    return 0;
}
