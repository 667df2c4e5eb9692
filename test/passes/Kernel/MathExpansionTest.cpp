//===- MathExpansionTest.cpp - Errors of the expanded functions -----------===//
//
// Tests that exp, log, ... in kernels are as exact as MathExpansion.h says:
// against long double for f64, against double for f32, over the whole range,
// near zero and at the special values.
//
//===----------------------------------------------------------------------===//
#include "test/passes/Kernel/KernelExecutor.h"

#include "mlir/Parser/Parser.h"

#include <cmath>
#include <gtest/gtest.h>
#include <limits>
#include <random>

using namespace mlir;
using namespace fsdp;
using namespace fsdp::test;

namespace {
using Exact = long double (*)(long double);

struct Case {
  const char *op;
  Exact exact;
  double low, high;    ///< range of x
  double ulp32, ulp64; ///< promised in MathExpansion.h
  bool isLogarithmic;  ///< x spread over magnitudes as well
};

const Case kCases[] = {
    {"exp", expl, -100, 88, 1, 2, true},
    {"log", logl, 1e-37, 1e37, 1, 1, true},
    {"tanh", tanhl, -12, 12, 2, 2, true},
    {"erf", erfl, -7, 7, 2, 3, true},
    {"sin", sinl, -1e4, 1e4, 1, 2, true},
    {"cos", cosl, -1e4, 1e4, 1, 2, true},
    {"expm1", expm1l, -30, 88, 2, 2, true},
    {"log1p", log1pl, -1, 1e37, 2, 2, true},
    {"tan", tanl, -1e4, 1e4, 1, 4, true},
    {"asin", asinl, -1, 1, 1, 4, true},
    {"acos", acosl, -1, 1, 1, 4, true},
    {"atan", atanl, -30, 30, 1, 2, true},
    {"sinh", sinhl, -89, 89, 1, 4, true},
    {"cosh", coshl, -89, 89, 1, 4, true},
    {"asinh", asinhl, -1e12, 1e12, 1, 4, true},
    {"acosh", acoshl, 1, 1e12, 1, 4, false},
    {"atanh", atanhl, -1, 1, 1, 4, true},
    {"floor", floorl, -1e10, 1e10, 0, 0, true},
    {"ceil", ceill, -1e10, 1e10, 0, 0, true},
    {"round", nearbyintl, -1e10, 1e10, 0, 0, true},
};

constexpr int64_t kCount = 200000;

std::vector<double> samples(const Case &c, bool isF32) {
  std::mt19937_64 random(7);
  std::uniform_real_distribution<double> uniform(0, 1);
  std::vector<double> xs;
  for (int64_t i = 0; i < kCount; ++i) {
    double x = c.low + (c.high - c.low) * uniform(random);
    if (c.isLogarithmic && i % 2) // magnitudes down to 1e-30
      x = std::copysign(std::abs(x) * std::pow(10, -40 * uniform(random)), x);
    if (std::string(c.op) == "log" && i % 4 == 2)
      x = 1 + (uniform(random) - 0.5) * 0.6;
    xs.push_back(isF32 ? double(float(x)) : x);
  }
  return xs;
}

/// Spacing of the floats around `value`.
double ulpOf(long double value, bool isF32) {
  double magnitude = std::abs(double(value));
  if (isF32) {
    float f = std::max(float(magnitude), std::numeric_limits<float>::min());
    return double(std::nextafter(f, INFINITY)) - double(f);
  }
  magnitude = std::max(magnitude, std::numeric_limits<double>::min());
  return std::nextafter(magnitude, INFINITY) - magnitude;
}

class MathExpansion : public ::testing::TestWithParam<Case> {
protected:
  /// y = op(x) elementwise, compiled.
  std::vector<double> evaluate(const char *op, const char *dtype,
                               const std::vector<double> &xs,
                               const std::vector<double> &ys = {}) {
    std::string type =
        "tensor<" + std::to_string(xs.size()) + "x" + dtype + ">";
    std::string args = "%x: " + type, uses = "%x", types = type;
    if (!ys.empty()) {
      args += ", %y: " + type;
      uses += ", %y";
      types += ", " + type;
    }
    std::string text = "func.func @f(" + args + ") -> " + type +
                       " { %z = onnx." + op + " " + uses + " : " + types +
                       " -> " + type + " return %z : " + type + " }";
    auto module = parseSourceString<ModuleOp>(text, context.get());
    EXPECT_TRUE(bool(module)) << text;
    auto func = *module->getOps<func::FuncOp>().begin();
    auto tensorType = cast<RankedTensorType>(func.getArgumentTypes()[0]);
    std::vector<Tensor> inputs = {Tensor(tensorType, xs)};
    if (!ys.empty())
      inputs.emplace_back(tensorType, ys);
    auto results = executor.run(func, inputs);
    EXPECT_TRUE(results.has_value()) << executor.message();
    return results ? results->front().values() : std::vector<double>(xs.size());
  }

  double worstUlp(const Case &c, bool isF32) {
    std::vector<double> xs = samples(c, isF32);
    std::vector<double> ys = evaluate(c.op, isF32 ? "f32" : "f64", xs);
    double worst = 0;
    for (size_t i = 0; i < xs.size(); ++i) {
      long double exact = c.exact(xs[i]);
      if (std::abs(exact) > (isF32 ? 3.4e38 : 1.7e308))
        continue;
      double error = double(std::abs(exact - (long double)(ys[i])));
      error /= ulpOf(exact, isF32);
      if (!(error <= worst)) {
        worst = error;
        worstAt = xs[i];
      }
    }
    return worst;
  }

