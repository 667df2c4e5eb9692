//===- SelfTestTest.cpp - What a comparison finds, and what it lets pass --===//

#include "core/DType.h"
#include "selftest/Checks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <limits>

using namespace fsdprt;
using namespace fsdprt::selftest;
using testing::HasSubstr;

//===----------------------------------------------------------------------===//
// Elements
//===----------------------------------------------------------------------===//

namespace {
struct Floats {
  std::vector<float> actual, expected, perturbed;

  explicit Floats(std::vector<float> values)
      : actual(values), expected(values), perturbed(values) {}
  Difference compare(int64_t terms = 1) const {
    return compareElements({FSDPRT_F32, int64_t(actual.size()), terms,
                            actual.data(), expected.data(), perturbed.data()});
  }
};
} // namespace

TEST(SelfTestElements, RoundingPassesAndMoreDoesNot) {
  Floats f(std::vector<float>(200, 0.5f));
  EXPECT_EQ(f.compare().ratio, 0);
  f.actual[150] = 0.5f + 4 * 0x1p-24f;
  EXPECT_FALSE(f.compare().isWrong());
  f.actual[150] = 0.5f + 32 * 0x1p-24f;
  Difference found = f.compare();
  EXPECT_TRUE(found.isWrong());
  EXPECT_EQ(found.element, 150);
  EXPECT_THAT(found.describe(),
              HasSubstr("element 150 is 0.500001907, expected 0.5 (allowed "));
}

TEST(SelfTestElements, LongSumsMayErrByMore) {
  Floats f(std::vector<float>(4, 1.0f));
  f.actual[0] += 100 * 0x1p-23f;
  EXPECT_TRUE(f.compare(1).isWrong());
  EXPECT_FALSE(f.compare(1 << 20).isWrong());
}

TEST(SelfTestElements, WhatCancelsMayErrAsItsOperandsMay) {
  Floats f(std::vector<float>(64, 1e-6f));
  f.actual[3] += 1e-7f;
  EXPECT_TRUE(f.compare().isWrong());
  f.perturbed[5] += 1e-7f; // operands changed by one ulp change it so much
  EXPECT_FALSE(f.compare().isWrong());
}

TEST(SelfTestElements, OnlyNeighboursLendTheirScale) {
  Floats f(std::vector<float>(256, 1e-3f));
  f.expected[0] = f.actual[0] = f.perturbed[0] = 1e6f;
  f.actual[63] = 2e-3f;
  EXPECT_FALSE(f.compare().isWrong());
  f.actual[64] = 2e-3f;
  EXPECT_EQ(f.compare().element, 64);
}

TEST(SelfTestElements, NaNAndInfinityAreWhereTheyAreExpected) {
  const float nan = std::numeric_limits<float>::quiet_NaN(),
              infinity = std::numeric_limits<float>::infinity();
  for (float special : {nan, infinity, -infinity}) {
    Floats f({1, 2, special, 4});
    EXPECT_FALSE(f.compare().isWrong());
    f.actual[2] = 3;
    EXPECT_TRUE(f.compare().isWrong());
    Floats g({1, 2, 3, 4});
    g.actual[2] = special;
    EXPECT_TRUE(g.compare().isWrong());
    EXPECT_TRUE(std::isinf(g.compare().ratio));
  }
  Floats f({infinity, 1});
  f.actual[0] = -infinity;
  EXPECT_TRUE(f.compare().isWrong());
}

TEST(SelfTestElements, HalfPrecisionMayRoundToEitherSide) {
  for (int32_t dtype : {FSDPRT_BF16, FSDPRT_F16}) {
    const DTypeInfo *info = lookupDType(dtype);
    const double ulp = toleranceOf(dtype).ulp;
    uint16_t expected[2], actual[2];
    for (double off : {1.0, 2.0}) {
      info->store(&expected[0], 1);
      info->store(&expected[1], -1);
      info->store(&actual[0], 1 + off * ulp);
      info->store(&actual[1], -1);
      Difference found =
          compareElements({dtype, 2, 1, actual, expected, expected});
      EXPECT_EQ(found.isWrong(), off == 2) << info->name;
    }
  }
}

TEST(SelfTestElements, IntegersAreEqualButWhereRoundingDecides) {
  int64_t expected[] = {1, 2, 3}, actual[] = {1, 7, 3}, perturbed[] = {1, 2, 3};
  Elements elements = {FSDPRT_I64, 3, 1, actual, expected, perturbed};
  EXPECT_EQ(compareElements(elements).element, 1);
  EXPECT_TRUE(compareElements(elements).isWrong());
  perturbed[1] = 7;
  EXPECT_FALSE(compareElements(elements).isWrong());
}

TEST(SelfTestElements, Bytes) {
  EXPECT_FALSE(compareBytes("abc", "abc", 3).isWrong());
  Difference found = compareBytes("abc", "abd", 3);
  EXPECT_TRUE(found.isWrong());
  EXPECT_EQ(found.describe(), "byte 2 is 99, expected 100");
}

