//===- GradientTest.cpp - Gradients against central differences -----------===//
//
// Every differentiable op, with its kinds of broadcasting and attributes, in
// f64: the gradient of sum(y * w) that the compiler builds and compiles,
// against central differences of the compiled forward. For each case a mutant
// (the gradient times 1.01, and its negative) must fail the same check.
//
//===----------------------------------------------------------------------===//
#include "passes/Train/Differentiate.h"
#include "test/passes/Kernel/KernelExecutor.h"

#include "mlir/Parser/Parser.h"
#include "llvm/ADT/StringSet.h"

#include <cctype>
#include <cmath>
#include <gtest/gtest.h>
#include <random>

using namespace mlir;
using namespace fsdp;
using namespace fsdp::test;

namespace {
constexpr double kTolerance = 1e-6;
constexpr double kStep = 1e-4;

struct Case {
  const char *name;
  const char *inputs; ///< "%a: tensor<2x3xf64>, ..."; i64 inputs are indices
  const char *body;   ///< ops that end in %y
  const char *result; ///< type of %y
  double low = -2, high = 2;
  int64_t indices = 4; ///< i64 inputs lie in [0, indices)
};

// tensor<...> by shape, for short cases.
#define T(SHAPE) "tensor<" SHAPE "xf64>"
#define UNARY(OP, LOW, HIGH)                                                   \
  {#OP,                                                                        \
   "%a: " T("2x3"),                                                            \
   "%y = onnx." #OP " %a : " T("2x3") " -> " T("2x3"),                         \
   T("2x3"),                                                                   \
   LOW,                                                                        \
   HIGH}
/// A step function has gradient 0: x times it has the step as its own.
#define STEP(OP)                                                               \
  {#OP,                                                                        \
   "%a: " T("2x3"),                                                            \
   "%s = onnx." #OP                                                            \
   " %a : " T("2x3") " -> " T("2x3") "\n%y = onnx.mul %s, %a : " T(            \
       "2x3") ", " T("2x3") " -> " T("2x3"),                                   \
   T("2x3"),                                                                   \
   0.6,                                                                        \
   1.4}
/// All kinds of broadcasting.
#define BINARY(OP, LOW, HIGH)                                                  \
  {#OP "_same",                                                                \
   "%a: " T("2x3") ", %b: " T("2x3"),                                          \
   "%y = onnx." #OP " %a, %b : " T("2x3") ", " T("2x3") " -> " T("2x3"),       \
   T("2x3"),                                                                   \
   LOW,                                                                        \
   HIGH},                                                                      \
      {#OP "_row",                                                             \
       "%a: " T("2x3") ", %b: " T("3"),                                        \
       "%y = onnx." #OP " %a, %b : " T("2x3") ", " T("3") " -> " T("2x3"),     \
       T("2x3"),                                                               \
       LOW,                                                                    \
       HIGH},                                                                  \
      {#OP "_both",                                                            \
       "%a: " T("2x1x2") ", %b: " T("3x1"),                                    \
       "%y = onnx." #OP                                                        \
       " %a, %b : " T("2x1x2") ", " T("3x1") " -> " T("2x3x2"),                \
       T("2x3x2"),                                                             \
       LOW,                                                                    \
       HIGH},                                                                  \
  {                                                                            \
    #OP "_scalar", "%a: tensor<f64>, %b: " T("2x3"),                           \
        "%y = onnx." #OP " %a, %b : tensor<f64>, " T("2x3") " -> " T("2x3"),   \
        T("2x3"), LOW, HIGH                                                    \
  }
#define POW_CONSTANT(NAME, EXPONENT)                                           \
  {"pow_" NAME,                                                                \
   "%a: " T("2x3"),                                                            \
   "%p = onnx.constant dense<" EXPONENT "> : tensor<f64> : tensor<f64>\n"      \
   "%y = onnx.pow %a, %p : " T("2x3") ", tensor<f64> -> " T("2x3"),            \
   T("2x3"),                                                                   \
   0.5,                                                                        \
   2}
#define REDUCE(OP, NAME, AXES, KEEP, RESULT)                                   \
  {#OP NAME, "%a: " T("2x3x4"),                                                \
   "%y = onnx." #OP " %a " AXES " keepdims " KEEP                              \
   " : " T("2x3x4") " -> " RESULT,                                             \
   RESULT}
#define REDUCES(OP)                                                            \
  REDUCE(OP, "_last", "[2]", "false", T("2x3")),                               \
      REDUCE(OP, "_first", "[0]", "true", T("1x3x4")),                         \
      REDUCE(OP, "_middle", "[1]", "false", T("2x4")),                         \
      REDUCE(OP, "_outer", "[0, 2]", "false", T("3")),                         \
      REDUCE(OP, "_all", "[0, 1, 2]", "false", "tensor<f64>")
#define MATMUL(NAME, A, B, ATTRS, RESULT)                                      \
  {"matmul" NAME, "%a: " T(A) ", %b: " T(B),                                   \
   "%y = onnx.matmul %a, %b " ATTRS " : " T(A) ", " T(B) " -> " T(RESULT),     \
   T(RESULT)}

#define ATTENTION(NAME, Q, K, V, SUMS, Y, ATTRS)                               \
  {"attention" NAME, "%q: " T(Q) ", %k: " T(K) ", %v: " T(V),                  \
   "%y, %max, %sum = onnx.attention %q, %k, %v scale 0.7 " ATTRS " : (" T(     \
       Q) ", " T(K) ", " T(V) ") -> (" T(Y) ", " T(SUMS) ", " T(SUMS) ")",     \
   T(Y)}

const Case kCases[] = {
    UNARY(neg, -2, 2),
    UNARY(abs, 0.5, 2),
    UNARY(exp, -2, 2),
    UNARY(log, 0.5, 2),
    UNARY(sqrt, 0.5, 2),
    UNARY(reciprocal, 0.5, 2),
    UNARY(sin, -2, 2),
    UNARY(cos, -2, 2),
    UNARY(tan, -1, 1),
    UNARY(asin, -0.8, 0.8),
    UNARY(acos, -0.8, 0.8),
    UNARY(atan, -2, 2),
    UNARY(sinh, -2, 2),
    UNARY(cosh, 0.2, 2),
    UNARY(asinh, -2, 2),
    UNARY(acosh, 1.2, 3),
    UNARY(atanh, -0.8, 0.8),
    UNARY(expm1, -2, 2),
    UNARY(log1p, -0.5, 2),
    UNARY(softplus, -2, 2),
    STEP(floor),
    STEP(ceil),
    STEP(round),
    STEP(sign),
    UNARY(tanh, -2, 2),
    UNARY(sigmoid, -2, 2),
    UNARY(erf, -2, 2),
    UNARY(relu, 0.5, 2),
    UNARY(gelu, -2, 2),
    {"abs_negative", "%a: " T("4"), "%y = onnx.abs %a : " T("4") " -> " T("4"),
     T("4"), -2, -0.5},
    {"gelu_tanh", "%a: " T("2x3"),
     "%y = onnx.gelu %a {tanh} : " T("2x3") " -> " T("2x3"), T("2x3")},
    BINARY(add, -2, 2),
    BINARY(sub, -2, 2),
    BINARY(mul, -2, 2),
    BINARY(div, 0.5, 2),
    BINARY(pow, 0.5, 2),
    BINARY(mod, 0.5, 2),
    BINARY(fmod, 0.5, 2),
    BINARY(max, -2, 2),
    BINARY(min, -2, 2),
    POW_CONSTANT("1", "1.0"),
    POW_CONSTANT("2", "2.0"),
    POW_CONSTANT("3", "3.0"),
    POW_CONSTANT("half", "0.5"),
    POW_CONSTANT("other", "1.7"),
    POW_CONSTANT("minus_half", "-0.5"),
    {"square_twice_used", "%a: " T("2x3"),
     "%y = onnx.mul %a, %a : " T("2x3") ", " T("2x3") " -> " T("2x3"),
     T("2x3")},
    {"where", "%a: " T("2x3") ", %b: " T("3") ", %i: tensor<2x3xi64>",
     "%z = onnx.constant dense<1> : tensor<i64> : tensor<i64>\n"
     "%c = onnx.greater %i, %z : tensor<2x3xi64>, tensor<i64> -> "
     "tensor<2x3xi1>\n"
     "%y = onnx.where %c, %a, %b : tensor<2x3xi1>, " T("2x3") ", " T(
         "3") " -> " T("2x3"),
     T("2x3")},
    {"cast", "%a: " T("4"),
     "%f = onnx.cast %a : " T("4") " -> " T(
         "4") "\n"
              "%y = onnx.mul %f, %f : " T("4") ", " T("4") " -> " T("4"),
     T("4")},
    {"transpose", "%a: " T("2x3x4"),
     "%y = onnx.transpose %a [2, 0, 1] : " T("2x3x4") " -> " T("4x2x3"),
     T("4x2x3")},
    {"reshape", "%a: " T("2x3"),
     "%y = onnx.reshape %a : " T("2x3") " -> " T("3x2"), T("3x2")},
    {"expand", "%a: " T("3x1"),
     "%y = onnx.expand %a : " T("3x1") " -> " T("2x3x4"), T("2x3x4")},
    {"slice", "%a: " T("4x5"),
     "%y = onnx.slice %a from [1, 0] by [1, 2] : " T("4x5") " -> " T("2x3"),
     T("2x3")},
    {"slice_backwards", "%a: " T("5"),
     "%y = onnx.slice %a from [4] by [-2] : " T("5") " -> " T("3"), T("3")},
    {"pad", "%a: " T("2x3"),
     "%y = onnx.pad %a at [1, 0] by [1, 2] value 1.5 : " T("2x3") " -> " T(
         "4x6"),
     T("4x6")},
    {"pad_cropped", "%a: " T("4"),
     "%y = onnx.pad %a at [-1] by [1] value 0.0 : " T("4") " -> " T("5"),
     T("5")},
    {"concat", "%a: " T("2x2") ", %b: " T("2x3"),
     "%y = onnx.concat %a, %b axis 1 : " T("2x2") ", " T("2x3") " -> " T("2x5"),
     T("2x5")},
    {"concat_rows", "%a: " T("1x2") ", %b: " T("3x2"),
     "%y = onnx.concat %a, %b axis 0 : " T("1x2") ", " T("3x2") " -> " T("4x2"),
     T("4x2")},
    {"split_one_unused", "%a: " T("2x5"),
     "%p, %y, %q = onnx.split %a axis 1 : " T("2x5") " -> " T("2x1") ", " T(
         "2x3") ", " T("2x1"),
     T("2x3")},
    {"split_all_used", "%a: " T("4x2"),
     "%p, %q = onnx.split %a axis 0 : " T("4x2") " -> " T("2x2") ", " T(
         "2x2") "\n"
                "%y = onnx.mul %p, %q : " T("2x2") ", " T("2x2") " -> " T(
                    "2x2"),
     T("2x2")},
    REDUCES(reduce_sum),
    REDUCES(reduce_mean),
    REDUCES(reduce_max),
    MATMUL("", "2x3", "3x4", "", "2x4"),
    MATMUL("_ta", "3x2", "3x4", "{transA}", "2x4"),
    MATMUL("_tb", "2x3", "4x3", "{transB}", "2x4"),
    MATMUL("_tatb", "3x2", "4x3", "{transA, transB}", "2x4"),
    MATMUL("_weight", "2x2x3", "3x4", "", "2x2x4"),
    MATMUL("_weight_tb", "2x2x3", "4x3", "{transB}", "2x2x4"),
    MATMUL("_batch", "2x2x3", "2x3x2", "", "2x2x2"),
    MATMUL("_batch_ta", "2x3x2", "2x3x2", "{transA}", "2x2x2"),
    MATMUL("_batch_tatb", "2x3x2", "2x2x3", "{transA, transB}", "2x2x2"),
    MATMUL("_broadcast", "2x1x2x3", "3x3x2", "", "2x3x2x2"),
    {"softmax", "%a: " T("2x5"),
     "%y = onnx.softmax %a : " T("2x5") " -> " T("2x5"), T("2x5")},
    ATTENTION("", "2x2x3x2", "2x2x3x2", "2x2x3x2", "2x2x3", "2x2x3x2", ""),
    ATTENTION("_causal", "1x2x4x2", "1x2x4x2", "1x2x4x2", "1x2x4", "1x2x4x2",
              "{causal}"),
    ATTENTION("_causal_prefix", "1x1x2x2", "1x1x5x2", "1x1x5x3", "1x1x2",
              "1x1x2x3", "{causal}"),
    ATTENTION("_grouped", "1x4x2x3", "1x2x3x3", "1x2x3x2", "1x4x2", "1x4x2x2",
              ""),
    {"attention_mask",
     "%q: " T("2x1x2x2") ", %k: " T("2x1x3x2") ", %v: " T("2x1x3x2"),
     "%m = onnx.constant dense<[[0.5, -1.0e30, -0.5], [-2.0e38, 1.0, "
     "-0.25]]> : " T("2x3") " : " T(
         "2x3") "\n"
                "%y, %max, %sum = onnx.attention %q, %k, %v mask %m scale 0.7 "
                ": (" T("2x1x2x2") ", " T("2x1x3x2") ", " T("2x1x3x2") ", " T(
                    "2x3") ") -> (" T("2x1x2x2") ", " T("2x1x2") ", " T("2x1x2") ")",
     T("2x1x2x2")},
    {"layer_norm", "%a: " T("2x5") ", %s: " T("5") ", %b: " T("5"),
     "%y, %m, %r = onnx.layer_normalization %a, %s, %b epsilon 1.0e-5 : "
     "(" T("2x5") ", " T("5") ", " T("5") ") -> (" T("2x5") ", " T("2") ", " T(
         "2") ")",
     T("2x5")},
    {"rms_norm", "%a: " T("2x3x4") ", %s: " T("4"),
     "%y, %r = onnx.rms_normalization %a, %s epsilon 1.0e-3 : (" T(
         "2x3x4") ", " T("4") ") -> (" T("2x3x4") ", " T("2x3") ")",
     T("2x3x4")},
    {"layer_norm_no_bias", "%a: " T("3x4") ", %s: " T("4"),
     "%y, %m, %r = onnx.layer_normalization %a, %s epsilon 1.0e-3 : (" T(
         "3x4") ", " T("4") ") -> (" T("3x4") ", " T("3") ", " T("3") ")",
     T("3x4")},
};

#include "test/gradients/IndexCases.h"

std::ostream &operator<<(std::ostream &os, const Case &c) {
  return os << c.name;
}

bool isFloat(Type type) {
  return isa<FloatType>(cast<RankedTensorType>(type).getElementType());
}

class Gradient : public ::testing::TestWithParam<Case> {
protected:
  void parse() {
    context = createContext();
    const Case &c = GetParam();
    std::string text = std::string("func.func @f(") + c.inputs + ") -> " +
                       c.result + " {\n" + c.body +
                       "\nreturn %y : " + c.result + "\n}";
    module = parseSourceString<ModuleOp>(text, context.get());
    ASSERT_TRUE(module) << text;
    forward = *module->getOps<func::FuncOp>().begin();
  }

