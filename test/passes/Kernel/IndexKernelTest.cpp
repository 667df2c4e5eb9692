//===- IndexKernelTest.cpp - Gathers, scatters, the largest, sums ---------===//
//
// Tests that kernels which read or write by indices give what their ops say,
// exactly: the values are small whole numbers.
//
//===----------------------------------------------------------------------===//
#include "test/passes/Kernel/KernelTestBase.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

using namespace mlir;
using namespace fsdp;
using namespace fsdp::test;

namespace {
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

class Index : public KernelTest {
protected:
  Values whole(int64_t n) {
    Values values = random(n, -50, 50);
    for (double &value : values)
      value = std::round(value);
    return values;
  }
};

struct Table {
  int64_t rows, width, lookups;
};
class Gathers : public Index, public ::testing::WithParamInterface<Table> {};

TEST_P(Gathers, GatherAndItsGradient) {
  auto [rows, width, lookups] = GetParam();
  Values table = whole(rows * width), dy = whole(lookups * width);
  Values indices(lookups);
  for (int64_t i = 0; i < lookups; ++i)
    indices[i] = (i * i + 1) % rows; // repeats some rows, leaves others out
  std::string t = type({rows, width}, "f32"), ints = type({lookups}, "i64"),
              y = type({lookups, width}, "f32");
  auto results = run(
      "(%t: " + t + ", %i: " + ints + ", %g: " + y + ") -> (" + y + ", " + t +
          ", " + t + ")",
      "%y = onnx.gather %t, %i : " + t + ", " + ints + " -> " + y +
          "\n%d = train.gather_grad %i, %g : " + ints + ", " + y + " -> " + t +
          "\n%p = train.gather_grad %i, %g {padding_idx = 1 : i64} : " + ints +
          ", " + y + " -> " + t,
      "%y, %d, %p : " + y + ", " + t + ", " + t, {table, indices, dy});
  Values wanted(lookups * width), grad(rows * width), padded(rows * width);
  for (int64_t i = 0; i < lookups; ++i)
    for (int64_t j = 0; j < width; ++j) {
      int64_t row = int64_t(indices[i]);
      wanted[i * width + j] = table[row * width + j];
      grad[row * width + j] += dy[i * width + j];
      if (row != 1)
        padded[row * width + j] += dy[i * width + j];
    }
  expectNear(results[0], wanted, 0);
  expectNear(results[1], grad, 0);
  expectNear(results[2], padded, 0);
}

/// Tests that sums by sorted indices have the bits of those in the order of the
/// indices, in f32 and bf16, with values that round.
TEST_P(Gathers, SumsByOrderAreTheSame) {
  auto [rows, width, lookups] = GetParam();
  for (const char *dtype : {"f32", "bf16"}) {
    Values dy = halves(lookups * width, -3, 4), indices(lookups);
    for (int64_t i = 0; i < lookups; ++i)
      indices[i] = (i * i + 1) % rows;
    std::string t = type({rows, width}, dtype), ints = type({lookups}, "i64"),
                y = type({lookups, width}, dtype),
                order = type({lookups}, "i32");
    auto results = run(
        "(%i: " + ints + ", %g: " + y + ") -> (" + t + ", " + t + ", " + t +
            ", " + t + ", " + order + ", " + order + ")",
        "%a = train.gather_grad %i, %g : " + ints + ", " + y + " -> " + t +
            "\n%b = train.gather_grad %i, %g {padding_idx = 1 : i64} : " +
            ints + ", " + y + " -> " + t +
            "\n%o, %s = train.order_indices %i rows " + std::to_string(rows) +
            " : (" + ints + ") -> (" + order + ", " + order +
            ")\n%c = train.gather_grad_ordered %o, %s, %g : (" + order + ", " +
            order + ", " + y + ") -> " + t +
            "\n%d = train.gather_grad_ordered %o, %s, %g {padding_idx = 1 : "
            "i64} : (" +
            order + ", " + order + ", " + y + ") -> " + t,
        "%a, %b, %c, %d, %o, %s : " + t + ", " + t + ", " + t + ", " + t +
            ", " + order + ", " + order,
        {indices, dy});
    EXPECT_EQ(results[0].values(), results[2].values());
    EXPECT_EQ(results[1].values(), results[3].values());
    Values places(lookups), sorted;
    std::iota(places.begin(), places.end(), 0);
    std::stable_sort(places.begin(), places.end(), [&](double a, double b) {
      return indices[size_t(a)] < indices[size_t(b)];
    });
    for (double place : places)
      sorted.push_back(indices[size_t(place)]);
    EXPECT_EQ(results[4].values(), places);
    EXPECT_EQ(results[5].values(), sorted);
  }
}

TEST_F(Index, OrderOutOfRangeIsStatus2) {
  for (double bad : {4.0, -1.0, 1e12})
    EXPECT_EQ(status("(%i: tensor<3xi64>) -> (tensor<3xi32>, tensor<3xi32>)",
                     "%o, %s = train.order_indices %i rows 4 : (tensor<3xi64>) "
                     "-> (tensor<3xi32>, tensor<3xi32>)",
                     "%o, %s : tensor<3xi32>, tensor<3xi32>", {{1, bad, 3}}),
              2);
}

INSTANTIATE_TEST_SUITE_P(Tables, Gathers,
                         ::testing::Values(Table{11, 40, 25},
                                           Table{5000, 64, 9}, Table{3, 1, 100},
                                           Table{2, 1, 1}, Table{4, 7, 3},
                                           Table{3, 5000, 6},
                                           Table{4, 8192, 2}),
                         [](const auto &info) {
                           return std::to_string(info.param.rows) + "x" +
                                  std::to_string(info.param.width) + "by" +
                                  std::to_string(info.param.lookups);
                         });

TEST_F(Index, GatherOutOfRangeIsStatus2) {
  for (double bad : {4.0, -1.0, 1e9})
    EXPECT_EQ(status("(%t: tensor<4x3xf32>, %i: tensor<2xi64>) -> "
                     "tensor<2x3xf32>",
                     "%y = onnx.gather %t, %i : tensor<4x3xf32>, tensor<2xi64> "
                     "-> tensor<2x3xf32>",
                     "%y : tensor<2x3xf32>", {whole(12), {1, bad}}),
              2)
        << bad;
}

/// A scatter: `batches` tables, and `count` updates of each.
struct Shape {
  int64_t batches, rows, count, width;
};
class Scatters : public Index, public ::testing::WithParamInterface<Shape> {
protected:
  Scatters() {
    auto [batches, rows, count, width] = GetParam();
    for (int64_t i = 0; i < batches * count; ++i)
      indices.push_back((i * i + 1) % rows);
  }

