#include "engine/tlsf32.h"

#include "engine/tlsf_calls.h"
