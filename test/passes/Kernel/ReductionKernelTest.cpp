//===- ReductionKernelTest.cpp - Reductions that compute what they read ---===//
//
// Tests that sums, means and maxima of a chain are those of the chain's values
// in double, over operands of the whole shape, one row, one a row and one for
// all, in f32, f64 and bf16, where every op of the chain rounds; and to the bit
// those of the chain's values from memory.
//
//===----------------------------------------------------------------------===//
#include "test/passes/Kernel/KernelTestBase.h"

#include "llvm/ADT/STLExtras.h"
#include <algorithm>
#include <cmath>

using namespace mlir;
using namespace fsdp;
using namespace fsdp::test;

namespace {
struct Reduced {
  std::vector<int64_t> shape; ///< three extents
  std::vector<int64_t> axes;
};

class ReducedChain : public KernelTest,
                     public ::testing::WithParamInterface<Reduced> {
protected:
  int64_t a = GetParam().shape[0], b = GetParam().shape[1],
          c = GetParam().shape[2];

  /// What `dtype` makes of values.
  Values rounded(const Values &values, const char *dtype) {
    Type element = parseDtype(dtype);
    auto type = RankedTensorType::get({int64_t(values.size())}, element);
    return Tensor(type, values).values();
  }
  Type parseDtype(StringRef dtype) {
    Builder builder(context.get());
    if (dtype == "f64")
      return builder.getF64Type();
    return dtype == "f32" ? Type(builder.getF32Type())
                          : Type(builder.getBF16Type());
  }

  std::vector<int64_t> keptShape() const {
    std::vector<int64_t> kept;
    for (int64_t d = 0; d < 3; ++d)
      if (!llvm::is_contained(GetParam().axes, d))
        kept.push_back(GetParam().shape[d]);
    return kept;
  }

  /// Sum (or maximum) of `values` over the axes, in double.
  Values fold(const Values &values, bool isMax) const {
    const Reduced &p = GetParam();
    int64_t count = 1;
    for (int64_t extent : keptShape())
      count *= extent;
    Values result(count, isMax ? -INFINITY : 0);
    for (int64_t i = 0; i < a * b * c; ++i) {
      int64_t at[] = {i / (b * c), i / c % b, i % c}, place = 0;
      for (int64_t d = 0; d < 3; ++d)
        if (!llvm::is_contained(p.axes, d))
          place = place * p.shape[d] + at[d];
      double &out = result[place];
      out = isMax ? std::max(out, values[i]) : out + values[i];
    }
    return result;
  }

  void check(const char *dtype, double tolerance) {
    Values x = halves(a * b * c, -2, 3), w = halves(c, 0.5, 2);
    Values f = halves(a * b, -1, 1), s = halves(1, 1, 2);
    std::string whole = type({a, b, c}, dtype), row = type({c}, dtype);
    std::string factor = type({a, b, 1}, dtype), one = type({}, dtype);
    std::string to = type(keptShape(), dtype), axes;
    for (int64_t axis : GetParam().axes)
      axes += (axes.empty() ? "" : ", ") + std::to_string(axis);
    std::string chain, names[] = {"sum", "mean", "max"};
    for (const std::string &name : names)
      chain += "%m" + name + " = onnx.mul %x, %w : " + whole + ", " + row +
               " -> " + whole + "\n%a" + name + " = onnx.add %m" + name +
               ", %f : " + whole + ", " + factor + " -> " + whole + "\n%t" +
               name + " = onnx.mul %a" + name + ", %s : " + whole + ", " + one +
               " -> " + whole + "\n%r" + name + " = onnx.reduce_" + name +
               " %t" + name + " [" + axes + "] keepdims false : " + whole +
               " -> " + to + "\n";
    std::string types = to + ", " + to + ", " + to;
    auto results = run("(%x: " + whole + ", %w: " + row + ", %f: " + factor +
                           ", %s: " + one + ") -> (" + types + ")",
                       chain, "%rsum, %rmean, %rmax : " + types, {x, w, f, s});
    ASSERT_EQ(results.size(), 3u);
    // A second reader of the chain keeps it apart: no bit depends on that.
    std::string wholes = ", " + whole + ", " + whole + ", " + whole;
    auto apart = run(
        "(%x: " + whole + ", %w: " + row + ", %f: " + factor + ", %s: " + one +
            ") -> (" + types + wholes + ")",
        chain, "%rsum, %rmean, %rmax, %tsum, %tmean, %tmax : " + types + wholes,
        {x, w, f, s});
    for (size_t i = 0; i < 3; ++i)
      EXPECT_EQ(results[i].values(), apart[i].values());
    Values m(x.size()), sum(x.size()), t(x.size());
    for (size_t i = 0; i < x.size(); ++i)
      m[i] = x[i] * w[i % c];
    m = rounded(m, dtype);
    for (size_t i = 0; i < x.size(); ++i)
      sum[i] = m[i] + f[i / c];
    sum = rounded(sum, dtype);
    for (size_t i = 0; i < x.size(); ++i)
      t[i] = sum[i] * s[0];
    t = rounded(t, dtype);
    Values total = fold(t, false), mean = total;
    double count = double(x.size()) / double(total.size());
    for (double &value : mean)
      value /= count;
    if (StringRef(dtype) == "bf16") {
      expectRounded(results[0], total, tolerance);
      expectRounded(results[1], mean, tolerance);
    } else {
      expectNear(results[0], total, tolerance);
      expectNear(results[1], mean, tolerance);
    }
    expectNear(results[2], fold(t, true), 0);
  }
};

TEST_P(ReducedChain, MatchesDouble) {
  check("f32", 2e-6);
  check("f64", 1e-14);
}

TEST_P(ReducedChain, RoundsEveryOpInBf16) { check("bf16", 2e-6); }

INSTANTIATE_TEST_SUITE_P(
    Shapes, ReducedChain,
    ::testing::Values(Reduced{{3, 5, 37}, {2}}, Reduced{{3, 5, 300}, {2}},
                      Reduced{{5, 1, 2048}, {2}}, Reduced{{1, 3, 768}, {0, 2}},
                      Reduced{{2, 1, 1031}, {2}}, Reduced{{3, 5, 37}, {0, 1}},
                      Reduced{{3, 37, 5}, {1}}, Reduced{{3, 5, 7}, {0, 2}},
                      Reduced{{2, 19, 300}, {0, 1}},
                      Reduced{{4, 9, 33}, {0, 1, 2}}, Reduced{{1, 1, 6}, {2}},
                      Reduced{{6, 1, 1}, {0}}, Reduced{{1, 1, 1}, {0, 1, 2}},
                      Reduced{{2, 3, 768}, {1, 2}}),
    [](const auto &info) {
      std::string name;
      for (int64_t extent : info.param.shape)
        name += (name.empty() ? "" : "x") + std::to_string(extent);
      for (int64_t axis : info.param.axes)
        name += "_" + std::to_string(axis);
      return name;
    });

/// Maxima of integers and of i1, and means of integers, which round toward
/// zero as a quotient of theirs does; along rows and over them.
struct WholeNumbers {
  const char *dtype;
  bool hasMean;
  double least, most;
};

class ReducedIntegers : public KernelTest,
                        public ::testing::WithParamInterface<WholeNumbers> {};

TEST_P(ReducedIntegers, AreExact) {
  const WholeNumbers &p = GetParam();
  constexpr int64_t kRows = 5, kWidth = 37;
  Values x = random(kRows * kWidth, p.least, p.most);
  for (double &value : x)
    value = std::floor(value);
  x[0] = p.least;
  std::string whole = type({kRows, kWidth}, p.dtype);
  for (int64_t axis : {0, 1}) {
    int64_t kept = axis ? kRows : kWidth;
    std::string part = type({kept}, p.dtype);
    std::string rest = " %x [" + std::to_string(axis) +
                       "] keepdims false : " + whole + " -> " + part;
    auto got = run("(%x: " + whole + ") -> (" + part + ", " + part + ")",
                   "%a = onnx.reduce_max" + rest + "\n%b = onnx.reduce_" +
                       (p.hasMean ? "mean" : "max") + rest,
                   "%a, %b : " + part + ", " + part, {x});
    for (int64_t i = 0; i < kept; ++i) {
      double most = p.least, sum = 0;
      for (int64_t j = 0; j < kRows * kWidth / kept; ++j) {
        double value = axis ? x[i * kWidth + j] : x[j * kWidth + i];
        most = std::max(most, value);
        sum += value;
      }
      EXPECT_EQ(std::abs(got[0].get(i)), std::abs(most)) << axis << " " << i;
      if (p.hasMean)
        EXPECT_EQ(got[1].get(i), std::trunc(sum * kept / (kRows * kWidth)));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, ReducedIntegers,
                         ::testing::Values(WholeNumbers{"i64", true, -9e6, 9e6},
                                           WholeNumbers{"i32", true, -9e6, -2},
                                           WholeNumbers{"i8", false, -128, 127},
                                           WholeNumbers{"i1", false, 0, 2}),
                         [](const auto &info) { return info.param.dtype; });

/// Sums, means and maxima in parts: [outer, reduced, inner] extents, of which
/// the parts take `size` of the middle ones.
struct Cut {
  int64_t outer, reduced, inner, size;
};

class ReducedInParts : public KernelTest,
                       public ::testing::WithParamInterface<Cut> {
protected:
  /// The result of a fold of a * b in parts, and of the parts.
  Tensor fold(const char *dtype, const char *kept, bool isMax,
              int64_t divisor) {
    auto [outer, reduced, inner, size] = GetParam();
    int64_t parts = (reduced + size - 1) / size;
    std::string whole = type({outer, reduced, inner}, dtype);
    std::string cut = type({parts, outer, inner}, kept);
    std::string to = type({outer, inner}, dtype), max = isMax ? ", max" : "";
    return run(
        "(%a: " + whole + ", %b: " + whole + ") -> " + to,
        "%p = train.kernel \"mul_parts\"(%a, %b) : (" + whole + ", " + whole +
            ") -> " + cut + " {\n^bb0(%x: " + whole + ", %y: " + whole +
            "):\n%m = onnx.mul %x, %y : " + whole + ", " + whole + " -> " +
            whole + "\n%q = train.reduce_parts %m [1] size " +
            std::to_string(size) + " {divisor = 1 : i64" + max +
            "} : " + whole + " -> " + cut + "\ntrain.yield %q : " + cut +
            "\n}\n%r = train.reduce_parts %p [0] size " +
            std::to_string(parts) + " {divisor = " + std::to_string(divisor) +
            " : i64" + max + "} : " + cut + " -> " + to,
        "%r : " + to, {a, b})[0];
  }

  Values wanted(bool isMax, double divisor) const {
    auto [outer, reduced, inner, size] = GetParam();
    Values result(outer * inner, isMax ? -INFINITY : 0);
    for (int64_t i = 0; i < outer * reduced * inner; ++i) {
      double &to = result[i / (reduced * inner) * inner + i % inner];
      to = isMax ? std::max(to, a[i] * b[i]) : to + a[i] * b[i];
    }
    for (double &value : result)
      value /= divisor;
    return result;
  }

  int64_t count = GetParam().outer * GetParam().reduced * GetParam().inner;
  Values a = halves(count, -2, 3), b = Values(count, 0.5);
};

TEST_P(ReducedInParts, MatchesDouble) {
  double reduced = double(GetParam().reduced);
  expectNear(fold("f32", "f64", false, 1), wanted(false, 1), 2e-6);
  expectNear(fold("f32", "f64", false, GetParam().reduced),
             wanted(false, reduced), 2e-6);
  expectNear(fold("f32", "f32", true, 1), wanted(true, 1), 0);
  expectRounded(fold("bf16", "f64", false, 1), wanted(false, 1), 2e-6);
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, ReducedInParts,
    ::testing::Values(Cut{1, 1000, 1, 64}, Cut{3, 130, 1, 64},
                      Cut{1, 64, 1, 64}, Cut{1, 40, 7, 16}, Cut{2, 37, 300, 16},
                      Cut{1, 70, 513, 5}, Cut{1, 20, 3, 40}),
    [](const auto &info) {
      return std::to_string(info.param.outer) + "x" +
             std::to_string(info.param.reduced) + "x" +
             std::to_string(info.param.inner) + "by" +
             std::to_string(info.param.size);
    });

/// Counts in blocks, the last of which is shorter or empty.
TEST_F(KernelTest, LabelsAreCountedInBlocks) {
  Values labels = {7, -1, 3, -1, -1, 0, 2, 9, -1, 4};
  for (int64_t blocks : {1, 3, 4, 7}) {
    std::string to = type({blocks}, "f32");
    Tensor got =
        run("(%x: tensor<10xi64>) -> " + to,
            "%c = train.count_valid %x ignore -1 : tensor<10xi64> -> " + to,
            "%c : " + to, {labels})[0];
    Values wanted(blocks);
    for (size_t i = 0; i < labels.size(); ++i)
      wanted[i / ((labels.size() + blocks - 1) / blocks)] += labels[i] != -1;
    expectNear(got, wanted, 0);
  }
}

/// The least of all numbers may be the largest.
TEST_F(KernelTest, MaximumOfTheLeastInteger) {
  auto got = run("(%x: tensor<3xi64>) -> tensor<i64>",
                 "%a = onnx.reduce_max %x [0] keepdims false : tensor<3xi64> "
                 "-> tensor<i64>",
                 "%a : tensor<i64>", {Values(3, -0x1p63)});
  EXPECT_EQ(got[0].get(0), -0x1p63);
}
} // namespace
