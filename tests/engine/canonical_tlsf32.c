#include "engine/tlsf32.h"

#define CANONICAL canonical_tlsf
#include "tests/engine/canonical_tlsf.h"
