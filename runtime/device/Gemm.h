//===- Gemm.h - Matrix products by oneDNN -----------------------*- C++ -*-===//

#ifndef FSDPRT_DEVICE_GEMM_H
#define FSDPRT_DEVICE_GEMM_H

#include "abi/fsdprt.h"
#include "core/Status.h"

#include <memory>

namespace fsdprt {

/// A product with its operands, ready to be computed again and again.
class BoundGemm {
public:
  virtual ~BoundGemm() = default;
  virtual Status run() const = 0;
};

/// Makes products out of GEMM descriptors; keeps one primitive for each
/// distinct problem, and outlives the products. Of one thread.
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
  Expected<std::unique_ptr<BoundGemm>> bind(const fsdprt_gemm_desc &desc,
                                            void *const *args);

private:
  struct Implementation;
  std::unique_ptr<Implementation> implementation;
};

} // namespace fsdprt

#endif // FSDPRT_DEVICE_GEMM_H
