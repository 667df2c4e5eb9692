//===- LtProblem.cpp - A GEMM descriptor in cuBLASLt's words --------------===//

#include "cuda/LtProblem.h"

#include <algorithm>

using namespace fsdprt;

namespace {

/// A matrix of the descriptor, `rows` x `columns`, with its strides.
struct Strided {
  char name;
  int64_t rows, columns, rowStride, columnStride;
};

} // namespace

/// The transpose of `matrix` as it is stored; `transpose` says whether that is
/// transposed once more.
static Status describe(const Strided &matrix, LtMatrix &stored,
                       bool &transpose) {
  // A stride that nothing moves by may have any value.
  bool byRows = matrix.columnStride == 1 || matrix.columns == 1;
  bool byColumns = matrix.rowStride == 1 || matrix.rows == 1;
  auto set = [&](int64_t rows, int64_t columns, int64_t leading) {
    stored.rows = rows;
    stored.columns = columns;
    stored.leading = columns == 1 ? std::max(leading, rows) : leading;
    return stored.leading >= rows;
  };
  transpose = false;
  if (byRows && set(matrix.columns, matrix.rows, matrix.rowStride))
    return Status();
  transpose = true;
  if (byColumns && set(matrix.rows, matrix.columns, matrix.columnStride))
    return Status();
  return failure("matrix ", matrix.name, " (", matrix.rows, " x ",
                 matrix.columns, ") has strides ", matrix.rowStride, " and ",
                 matrix.columnStride,
                 ", cuBLASLt has no layout of that kind: expected 1 along rows "
                 "or columns, and neither to overlap");
}

/// The batch dimension that one call runs over: the longest one.
static int64_t innerBatch(const fsdprt_gemm_desc &desc) {
  const int64_t *begin = desc.batch, *end = begin + desc.num_batch_dims;
  return std::max_element(begin, end) - begin;
}

/// Adds the calls for the batch dimensions from `dim` on, but for `inner`.
static void addCalls(const fsdprt_gemm_desc &desc, int64_t inner, int64_t dim,
                     LtOffsets at, std::vector<LtOffsets> &calls) {
  if (dim == desc.num_batch_dims || dim >= FSDPRT_MAX_BATCH_DIMS) {
    calls.push_back(at);
    return;
  }
  int64_t extent = dim == inner ? 1 : desc.batch[dim];
  for (int64_t i = 0; i < extent; ++i)
    addCalls(desc, inner, dim + 1,
             {at.a + i * desc.a_batch_strides[dim],
              at.b + i * desc.b_batch_strides[dim],
              at.c + i * desc.c_batch_strides[dim]},
             calls);
}

Expected<LtProblem> LtProblem::create(const fsdprt_gemm_desc &desc) {
  LtProblem problem;
  problem.m = desc.n;
  problem.n = desc.m;
  problem.k = desc.k;
  FSDPRT_RETURN_IF_ERROR(
      describe({'B', desc.k, desc.n, desc.b_row_stride, desc.b_col_stride},
               problem.first, problem.transposeFirst));
  FSDPRT_RETURN_IF_ERROR(
      describe({'A', desc.m, desc.k, desc.a_row_stride, desc.a_col_stride},
               problem.second, problem.transposeSecond));
  bool transposeResult = false;
  FSDPRT_RETURN_IF_ERROR(describe({'C', desc.m, desc.n, desc.c_row_stride, 1},
                                  problem.result, transposeResult));
  if (transposeResult)
    return failure("rows of matrix C overlap");
  int64_t inner = desc.num_batch_dims ? innerBatch(desc) : -1;
  if (inner >= 0) {
    problem.batch = desc.batch[inner];
    problem.first.batchStride = desc.b_batch_strides[inner];
    problem.second.batchStride = desc.a_batch_strides[inner];
    problem.result.batchStride = desc.c_batch_strides[inner];
  }
  addCalls(desc, inner, 0, {}, problem.calls);
  return problem;
}
