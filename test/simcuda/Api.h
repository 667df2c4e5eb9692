//===- Api.h - What the driver's functions share ----------------*- C++ -*-===//

#ifndef SIMCUDA_API_H
#define SIMCUDA_API_H

#include "test/simcuda/Capture.h"
#include "test/simcuda/Simulator.h"

/// Definitions must agree with the declarations that the runtime calls by.
namespace fsdprt::cuda {
extern "C" {
#define FSDPRT_DRIVER_FUNCTION(NAME, SYMBOL, RESULT, PARAMETERS)               \
  RESULT SYMBOL PARAMETERS;
#include "runtime/cuda/DriverFunctions.def"
}
} // namespace fsdprt::cuda

#define SIMCUDA_API extern "C" fsdprt::cuda::CUresult

namespace simcuda {

/// The current device; what is wrong with it, or that there is none.
CUresult needDevice(Device *&device);

/// The calling thread has no context any more.
void forgetContext();

} // namespace simcuda

#endif // SIMCUDA_API_H