//===----------------------------------------------------------------------===//
// Kernels
//===----------------------------------------------------------------------===//

/// y = x + x, and one call fails.
static fsdprt_status doubleOf(void *const *args, void *, int64_t begin,
                              int64_t end) {
  auto *x = static_cast<const float *>(args[0]);
  auto *y = static_cast<float *>(args[1]);
  for (int64_t i = begin; i < end; ++i)
    y[i] = x[i] + x[i];
  return x[0] < 0 ? 2 : 0;
}

TEST(SelfTestKernel, IsHeldAgainstTheCpus) {
  constexpr int64_t count = 1000;
  fsdprt_arg args[] = {{0, FSDPRT_ACCESS_READ, 0, 4 * count, 0},
                       {0, FSDPRT_ACCESS_WRITE, 0, 4 * count, 1}};
  fsdprt_launch_desc desc = {};
  desc.op = {"double", "", "", args, nullptr, 2, 0, 0, -1};
  fsdprt_reference_arg described[] = {{FSDPRT_F32, 0, count},
                                      {FSDPRT_F32, 0, count}};
  WorkerPool workers(2);
  auto check =
      checkKernel(desc, {doubleOf, count, 0, described}, {workers, [] {}});
  HostArguments before, after(2);
  for (int i = 0; i < 2; ++i)
    before.emplace_back(4 * count);
  after[1] = HostBuffer(4 * count);
  auto *x = reinterpret_cast<float *>(before[0].data()),
       *y = reinterpret_cast<float *>(after[1].data());
  for (int64_t i = 0; i < count; ++i)
    x[i] = float(i), y[i] = 2 * float(i);
  EXPECT_EQ(check->compare(before, after)->ratio, 0);
  y[777] = 777;
  EXPECT_EQ(check->compare(before, after)->element, 777);
  EXPECT_TRUE(check->compare(before, after)->isWrong());
  x[0] = -1;
  EXPECT_THAT(check->compare(before, after).status().message(),
              HasSubstr("the CPU's kernel fails with status 2"));
}

//===----------------------------------------------------------------------===//
// Collectives
//===----------------------------------------------------------------------===//

namespace {
/// Rank 0 of two, whose peer sends the same whatever it is asked for.
class OnePeer : public Control {
public:
  explicit OnePeer(const HostBuffer &sends) : sends(sends) {}
  int numRanks() const override { return 2; }
  Status exchange(std::vector<Transfer> transfers) override {
    std::memcpy(transfers[1].receive, sends.data(), transfers[1].bytes);
    return Status();
  }

private:
  const HostBuffer &sends;
};

/// An all-reduce of four elements.
struct TestSum {
  const DTypeInfo *info;
  fsdprt_arg args[1];
  fsdprt_collective_desc desc = {};
  HostArguments before, after;
  HostBuffer peers;

  explicit TestSum(int32_t dtype)
      : info(lookupDType(dtype)),
        args{{0, FSDPRT_ACCESS_READ_WRITE, 0, 4 * info->size, 0}},
        peers(4 * info->size) {
    desc.op = {"all_reduce", "", "", args, nullptr, 1, 0, 0, -1};
    desc.dtype = dtype;
    desc.count = 4;
    before.emplace_back(4 * info->size);
    after.emplace_back(4 * info->size);
    for (int i = 0; i < 4; ++i)
      set(i, 1 + 0.1 * i, -1 + 0.25 * i);
  }
  void set(int i, double own, double peer) {
    info->store(before[0].data() + i * info->size, own);
    info->store(peers.data() + i * info->size, peer);
    leave(i, info->load(before[0].data() + i * info->size) +
                 info->load(peers.data() + i * info->size));
  }
  void leave(int i, double sum) {
    info->store(after[0].data() + i * info->size, sum);
  }
  Difference compare() {
    OnePeer control(peers);
    return *checkExchange(CollectiveKind::AllReduce, desc, control, 0)
                ->compare(before, after);
  }
};
} // namespace

TEST(SelfTestCollective, SumsMayErrByTheirMagnitudes) {
  for (int32_t dtype : {FSDPRT_F32, FSDPRT_BF16}) {
    TestSum sum(dtype);
    EXPECT_FALSE(sum.compare().isWrong());
    const double ulp = toleranceOf(dtype).ulp;
    sum.leave(0, ulp); // of 1 - 1
    EXPECT_FALSE(sum.compare().isWrong());
    sum.leave(0, 3 * ulp);
    EXPECT_TRUE(sum.compare().isWrong());
    EXPECT_EQ(sum.compare().element, 0);
  }
}

TEST(SelfTestCollective, APartThatIsMissingIsFound) {
  TestSum sum(FSDPRT_F32);
  sum.leave(2, 1.2);
  EXPECT_EQ(sum.compare().element, 2);
  EXPECT_TRUE(sum.compare().isWrong());
}
