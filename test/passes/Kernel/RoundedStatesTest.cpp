//===- RoundedStatesTest.cpp - Moments in bf16 ----------------------------===//
#include "test/passes/Kernel/KernelTestBase.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

using namespace mlir;
using namespace fsdp;
using namespace fsdp::test;

namespace {
constexpr uint64_t kGamma = 0x9E3779B97F4A7C15;

uint64_t mix(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  return z ^ (z >> 31);
}

/// What #train.rounded says of a state.
double rounded(float value, uint64_t key, uint64_t seed, uint64_t step,
               uint64_t element, int state) {
  uint64_t stream = mix(mix(key + kGamma * seed) + kGamma * step);
  uint64_t number = mix(stream + kGamma * element) >> (16 * state) & 0xFFFF;
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  bits = (bits + uint32_t(number)) & 0xFFFF0000;
  std::memcpy(&value, &bits, sizeof bits);
  return value;
}

class RoundedStates : public KernelTest {
protected:
  /// One step of `rule`, which has `states` of them, over two parameters: the
  /// first ends at element `end` of the line. Inputs are p, g, the states, lr,
  /// step, rank, seed and the keys.
  std::vector<Tensor> update(const std::string &rule, size_t states,
                             int64_t end, const std::vector<Values> &inputs,
                             const std::string &attributes = "") {
    std::string f32 = type({size}, "f32"), bf16 = type({size}, "bf16");
    std::string arguments = "(%p: " + f32 + ", %g: " + f32, kept, types, made;
    for (size_t i = 0; i < states; ++i) {
      arguments += ", %s" + std::to_string(i) + ": " + bf16;
      kept += (i ? ", %s" : "%s") + std::to_string(i);
      types += ", " + bf16;
      made += ", %y#" + std::to_string(i + 1);
    }
    arguments += ", %l: tensor<f32>, %t: tensor<f32>, %r: tensor<i64>, %d: "
                 "tensor<i64>, %k: tensor<2xi64>)";
    std::string results = "(" + f32 + types + ")";
    auto range = [&](int64_t to) {
      return "#train.range<end = " + std::to_string(to) +
             ", rule = #train.rounded<rule = #train." + rule +
             ", type = bf16>, stride = " + std::to_string(size) + ">";
    };
    return run(arguments + " -> " + results,
               "%y:" + std::to_string(states + 1) +
                   " = train.flat_update (%p, %g states " + kept +
                   " lr %l step %t rank %r seed %d keys %k) [" + range(end) +
                   ", " + range(1 << 20) + "] " + attributes + " : (" + f32 +
                   ", " + f32 + types +
                   ", tensor<f32>, tensor<f32>, tensor<i64>, tensor<i64>, "
                   "tensor<2xi64>) -> " +
                   results,
               "%y#0" + made + " : " + f32 + types, inputs);
  }

  int64_t size = 1003;
  const std::string momentum = "sgd<momentum = 0.5, decay = 0.0>";
};

/// Tests every bit: halves of what bf16 holds plus a gradient are one rounding
/// to f32, whether a product is fused with a sum or not.
TEST_F(RoundedStates, AreRoundedByKeySeedStepAndElement) {
  const double keys[] = {12345678901234, -77}, seed = 9, step = 1000003;
  for (int64_t rank : {0, 1, 2}) {
    // The second parameter begins inside rank 1's shard.
    const int64_t begin = size + 400;
    Values p = random(size, -1, 1), g = random(size, -1, 1);
    Values m = halves(size, -1, 1);
    auto results = update(
        momentum, 1, begin,
        {p, g, m, {0.0}, {step}, {double(rank)}, {seed}, {keys[0], keys[1]}});
    for (int64_t i = 0; i < size; ++i) {
      int64_t place = rank * size + i;
      bool isFirst = place < begin;
      float value = float(0.5f * float(m[i])) + float(g[i]);
      ASSERT_EQ(results[0].get(i), p[i]);
      ASSERT_EQ(results[1].get(i),
                rounded(value, uint64_t(int64_t(keys[!isFirst])),
                        uint64_t(seed), uint64_t(step),
                        uint64_t(isFirst ? place : place - begin), 0))
          << rank << " " << i;
    }
  }
}

/// Tests that each state has numbers of its own: with beta1 = 0 and beta2 = 0
/// both are what the gradient makes of them, exactly.
TEST_F(RoundedStates, EachHasItsOwnNumbers) {
  Values p(size, 1.0), g = random(size, 0.5, 1), zero(size);
  auto results = update(
      "adamw<beta1 = 0.0, beta2 = 0.0, eps = 1.0e-8, decay = 0.0>", 2, 100,
      {p, g, zero, zero, {0.0}, {3}, {0}, {1}, {5, 6}}, "{in_shard}");
  for (int64_t i = 0; i < size; ++i) {
    uint64_t key = i < 100 ? 5 : 6, element = uint64_t(i < 100 ? i : i - 100);
    float one = float(g[i]);
    ASSERT_EQ(results[1].get(i), rounded(one, key, 1, 3, element, 0)) << i;
    ASSERT_EQ(results[2].get(i), rounded(one * one, key, 1, 3, element, 1))
        << i;
  }
}

/// Tests that sums much larger than what is added move by it, on the mean.
TEST_F(RoundedStates, KeepTheirMean) {
  Values p(size, 0.0), one(size, 1.0);
  double mean = 0; // neighbours of 1 are 1/128 away
  for (int step = 1; step <= 8; ++step) {
    auto results = update("sgd<momentum = 1.0e-30, decay = 0.0>", 1, 500,
                          {p,
                           Values(size, 1 + 1.0 / 1024),
                           one,
                           {0.0},
                           {double(step)},
                           {0},
                           {0},
                           {1, 2}});
    for (int64_t i = 0; i < size; ++i) {
      double value = results[1].get(i);
      ASSERT_TRUE(value == 1 || value == 1 + 1.0 / 128) << value;
      mean += value / double(8 * size);
    }
  }
  EXPECT_NEAR(mean, 1 + 1.0 / 1024, 5 * (1.0 / 128) * 0.33 / std::sqrt(8024));
}

/// Tests also NaNs that what is added would carry over to zero: a GPU makes no
/// others.
TEST_F(RoundedStates, StayInfiniteAndNaN) {
  const double infinity = std::numeric_limits<double>::infinity();
  double ones; // 0x7FFFFFFF in f32
  const uint64_t bits = 0x7FFFFFFFFFFFFFFF;
  std::memcpy(&ones, &bits, sizeof ones);
  Values p(size, 0.0), g(size, 1.0), m(size, 0.0);
  g[3] = infinity;
  g[500] = -infinity;
  g[1002] = std::nan("");
  std::fill(g.begin() + 10, g.begin() + 20, ones);
  std::fill(g.begin() + 20, g.begin() + 30, -ones);
  auto results =
      update(momentum, 1, 500, {p, g, m, {0.0}, {1}, {0}, {0}, {1, 2}});
  EXPECT_EQ(results[1].get(3), infinity);
  EXPECT_EQ(results[1].get(500), -infinity);
  EXPECT_TRUE(std::isnan(results[1].get(1002)));
  for (int64_t i = 10; i < 30; ++i)
    EXPECT_TRUE(std::isnan(results[1].get(i))) << i;
}
} // namespace
