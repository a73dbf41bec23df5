/* free of an address of the library's region, far from all blocks. */
#include "tests/misuse/misuse.h"

int main(void) {
    void *p = allocate(48);
    void *far = offset(p, (size_t)20 << 30);
    expect("free", far, "never allocated");
    release(far);
    return 0;
}
