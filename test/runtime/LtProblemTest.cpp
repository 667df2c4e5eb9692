//===- LtProblemTest.cpp - Products in cuBLASLt's words -------------------===//
//
// What the calls of a problem would compute, by a plain loop over matrices that
// are stored by columns, against the descriptor's own formula.
//
//===----------------------------------------------------------------------===//

#include "cuda/LtProblem.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

using namespace fsdprt;
using testing::HasSubstr;

namespace {

using Matrix = std::vector<double>;

/// Values that tell every element from every other.
Matrix numbers(size_t size, int factor) {
  Matrix values(size);
  for (size_t i = 0; i < size; ++i)
    values[i] = double((i * 2654435761u * factor) % 1009) - 500;
  return values;
}

double at(const Matrix &values, const LtMatrix &matrix, bool transpose,
          int64_t start, int64_t batch, int64_t row, int64_t column) {
  if (transpose)
    std::swap(row, column);
  EXPECT_LT(row, matrix.rows);
  EXPECT_LT(column, matrix.columns);
  return values.at(start + batch * matrix.batchStride +
                   column * matrix.leading + row);
}

/// As the library defines a matmul.
void multiply(const LtProblem &problem, const Matrix &a, const Matrix &b,
              Matrix &c) {
  for (const LtOffsets &call : problem.calls)
    for (int64_t batch = 0; batch < problem.batch; ++batch)
      for (int64_t i = 0; i < problem.m; ++i)
        for (int64_t j = 0; j < problem.n; ++j) {
          double sum = 0;
          for (int64_t l = 0; l < problem.k; ++l)
            sum += at(b, problem.first, problem.transposeFirst, call.b, batch,
                      i, l) *
                   at(a, problem.second, problem.transposeSecond, call.a, batch,
                      l, j);
          c.at(call.c + batch * problem.result.batchStride +
               j * problem.result.leading + i) = sum;
        }
}

/// By the descriptor's definition in fsdprt.h.
void expectProduct(const fsdprt_gemm_desc &desc, const Matrix &a,
                   const Matrix &b, const Matrix &c) {
  int64_t batch[FSDPRT_MAX_BATCH_DIMS] = {1, 1, 1, 1};
  std::copy(desc.batch, desc.batch + desc.num_batch_dims, batch);
  for (int64_t n = 0; n < batch[0] * batch[1] * batch[2]; ++n) {
    int64_t place[] = {n / (batch[1] * batch[2]), n / batch[2] % batch[1],
                       n % batch[2]};
    int64_t startA = 0, startB = 0, startC = 0;
    for (int d = 0; d < 3; ++d) {
      startA += place[d] * desc.a_batch_strides[d];
      startB += place[d] * desc.b_batch_strides[d];
      startC += place[d] * desc.c_batch_strides[d];
    }
    for (int64_t i = 0; i < desc.m; ++i)
      for (int64_t j = 0; j < desc.n; ++j) {
        double sum = 0;
        for (int64_t l = 0; l < desc.k; ++l)
          sum += a.at(startA + i * desc.a_row_stride + l * desc.a_col_stride) *
                 b.at(startB + l * desc.b_row_stride + j * desc.b_col_stride);
        ASSERT_EQ(c.at(startC + i * desc.c_row_stride + j), sum)
            << n << ": " << i << ", " << j;
      }
  }
}

/// A product of dense matrices, each stored by rows or by columns.
fsdprt_gemm_desc dense(int64_t m, int64_t n, int64_t k, bool transA,
                       bool transB) {
  fsdprt_gemm_desc desc = {};
  desc.dtype = desc.c_dtype = FSDPRT_F32;
  desc.m = m, desc.n = n, desc.k = k;
  desc.a_row_stride = transA ? 1 : k, desc.a_col_stride = transA ? m : 1;
  desc.b_row_stride = transB ? 1 : n, desc.b_col_stride = transB ? k : 1;
  desc.c_row_stride = n;
  return desc;
}

size_t callsOf(const fsdprt_gemm_desc &desc) {
  auto problem = LtProblem::create(desc);
  EXPECT_TRUE(problem.ok()) << problem.status().message();
  Matrix a = numbers(4096, 3), b = numbers(4096, 5), c(4096);
  multiply(*problem, a, b, c);
  expectProduct(desc, a, b, c);
  return problem->calls.size();
}

} // namespace

TEST(LtProblem, EveryOrientation) {
  for (bool transA : {false, true})
    for (bool transB : {false, true})
      for (auto [m, n, k] : {std::tuple<int, int, int>{5, 7, 3},
                             {1, 7, 3},
                             {5, 1, 3},
                             {5, 7, 1},
                             {1, 1, 3}})
        EXPECT_EQ(callsOf(dense(m, n, k, transA, transB)), 1u);
}

TEST(LtProblem, RowsWithGaps) {
  fsdprt_gemm_desc desc = dense(5, 7, 3, false, true);
  desc.a_row_stride = 11, desc.b_col_stride = 4, desc.c_row_stride = 9;
  callsOf(desc);
}

/// A batch of heads: shared keys have a stride of 0.
TEST(LtProblem, BatchesOfSeveralDimensions) {
  fsdprt_gemm_desc desc = dense(4, 3, 2, false, true);
  desc.num_batch_dims = 3;
  int64_t batch[] = {2, 5, 3};
  std::copy(batch, batch + 3, desc.batch);
  int64_t a[] = {5 * 3 * 8, 3 * 8, 8}, b[] = {5 * 6, 6, 0},
          c[] = {5 * 3 * 12, 3 * 12, 12};
  std::copy(a, a + 3, desc.a_batch_strides);
  std::copy(b, b + 3, desc.b_batch_strides);
  std::copy(c, c + 3, desc.c_batch_strides);
  EXPECT_EQ(callsOf(desc), 6u); // the longest dimension is the library's
}

TEST(LtProblem, RefusesWhatTheLibraryHasNot) {
  fsdprt_gemm_desc desc = dense(4, 3, 2, false, false);
  desc.a_row_stride = 4, desc.a_col_stride = 2;
  EXPECT_THAT(LtProblem::create(desc).status().message(),
              HasSubstr("matrix A (4 x 2) has strides 4 and 2"));
  desc = dense(4, 3, 2, false, false);
  desc.c_row_stride = 2;
  EXPECT_FALSE(LtProblem::create(desc).ok());
}
