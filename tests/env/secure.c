/* Says whether the kernel calls this process secure, and allocates a little: the script looks at what the library says of its options. */
#include <sys/auxv.h>

#include "tests/env/env.h"

int main(void) {
    require_library();
    free(hidden(malloc(100)));
    if (getauxval(AT_SECURE) != 0)
        puts("secure");
    else
        puts("not secure");
    return 0;
}
