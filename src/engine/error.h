/* The errno values that engines return. They know no libc, so the numbers are here, Linux's; a test compares them with <errno.h>. */
#ifndef CA_ENGINE_ERROR_H
#define CA_ENGINE_ERROR_H

enum { CA_ENOMEM = 12, CA_EBUSY = 16, CA_EINVAL = 22, CA_EOVERFLOW = 75 };

#endif
