//===- LtProduct.h - A product by cuBLASLt ----------------------*- C++ -*-===//

#ifndef FSDPRT_CUDA_LTPRODUCT_H
#define FSDPRT_CUDA_LTPRODUCT_H

#include "cuda/BlasLt.h"
#include "cuda/LtProblem.h"

#include <vector>

namespace fsdprt::cuda {

/// The library's handles of one problem, and how it computes it. The same way
/// each time: never one whose sums vary.
class LtProduct {
public:
  /// For operands at multiples of `alignment` bytes, with a workspace of
  /// `mostBytes`.
  LtProduct(const BlasLt &library, cublasLtHandle_t handle,
            const fsdprt_gemm_desc &desc, LtProblem problem, int64_t mostBytes,
            uint32_t alignment);
  ~LtProduct();
  LtProduct(const LtProduct &) = delete;

  /// Makes the handles, and takes what the library thinks is the fastest.
  Status create();

  /// What the library would choose from, the best first: at least one.
  Expected<std::vector<cublasLtMatmulAlgo_t>> candidates() const;
  /// Computes by this one from now on; fails where the library cannot.
  Status use(const cublasLtMatmulAlgo_t &given);

  /// `args` are those of the descriptor: A, B, C, what is added, workspace.
  Status run(const uint64_t *args, CUstream stream) const;

  /// Bytes of the arguments, by number.
  const std::vector<int64_t> &sizes() const { return argumentBytes; }

private:
  Status createLayout(cublasLtMatrixLayout_t &layout, const LtMatrix &matrix,
                      cudaDataType type) const;
  Status createMatmul();
  Status prefer(cublasLtMatmulPreference_t preference) const;

  const BlasLt &library;
  const cublasLtHandle_t handle;
  const LtProblem problem;
  const int64_t mostBytes;
  const uint32_t alignment;
  std::vector<int64_t> argumentBytes;
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

} // namespace fsdprt::cuda

/// Returns the failure of a call of the library.
#define FSDPRT_LT(LIBRARY, FUNCTION, ...)                                      \
  FSDPRT_RETURN_IF_ERROR(                                                      \
      (LIBRARY).check(#FUNCTION, (LIBRARY).FUNCTION(__VA_ARGS__)))

#endif // FSDPRT_CUDA_LTPRODUCT_H
