#include "engine/fit32.h"

#include "engine/fit_calls.h"