  std::unique_ptr<MLIRContext> context = createContext();
  KernelExecutor executor;
  double worstAt = 0;
};

TEST_P(MathExpansion, StaysWithinPromisedUlp32) {
  double worst = worstUlp(GetParam(), true);
  RecordProperty("ulp", std::to_string(worst));
  EXPECT_LE(worst, GetParam().ulp32) << "at " << worstAt;
}

TEST_P(MathExpansion, StaysWithinPromisedUlp64) {
  double worst = worstUlp(GetParam(), false);
  RecordProperty("ulp", std::to_string(worst));
  EXPECT_LE(worst, GetParam().ulp64) << "at " << worstAt;
}

TEST_P(MathExpansion, TreatsSpecialValuesAsC) {
  const double inf = INFINITY, nan = NAN;
  std::vector<double> xs = {0.0,  -0.0,   inf,   -inf,   nan, 1.0,
                            -1.0, 1e-320, 1e300, -1e300, 89,  -104};
  const Case &c = GetParam();
  std::string op = c.op;
  for (const char *dtype : {"f32", "f64"}) {
    bool isF32 = std::string(dtype) == "f32";
    std::vector<double> ys = evaluate(c.op, dtype, xs);
    for (size_t i = 0; i < xs.size(); ++i) {
      double x = isF32 ? double(float(xs[i])) : xs[i];
      double expected = double(c.exact(x));
      if (isF32)
        expected = double(float(expected));
      bool reduces = op == "sin" || op == "cos" || op == "tan";
      if (reduces && std::abs(x) > 1.6e6)
        expected = nan; // where the argument reduction ends
      if (std::isnan(expected))
        EXPECT_TRUE(std::isnan(ys[i])) << dtype << " " << op << "(" << x << ")";
      else if (std::isinf(expected) || expected == 0)
        EXPECT_EQ(ys[i], expected) << dtype << " " << op << "(" << x << ")";
      else
        EXPECT_NEAR(ys[i], expected, 4 * ulpOf(expected, isF32))
            << dtype << " " << op << "(" << x << ")";
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Functions, MathExpansion, ::testing::ValuesIn(kCases),
                         [](const auto &info) {
                           return std::string(info.param.op);
                         });

/// Functions of two operands.
class PairExpansion : public MathExpansion {};

/// Tests that a remainder is C's, bit for bit, at every pair of ends too.
TEST_F(PairExpansion, RemainderIsExact) {
  std::mt19937_64 random(5);
  std::uniform_real_distribution<double> uniform(-1, 1);
  std::vector<double> xs, ys;
  for (int i = 0; i < 20000; ++i) {
    ys.push_back(float(uniform(random) * std::pow(10, 3 * uniform(random))));
    bool isMultiple = i % 2;
    xs.push_back(float(isMultiple ? ys.back() * std::round(9 * uniform(random))
                                  : uniform(random) * 1e4));
  }
  const double inf = INFINITY, nan = NAN;
  for (double x : {0.0, -0.0, 1.0, -7.5, 3e7, inf, -inf, nan})
    for (double y : {0.0, 1.0, -1.0, 2.5, -2.5, 1e30, inf, -inf, nan})
      xs.push_back(x), ys.push_back(y);
  for (const char *dtype : {"f32", "f64"}) {
    std::vector<double> zs = evaluate("fmod", dtype, xs, ys);
    for (size_t i = 0; i < xs.size(); ++i) {
      double exact = std::fmod(xs[i], ys[i]);
      if (std::isnan(exact))
        EXPECT_TRUE(std::isnan(zs[i])) << xs[i] << " by " << ys[i];
      else
        EXPECT_EQ(zs[i], dtype[1] == '3' ? float(exact) : exact)
            << dtype << " " << xs[i] << " by " << ys[i];
    }
  }
}

TEST_F(PairExpansion, PowMatchesC) {
  std::mt19937_64 random(3);
  std::uniform_real_distribution<double> uniform(-3, 3);
  std::vector<double> xs, ys;
  for (int i = 0; i < 20000; ++i) {
    xs.push_back(float(std::exp(uniform(random) * 3)));
    ys.push_back(float(uniform(random) * 4));
  }
  const double inf = INFINITY, nan = NAN;
  for (double x : {0.0, -0.0, 1.0, -1.0, -2.0, 2.0, inf, -inf, nan, 0.5})
    for (double y :
         {0.0, 1.0, -1.0, 2.0, 3.0, -3.0, 0.5, 2.5, inf, -inf, nan, 1e20})
      xs.push_back(x), ys.push_back(y);
  for (const char *dtype : {"f32", "f64"}) {
    bool isF32 = std::string(dtype) == "f32";
    std::vector<double> zs = evaluate("pow", dtype, xs, ys);
    for (size_t i = 0; i < xs.size(); ++i) {
      double exact = double(powl(xs[i], ys[i]));
      if (isF32)
        exact = double(float(exact));
      if (std::isnan(exact)) {
        EXPECT_TRUE(std::isnan(zs[i])) << xs[i] << " ^ " << ys[i];
        continue;
      }
      double ulps =
          isF32 ? 1 : 2 + 2 * std::abs(ys[i] * std::log(std::abs(xs[i])));
      if (std::isinf(exact) || exact == 0 || !std::isfinite(ulps))
        EXPECT_EQ(zs[i], exact) << dtype << " " << xs[i] << " ^ " << ys[i];
      else
        EXPECT_LE(std::abs(zs[i] - exact), ulps * ulpOf(exact, isF32))
            << dtype << " " << xs[i] << " ^ " << ys[i];
    }
  }
}
} // namespace
