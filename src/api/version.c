#include <config.h>
#include <ctxalloc.h>

#include "base/base.h"

__attribute__((visibility("default"))) const char *ctxalloc_version(void)
{
    return PACKAGE_VERSION;
}
