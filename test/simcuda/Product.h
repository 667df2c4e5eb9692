//===- Product.h - Matrix products as cuBLASLt has them ---------*- C++ -*-===//

#ifndef SIMCUDA_PRODUCT_H
#define SIMCUDA_PRODUCT_H

#include "runtime/cuda/BlasLtTypes.h"
#include "test/simcuda/Simulator.h"

namespace fsdprt::cuda {
struct cublasLtContext {
  int device = 0;
};

/// D = alpha op(A) op(B) + beta C + bias, in float.
struct cublasLtMatmulDescOpaque_t {
  cublasComputeType_t compute = CUBLAS_COMPUTE_32F;
  cudaDataType scale = CUDA_R_32F;
  cublasLtPointerMode_t pointers = CUBLASLT_POINTER_MODE_HOST;
  cublasOperation_t transA = CUBLAS_OP_N, transB = CUBLAS_OP_N;
  cublasLtEpilogue_t epilogue = CUBLASLT_EPILOGUE_DEFAULT;
  uint64_t bias = 0;
  int64_t biasStride = 0;
  int32_t biasType = -1; ///< that of D
  int32_t multiprocessors = 0;
};

struct cublasLtMatrixLayoutOpaque_t {
  cudaDataType type = CUDA_R_32F;
  cublasLtOrder_t order = CUBLASLT_ORDER_COL;
  uint64_t rows = 0, cols = 0;
  int64_t ld = 0;
  int32_t batch = 1;
  int64_t stride = 0;

  /// Elements from one column, and from one row, to the next.
  int64_t alongCols() const { return order == CUBLASLT_ORDER_COL ? ld : 1; }
  int64_t alongRows() const { return order == CUBLASLT_ORDER_COL ? 1 : ld; }
  uint64_t lines() const { return order == CUBLASLT_ORDER_COL ? cols : rows; }
  uint64_t lineElements() const {
    return order == CUBLASLT_ORDER_COL ? rows : cols;
  }
};

struct cublasLtMatmulPreferenceOpaque_t {
  uint64_t workspace = 0;
  uint32_t schemes = 7;
  uint32_t alignments[4] = {256, 256, 256, 256}; ///< of A, B, C, D
};
} // namespace fsdprt::cuda

namespace simcuda {
using Layout = fsdprt::cuda::cublasLtMatrixLayoutOpaque_t;

/// What an algorithm of 64 bytes says.
struct Algorithm {
  uint32_t id = 0, splits = 1, scheme = 0, alignment = 1;

  /// False if these are not bytes that the simulator made.
  static bool decode(const fsdprt::cuda::cublasLtMatmulAlgo_t &bytes,
                     Algorithm &algorithm);
  fsdprt::cuda::cublasLtMatmulAlgo_t encode() const;

  /// Of its partial sums.
  uint64_t workspace(const Layout &d) const;
};

/// One product, all of it copied: descriptors may go while it waits.
struct Product {
  fsdprt::cuda::cublasLtMatmulDescOpaque_t desc;
  Layout a, b, c, d;
  float alpha = 1, beta = 0;
  uint64_t aAt = 0, bAt = 0, cAt = 0, dAt = 0;
  Algorithm algorithm;

  uint64_t k() const {
    return desc.transA == fsdprt::cuda::CUBLAS_OP_N ? a.cols : a.rows;
  }
  bool hasBias() const {
    return desc.epilogue == fsdprt::cuda::CUBLASLT_EPILOGUE_BIAS;
  }

  /// What is wrong with shapes and types: "" or a message; sets `unsupported`
  /// if the library would understand but not do it.
  std::string check(bool &unsupported) const;

  /// What it touches, but the workspace: line by line where lines are apart.
  std::vector<Range> ranges() const;

  CUresult run(Device &device, const Identity &who) const;
};

uint64_t bytesOf(fsdprt::cuda::cudaDataType type);

} // namespace simcuda

#endif // SIMCUDA_PRODUCT_H
