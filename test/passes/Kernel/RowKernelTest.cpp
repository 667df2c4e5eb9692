//===- RowKernelTest.cpp - Row and update kernels in f32 ------------------===//
//
// Tests that the f32 kernels of softmax, normalisation, loss and optimizers are
// as near to the same formulas in double as f32 allows, over widths that do not
// fill vectors, single columns and rows, and hostile values.
//
//===----------------------------------------------------------------------===//
#include "test/passes/Kernel/KernelTestBase.h"

#include <algorithm>
#include <cmath>

using namespace mlir;
using namespace fsdp;
using namespace fsdp::test;

namespace {
class RowKernel : public RowsTest {
protected:
  RowKernel() : RowsTest("f32") {}
};

TEST_P(RowKernel, SoftmaxMatchesDouble) {
  std::vector<double> x = random(rows * width, -60, 60);
  auto results = run("(%x: " + matrix + ") -> " + matrix,
                     "%y = onnx.softmax %x : " + matrix + " -> " + matrix,
                     "%y : " + matrix, {x});
  std::vector<double> wanted(x.size());
  for (int64_t i = 0; i < rows; ++i) {
    double *out = &wanted[i * width], total = 0;
    const double *in = &x[i * width];
    double most = *std::max_element(in, in + width);
    for (int64_t j = 0; j < width; ++j)
      total += out[j] = std::exp(in[j] - most);
    for (int64_t j = 0; j < width; ++j)
      out[j] /= total;
  }
  expectNear(results[0], wanted, 4e-6);
}

TEST_P(RowKernel, SoftmaxGradMatchesDouble) {
  std::vector<double> y = random(rows * width, 0, 1);
  std::vector<double> dy = random(rows * width, -1, 1);
  auto results = run("(%y: " + matrix + ", %g: " + matrix + ") -> " + matrix,
                     "%d = train.softmax_grad %y, %g : " + matrix,
                     "%d : " + matrix, {y, dy});
  std::vector<double> wanted(y.size());
  for (int64_t i = 0; i < rows; ++i) {
    double dot = 0;
    for (int64_t j = i * width; j < (i + 1) * width; ++j)
      dot += y[j] * dy[j];
    for (int64_t j = i * width; j < (i + 1) * width; ++j)
      wanted[j] = y[j] * (dy[j] - dot);
  }
  expectNear(results[0], wanted, 4e-6);
}

/// Normalised rows, mean and reciprocal deviation in double.
struct Normalized {
  std::vector<double> h, mean, rstd;
  Normalized(const std::vector<double> &x, int64_t rows, int64_t width,
             double epsilon)
      : h(x.size()), mean(rows), rstd(rows) {
    for (int64_t i = 0; i < rows; ++i) {
      double sum = 0, squares = 0;
      for (int64_t j = 0; j < width; ++j)
        sum += x[i * width + j];
      mean[i] = sum / width;
      for (int64_t j = 0; j < width; ++j)
        squares += std::pow(x[i * width + j] - mean[i], 2);
      rstd[i] = 1 / std::sqrt(squares / width + epsilon);
      for (int64_t j = 0; j < width; ++j)
        h[i * width + j] = (x[i * width + j] - mean[i]) * rstd[i];
    }
  }
};

TEST_P(RowKernel, LayerNormalizationMatchesDouble) {
  std::vector<double> x = random(rows * width, -3, 5);
  std::vector<double> scale = random(width, 0.5, 2);
  std::vector<double> bias = random(width, -1, 1);
  auto results = run(
      "(%x: " + matrix + ", %s: " + row + ", %b: " + row + ") -> (" + matrix +
          ", " + column + ", " + column + ")",
      "%y, %m, %r = onnx.layer_normalization %x, %s, %b epsilon 1.0e-5 : (" +
          matrix + ", " + row + ", " + row + ") -> (" + matrix + ", " + column +
          ", " + column + ")",
      "%y, %m, %r : " + matrix + ", " + column + ", " + column,
      {x, scale, bias});
  Normalized n(x, rows, width, 1e-5);
  std::vector<double> y(x.size());
  for (size_t i = 0; i < y.size(); ++i)
    y[i] = n.h[i] * scale[i % width] + bias[i % width];
  expectNear(results[0], y, 4e-6);
  expectNear(results[1], n.mean, 4e-6);
  expectNear(results[2], n.rstd, 4e-6);
}

/// Fused with the chains around them, norms give what they give alone.
TEST_P(RowKernel, NormsWithTheirNeighboursMatchSeparateKernels) {
  std::vector<double> x = random(rows * width, -3, 5);
  std::vector<double> other = random(rows * width, -2, 2);
  std::vector<double> bias = random(width, -1, 1);
  std::vector<double> scale = random(width, 0.5, 2);
  std::string m2 = matrix + ", " + matrix, mr = matrix + ", " + row;
  std::string sum = "%t = onnx.add %x, %b : " + mr + " -> " + matrix +
                    "\n%s = onnx.add %t, %o : " + m2 + " -> " + matrix;
  std::string norm = "\n%y, %m, %r = onnx.layer_normalization %s, %g epsilon "
                     "1.0e-5 : (" +
                     mr + ") -> (" + matrix + ", " + column + ", " + column +
                     ")";
  std::string grad =
      "\n%d = train.layer_norm_grad %s, %y, %g, %m, %r : " + matrix + ", " +
      row + ", " + column + ", " + column + "\n%e = onnx.mul %d, %b : " + mr +
      " -> " + matrix + "\n%f = onnx.add %o, %e : " + m2 + " -> " + matrix;
  auto fused = run("(%x: " + matrix + ", %b: " + row + ", %o: " + matrix +
                       ", %g: " + row + ") -> (" + m2 + ", " + matrix + ")",
                   sum + norm + grad, "%s, %y, %f : " + m2 + ", " + matrix,
                   {x, bias, other, scale});
  std::string args = "(%s: " + matrix + ", %b: " + row + ", %o: " + matrix +
                     ", %g: " + row + ") -> (" + m2 + ", " + matrix + ")";
  // %d is a result too, and so a kernel of its own.
  auto apart = run(args, norm + grad, "%d, %y, %f : " + m2 + ", " + matrix,
                   {fused[0].values(), bias, other, scale});
  EXPECT_EQ(fused[1].values(), apart[1].values());
  std::vector<double> sums(x.size());
  for (size_t i = 0; i < x.size(); ++i)
    sums[i] = x[i] + bias[i % width] + other[i];
  expectNear(fused[0], sums, 1e-6);
  expectNear(fused[2], apart[2].values(), 1e-6);
}

TEST_P(RowKernel, LayerNormGradsMatchDouble) {
  std::vector<double> x = random(rows * width, -3, 5);
  std::vector<double> dy = random(rows * width, -1, 1);
  std::vector<double> scale = random(width, 0.5, 2);
  Normalized n(x, rows, width, 1e-5);
  executor.checksGpu = width != 1; // whose dx is rounding errors alone
  for (auto *stats : {&n.mean, &n.rstd})
    for (double &value : *stats)
      value = float(value);
  auto results = run(
      "(%x: " + matrix + ", %g: " + matrix + ", %s: " + row +
          ", %m: " + column + ", %r: " + column + ") -> (" + matrix + ", " +
          row + ", " + row + ")",
      "%dx = train.layer_norm_grad %x, %g, %s, %m, %r : " + matrix + ", " +
          row + ", " + column + ", " + column +
          "\n%ds, %db = train.layer_norm_param_grad %x, %g, %m, %r : " +
          matrix + ", " + column + ", " + column + " -> " + row + ", " + row,
      "%dx, %ds, %db : " + matrix + ", " + row + ", " + row,
      {x, dy, scale, n.mean, n.rstd});
  std::vector<double> dx(x.size()), dscale(width), dbias(width);
  for (int64_t i = 0; i < rows; ++i) {
    double meanA = 0, meanAH = 0;
    auto h = [&](int64_t j) {
      return (x[i * width + j] - n.mean[i]) * n.rstd[i];
    };
    for (int64_t j = 0; j < width; ++j) {
      double g = dy[i * width + j], a = g * scale[j];
      meanA += a / width;
      meanAH += a * h(j) / width;
      dscale[j] += g * h(j);
      dbias[j] += g;
    }
    for (int64_t j = 0; j < width; ++j)
      dx[i * width + j] =
          n.rstd[i] * (dy[i * width + j] * scale[j] - meanA - h(j) * meanAH);
  }
  // A single column has no spread: dx is a difference of equals times rstd.
  expectNear(results[0], dx, width == 1 ? 1e-4 : 1e-5);
  expectNear(results[1], dscale, 1e-5);
  expectNear(results[2], dbias, 1e-5);
}

/// Tests that gradients in one pass are those of passes of their own, to
/// rounding.
TEST_P(RowKernel, NormGradsWithPartsMatchSeparateKernels) {
  std::vector<double> x = random(rows * width, -3, 5);
  std::vector<double> dy = random(rows * width, -1, 1);
  std::vector<double> other = random(rows * width, -1, 1);
  std::vector<double> scale = random(width, 0.5, 2);
  std::vector<double> mean = random(rows, 0, 2), rstd = random(rows, 0.3, 1);
  std::string args = "(%x: " + matrix + ", %g: " + matrix + ", %o: " + matrix +
                     ", %w: " + row + ", %m: " + column + ", %r: " + column +
                     ") -> (" + matrix + ", " + row + ", " + row + ", " +
                     matrix + ", " + row + ")";
  std::string sum = " : " + matrix + ", " + matrix + " -> " + matrix + "\n";
  std::string layer =
      " = train.layer_norm_grad %x, %g, %w, %m, %r : " + matrix + ", " + row +
      ", " + column + ", " + column;
  std::string rms = " = train.rms_norm_grad %x, %g, %w, %r : " + matrix + ", " +
                    row + ", " + column;
  std::string ends =
      "%e = onnx.add %o, %d" + sum + "%f = onnx.add %q, %o" + sum;
  std::string results = "%e, %s, %b, %f, %t : " + matrix + ", " + row + ", " +
                        row + ", " + matrix + ", " + row;
  std::vector<Values> inputs = {x, dy, other, scale, mean, rstd};
  auto apart = run(
      args,
      "%d" + layer + "\n%q" + rms +
          "\n%s, %b = train.layer_norm_param_grad %x, %g, %m, %r : " + matrix +
          ", " + column + ", " + column + " -> " + row + ", " + row +
          "\n%t = train.rms_norm_param_grad %x, %g, %r : " + matrix + ", " +
          column + " -> " + row + "\n" + ends,
      results, inputs);
  for (int64_t blocks : {int64_t(1), (rows + 7) / 8, rows}) {
    std::string part = type({blocks, width}, "f32");
    auto reduced = [&](std::string to, std::string from) {
      return "\n%" + to + " = onnx.reduce_sum %" + from +
             " [0] keepdims false : " + part + " -> " + row;
    };
    auto fused =
        run(args,
            "%d, %h, %i" + layer + " parts " + part + ", " + part + "\n%q, %j" +
                rms + " parts " + part + reduced("s", "h") + reduced("b", "i") +
                reduced("t", "j") + "\n" + ends,
            results, inputs);
    ASSERT_EQ(fused.size(), 5u);
    for (size_t i : {0, 3})
      expectNear(fused[i], apart[i].values(), 1e-6);
    for (size_t i : {1, 2, 4})
      expectNear(fused[i], apart[i].values(), 1e-5);
  }
}

/// Forward, both gradients, and both fused with the sums around them.
TEST_P(RowKernel, RmsNormalizationMatchesDouble) {
  std::vector<double> x = random(rows * width, -3, 5);
  std::vector<double> other = random(rows * width, -1, 1);
  std::vector<double> scale = random(width, 0.5, 2);
  std::string m2 = matrix + ", " + matrix;
  std::string stat = matrix + ", " + row + ", " + column;
  auto results = run(
      "(%x: " + matrix + ", %o: " + matrix + ", %w: " + row + ") -> (" + m2 +
          ", " + column + ", " + matrix + ", " + row + ")",
      "%s = onnx.add %x, %o : " + m2 + " -> " + matrix +
          "\n%y, %r = onnx.rms_normalization %s, %w epsilon 1.0e-5 : (" +
          matrix + ", " + row + ") -> (" + matrix + ", " + column +
          ")\n%d = train.rms_norm_grad %s, %o, %w, %r : " + stat +
          "\n%e = onnx.add %d, %x : " + m2 + " -> " + matrix +
          "\n%p = train.rms_norm_param_grad %s, %o, %r : " + matrix + ", " +
          column + " -> " + row,
      "%s, %y, %r, %e, %p : " + m2 + ", " + column + ", " + matrix + ", " + row,
      {x, other, scale});
  std::vector<double> s(x.size()), y(x.size()), rstd(rows), dx(x.size());
  std::vector<double> dscale(width);
  for (int64_t i = 0; i < rows; ++i) {
    double square = 0, along = 0;
    for (int64_t j = i * width; j < (i + 1) * width; ++j) {
      s[j] = results[0].get(j);
      square += s[j] * s[j] / width;
    }
    rstd[i] = 1 / std::sqrt(square + 1e-5);
    for (int64_t j = i * width; j < (i + 1) * width; ++j) {
      y[j] = s[j] * rstd[i] * scale[j % width];
      along += other[j] * y[j] / width;
      dscale[j % width] += other[j] * s[j] * rstd[i];
    }
    for (int64_t j = i * width; j < (i + 1) * width; ++j)
      dx[j] = x[j] +
              rstd[i] * (other[j] * scale[j % width] - s[j] * rstd[i] * along);
  }
  expectNear(results[1], y, 4e-6);
  expectNear(results[2], rstd, 4e-6);
  expectNear(results[3], dx, 1e-5);
  expectNear(results[4], dscale, 1e-5);
}

TEST_P(RowKernel, CrossEntropyMatchesDouble) {
  std::vector<double> x = random(rows * width, -60, 60);
  std::vector<double> labels(rows);
  for (int64_t i = 0; i < rows; ++i)
    labels[i] = i % 3 == 1 ? -100 : (i * 7919) % width;
  std::string ints = type({rows}, "i64");
  auto results =
      run("(%x: " + matrix + ", %t: " + ints + ", %s: tensor<f32>) -> (" +
              column + ", " + column + ", " + matrix + ", tensor<f32>)",
          "%l, %e = train.cross_entropy %x, %t ignore -100 : " + matrix + ", " +
              ints + " -> " + column + ", " + column +
              "\n%d = train.cross_entropy_grad %x, %t, %e, %s ignore -100 : " +
              matrix + ", " + ints + ", " + column + ", tensor<f32>" +
              "\n%n = train.count_valid %t ignore -100 : " + ints +
              " -> tensor<f32>",
          "%l, %e, %d, %n : " + column + ", " + column + ", " + matrix +
              ", tensor<f32>",
          {x, labels, {0.25}});
  std::vector<double> losses(rows), lse(rows), dlogits(x.size());
  double count = 0;
  for (int64_t i = 0; i < rows; ++i) {
    const double *in = &x[i * width];
    double most = *std::max_element(in, in + width), sum = 0;
    for (int64_t j = 0; j < width; ++j)
      sum += std::exp(in[j] - most);
    lse[i] = most + std::log(sum);
    if (labels[i] == -100)
      continue;
    ++count;
    losses[i] = lse[i] - in[int64_t(labels[i])];
    for (int64_t j = 0; j < width; ++j)
      dlogits[i * width + j] =
          0.25 * (std::exp(in[j] - lse[i]) - (j == labels[i]));
  }
  expectNear(results[0], losses, 2e-6);
  expectNear(results[1], lse, 1e-6);
  expectNear(results[2], dlogits, 2e-5);
  expectNear(results[3], {count}, 0);
}

INSTANTIATE_TEST_SUITE_P(Shapes, RowKernel,
                         ::testing::Values(RowShape{37, 768},
                                           RowShape{3, 50257}, RowShape{9, 5},
                                           RowShape{1, 64}, RowShape{64, 1},
                                           RowShape{1, 1}, RowShape{300, 33}),
                         [](const auto &info) {
                           return std::to_string(info.param.rows) + "x" +
                                  std::to_string(info.param.width);
                         });

using Rows = KernelTest;

TEST_F(Rows, SoftmaxOfMaskedRowsIsZeroWhereMasked) {
  const double inf = INFINITY;
  auto results =
      run("(%x: tensor<2x3xf32>) -> tensor<2x3xf32>",
          "%y = onnx.softmax %x : tensor<2x3xf32> -> tensor<2x3xf32>",
          "%y : tensor<2x3xf32>", {{0, -inf, 0, -inf, 5, -inf}});
  expectNear(results[0], {0.5, 0, 0.5, 0, 1, 0}, 1e-7);
}

/// Tests that a large number common to a row costs its variance no digits.
TEST_F(Rows, LayerNormalizationOfShiftedRowsIsExact) {
  constexpr int64_t kRows = 4, kWidth = 768;
  std::vector<double> x = random(kRows * kWidth, -1, 1);
  for (double &value : x)
    value = float(value + 1e4);
  auto results = run("(%x: tensor<4x768xf32>, %s: tensor<768xf32>) -> "
                     "(tensor<4x768xf32>, tensor<4xf32>, tensor<4xf32>)",
                     "%y, %m, %r = onnx.layer_normalization %x, %s epsilon "
                     "1.0e-5 : (tensor<4x768xf32>, tensor<768xf32>) -> "
                     "(tensor<4x768xf32>, tensor<4xf32>, tensor<4xf32>)",
                     "%y, %m, %r : tensor<4x768xf32>, tensor<4xf32>, "
                     "tensor<4xf32>",
                     {x, std::vector<double>(kWidth, 1)});
  Normalized n(x, kRows, kWidth, 1e-5);
  expectNear(results[0], n.h, 2e-3); // the mean's own last digit
  expectNear(results[1], n.mean, 4e-7);
  expectNear(results[2], n.rstd, 4e-6);
}

/// Tests exp of what is not positive, as softmax and cross-entropy use it, by a
/// gradient that is e^x itself: to one unit in the last place, then 0.
TEST_F(Rows, PowersOfDifferencesAreExactToTheLastPlace) {
  constexpr int64_t kWidth = 50000;
  std::vector<double> x = random(kWidth, -87.3, 0);
  x[0] = 5; // the label's own
  x[1] = 0, x[2] = -1e-30, x[3] = -87.7, x[4] = -104, x[5] = -INFINITY;
  auto results =
      run("(%x: tensor<1x50000xf32>, %t: tensor<1xi64>, %e: tensor<1xf32>, "
          "%s: tensor<f32>) -> tensor<1x50000xf32>",
          "%d = train.cross_entropy_grad %x, %t, %e, %s ignore -100 : "
          "tensor<1x50000xf32>, tensor<1xi64>, tensor<1xf32>, tensor<f32>",
          "%d : tensor<1x50000xf32>", {x, {0}, {0}, {1}});
  for (int64_t i = 1; i < kWidth; ++i) {
    double wanted = i >= 3 && i <= 5 ? 0 : std::exp(x[i]);
    double unit = wanted == 0 ? 0 : std::ldexp(1, std::ilogb(wanted) - 23);
    ASSERT_LE(std::abs(results[0].get(i) - wanted), unit) << x[i];
  }
}

TEST_F(Rows, NotFiniteLogitsReachTheLoss) {
  for (double bad : {double(NAN), double(INFINITY)}) {
    std::vector<double> x(40, 1.0);
    x[17] = bad;
    auto results = run("(%x: tensor<2x20xf32>, %t: tensor<2xi64>) -> "
                       "(tensor<2xf32>, tensor<2xf32>)",
                       "%l, %e = train.cross_entropy %x, %t ignore -100 : "
                       "tensor<2x20xf32>, tensor<2xi64> -> tensor<2xf32>, "
                       "tensor<2xf32>",
                       "%l, %e : tensor<2xf32>, tensor<2xf32>", {x, {3, 4}});
    EXPECT_FALSE(std::isfinite(results[0].get(0))) << bad;
  }
}

TEST_F(Rows, BlocksOfMaskedLogitsAddNothing) {
  std::vector<double> x(5000, -INFINITY);
  x[2100] = 3, x[4999] = 3; // the first block of columns has none
  auto results = run("(%x: tensor<1x5000xf32>, %t: tensor<1xi64>) -> "
                     "(tensor<1xf32>, tensor<1xf32>)",
                     "%l, %e = train.cross_entropy %x, %t ignore -100 : "
                     "tensor<1x5000xf32>, tensor<1xi64> -> tensor<1xf32>, "
                     "tensor<1xf32>",
                     "%l, %e : tensor<1xf32>, tensor<1xf32>", {x, {4999}});
  expectNear(results[0], {std::log(2.0)}, 1e-6);
  expectNear(results[1], {3 + std::log(2.0)}, 1e-6);
}

TEST_F(Rows, LabelOutOfRangeIsStatus2) {
  EXPECT_EQ(
      status("(%x: tensor<2x4xf32>, %t: tensor<2xi64>) -> (tensor<2xf32>, "
             "tensor<2xf32>)",
             "%l, %e = train.cross_entropy %x, %t ignore -100 : "
             "tensor<2x4xf32>, tensor<2xi64> -> tensor<2xf32>, "
             "tensor<2xf32>",
             "%l, %e : tensor<2xf32>, tensor<2xf32>",
             {std::vector<double>(8, 1.0), {3, 4}}),
      2);
}
} // namespace
