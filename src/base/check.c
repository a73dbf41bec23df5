#include "base/check.h"

#include <stdlib.h>

#include "base/print.h"

void ca_die(const char *what)
{
    ca_print(2, "ctxalloc: %s\n", what);
    abort();
}
