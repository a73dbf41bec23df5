#include "engine/fit32.h"

#define CANONICAL canonical_fit
#include "tests/engine/canonical_fit.h"