  /// What replaces, or is added to, the rows of x in the order of the indices.
  Values expected(const Values &x, const Values &updates, bool add) {
    auto [batches, rows, count, width] = GetParam();
    Values y = x;
    for (int64_t i = 0; i < batches * count; ++i)
      for (int64_t j = 0; j < width; ++j) {
        int64_t row = i / count * rows + int64_t(indices[i]);
        double &to = y[row * width + j];
        to = updates[i * width + j] + (add ? to : 0);
      }
    return y;
  }

  Values indices;
};

TEST_P(Scatters, ReplaceAndAdd) {
  auto [batches, rows, count, width] = GetParam();
  Values x = whole(batches * rows * width), u = whole(batches * count * width);
  for (const char *dtype : {"f32", "bf16", "i64"}) {
    std::string t = type({batches, rows, width}, dtype),
                i = type({batches, count}, "i64"),
                g = type({batches, count, width}, dtype);
    std::string types = " : " + t + ", " + i + ", " + g + " -> " + t;
    auto results =
        run("(%x: " + t + ", %i: " + i + ", %u: " + g + ") -> (" + t + ", " +
                t + ")",
            "%y = onnx.scatter %x, %i, %u {batch_dims = 1 : i64}" + types +
                "\n%s = onnx.scatter %x, %i, %u {add, batch_dims = 1 : i64}" +
                types,
            "%y, %s : " + t + ", " + t, {x, indices, u});
    expectNear(results[0], expected(x, u, false), 0);
    // A hundred sums of fifties need more digits than bf16 has.
    expectNear(results[1], expected(x, u, true), dtype[0] == 'b' ? 4e-3 : 0);
  }
}

TEST_P(Scatters, OfOneNumberIntoAnother) {
  auto [batches, rows, count, width] = GetParam();
  std::string t = type({batches, rows, width}, "f32"),
              i = type({batches, count}, "i64"),
              g = type({batches, count, width}, "f32");
  auto splat = [](const char *name, const char *value, const std::string &of) {
    return std::string("%") + name + " = onnx.constant dense<" + value +
           "> : " + of + " : " + of + "\n";
  };
  auto results = run("(%i: " + i + ") -> " + t,
                     splat("x", "2.0", t) + splat("u", "-3.0", g) +
                         "%y = onnx.scatter %x, %i, %u {add, batch_dims = 1 : "
                         "i64} : " +
                         t + ", " + i + ", " + g + " -> " + t,
                     "%y : " + t, {indices});
  expectNear(results[0],
             expected(Values(batches * rows * width, 2),
                      Values(batches * count * width, -3), true),
             0);
}

TEST_P(Scatters, GatherOfBatchesAndItsGradient) {
  auto [batches, rows, count, width] = GetParam();
  Values table = whole(batches * rows * width),
         dy = whole(batches * count * width);
  std::string t = type({batches, rows, width}, "f32"),
              i = type({batches, count}, "i64"),
              g = type({batches, count, width}, "f32");
  auto results = run(
      "(%t: " + t + ", %i: " + i + ", %g: " + g + ") -> (" + g + ", " + t + ")",
      "%y = onnx.gather %t, %i {batch_dims = 1 : i64} : " + t + ", " + i +
          " -> " + g +
          "\n%d = train.gather_grad %i, %g {batch_dims = 1 : i64} : " + i +
          ", " + g + " -> " + t,
      "%y, %d : " + g + ", " + t, {table, indices, dy});
  Values wanted;
  for (int64_t n = 0; n < batches * count; ++n)
    for (int64_t j = 0; j < width; ++j)
      wanted.push_back(
          table[(n / count * rows + int64_t(indices[n])) * width + j]);
  expectNear(results[0], wanted, 0);
  expectNear(results[1], expected(Values(batches * rows * width, 0), dy, true),
             0);
}

INSTANTIATE_TEST_SUITE_P(Shapes, Scatters,
                         ::testing::Values(Shape{1, 7, 9, 33},
                                           Shape{3, 5, 4, 1},
                                           Shape{2, 600, 50, 2},
                                           Shape{2, 3, 5, 4100},
                                           Shape{40, 8, 2, 1}));

TEST_F(Index, ScatterOutOfRangeIsStatus2) {
  for (double bad : {4.0, -1.0, 1e9})
    EXPECT_EQ(status("(%x: tensor<4x3xf32>, %i: tensor<2xi64>, %u: "
                     "tensor<2x3xf32>) -> tensor<4x3xf32>",
                     "%y = onnx.scatter %x, %i, %u : tensor<4x3xf32>, "
                     "tensor<2xi64>, tensor<2x3xf32> -> tensor<4x3xf32>",
                     "%y : tensor<4x3xf32>", {whole(12), {1, bad}, whole(6)}),
              2)
        << bad;
}

/// One row's places by value, ties by place; NaN before all numbers.
std::vector<int64_t> orderOf(const double *row, int64_t width, bool smallest) {
  std::vector<int64_t> order(width);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int64_t i, int64_t j) {
    if (smallest)
      std::swap(i, j);
    if (std::isnan(row[i]) || std::isnan(row[j]))
      return std::isnan(row[i]) && !std::isnan(row[j]);
    return row[i] > row[j];
  });
  return order;
}

