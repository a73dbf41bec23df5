/* check=full: a write to a freed block, found when it leaves the quarantine. */
#include "tests/misuse/misuse.h"

int main(void) {
    char *p = allocate(100);
    release(p);
    expect("malloc", p + 16, "written after free");
    *(char *)hide_pointer(p + 17) = 1;
    for (int i = 0; i < 2000; i++)
        release(allocate(64));
    return 0;
}