  Tensor random(Type type) {
    const Case &c = GetParam();
    auto tensor = cast<RankedTensorType>(type);
    Tensor result(tensor);
    std::uniform_real_distribution<double> real(c.low, c.high);
    std::uniform_int_distribution<int64_t> index(0, c.indices - 1);
    for (int64_t i = 0; i < result.size(); ++i)
      result.set(i, isFloat(type) ? real(engine) : double(index(engine)));
    return result;
  }

  /// sum(y * w) of the compiled forward.
  double loss(const std::vector<Tensor> &inputs, const Tensor &w) {
    auto results = executor.run(forward, inputs);
    EXPECT_TRUE(results) << executor.message();
    double sum = 0;
    for (int64_t i = 0; results && i < w.size(); ++i)
      sum += results->front().get(i) * w.get(i);
    return sum;
  }

  /// The function of (inputs..., w) that returns the gradients.
  func::FuncOp buildBackward() {
    auto backward = cast<func::FuncOp>(forward->clone());
    backward.setName("g");
    module->push_back(backward);
    Block &block = backward.getBody().front();
    Operation *terminator = block.getTerminator();
    Value y = terminator->getOperand(0);
    Value seed = block.addArgument(y.getType(), y.getLoc());
    SmallVector<Value> wrt, grads;
    for (BlockArgument arg : block.getArguments().drop_back())
      if (isFloat(arg.getType()))
        wrt.push_back(arg);
    OpBuilder builder(terminator);
    bool built = succeeded(differentiate(builder, y, seed, wrt, grads)) &&
                 llvm::none_of(grads, [](Value grad) { return !grad; });
    EXPECT_TRUE(built) << "an input has no gradient";
    if (!built)
      return nullptr;
    terminator->setOperands(grads);
    backward.setType(FunctionType::get(context.get(), block.getArgumentTypes(),
                                       ValueRange(grads).getTypes()));
    return backward;
  }