TEST_F(Index, TopKIsSortedWithTiesByPlace) {
  for (const char *dtype : {"f32", "f64", "bf16", "i64", "i32"})
    for (bool smallest : {false, true})
      for (int64_t k : {1, 3, 9}) {
        int64_t rows = 20, width = 9;
        Values x = whole(rows * width);
        for (double &value : x)
          value = std::fmod(value, 4); // ties in every row
        if (dtype[0] == 'f')
          x[3] = -0.0, x[4] = 0.0, x[13] = -INFINITY, x[22] = INFINITY;
        std::string t = type({rows, width}, dtype), v = type({rows, k}, dtype),
                    i = type({rows, k}, "i64");
        auto results = run("(%x: " + t + ") -> (" + v + ", " + i + ")",
                           "%v, %i = onnx.top_k %x k " + std::to_string(k) +
                               (smallest ? " {smallest}" : "") + " : " + t +
                               " -> " + v + ", " + i,
                           "%v, %i : " + v + ", " + i, {x});
        for (int64_t r = 0; r < rows; ++r) {
          auto order = orderOf(&x[r * width], width, smallest);
          for (int64_t j = 0; j < k; ++j) {
            EXPECT_EQ(results[1].get(r * k + j), order[j]) << dtype;
            EXPECT_EQ(results[0].get(r * k + j), x[r * width + order[j]]);
          }
        }
      }
}

