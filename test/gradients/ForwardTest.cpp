//===- ForwardTest.cpp - Elementwise ops against the C library ------------===//
//
// Central differences agree with a wrong forward as well: this holds the
// compiled values against formulas written apart from the compiler.
//
//===----------------------------------------------------------------------===//
#include "dialects/Onnx/Evaluate.h"
#include "test/passes/Kernel/KernelTestBase.h"

#include <cmath>
#include <functional>

using namespace mlir;
using namespace fsdp;
using namespace fsdp::test;

namespace {
using Formula = std::function<double(double, double)>;

struct Case {
  const char *op;
  Formula formula;
  double low, high;
  const char *attributes = "";
};

double gelu(double x) { return x / 2 * (1 + std::erf(x / std::sqrt(2.0))); }
/// Of y's sign; 0 for y = 0, as kernels give for integers.
double floorMod(double x, double y) {
  return y == 0 ? 0 : x - y * std::floor(x / y);
}
double tanhGelu(double x) {
  double u = std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x);
  return x / 2 * (1 + std::tanh(u));
}

#define FORMULA(EXPRESSION)                                                    \
  [](double x, double) -> double { return EXPRESSION; }
const Case kUnary[] = {{"neg", FORMULA(-x), -3, 3},
                       {"abs", FORMULA(std::abs(x)), -3, 3},
                       {"exp", FORMULA(std::exp(x)), -20, 20},
                       {"log", FORMULA(std::log(x)), 1e-6, 50},
                       {"sqrt", FORMULA(std::sqrt(x)), 0, 50},
                       {"reciprocal", FORMULA(1 / x), 0.1, 9},
                       {"sin", FORMULA(std::sin(x)), -50, 50},
                       {"cos", FORMULA(std::cos(x)), -50, 50},
                       {"tan", FORMULA(std::tan(x)), -1.5, 1.5},
                       {"asin", FORMULA(std::asin(x)), -1, 1},
                       {"acos", FORMULA(std::acos(x)), -1, 1},
                       {"atan", FORMULA(std::atan(x)), -9, 9},
                       {"sinh", FORMULA(std::sinh(x)), -5, 5},
                       {"cosh", FORMULA(std::cosh(x)), -5, 5},
                       {"asinh", FORMULA(std::asinh(x)), -9, 9},
                       {"acosh", FORMULA(std::acosh(x)), 1, 9},
                       {"atanh", FORMULA(std::atanh(x)), -0.99, 0.99},
                       {"expm1", FORMULA(std::expm1(x)), -9, 9},
                       {"log1p", FORMULA(std::log1p(x)), -0.9, 9},
                       {"softplus", FORMULA(std::log1p(std::exp(x))), -30, 30},
                       {"floor", FORMULA(std::floor(x)), -9, 9},
                       {"ceil", FORMULA(std::ceil(x)), -9, 9},
                       {"round", FORMULA(std::nearbyint(x)), -9, 9},
                       {"sign", FORMULA((x > 0) - (x < 0)), -2, 2},
                       {"tanh", FORMULA(std::tanh(x)), -5, 5},
                       {"sigmoid", FORMULA(1 / (1 + std::exp(-x))), -40, 40},
                       {"erf", FORMULA(std::erf(x)), -4, 4},
                       {"relu", FORMULA(x > 0 ? x : 0), -3, 3},
                       {"gelu", FORMULA(gelu(x)), -6, 6},
                       {"gelu", FORMULA(tanhGelu(x)), -6, 6, " {tanh}"}};
#undef FORMULA

#define FORMULA(EXPRESSION)                                                    \
  [](double x, double y) -> double { return EXPRESSION; }