  /// Fourth-order central difference in element `i` of input `n`.
  double difference(std::vector<Tensor> inputs, const Tensor &w, size_t n,
                    int64_t i) {
    auto at = [&](double offset) {
      std::vector<Tensor> moved = inputs;
      moved[n] = inputs[n].copy();
      moved[n].set(i, inputs[n].get(i) + offset);
      return loss(moved, w);
    };
    return (8 * (at(kStep) - at(-kStep)) - (at(2 * kStep) - at(-2 * kStep))) /
           (12 * kStep);
  }

  /// Largest difference of `factor` times the gradient, relative to the largest
  /// gradient of that input.
  static double error(const std::vector<double> &wanted, const Tensor &grad,
                      double factor) {
    double most = 1e-3, worst = 0;
    for (double value : wanted)
      most = std::max(most, std::abs(value));
    for (size_t i = 0; i < wanted.size(); ++i)
      worst = std::max(worst, std::abs(factor * grad.get(i) - wanted[i]));
    return worst / most;
  }

  std::unique_ptr<MLIRContext> context;
  OwningOpRef<ModuleOp> module;
  func::FuncOp forward;
  KernelExecutor executor;
  std::mt19937_64 engine{11};
};

TEST_P(Gradient, MatchesCentralDifferences) {
  parse();
  if (!forward)
    return;
  std::vector<Tensor> inputs;
  for (Type type : forward.getArgumentTypes())
    inputs.push_back(random(type));
  Tensor w(cast<RankedTensorType>(forward.getResultTypes().front()));
  std::uniform_real_distribution<double> weight(0.5, 1.5);
  for (int64_t i = 0; i < w.size(); ++i)
    w.set(i, weight(engine));
  std::vector<Tensor> all = inputs;
  all.push_back(w);
  func::FuncOp backward = buildBackward();
  ASSERT_TRUE(backward);
  auto grads = executor.run(backward, all);
  ASSERT_TRUE(grads) << executor.message();

  size_t next = 0;
  for (size_t n = 0; n < inputs.size(); ++n) {
    if (!isFloat(inputs[n].getType()))
      continue;
    const Tensor &grad = (*grads)[next++];
    std::vector<double> wanted;
    for (int64_t i = 0; i < inputs[n].size(); ++i)
      wanted.push_back(difference(inputs, w, n, i));
    EXPECT_LT(error(wanted, grad, 1), kTolerance) << "input " << n;
    EXPECT_GT(error(wanted, grad, 1.01), kTolerance)
        << "a wrong factor is not noticed: input " << n;
    EXPECT_GT(error(wanted, grad, -1), kTolerance)
        << "a wrong sign is not noticed: input " << n;
  }
}

INSTANTIATE_TEST_SUITE_P(All, Gradient, ::testing::ValuesIn(kCases),
                         [](const auto &info) { return info.param.name; });

INSTANTIATE_TEST_SUITE_P(Index, Gradient, ::testing::ValuesIn(kIndexCases),
                         [](const auto &info) { return info.param.name; });

/// Tests that the tables above have every op that says it is differentiable.
TEST(GradientTable, HasEveryDifferentiableOp) {
  auto context = createContext();
  llvm::StringSet<> tested;
  std::vector<Case> cases(std::begin(kCases), std::end(kCases));
  cases.insert(cases.end(), std::begin(kIndexCases), std::end(kIndexCases));
  for (const Case &c : cases) {
    StringRef rest = c.body;
    while (true) {
      size_t at = rest.find("onnx.");
      if (at == StringRef::npos)
        break;
      rest = rest.drop_front(at);
      tested.insert(rest.take_while([](char x) {
        return std::isalnum((unsigned char)x) || x == '_' || x == '.';
      }));
      rest = rest.drop_front(5);
    }
  }
  for (RegisteredOperationName name : context->getRegisteredOperations())
    if (name.hasInterface<onnx::DifferentiableOpInterface>())
      EXPECT_TRUE(tested.contains(name.getStringRef()))
          << name.getStringRef().str() << " has no gradient test";
}
} // namespace
