//===- LtProblem.h - A GEMM descriptor in cuBLASLt's words ------*- C++ -*-===//
//
// cuBLASLt's matrices are stored by columns and have one batch dimension. A
// matrix stored by rows is its transpose stored by columns, so the product is
// taken as C^T = B^T A^T, and batches of more dimensions as several calls.
//
//===----------------------------------------------------------------------===//

#ifndef FSDPRT_CUDA_LTPROBLEM_H
#define FSDPRT_CUDA_LTPROBLEM_H

#include "abi/fsdprt.h"
#include "core/Status.h"

#include <vector>

namespace fsdprt {

/// A matrix stored by columns: element (i, j) of matrix b of the batch stands
/// at b * batchStride + j * leading + i. In elements.
struct LtMatrix {
  int64_t rows = 0, columns = 0;
  int64_t leading = 0;
  int64_t batchStride = 0;
};

/// Where the operands of one call begin, in elements from their arguments'
/// first.
struct LtOffsets {
  int64_t a = 0, b = 0, c = 0;
};

/// result = op(first) op(second), of m x k and k x n: `first` is B of the
/// descriptor, `second` A, `result` C, and the residual is laid out like it.
struct LtProblem {
  int64_t m = 0, n = 0, k = 0;
  bool transposeFirst = false, transposeSecond = false;
  LtMatrix first, second, result;
  int64_t batch = 1;
  std::vector<LtOffsets> calls;

  /// Fails where a matrix has neither rows nor columns of stride 1, or rows
  /// that overlap: the library has no such layout.
  static Expected<LtProblem> create(const fsdprt_gemm_desc &desc);
};

} // namespace fsdprt

#endif // FSDPRT_CUDA_LTPROBLEM_H
