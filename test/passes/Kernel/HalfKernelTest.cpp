//===- HalfKernelTest.cpp - Kernels on bf16 -------------------------------===//
//
// Tests that kernels which read or write bf16 compute in f32 (or f64) and round
// once: each element is what one rounding makes of the formula in double.
//
//===----------------------------------------------------------------------===//
#include "test/passes/Kernel/KernelTestBase.h"

#include <algorithm>
#include <cmath>

using namespace mlir;
using namespace fsdp;
using namespace fsdp::test;

namespace {
class HalfRows : public RowsTest {
protected:
  HalfRows() : RowsTest("bf16") {}

  std::string wideRow = type({width}, "f32");

  /// body(first element, past the last one) for each row.
  template <typename Body> void forRows(Body body) const {
    for (int64_t i = 0; i < rows; ++i)
      body(i, i * width, (i + 1) * width);
  }
};

TEST_P(HalfRows, Softmax) {
  Values x = halves(rows * width, -9, 9), wanted(x.size());
  Tensor y = run("(%x: " + matrix + ") -> " + matrix,
                 "%y = onnx.softmax %x : " + matrix + " -> " + matrix,
                 "%y : " + matrix, {x})[0];
  forRows([&](int64_t, int64_t from, int64_t to) {
    double most = *std::max_element(&x[from], &x[to - 1] + 1), total = 0;
    for (int64_t j = from; j < to; ++j)
      total += wanted[j] = std::exp(x[j] - most);
    for (int64_t j = from; j < to; ++j)
      wanted[j] /= total;
  });
  expectRounded(y, wanted, 4e-6);
}

TEST_P(HalfRows, SoftmaxGrad) {
  Values y = halves(rows * width, 0, 1), dy = halves(rows * width, -1, 1);
  Tensor dx = run("(%y: " + matrix + ", %g: " + matrix + ") -> " + matrix,
                  "%d = train.softmax_grad %y, %g : " + matrix,
                  "%d : " + matrix, {y, dy})[0];
  Values wanted(y.size());
  forRows([&](int64_t, int64_t from, int64_t to) {
    double dot = 0;
    for (int64_t j = from; j < to; ++j)
      dot += y[j] * dy[j];
    for (int64_t j = from; j < to; ++j)
      wanted[j] = y[j] * (dy[j] - dot);
  });
  expectRounded(dx, wanted, 4e-6);
}

TEST_P(HalfRows, LayerNormalization) {
  Values x = halves(rows * width, -3, 5), scale = halves(width, 0.5, 2);
  Values bias = halves(width, -1, 1);
  auto results = run(
      "(%x: " + matrix + ", %s: " + row + ", %b: " + row + ") -> (" + matrix +
          ", " + column + ", " + column + ")",
      "%y, %m, %r = onnx.layer_normalization %x, %s, %b epsilon 1.0e-5 : (" +
          matrix + ", " + row + ", " + row + ") -> (" + matrix + ", " + column +
          ", " + column + ")",
      "%y, %m, %r : " + matrix + ", " + column + ", " + column,
      {x, scale, bias});
  Values y(x.size()), means(rows), rstds(rows);
  forRows([&](int64_t i, int64_t from, int64_t to) {
    double variance = 0;
    for (int64_t j = from; j < to; ++j)
      means[i] += x[j] / width;
    for (int64_t j = from; j < to; ++j)
      variance += std::pow(x[j] - means[i], 2) / width;
    rstds[i] = 1 / std::sqrt(variance + 1e-5);
    for (int64_t j = from; j < to; ++j)
      y[j] = (x[j] - means[i]) * rstds[i] * scale[j - from] + bias[j - from];
  });
  expectRounded(results[0], y, 4e-6);
  expectNear(results[1], means, 4e-6);
  expectNear(results[2], rstds, 4e-6);
}

TEST_P(HalfRows, LayerNormGrads) {
  Values x = halves(rows * width, -3, 5), dy = halves(rows * width, -1, 1);
  Values scale = halves(width, 0.5, 2);
  Values means = random(rows, 0, 2), rstds = random(rows, 0.3, 0.6);
  auto results =
      run("(%x: " + matrix + ", %g: " + matrix + ", %s: " + row +
              ", %m: " + column + ", %r: " + column + ") -> (" + matrix + ", " +
              wideRow + ", " + wideRow + ")",
          "%dx = train.layer_norm_grad %x, %g, %s, %m, %r : " + matrix + ", " +
              row + ", " + column + ", " + column +
              "\n%ds, %db = train.layer_norm_param_grad %x, %g, %m, %r : " +
              matrix + ", " + column + ", " + column + " -> " + wideRow + ", " +
              wideRow,
          "%dx, %ds, %db : " + matrix + ", " + wideRow + ", " + wideRow,
          {x, dy, scale, means, rstds});
  Values dx(x.size()), dscale(width), dbias(width);
  forRows([&](int64_t i, int64_t from, int64_t to) {
    auto h = [&](int64_t j) { return (x[j] - means[i]) * rstds[i]; };
    double meanA = 0, meanAH = 0;
    for (int64_t j = from; j < to; ++j) {
      meanA += dy[j] * scale[j - from] / width;
      meanAH += dy[j] * scale[j - from] * h(j) / width;
      dscale[j - from] += dy[j] * h(j);
      dbias[j - from] += dy[j];
    }
    for (int64_t j = from; j < to; ++j)
      dx[j] = rstds[i] * (dy[j] * scale[j - from] - meanA - h(j) * meanAH);
  });
  expectRounded(results[0], dx, 1e-5);
  expectNear(results[1], dscale, 1e-5);
  expectNear(results[2], dbias, 1e-5);
}

TEST_P(HalfRows, RmsNormalization) {
  Values x = halves(rows * width, -3, 5), dy = halves(rows * width, -1, 1);
  Values scale = halves(width, 0.5, 2), rstds = random(rows, 0.3, 0.6);
  std::string stat = matrix + ", " + row + ", " + column;
  auto results =
      run("(%x: " + matrix + ", %g: " + matrix + ", %s: " + row +
              ", %r: " + column + ") -> (" + matrix + ", " + column + ", " +
              matrix + ", " + wideRow + ")",
          "%y, %t = onnx.rms_normalization %x, %s epsilon 1.0e-5 : (" + matrix +
              ", " + row + ") -> (" + matrix + ", " + column +
              ")\n%d = train.rms_norm_grad %x, %g, %s, %r : " + stat +
              "\n%p = train.rms_norm_param_grad %x, %g, %r : " + matrix + ", " +
              column + " -> " + wideRow,
          "%y, %t, %d, %p : " + matrix + ", " + column + ", " + matrix + ", " +
              wideRow,
          {x, dy, scale, rstds});
  Values y(x.size()), wantedRstds(rows), dx(x.size()), dscale(width);
  forRows([&](int64_t i, int64_t from, int64_t to) {
    double square = 0, along = 0;
    for (int64_t j = from; j < to; ++j) {
      square += x[j] * x[j] / width;
      along += dy[j] * scale[j - from] * x[j] * rstds[i] / width;
      dscale[j - from] += dy[j] * x[j] * rstds[i];
    }
    wantedRstds[i] = 1 / std::sqrt(square + 1e-5);
    for (int64_t j = from; j < to; ++j) {
      y[j] = x[j] * wantedRstds[i] * scale[j - from];
      dx[j] = rstds[i] * (dy[j] * scale[j - from] - x[j] * rstds[i] * along);
    }
  });
  expectRounded(results[0], y, 4e-6);
  expectNear(results[1], wantedRstds, 4e-6);
  expectRounded(results[2], dx, 1e-5);
  expectNear(results[3], dscale, 1e-5);
}

TEST_P(HalfRows, CrossEntropy) {
  Values x = halves(rows * width, -9, 9), labels(rows);
  for (int64_t i = 0; i < rows; ++i)
    labels[i] = i % 3 == 1 ? -100 : (i * 7919) % width;
  const double scale = float(0.3);
  std::string ints = type({rows}, "i64");
  auto results =
      run("(%x: " + matrix + ", %t: " + ints + ", %s: tensor<f32>) -> (" +
              column + ", " + column + ", " + matrix + ")",
          "%l, %e = train.cross_entropy %x, %t ignore -100 : " + matrix + ", " +
              ints + " -> " + column + ", " + column +
              "\n%d = train.cross_entropy_grad %x, %t, %e, %s ignore -100 : " +
              matrix + ", " + ints + ", " + column + ", tensor<f32>",
          "%l, %e, %d : " + column + ", " + column + ", " + matrix,
          {x, labels, {scale}});
  Values losses(rows), lse(rows), dlogits(x.size());
  forRows([&](int64_t i, int64_t from, int64_t to) {
    double sum = 0;
    for (int64_t j = from; j < to; ++j)
      sum += std::exp(x[j]);
    lse[i] = std::log(sum);
    if (labels[i] == -100)
      return;
    losses[i] = lse[i] - x[from + int64_t(labels[i])];
    for (int64_t j = from; j < to; ++j)
      dlogits[j] = scale * (std::exp(x[j] - lse[i]) - (j - from == labels[i]));
  });
  expectNear(results[0], losses, 2e-6);
  expectNear(results[1], lse, 1e-6);
  expectRounded(results[2], dlogits, 4e-6);
}

TEST_P(HalfRows, Reductions) {
  Values x = halves(rows * width, -3, 5);
  std::string column = type({rows, 1}, "f32"), half = type({rows, 1}, "bf16");
  std::string along = " %x [1] keepdims true : " + matrix + " -> ";
  std::string down = " %x [0] keepdims false : " + matrix + " -> ";
  auto results =
      run("(%x: " + matrix + ") -> (" + column + ", " + half + ", " + half +
              ", " + wideRow + ", " + row + ", tensor<f64>)",
          "%a = onnx.reduce_sum" + along + column + "\n%b = onnx.reduce_mean" +
              along + half + "\n%c = onnx.reduce_max" + along + half +
              "\n%d = onnx.reduce_sum" + down + wideRow +
              "\n%e = onnx.reduce_mean" + down + row +
              "\n%f = train.sum_of_squares %x : " + matrix + " -> tensor<f64>",
          "%a, %b, %c, %d, %e, %f : " + column + ", " + half + ", " + half +
              ", " + wideRow + ", " + row + ", tensor<f64>",
          {x});
  Values sums(rows), means(rows), most(rows, -1e9), columns(width);
  Values columnMeans(width);
  double squares = 0;
  forRows([&](int64_t i, int64_t from, int64_t to) {
    for (int64_t j = from; j < to; ++j) {
      sums[i] += x[j];
      means[i] += x[j] / width;
      most[i] = std::max(most[i], x[j]);
      columns[j - from] += x[j];
      columnMeans[j - from] += x[j] / rows;
      squares += x[j] * x[j];
    }
  });
  expectNear(results[0], sums, 4e-6);
  expectRounded(results[1], means, 4e-6);
  expectNear(results[2], most, 0);
  expectNear(results[3], columns, 4e-6);
  expectRounded(results[4], columnMeans, 4e-6);
  expectNear(results[5], {squares}, 1e-12);
}

INSTANTIATE_TEST_SUITE_P(Shapes, HalfRows,
                         ::testing::Values(RowShape{37, 768}, RowShape{3, 5003},
                                           RowShape{9, 5}, RowShape{64, 2},
                                           RowShape{300, 33}),
                         [](const auto &info) {
                           return std::to_string(info.param.rows) + "x" +
                                  std::to_string(info.param.width);
                         });

class Half : public KernelTest {};

/// Tests that rows of a table are summed before they are rounded, also where
/// the table is in bf16 and larger than what one iteration owns.
TEST_F(Half, GatherAndItsGradient) {
  for (int64_t rows : {3, 200}) {
    const int64_t width = 40, lookups = 300;
    Values table = halves(rows * width, -2, 2);
    Values dy = halves(lookups * width, -2, 2), indices(lookups);
    for (int64_t i = 0; i < lookups; ++i)
      indices[i] = (i * i + 1) % rows;
    std::string t = type({rows, width}, "bf16"), w = type({rows, width}, "f32"),
                ints = type({lookups}, "i64"),
                y = type({lookups, width}, "bf16");
    auto results = run(
        "(%t: " + t + ", %i: " + ints + ", %g: " + y + ") -> (" + y + ", " + w +
            ", " + t + ")",
        "%y = onnx.gather %t, %i : " + t + ", " + ints + " -> " + y +
            "\n%d = train.gather_grad %i, %g : " + ints + ", " + y + " -> " +
            w + "\n%p = train.gather_grad %i, %g {padding_idx = 1 : i64} : " +
            ints + ", " + y + " -> " + t,
        "%y, %d, %p : " + y + ", " + w + ", " + t, {table, indices, dy});
    Values wanted(lookups * width), grad(rows * width), padded(rows * width);
    for (int64_t i = 0; i < lookups * width; ++i) {
      int64_t row = int64_t(indices[i / width]), at = row * width + i % width;
      wanted[i] = table[at];
      grad[at] += dy[i];
      padded[at] += row == 1 ? 0 : dy[i];
    }
    expectNear(results[0], wanted, 0);
    expectNear(results[1], grad, 2e-6);
    expectRounded(results[2], padded, 2e-6);
  }
}

/// Tests an optimizer that reads a gradient in bf16 and writes the parameters
/// also in bf16, rounded from the new f32 values.
TEST_F(Half, UpdatesReadAndWriteBf16) {
  const int64_t size = 1003;
  Values p = random(size, -1, 1), g = halves(size, -1, 1);
  Values m = random(size, -0.1, 0.1), v = random(size, 0.001, 0.01);
  std::string f = type({size}, "f32"), h = type({size}, "bf16");
  std::string scalars = "tensor<f32>, tensor<f32>, tensor<i64>";
  auto adamw = run(
      "(%p: " + f + ", %g: " + h + ", %m: " + f + ", %v: " + f +
          ", %lr: tensor<f32>, %t: tensor<f32>, %r: tensor<i64>) -> (" + f +
          ", " + f + ", " + f + ", " + h + ")",
      "%a, %b, %c, %s = train.flat_update (%p, %g states %m, %v lr %lr step %t "
      "rank %r) [#train.range<end = 400, rule = #train.adamw<beta1 = 0.9, "
      "beta2 = 0.95, eps = 1.0e-8, decay = 0.1>>, #train.range<end = 1003, "
      "rule "
      "= #train.adamw<beta1 = 0.9, beta2 = 0.95, eps = 1.0e-8, decay = 0.0>>] "
      ": "
      "(" +
          f + ", " + h + ", " + f + ", " + f + ", " + scalars + ") -> (" + f +
          ", " + f + ", " + f + ", " + h + ")",
      "%a, %b, %c, %s : " + f + ", " + f + ", " + f + ", " + h,
      {p, g, m, v, {0.125}, {3}, {0}});
  auto sgd = run(
      "(%p: " + f + ", %g: " + h + ", %lr: tensor<f32>, %r: tensor<i64>) -> (" +
          f + ", " + h + ")",
      "%q, %s = train.flat_update (%p, %g lr %lr rank %r) [#train.range<end = "
      "400, rule = #train.sgd<momentum = 0.0, decay = 0.1>>, #train.range<end "
      "= "
      "1003, rule = #train.sgd<momentum = 0.0, decay = 0.0>>] : (" +
          f + ", " + h + ", tensor<f32>, tensor<i64>) -> (" + f + ", " + h +
          ")",
      "%q, %s : " + f + ", " + h, {p, g, {0.125}, {0}});
  Values wantedAdamw(size), wantedM(size), wantedV(size), wantedSgd(size);
  for (int64_t i = 0; i < size; ++i) {
    double decay = i < 400 ? 0.1 : 0;
    wantedM[i] = 0.9 * m[i] + 0.1 * g[i];
    wantedV[i] = 0.95 * v[i] + 0.05 * g[i] * g[i];
    double root = std::sqrt(wantedV[i] / (1 - std::pow(0.95, 3))) + 1e-8;
    wantedAdamw[i] = p[i] * (1 - 0.125 * decay) -
                     0.125 / (1 - std::pow(0.9, 3)) * wantedM[i] / root;
    wantedSgd[i] = p[i] - 0.125 * (g[i] + decay * p[i]);
  }
  expectNear(adamw[0], wantedAdamw, 3e-7);
  expectNear(adamw[1], wantedM, 3e-7);
  expectNear(adamw[2], wantedV, 3e-7);
  expectNear(sgd[0], wantedSgd, 3e-7);
  // From the kernel's own f32 value: exactly one rounding.
  expectRounded(adamw[3], adamw[0].values(), 0);
  expectRounded(sgd[1], sgd[0].values(), 0);
}

/// Tests that a label which is out of range is seen by both kernels.
TEST_F(Half, LabelOutOfRangeIsStatus2) {
  std::string x = type({2, 4}, "bf16"), f = type({2}, "f32");
  for (double bad : {4.0, -1.0, 1e9}) {
    EXPECT_EQ(
        status("(%x: " + x + ", %t: tensor<2xi64>) -> (" + f + ", " + f + ")",
               "%l, %e = train.cross_entropy %x, %t ignore -100 : " + x +
                   ", tensor<2xi64> -> " + f + ", " + f,
               "%l, %e : " + f + ", " + f, {Values(8, 1), {0, bad}}),
        2);
    EXPECT_EQ(status("(%x: " + x + ", %t: tensor<2xi64>, %e: " + f +
                         ", %s: tensor<f32>) -> " + x,
                     "%d = train.cross_entropy_grad %x, %t, %e, %s ignore -100 "
                     ": " +
                         x + ", tensor<2xi64>, " + f + ", tensor<f32>",
                     "%d : " + x, {Values(8, 1), {0, bad}, {2, 2}, {1}}),
              2);
  }
}
} // namespace
