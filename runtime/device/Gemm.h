//===- Gemm.h - Matrix products by oneDNN -----------------------*- C++ -*-===//

#ifndef FSDPRT_DEVICE_GEMM_H
#define FSDPRT_DEVICE_GEMM_H

#include "abi/fsdprt.h"
#include "core/Status.h"

#include <memory>

namespace fsdprt {

/// Runs GEMM descriptors; keeps one primitive for each distinct problem. Of one
/// thread. The result does not depend on `numThreads`, to the bit.
class GemmLibrary {
public:
  explicit GemmLibrary(int numThreads);
  ~GemmLibrary();

  /// Creates the product's primitive, where that is not done yet: what fails
  /// here fails on this host, whatever the operands.
  Status prepare(const fsdprt_gemm_desc &desc);

  /// `args` are the resolved arguments: A, B, C, what is added, and the
  /// scratchpad that the library may use. Without one, an implementation that
  /// needs none is taken where there is any.
  Status run(const fsdprt_gemm_desc &desc, void *const *args);

private:
  struct Implementation;
  std::unique_ptr<Implementation> implementation;
};

/// Checks that the matrices stay inside their arguments' bytes.
Status checkGemm(const fsdprt_gemm_desc &desc);

} // namespace fsdprt

#endif // FSDPRT_DEVICE_GEMM_H