TEST_F(Index, TopKTakesNaNForTheLargest) {
  for (bool smallest : {false, true}) {
    Values x = {1, kNaN, 3, -kNaN, INFINITY};
    auto results = run("(%x: tensor<5xf32>) -> tensor<5xi64>",
                       std::string("%v, %i = onnx.top_k %x k 5 ") +
                           (smallest ? "{smallest} " : "") +
                           ": tensor<5xf32> -> tensor<5xf32>, tensor<5xi64>",
                       "%i : tensor<5xi64>", {x});
    Values wanted = smallest ? Values{0, 2, 4, 1, 3} : Values{1, 3, 4, 2, 0};
    expectNear(results[0], wanted, 0);
  }
}

TEST_F(Index, RunningSumsAlongEveryAxis) {
  int64_t shape[] = {3, 5, 4};
  Values x = whole(60);
  for (const char *dtype : {"f32", "i64"})
    for (int axis = 0; axis < 3; ++axis)
      for (bool exclusive : {false, true})
        for (bool reverse : {false, true}) {
          std::string t = type({3, 5, 4}, dtype), attributes;
          if (exclusive)
            attributes += "exclusive";
          if (reverse)
            attributes += attributes.empty() ? "reverse" : ", reverse";
          auto results =
              run("(%x: " + t + ") -> " + t,
                  "%y = onnx.cumsum %x axis " + std::to_string(axis) + " {" +
                      attributes + "} : " + t + " -> " + t,
                  "%y : " + t, {x});
          int64_t stride = axis == 0 ? 20 : axis == 1 ? 4 : 1;
          Values wanted(60);
          for (int64_t i = 0; i < 60; ++i)
            for (int64_t k = 0; k < shape[axis]; ++k) {
              int64_t own = i / stride % shape[axis];
              bool counts = k == own ? !exclusive : reverse ? k > own : k < own;
              if (counts)
                wanted[i] += x[i + (k - own) * stride];
            }
          expectNear(results[0], wanted, 0);
        }
}

/// Tests that sums are taken in f64: in f32 the ones would be lost.
TEST_F(Index, RunningSumsKeepSmallTerms) {
  Values x(64, 1), wanted(64);
  x[0] = 1 << 24;
  for (int64_t i = 0; i < 64; ++i)
    wanted[i] = double(float((1 << 24) + i));
  auto results = run("(%x: tensor<64xf32>) -> tensor<64xf32>",
                     "%y = onnx.cumsum %x axis 0 : tensor<64xf32> -> "
                     "tensor<64xf32>",
                     "%y : tensor<64xf32>", {x});
  expectNear(results[0], wanted, 0);
}
} // namespace
