//===- SelfTestProductTest.cpp - Which products are found to be wrong -----===//

#include "core/DType.h"
#include "selftest/Checks.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

using namespace fsdprt;
using namespace fsdprt::selftest;

namespace {
/// C[b] = A[b] B[b]' of random numbers, computed in float as a library would.
struct TestProduct {
  fsdprt_arg args[6] = {};
  fsdprt_gemm_desc desc = {};
  HostArguments before, after;
  WorkerPool workers{2};
  int32_t dtype;

  TestProduct(int32_t dtype, int64_t batch, int64_t m, int64_t n, int64_t k,
              int32_t adds = 0, bool accumulates = false);

  double get(const HostBuffer &from, int64_t i) const {
    const DTypeInfo *info = lookupDType(dtype);
    return info->load(from.data() + i * info->size);
  }
  void set(const HostBuffer &to, int64_t i, double value) const {
    const DTypeInfo *info = lookupDType(dtype);
    info->store(to.data() + i * info->size, value);
  }
  int64_t place(int64_t b, int64_t i, int64_t j) const {
    return b * desc.c_batch_strides[0] + i * desc.c_row_stride + j;
  }
  /// All of it; every sum is passed through `round` after each term.
  template <typename Round> void compute(Round round);
  void compute() {
    compute([](float sum) { return sum; });
  }
  Difference compare() {
    return *checkProduct(desc, {workers, [] {}})->compare(before, after);
  }
};
} // namespace

TestProduct::TestProduct(int32_t dtype, int64_t batch, int64_t m, int64_t n,
                         int64_t k, int32_t adds, bool accumulates)
    : dtype(dtype) {
  desc.op = {"matmul", "", "", args, nullptr, 3, 0, 0, -1};
  desc.dtype = desc.c_dtype = dtype;
  desc.m = m, desc.n = n, desc.k = k;
  desc.adds = adds;
  desc.accumulate = accumulates;
  desc.num_batch_dims = 1;
  desc.batch[0] = batch;
  desc.a_batch_strides[0] = m * k;
  desc.b_batch_strides[0] = n * k;
  desc.c_batch_strides[0] = m * (n + 3);
  desc.a_row_stride = k, desc.a_col_stride = 1;
  desc.b_row_stride = 1, desc.b_col_stride = k; // as a weight is stored
  desc.c_row_stride = n + 3;
  const int64_t size = sizeOfDType(dtype), inC = batch * m * (n + 3);
  std::mt19937 random(7);
  std::normal_distribution<double> normal;
  for (int64_t elements : {batch * m * k, batch * n * k, inC, n, inC}) {
    before.emplace_back(elements * size);
    for (int64_t i = 0; i < elements; ++i)
      set(before.back(), i, normal(random));
  }
  if (!(adds & FSDPRT_GEMM_BIAS))
    before.erase(before.begin() + 3);
  for (size_t i = 0; i < before.size(); ++i)
    after.emplace_back(i == 2 ? before[2].copy() : HostBuffer());
  compute();
}

template <typename Round> void TestProduct::compute(Round round) {
  for (int64_t b = 0; b < desc.batch[0]; ++b)
    for (int64_t i = 0; i < desc.m; ++i)
      for (int64_t j = 0; j < desc.n; ++j) {
        float sum = 0;
        for (int64_t p = 0; p < desc.k; ++p)
          sum = round(sum +
                      float(get(before[0], (b * desc.m + i) * desc.k + p)) *
                          float(get(before[1], (b * desc.n + j) * desc.k + p)));
        int64_t at = place(b, i, j);
        bool hasBias = desc.adds & FSDPRT_GEMM_BIAS;
        if (hasBias)
          sum += float(get(before[3], j));
        if (desc.adds & FSDPRT_GEMM_RESIDUAL)
          sum += float(get(before[3 + hasBias], at));
        if (desc.accumulate)
          sum += float(get(before[2], at));
        set(after[2], at, sum);
      }
}

