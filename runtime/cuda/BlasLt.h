//===- BlasLt.h - The library of products, found at run time ----*- C++ -*-===//

#ifndef FSDPRT_CUDA_BLASLT_H
#define FSDPRT_CUDA_BLASLT_H

#include "core/Status.h"
#include "cuda/BlasLtTypes.h"

#include <string>

namespace fsdprt::cuda {

/// libcublasLt.so.13 or .12.
struct BlasLt {
#define FSDPRT_BLASLT_FUNCTION(NAME, RESULT, PARAMETERS)                       \
  RESULT(*NAME) PARAMETERS = nullptr;
#include "cuda/BlasLtFunctions.def"

  size_t version = 0; ///< as cublasLtGetVersion gives it: 130101 for 13.1.1
  std::string path;

  /// Finds the newest library that a driver of this version (13000 for 13.0)
  /// runs. Fails if there is none, it is older than 12.0 or lacks a function.
  static Expected<BlasLt> load(int driverVersion);

  /// A failure unless `status` is CUBLAS_STATUS_SUCCESS: "cublasLtMatmul
  /// failed: " and the library's name of it.
  Status check(const char *call, cublasStatus_t status) const;
};

} // namespace fsdprt::cuda

#endif // FSDPRT_CUDA_BLASLT_H
