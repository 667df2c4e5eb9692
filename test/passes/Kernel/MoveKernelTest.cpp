//===- MoveKernelTest.cpp - Transposes, slices, reductions ----------------===//
//
// Tests that kernels which move or add elements give what ONNX says, exactly:
// the values are small whole numbers.
//
//===----------------------------------------------------------------------===//
#include "test/passes/Kernel/KernelTestBase.h"

#include <cmath>
#include <functional>
#include <numeric>

using namespace mlir;
using namespace fsdp;
using namespace fsdp::test;

namespace {
using Index = std::vector<int64_t>;

int64_t count(const Index &shape) {
  return std::accumulate(shape.begin(), shape.end(), int64_t(1),
                         std::multiplies<int64_t>());
}

/// Place of a linear index in `shape`, and back.
Index unravel(int64_t linear, const Index &shape) {
  Index index(shape.size());
  for (size_t d = shape.size(); d-- > 0; linear /= shape[d])
    index[d] = linear % shape[d];
  return index;
}
int64_t ravel(const Index &index, const Index &shape) {
  int64_t linear = 0;
  for (size_t d = 0; d < shape.size(); ++d)
    linear = linear * shape[d] + index[d];
  return linear;
}

std::string list(const Index &values) {
  std::string text = "[";
  for (size_t i = 0; i < values.size(); ++i)
    text += (i ? ", " : "") + std::to_string(values[i]);
  return text + "]";
}

class Move : public KernelTest {
protected:
  Values whole(int64_t n) {
    Values values = random(n, -50, 50);
    for (double &value : values)
      value = std::round(value);
    return values;
  }

