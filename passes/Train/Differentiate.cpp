#include "passes/Train/Differentiate.h"
