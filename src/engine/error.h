/* The errno values that engines return: Linux's numbers, since an engine has no <errno.h>.  tests/engine/error.c compares them. */
#ifndef CA_ENGINE_ERROR_H
#define CA_ENGINE_ERROR_H

enum { CA_ENOMEM = 12, CA_EFAULT = 14, CA_EINVAL = 22, CA_EOVERFLOW = 75 };

#endif