const Case kBinary[] = {{"add", FORMULA(x + y), -3, 3},
                        {"sub", FORMULA(x - y), -3, 3},
                        {"mul", FORMULA(x *y), -3, 3},
                        {"div", FORMULA(x / y), 0.5, 3},
                        {"pow", FORMULA(std::pow(x, y)), 0.1, 4},
                        {"mod", FORMULA(floorMod(x, y)), -9, 9},
                        {"fmod", FORMULA(y == 0 ? 0 : std::fmod(x, y)), -9, 9},
                        {"max", FORMULA(std::max(x, y)), -3, 3},
                        {"min", FORMULA(std::min(x, y)), -3, 3}};
const Case kCompare[] = {{"less", FORMULA(x < y), -3, 3},
                         {"less_or_equal", FORMULA(x <= y), -3, 3},
                         {"greater", FORMULA(x > y), -3, 3},
                         {"greater_or_equal", FORMULA(x >= y), -3, 3},
                         {"equal", FORMULA(x == y), -3, 3}};
#undef FORMULA

class Forward : public KernelTest {
protected:
  /// [7, 5] against [5] of `dtype`, result of `to`.
  void expectBinary(const Case &c, const char *dtype, const char *to,
                    bool whole, double tolerance) {
    std::string a = type({7, 5}, dtype), b = type({5}, dtype),
                y = type({7, 5}, to);
    Values xs = random(35, c.low, c.high), ys = random(5, c.low, c.high);
    for (Values *values : {&xs, &ys})
      for (double &value : *values)
        value = whole ? std::round(value) : value;
    Values wanted(35);
    for (int i = 0; i < 35; ++i)
      wanted[i] = c.formula(xs[i], ys[i % 5]);
    expectNear(run("(%a: " + a + ", %b: " + b + ") -> " + y,
                   std::string("%y = onnx.") + c.op + " %a, %b : " + a + ", " +
                       b + " -> " + y,
                   "%y : " + y, {xs, ys})[0],
               wanted, tolerance);
  }
};

TEST_F(Forward, UnaryMatchesTheLibrary) {
  for (const Case &c : kUnary)
    for (auto [dtype, tolerance] :
         {std::pair("f64", 1e-14), std::pair("f32", 1e-6)}) {
      SCOPED_TRACE(std::string(c.op) + c.attributes + " " + dtype);
      std::string t = type({211}, dtype);
      Values x = random(211, c.low, c.high), wanted;
      for (double value : x)
        wanted.push_back(c.formula(value, 0));
      expectNear(run("(%x: " + t + ") -> " + t,
                     std::string("%y = onnx.") + c.op + " %x" + c.attributes +
                         " : " + t + " -> " + t,
                     "%y : " + t, {x})[0],
                 wanted, tolerance);
    }
}

TEST_F(Forward, BinaryMatchesTheLibrary) {
  for (const Case &c : kBinary)
    for (auto [dtype, tolerance] :
         {std::pair("f64", 1e-14), std::pair("f32", 1e-6)}) {
      SCOPED_TRACE(std::string(c.op) + " " + dtype);
      expectBinary(c, dtype, dtype, false, tolerance);
    }
}

TEST_F(Forward, ComparisonsAndIntegersAreExact) {
  for (const Case &c : kCompare)
    for (const char *dtype : {"f32", "f64", "i64", "i32"}) {
      SCOPED_TRACE(std::string(c.op) + " " + dtype);
      expectBinary(c, dtype, "i1", true, 0);
    }
  for (const Case &c : kBinary) {
    std::string op = c.op;
    if (op == "div" || op == "pow")
      continue;
    for (const char *dtype : {"i64", "i32"}) {
      SCOPED_TRACE(op + " " + dtype);
      expectBinary(c, dtype, dtype, true, 0);
    }
  }
  Case quotient{"div", [](double x, double y) { return std::trunc(x / y); }, 1,
                40};
  expectBinary(quotient, "i64", "i64", true, 0);
  Case power{"pow", [](double x, double y) { return std::pow(x, y); }, 0, 6};
  expectBinary(power, "i64", "i64", true, 0);
}

