//===- UpdateKernelTest.cpp - Norm, clipping, elementwise chains ----------===//
#include "test/passes/Kernel/UpdateTest.h"

#include <cmath>

using namespace mlir;
using namespace fsdp;
using namespace fsdp::test;

namespace {
/// Tests blocks of a given size, of which the last have nothing.
TEST_F(Update, SquaresAreSummedInBlocksOfASize) {
  Values x = random(size, -1, 1), wanted(18);
  for (int64_t i = 0; i < size; ++i)
    wanted[i / 64] += x[i] * x[i];
  Tensor sums =
      run("(%x: " + flat + ") -> tensor<18xf64>",
          "%s = train.sum_of_squares %x {block = 64 : i64} : " + flat +
              " -> tensor<18xf64>",
          "%s : tensor<18xf64>", {x})[0];
  expectNear(sums, wanted, 1e-14);
}

/// Tests blocks that end inside a tensor, span two, and are empty.
TEST_F(Update, SquaresAreSummedInBlocksOfAllTensors) {
  Values x = random(size, -1, 1), y = random(10, -1, 1), all = x;
  all.insert(all.end(), y.begin(), y.end());
  for (int64_t blocks : {1, 2, 5, 300, 1012}) {
    std::string to = type({blocks}, "f64");
    Tensor sums = run("(%x: " + flat + ", %y: tensor<10xf32>) -> " + to,
                      "%s = train.sum_of_squares %x, %y : " + flat +
                          ", tensor<10xf32> -> " + to,
                      "%s : " + to, {x, y})[0];
    Values wanted(blocks);
    size_t length = (all.size() + blocks - 1) / blocks;
    for (size_t i = 0; i < all.size(); ++i)
      wanted[i / length] += all[i] * all[i];
    expectNear(sums, wanted, 1e-14);
  }
}

TEST_F(Update, ClipCoefficientIsTorchs) {
  for (double norm : {0.0, 0.5, 1.0, 7.0})
    expectNear(run("(%n: tensor<f32>) -> tensor<f32>",
                   "%c = train.clip_coefficient %n max 1.0 : tensor<f32> -> "
                   "tensor<f32>",
                   "%c : tensor<f32>", {{norm}})[0],
               {std::min(1.0, 1.0 / (norm + 1e-6))}, 2e-7);
}

/// Tests both sides of the bound, and the norm that the 1e-6 in torch's formula
/// makes exactly 1: no scale above 1, and none below it too early.
TEST_F(Update, ClipCoefficientAtTheBound) {
  const double max = 1, atOne = float(max - 1e-6);
  for (double norm : {double(std::nextafter(float(atOne), 0.0f)), atOne, max,
                      double(std::nextafter(float(max), 2.0f))}) {
    Tensor clip = run("(%n: tensor<f32>) -> tensor<f32>",
                      "%c = train.clip_coefficient %n max 1.0 : tensor<f32> -> "
                      "tensor<f32>",
                      "%c : tensor<f32>", {{norm}})[0];
    EXPECT_LE(clip.get(0), 1);
    EXPECT_NEAR(clip.get(0), std::min(1.0, max / (norm + 1e-6)), 6e-8);
    if (norm < atOne)
      EXPECT_EQ(clip.get(0), 1);
    if (norm >= max)
      EXPECT_LT(clip.get(0), 1);
  }
}

TEST_F(Update, BooleansAndBroadcastsInOneChain) {
  int64_t b = 3, s = 17, d = 21;
  Values x = random(b * s * d, -1, 1), bias = random(d, -1, 1),
         mask = random(s, -1, 1);
  std::string t = type({b, s, d}, "f32"), row = type({d}, "f32"),
              column = type({s, 1}, "f32"), bools = type({s, 1}, "i1");
  auto results = run(
      "(%x: " + t + ", %b: " + row + ", %m: " + column + ") -> (" + t + ", " +
          bools + ")",
      "%z = onnx.constant dense<0.0> : tensor<f32> : tensor<f32>\n"
      "%k = onnx.greater %m, %z : " +
          column + ", tensor<f32> -> " + bools +
          "\n%a = onnx.add %x, %b : " + t + ", " + row + " -> " + t +
          "\n%n = onnx.not %k : " + bools + " -> " + bools +
          "\n%y = onnx.where %n, %a, %z : " + bools + ", " + t +
          ", tensor<f32> -> " + t + "\n%e = onnx.exp %y : " + t + " -> " + t,
      "%e, %k : " + t + ", " + bools, {x, bias, mask});
  Values wanted(x.size()), kept(s);
  for (int64_t i = 0; i < s; ++i)
    kept[i] = mask[i] > 0;
  for (size_t i = 0; i < x.size(); ++i)
    wanted[i] = mask[i / d % s] > 0 ? 1 : std::exp(x[i] + bias[i % d]);
  expectNear(results[0], wanted, 1e-6);
  expectNear(results[1], kept, 0);
}

TEST_F(Update, HalfPrecisionRoundsOnce) {
  for (const char *dtype : {"bf16", "f16"}) {
    std::string half = type({99}, dtype), wide = type({99}, "f32");
    Values x = random(99, -2, 2);
    auto results =
        run("(%x: " + wide + ") -> (" + half + ", " + wide + ")",
            "%h = onnx.cast %x : " + wide + " -> " + half +
                "\n%y = onnx.gelu %h : " + half + " -> " + half +
                "\n%z = onnx.add %y, %h : " + half + ", " + half + " -> " +
                half + "\n%w = onnx.cast %z : " + half + " -> " + wide,
            "%h, %w : " + half + ", " + wide, {x});
    double last = std::string(dtype) == "bf16" ? 0x1p-8 : 0x1p-11;
    Values wanted(99);
    for (int64_t i = 0; i < 99; ++i) {
      double h = results[0].get(i);
      EXPECT_LE(std::abs(h - x[i]), last * 2) << dtype;
      wanted[i] = h / 2 * (1 + std::erf(h / std::sqrt(2.0))) + h;
    }
    expectNear(results[1], wanted, 2 * last);
  }
}

TEST_F(Update, WhichOpsShareAKernelChangesNoBit) {
  // A value that the function returns as well has a kernel of its own.
  auto unary = [&](std::string y, std::string op, std::string x) {
    return "%" + y + " = onnx." + op + " %" + x + " : " + flat + " -> " + flat +
           "\n";
  };
  auto binary = [&](std::string y, std::string op, std::string a,
                    std::string b) {
    return "%" + y + " = onnx." + op + " %" + a + ", %" + b + " : " + flat +
           ", " + flat + " -> " + flat + "\n";
  };
  std::string signature = "(%a: " + flat + ", %b: " + flat + ") -> (" + flat;
  std::vector<Values> inputs = {random(size, -3, 3), random(size, -3, 3)};
  for (std::string op :
       {"neg", "exp", "sigmoid", "erf", "tanh", "gelu", "sin", "relu"}) {
    std::string body = binary("p", "mul", "a", "b") + unary("q", op, "p") +
                       binary("r", "add", "q", "b") +
                       binary("s", "mul", "r", "a") +
                       binary("y", "sub", "b", "s");
    auto fused = run(signature + ")", body, "%y : " + flat, inputs);
    std::string four = ", " + flat + ", " + flat + ", " + flat + ", " + flat;
    auto apart = run(signature + four + ")", body,
                     "%y, %p, %q, %r, %s : " + flat + four, inputs);
    ASSERT_EQ(apart.size(), 5u);
    EXPECT_EQ(fused[0].values(), apart[0].values()) << op;
  }
}

/// Tests that the tanh form of GELU is exact relative to itself far below 0,
/// where 1 + tanh has lost all its digits, and at the ends of the range.
TEST_F(KernelTest, TanhGeluKeepsItsDigits) {
  Values x = {-10, -8,      -6, -4, -1,      -0x1p-20,
              0,   0x1p-20, 1,  10, 0x1p100, -0x1p100};
  std::string t = type({int64_t(x.size())}, "f32");
  Tensor y =
      run("(%x: " + t + ") -> " + t,
          "%y = onnx.gelu %x {tanh} : " + t + " -> " + t, "%y : " + t, {x})[0];
  for (size_t i = 0; i < x.size(); ++i) {
    double v = 2 * std::sqrt(2 / M_PI) * (x[i] + 0.044715 * std::pow(x[i], 3));
    double wanted = v > 0 ? x[i] / (1 + std::exp(-v))
                          : x[i] * std::exp(v) / (1 + std::exp(v));
    EXPECT_NEAR(y.get(i), wanted, 1e-5 * std::abs(wanted)) << x[i];
  }
}
} // namespace