TEST(SelfTestProduct, RightOnesPass) {
  for (int32_t dtype : {FSDPRT_F32, FSDPRT_BF16})
    for (int32_t adds : {0, int(FSDPRT_GEMM_BIAS), int(FSDPRT_GEMM_RESIDUAL),
                         FSDPRT_GEMM_BIAS | FSDPRT_GEMM_RESIDUAL})
      for (bool accumulates : {false, true}) {
        TestProduct p(dtype, 2, 37, 70, 50, adds, accumulates);
        Difference found = p.compare();
        EXPECT_FALSE(found.isWrong()) << dtype << adds << found.describe();
        EXPECT_GT(found.ratio, 0);
      }
}

/// Larger than the samples and than a block: the signed sums have to see it.
TEST(SelfTestProduct, AnyWrongElementIsFound) {
  TestProduct p(FSDPRT_F32, 1, 1100, 1300, 8);
  ASSERT_FALSE(p.compare().isWrong());
  for (auto [i, j] : {std::make_pair(0, 0), std::make_pair(1099, 1299),
                      std::make_pair(511, 1030), std::make_pair(1050, 3)}) {
    double right = p.get(p.after[2], p.place(0, i, j));
    p.set(p.after[2], p.place(0, i, j), right + 0.01);
    Difference found = p.compare();
    EXPECT_TRUE(found.isWrong());
    EXPECT_EQ(found.element, p.place(0, i, j));
    EXPECT_NEAR(found.expected, right, 1e-5);
    p.set(p.after[2], p.place(0, i, j), right);
  }
}

TEST(SelfTestProduct, WrongTilesInHalfPrecisionAreFound) {
  TestProduct p(FSDPRT_BF16, 1, 512, 1500, 16);
  ASSERT_FALSE(p.compare().isWrong());
  for (int64_t i = 200; i < 216; ++i)
    for (int64_t j = 1200; j < 1216; ++j)
      p.set(p.after[2], p.place(0, i, j),
            p.get(p.after[2], p.place(0, i, j)) / 2);
  EXPECT_TRUE(p.compare().isWrong());
}

TEST(SelfTestProduct, SumsInBf16AreFound) {
  for (int32_t dtype : {FSDPRT_F32, FSDPRT_BF16}) {
    TestProduct p(dtype, 1, 64, 64, 64);
    p.compute([](float sum) { return bfloat16ToFloat(floatToBfloat16(sum)); });
    EXPECT_TRUE(p.compare().isWrong()) << dtype;
  }
}

static float toTf32(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  bits = (bits + 0x1000) & ~0x1fffu;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

/// For sums so long that a single one does not show it.
TEST(SelfTestProduct, Tf32IsFoundWhereItIsNotAllowed) {
  TestProduct p(FSDPRT_F32, 1, 16, 16, 4096);
  ASSERT_FALSE(p.compare().isWrong());
  HostArguments exact;
  for (int i : {0, 1}) {
    exact.push_back(p.before[i].copy());
    auto *values = reinterpret_cast<float *>(p.before[i].data());
    for (int64_t e = 0; e < p.before[i].size() / 4; ++e)
      values[e] = toTf32(values[e]);
  }
  p.compute();
  std::swap(p.before[0], exact[0]);
  std::swap(p.before[1], exact[1]);
  EXPECT_TRUE(p.compare().isWrong());
  p.desc.precision = 1;
  EXPECT_FALSE(p.compare().isWrong());
}

TEST(SelfTestProduct, WhatIsAddedIsLookedAt) {
  for (int32_t adds : {FSDPRT_GEMM_BIAS, FSDPRT_GEMM_RESIDUAL}) {
    TestProduct p(FSDPRT_F32, 2, 20, 30, 10, adds);
    p.desc.adds = 0;
    p.compute(); // forgets it
    p.desc.adds = adds;
    EXPECT_TRUE(p.compare().isWrong());
  }
  TestProduct p(FSDPRT_F32, 2, 20, 30, 10, 0, /*accumulates=*/true);
  p.desc.accumulate = 0;
  EXPECT_TRUE(p.compare().isWrong());
}