/// Tests that a power of integers is the same, modulo its width, whether it is
/// computed or folded. In two halves, as the test's values are doubles.
TEST_F(Forward, PowersOfIntegersAgreeWithTheirFold) {
  std::vector<int64_t> bases = {-3, -2, -1, 0, 1, 2, 3, 10},
                       exponents = {-65, -64, -3, -2, -1, 0,  1,   2,
                                    31,  32,  62, 63, 64, 65, 101, 1234567891};
  int64_t rows = bases.size(), columns = exponents.size();
  Values xs(bases.begin(), bases.end()), ns(exponents.begin(), exponents.end());
  for (unsigned width : {32, 64}) {
    SCOPED_TRACE(width);
    std::string dtype = "i" + std::to_string(width);
    Type element = IntegerType::get(context.get(), width);
    auto folded = onnx::evaluate(
        onnx::Binary::Pow, onnx::Tensor::ofInts(element, {rows, 1}, bases),
        onnx::Tensor::ofInts(element, {columns}, exponents));
    ASSERT_TRUE(folded);
    int64_t half = int64_t(1) << width / 2;
    Values high, low;
    for (int64_t value : folded->ints) {
      high.push_back(value / half);
      low.push_back(value % half);
    }
    std::string a = type({rows, 1}, dtype.c_str()),
                b = type({columns}, dtype.c_str()),
                t = type({rows, columns}, dtype.c_str()),
                s = type({}, dtype.c_str()), with = " : " + t + ", ";
    auto results =
        run("(%a: " + a + ", %b: " + b + ") -> (" + t + ", " + t + ")",
            "%p = onnx.pow %a, %b : " + a + ", " + b + " -> " + t +
                "\n%c = onnx.constant dense<" + std::to_string(half) +
                "> : " + s + " : " + s + "\n%h = onnx.div %p, %c" + with + s +
                " -> " + t + "\n%m = onnx.mul %h, %c" + with + s + " -> " + t +
                "\n%l = onnx.sub %p, %m" + with + t + " -> " + t,
            "%h, %l : " + t + ", " + t, {xs, ns});
    expectNear(results[0], high, 0);
    expectNear(results[1], low, 0);
  }
}

TEST_F(Forward, CastsBetweenAllTypes) {
  Values x = {0, 1, -1, 2.75, -2.75, 100, -7};
  for (const char *from : {"f32", "f64", "i64", "i32", "i1"})
    for (const char *to : {"f32", "f64", "i64", "i32", "i1"}) {
      SCOPED_TRACE(std::string(from) + " to " + to);
      std::string a = type({7}, from), y = type({7}, to);
      Values inputs, wanted;
      for (double value : x) {
        if (from[0] == 'i')
          value = from[1] == '1' ? value != 0 : std::trunc(value);
        inputs.push_back(value);
        bool isBool = std::string(to) == "i1";
        wanted.push_back(isBool         ? value != 0
                         : to[0] == 'i' ? std::trunc(value)
                                        : value);
      }
      expectNear(run("(%x: " + a + ") -> " + y,
                     "%y = onnx.cast %x : " + a + " -> " + y, "%y : " + y,
                     {inputs})[0],
                 wanted, 0);
    }
}

TEST_F(Forward, LogicOnBooleans) {
  std::string t = "tensor<4xi1>";
  auto results = run(
      "(%a: " + t + ", %b: " + t + ") -> (" + t + ", " + t + ", " + t + ")",
      "%x = onnx.and %a, %b : " + t + ", " + t + " -> " + t +
          "\n%y = onnx.or %a, %b : " + t + ", " + t + " -> " + t +
          "\n%z = onnx.not %a : " + t + " -> " + t,
      "%x, %y, %z : " + t + ", " + t + ", " + t, {{0, 0, 1, 1}, {0, 1, 0, 1}});
  expectNear(results[0], {0, 0, 0, 1}, 0);
  expectNear(results[1], {0, 1, 1, 1}, 0);
  expectNear(results[2], {1, 1, 0, 0}, 0);
}
} // namespace