  /// One op with one operand.
  Tensor runUnary(const std::string &op, const Index &x, const Index &y,
                  const Values &values, const char *dtype = "f32") {
    std::string from = type(x, dtype), to = type(y, dtype);
    return run("(%x: " + from + ") -> " + to,
               "%y = " + op + " : " + from + " -> " + to, "%y : " + to,
               {values})[0];
  }
};

TEST_F(Move, TransposeOfEveryKind) {
  struct Case {
    Index shape, perm;
  };
  for (const Case &c :
       {Case{{5, 7}, {1, 0}}, Case{{65, 130}, {1, 0}},
        Case{{2, 16, 3, 8}, {0, 2, 1, 3}}, Case{{2, 3, 17, 8}, {0, 1, 3, 2}},
        Case{{4, 1, 6}, {2, 1, 0}}, Case{{3, 4, 5}, {1, 2, 0}},
        Case{{1, 9}, {1, 0}}, Case{{6}, {0}}}) {
    Index to;
    for (int64_t p : c.perm)
      to.push_back(c.shape[p]);
    Values x = whole(count(c.shape)), wanted(x.size());
    for (size_t i = 0; i < x.size(); ++i) {
      Index from = unravel(i, c.shape), place;
      for (int64_t p : c.perm)
        place.push_back(from[p]);
      wanted[ravel(place, to)] = x[i];
    }
    for (const char *dtype : {"f32", "f64", "i64"})
      expectNear(
          runUnary("onnx.transpose %x " + list(c.perm), c.shape, to, x, dtype),
          wanted, 0);
  }
}

TEST_F(Move, SliceAndPadWithSteps) {
  Values x = whole(7 * 9);
  Values sliced, padded(6 * 20, 2.5);
  for (int64_t i : {5, 3, 1})
    for (int64_t j : {0, 3, 6})
      sliced.push_back(x[i * 9 + j]);
  expectNear(
      runUnary("onnx.slice %x from [5, 0] by [-2, 3]", {7, 9}, {3, 3}, x),
      sliced, 0);
  for (int64_t i = 0; i < 7; ++i)
    for (int64_t j = 0; j < 9; ++j)
      if (i >= 1 && i - 1 < 6)
        padded[(i - 1) * 20 + 1 + 2 * j] = x[i * 9 + j];
  expectNear(runUnary("onnx.pad %x at [-1, 1] by [1, 2] value 2.5", {7, 9},
                      {6, 20}, x),
             padded, 0);
}

TEST_F(Move, PadThatDropsEverything) {
  expectNear(
      runUnary("onnx.pad %x at [5] by [1] value 1.0", {3}, {4}, {7, 8, 9}),
      {1, 1, 1, 1}, 0);
}

TEST_F(Move, ConcatAndSplitUndoEachOther) {
  for (int64_t axis : {0, 1, 2}) {
    Index a = {3, 4, 5}, b = a, both = a;
    b[axis] = 2;
    both[axis] += 2;
    std::string ta = type(a, "f32"), tb = type(b, "f32"),
                ty = type(both, "f32");
    std::string at = " axis " + std::to_string(axis) + " : ";
    Values x = whole(count(a)), z = whole(count(b));
    auto results =
        run("(%a: " + ta + ", %b: " + tb + ") -> (" + ta + ", " + tb + ", " +
                ty + ")",
            "%y = onnx.concat %a, %b" + at + ta + ", " + tb + " -> " + ty +
                "\n%p, %q = onnx.split %y" + at + ty + " -> " + ta + ", " + tb,
            "%p, %q, %y : " + ta + ", " + tb + ", " + ty, {x, z});
    expectNear(results[0], x, 0);
    expectNear(results[1], z, 0);
    for (int64_t i = 0; i < results[2].size(); ++i) {
      Index place = unravel(i, both);
      bool first = place[axis] < a[axis];
      if (!first)
        place[axis] -= a[axis];
      EXPECT_EQ(results[2].get(i),
                first ? x[ravel(place, a)] : z[ravel(place, b)]);
    }
  }
}

TEST_F(Move, ConcatOfOneTensorTwiceAndOfAConstant) {
  auto results = run(
      "(%a: tensor<2x3xf32>) -> tensor<2x8xf32>",
      "%z = onnx.constant dense<4.0> : tensor<2x2xf32> : tensor<2x2xf32>\n"
      "%y = onnx.concat %a, %z, %a axis 1 : tensor<2x3xf32>, tensor<2x2xf32>, "
      "tensor<2x3xf32> -> tensor<2x8xf32>",
      "%y : tensor<2x8xf32>", {{1, 2, 3, 5, 6, 7}});
  expectNear(results[0], {1, 2, 3, 4, 4, 1, 2, 3, 5, 6, 7, 4, 4, 5, 6, 7}, 0);
}

TEST_F(Move, ReductionsOfEveryPattern) {
  Index shape = {3, 70, 5, 9};
  Values x = whole(count(shape));
  for (Index axes : {Index{3},
                     {0},
                     {1},
                     {2, 3},
                     {0, 1},
                     {0, 2},
                     {1, 3},
                     {0, 1, 2, 3},
                     {0, 1, 2},
                     {0, 3}}) {
    Index kept = shape;
    for (int64_t axis : axes)
      kept[axis] = 1;
    Values sum(count(kept)), most(count(kept), -1e9);
    for (size_t i = 0; i < x.size(); ++i) {
      Index place = unravel(i, shape);
      for (int64_t axis : axes)
        place[axis] = 0;
      sum[ravel(place, kept)] += x[i];
      most[ravel(place, kept)] = std::max(most[ravel(place, kept)], x[i]);
    }
    std::string rest = " %x " + list(axes) + " keepdims true";
    Values mean = sum;
    for (double &value : mean)
      value /= double(x.size() / sum.size());
    expectNear(runUnary("onnx.reduce_sum" + rest, shape, kept, x), sum, 0);
    expectNear(runUnary("onnx.reduce_mean" + rest, shape, kept, x), mean, 1e-6);
    expectNear(runUnary("onnx.reduce_max" + rest, shape, kept, x), most, 0);
  }
}

TEST_F(Move, LongSumsKeepTheirDigits) {
  // 0.1 a million times: f32 sums one by one would lose a percent.
  int64_t n = 1 << 20;
  Values x(n, double(0.1f));
  std::string t = type({n}, "f32");
  auto results =
      run("(%x: " + t + ") -> (tensor<f32>, tensor<f64>)",
          "%y = onnx.reduce_sum %x [0] keepdims false : " + t +
              " -> tensor<f32>\n%s = train.sum_of_squares %x : " + t +
              " -> tensor<f64>",
          "%y, %s : tensor<f32>, tensor<f64>", {x});
  expectNear(results[0], {n * double(0.1f)}, 1e-6);
  expectNear(results[1], {n * double(0.1f) * double(0.1f)}, 1e-12);
  std::string m = type({20000, 3}, "f32");
  expectNear(run("(%x: " + m + ") -> tensor<3xf32>",
                 "%y = onnx.reduce_sum %x [0] keepdims false : " + m +
                     " -> tensor<3xf32>",
                 "%y : tensor<3xf32>", {Values(60000, double(0.1f))})[0],
             Values(3, 20000 * double(0.1f)), 1e-5);
}

TEST_F(Move, GeneratedProductsMatch) {
  for (bool transA : {false, true})
    for (bool transB : {false, true}) {
      int64_t m = 5, k = 33, n = 70;
      std::string a = type(transA ? Index{2, k, m} : Index{2, m, k}, "f64");
      std::string b = type(transB ? Index{1, n, k} : Index{1, k, n}, "f64");
      std::string c = type({2, m, n}, "f64");
      std::string flags = transA && transB ? " {transA, transB}"
                          : transA         ? " {transA}"
                          : transB         ? " {transB}"
                                           : "";
      Values x = whole(2 * m * k), y = whole(k * n), wanted(2 * m * n);
      for (int64_t s = 0; s < 2; ++s)
        for (int64_t i = 0; i < m; ++i)
          for (int64_t j = 0; j < n; ++j)
            for (int64_t l = 0; l < k; ++l)
              wanted[(s * m + i) * n + j] +=
                  x[s * m * k + (transA ? l * m + i : i * k + l)] *
                  y[transB ? j * k + l : l * n + j];
      expectNear(run("(%a: " + a + ", %b: " + b + ") -> " + c,
                     "%c = onnx.matmul %a, %b" + flags + " : " + a + ", " + b +
                         " -> " + c,
                     "%c : " + c, {x, y})[0],
                 wanted, 0);
    }
}
} // namespace
