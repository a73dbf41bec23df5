/* The engines' error numbers, which they cannot have from <errno.h>, are its. */
#include <errno.h>

#include "engine/error.h"

int main(void)
{
    return !((int)CA_ENOMEM == ENOMEM && (int)CA_EFAULT == EFAULT && (int)CA_EINVAL == EINVAL && (int)CA_EOVERFLOW == EOVERFLOW);
}
