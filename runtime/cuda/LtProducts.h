//===- LtProducts.h - Products by cuBLASLt ----------------------*- C++ -*-===//

#ifndef FSDPRT_CUDA_LTPRODUCTS_H
#define FSDPRT_CUDA_LTPRODUCTS_H

#include "cuda/LtProduct.h"

#include <map>
#include <memory>

namespace fsdprt::cuda {

/// All products of a program; equal problems are one.
class LtProducts {
public:
  /// Finds the driver's library and makes a handle in the calling thread's
  /// context.
  static Expected<std::unique_ptr<LtProducts>> create(int driverVersion);
  ~LtProducts();

  /// The product of a descriptor, whose arguments are checked; fails where the
  /// library has none. It lives as long as this.
  Expected<const LtProduct *> find(const fsdprt_gemm_desc &desc);

  /// By the name of their problem, which is the same on all ranks.
  const std::map<std::string, std::unique_ptr<LtProduct>> &all() const {
    return products;
  }
  /// Of the library.
  int64_t version() const { return int64_t(library.version); }

private:
  explicit LtProducts(BlasLt library) : library(std::move(library)) {}

  const BlasLt library;
  cublasLtHandle_t handle = nullptr;
  std::map<std::string, std::unique_ptr<LtProduct>> products; // by problem
};

} // namespace fsdprt::cuda

#endif // FSDPRT_CUDA_LTPRODUCTS_H
