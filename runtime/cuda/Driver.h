//===- Driver.h - The CUDA driver, found at run time ------------*- C++ -*-===//

#ifndef FSDPRT_CUDA_DRIVER_H
#define FSDPRT_CUDA_DRIVER_H

#include "abi/simulated.h"
#include "core/Status.h"
#include "cuda/DriverTypes.h"

#include <string>

namespace fsdprt::cuda {

/// libcuda.so.1, version 12.0 or later. Each function is a member of the name
/// that NVIDIA documents: `driver.cuMemAlloc(&address, bytes)`.
struct Driver {
#define FSDPRT_DRIVER_FUNCTION(NAME, SYMBOL, RESULT, PARAMETERS)               \
  RESULT(*NAME) PARAMETERS = nullptr;
#include "cuda/DriverFunctions.def"

  /// Names what the calling thread enqueues next; null but in a simulator.
  fsdprt_simulated_operation simulatedOperation = nullptr;

  int version = 0; ///< as cuDriverGetVersion gives it: 12080 for 12.8
  std::string path;

  /// Finds the driver; calls nothing but cuDriverGetVersion. Fails if there is
  /// none, it is older than 12.0 or lacks a function.
  static Expected<Driver> load();

  /// "CUDA_ERROR_ILLEGAL_ADDRESS (an illegal memory access was encountered)".
  std::string describe(CUresult result) const;

  /// A failure unless `result` is CUDA_SUCCESS: "cuLaunchKernel failed: " and
  /// the description.
  Status check(const char *call, CUresult result) const;
};

} // namespace fsdprt::cuda

#endif // FSDPRT_CUDA_DRIVER_H
