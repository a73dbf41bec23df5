/* check=full: free_sized with a size that the block was not made with. */
#include "tests/misuse/misuse.h"

int main(void) {
    char *p = allocate(100);
    expect("free_sized", p, "not of that size");
    free_sized(hide_pointer(p), 101);
    return 0;
}
