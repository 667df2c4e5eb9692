//===- BlasApi.h - What cuBLASLt's functions share --------------*- C++ -*-===//

#ifndef SIMCUDA_BLASAPI_H
#define SIMCUDA_BLASAPI_H

#include "test/simcuda/Product.h"

/// Definitions must agree with the declarations that the runtime calls by.
using namespace fsdprt::cuda;
extern "C" {
#define FSDPRT_BLASLT_FUNCTION(NAME, RESULT, PARAMETERS) RESULT NAME PARAMETERS;
#include "runtime/cuda/BlasLtFunctions.def"
}

#endif // SIMCUDA_BLASAPI_H
