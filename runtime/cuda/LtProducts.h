//===- LtProducts.h - Products by cuBLASLt ----------------------*- C++ -*-===//

#ifndef FSDPRT_CUDA_LTPRODUCTS_H
#define FSDPRT_CUDA_LTPRODUCTS_H

#include "cuda/BlasLt.h"
#include "cuda/LtProblem.h"

#include <map>
#include <memory>

namespace fsdprt::cuda {

/// The library's handles of one problem, and how it computes it. The same way
/// each time: never one whose sums vary.
class LtProduct {
public:
  LtProduct(const BlasLt &library, cublasLtHandle_t handle,
            const fsdprt_gemm_desc &desc, LtProblem problem);
  ~LtProduct();
  LtProduct(const LtProduct &) = delete;

  /// Makes the handles and chooses an algorithm that needs at most
  /// `workspaceBytes`, for operands at multiples of `alignment` bytes.
  Status create(int64_t workspaceBytes, uint32_t alignment);

  /// `args` are those of the descriptor: A, B, C, what is added, workspace.
  Status run(const uint64_t *args, CUstream stream) const;

private:
  Status createLayout(cublasLtMatrixLayout_t &layout, const LtMatrix &matrix,
                      cudaDataType type) const;
  Status createMatmul();
  Status choose(int64_t workspaceBytes, uint32_t alignment);

  const BlasLt &library;
  const cublasLtHandle_t handle;
  const LtProblem problem;
  const cudaDataType type, resultType; // of A and B, and of C
  const size_t bytes, resultBytes;     // of an element
  const int32_t adds;
  const size_t workspaceArgument; // behind all that is read or written
  const bool accumulates, allowsTf32;
  cublasLtMatmulDesc_t matmul = nullptr;
  cublasLtMatrixLayout_t first = nullptr, second = nullptr, result = nullptr;
  cublasLtMatmulAlgo_t algorithm = {};
  size_t workspaceBytes = 0;
};

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

  /// The library's.
  int64_t version() const { return int64_t(library.version); }

private:
  explicit LtProducts(BlasLt library) : library(std::move(library)) {}

  const BlasLt library;
  cublasLtHandle_t handle = nullptr;
  std::map<std::string, std::unique_ptr<LtProduct>> products; // by problem
};

} // namespace fsdprt::cuda

#endif // FSDPRT_CUDA_LTPRODUCTS_H
