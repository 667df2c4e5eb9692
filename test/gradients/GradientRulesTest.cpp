//===- GradientRulesTest.cpp - Gradients where differences cannot tell ----===//
//
// Kinks and ties, where a central difference is not the gradient that PyTorch
// takes, values that have none, and what the sweep refuses.
//
//===----------------------------------------------------------------------===//
#include "passes/Train/Differentiate.h"
#include "test/passes/Kernel/KernelExecutor.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/Parser/Parser.h"

#include <cmath>
#include <gtest/gtest.h>
#include <limits>

using namespace mlir;
using namespace fsdp;
using namespace fsdp::test;

namespace {
using Values = std::vector<double>;

class GradientRules : public ::testing::Test {
protected:
  /// Parses `func @f(arguments) -> result { body return %y }` and replaces its
  /// result by the gradients of sum(y) over the floating arguments.
  bool differentiateText(const std::string &arguments,
                         const std::string &result, const std::string &body) {
    std::string text = "func.func @f(" + arguments + ") -> " + result + " {\n" +
                       body + "\nreturn %y : " + result + "\n}";
    module = parseSourceString<ModuleOp>(text, context.get());
    EXPECT_TRUE(bool(module)) << text;
    func = *module->getOps<func::FuncOp>().begin();
    Operation *terminator = func.getBody().front().getTerminator();
    Value y = terminator->getOperand(0);
    OpBuilder b(terminator);
    auto type = cast<RankedTensorType>(y.getType());
    Value ones = b.create<onnx::ConstantOp>(
        func.getLoc(), type,
        DenseElementsAttr::get(type,
                               b.getFloatAttr(type.getElementType(), 1.0)));
    SmallVector<Value> wrt, grads;
    for (Value argument : func.getArguments())
      if (isa<FloatType>(
              cast<RankedTensorType>(argument.getType()).getElementType()))
        wrt.push_back(argument);
    if (failed(differentiate(b, y, ones, wrt, grads)))
      return false;
    terminator->setOperands(grads);
    func.setType(FunctionType::get(context.get(), func.getArgumentTypes(),
                                   ValueRange(grads).getTypes()));
    return true;
  }

  std::vector<Values> gradients(const std::string &arguments,
                                const std::string &result,
                                const std::string &body,
                                const std::vector<Values> &inputs) {
    EXPECT_TRUE(differentiateText(arguments, result, body));
    std::vector<Tensor> tensors;
    for (auto [i, type] : llvm::enumerate(func.getArgumentTypes()))
      tensors.emplace_back(cast<RankedTensorType>(type), inputs[i]);
    auto results = executor.run(func, tensors);
    EXPECT_TRUE(results.has_value()) << executor.message();
    std::vector<Values> values;
    for (const Tensor &tensor : results.value_or(std::vector<Tensor>()))
      values.push_back(tensor.values());
    return values;
  }

  /// The message with which the sweep refuses, "" when it does not.
  std::string refusal(const std::string &arguments, const std::string &result,
                      const std::string &body) {
    std::string message;
    ScopedDiagnosticHandler handler(context.get(), [&](Diagnostic &diagnostic) {
      message += diagnostic.str();
      return success();
    });
    EXPECT_FALSE(differentiateText(arguments, result, body));
    return message;
  }

  std::unique_ptr<MLIRContext> context = createContext();
  OwningOpRef<ModuleOp> module;
  func::FuncOp func;
  KernelExecutor executor;
};

const std::string kTwo = "tensor<2xf64>", kFour = "tensor<4xf64>";

TEST_F(GradientRules, TiesShareTheGradient) {
  for (std::string op : {"max", "min"}) {
    double larger = op == "max";
    auto grads = gradients("%a: " + kTwo + ", %b: " + kTwo, kTwo,
                           "%y = onnx." + op + " %a, %b : " + kTwo + ", " +
                               kTwo + " -> " + kTwo,
                           {{1, 3}, {1, 2}});
    EXPECT_EQ(grads[0], Values({0.5, larger}));
    EXPECT_EQ(grads[1], Values({0.5, 1 - larger}));
  }
  auto grads =
      gradients("%a: " + kFour, "tensor<f64>",
                "%y = onnx.reduce_max %a [0] keepdims false : " + kFour +
                    " -> tensor<f64>",
                {{2, 5, 5, -1}});
  EXPECT_EQ(grads[0], Values({0, 0.5, 0.5, 0}));
}

TEST_F(GradientRules, KinksHaveNoSlope) {
  EXPECT_EQ(gradients("%a: " + kFour, kFour,
                      "%y = onnx.abs %a : " + kFour + " -> " + kFour,
                      {{-2, -0.0, 0, 3}})[0],
            Values({-1, 0, 0, 1}));
  EXPECT_EQ(gradients("%a: " + kFour, kFour,
                      "%y = onnx.relu %a : " + kFour + " -> " + kFour,
                      {{-2, -0.0, 0, 3}})[0],
            Values({0, 0, 0, 1}));
  // As by its argument, also where that is tiny, infinite or no number.
  double inf = std::numeric_limits<double>::infinity();
  EXPECT_EQ(gradients("%a: " + kFour, kFour,
                      "%y = onnx.relu %a : " + kFour + " -> " + kFour,
                      {{1e-300, -inf, inf, inf - inf}})[0],
            Values({1, 0, 1, 0}));
}

/// Tests that steps have zeros as gradient, not none: PyTorch's weights decay
/// all the same.
TEST_F(GradientRules, StepsHaveZeros) {
  for (std::string op : {"floor", "ceil", "round", "sign"})
    EXPECT_EQ(gradients("%a: " + kFour, kFour,
                        "%y = onnx." + op + " %a : " + kFour + " -> " + kFour,
                        {{-1.5, -0.0, 0.5, 2}})[0],
              Values({0, 0, 0, 0}));
}

TEST_F(GradientRules, SoftplusAndExpm1AtTheirEnds) {
  for (std::string dtype : {"f32", "f64"}) {
    std::string t = "tensor<4x" + dtype + ">";
    auto slope =
        gradients("%a: " + t, t, "%y = onnx.softplus %a : " + t + " -> " + t,
                  {{-1000, 0, 30, 1000}});
    EXPECT_EQ(slope[0][0], 0);
    EXPECT_EQ(slope[0][1], 0.5);
    EXPECT_NEAR(slope[0][2], 1, 1e-7);
    EXPECT_EQ(slope[0][3], 1);
    EXPECT_EQ(gradients("%a: " + t, t, "%y = onnx.expm1 %a : " + t + " -> " + t,
                        {{-1000, 0, -0.0, -1e-30}})[0],
              Values({0, 1, 1, 1}));
  }
}

TEST_F(GradientRules, PowOfNegativeAndZeroBases) {
  std::string body =
      "%y = onnx.pow %a, %b : " + kFour + ", " + kFour + " -> " + kFour;
  auto grads = gradients("%a: " + kFour + ", %b: " + kFour, kFour, body,
                         {{-2, 0, 0, 2}, {3, 2, 0, 2}});
  EXPECT_NEAR(grads[0][0], 12, 1e-12);
  EXPECT_EQ(grads[0][1], 0);
  EXPECT_EQ(grads[0][2], 0); // x^0 is constant
  EXPECT_NEAR(grads[0][3], 4, 1e-12);
  // As torch.pow: no real derivative over the exponent of a negative base.
  EXPECT_TRUE(std::isnan(grads[1][0]));
  EXPECT_EQ(grads[1][1], 0);
  EXPECT_EQ(grads[1][2], 0);
  EXPECT_NEAR(grads[1][3], 4 * std::log(2), 1e-12);
  EXPECT_EQ(gradients("%a: " + kFour + ", %b: " + kFour, kFour, body,
                      {{0, 0, 0, 0}, {-1, -2, 1, 3}})[1][0],
            -std::numeric_limits<double>::infinity());
  for (auto [exponent, factor] :
       {std::pair(0.0, 0.0), {1.0, 1.0}, {2.0, 2.0}, {3.0, 3.0}}) {
    std::string text = std::to_string(exponent);
    auto constant = gradients(
        "%a: " + kTwo, kTwo,
        "%p = onnx.constant dense<" + text +
            "> : tensor<f64> : tensor<f64>\n%y = onnx.pow %a, %p : " + kTwo +
            ", tensor<f64> -> " + kTwo,
        {{-1.5, 0}});
    EXPECT_NEAR(constant[0][0], factor * std::pow(-1.5, exponent - 1), 1e-12);
    EXPECT_EQ(constant[0][1], exponent == 1 ? 1 : 0);
  }
}

/// Tests that the gradient of a quotient is there as long as the quotient is:
/// the divisors' squares are not in f32.
TEST_F(GradientRules, QuotientOfLargeAndSmall) {
  std::string t = "tensor<4xf32>";
  auto grads = gradients("%a: " + t + ", %b: " + t, t,
                         "%y = onnx.div %a, %b : " + t + ", " + t + " -> " + t,
                         {{6e20, -6e20, 6e-25, 1}, {3e20, 3e20, 3e-25, 4}});
  EXPECT_NEAR(grads[1][0] * 3e20, -2, 1e-6);
  EXPECT_NEAR(grads[1][1] * 3e20, 2, 1e-6);
  EXPECT_NEAR(grads[1][2] * 3e-25, -2, 1e-6);
  EXPECT_NEAR(grads[1][3], -1.0 / 16, 1e-9);
}

TEST_F(GradientRules, PaddingRowGetsNone) {
  auto grads =
      gradients("%t: tensor<3x2xf64>, %i: tensor<4xi64>", "tensor<4x2xf64>",
                "%y = onnx.gather %t, %i {padding_idx = 1 : i64} : "
                "tensor<3x2xf64>, tensor<4xi64> -> tensor<4x2xf64>",
                {Values(6, 1.0), {0, 1, 1, 0}});
  EXPECT_EQ(grads[0], Values({2, 2, 0, 0, 0, 0}));
}

TEST_F(GradientRules, CroppingPadDropsGradients) {
  auto grads =
      gradients("%a: " + kFour, "tensor<5xf64>",
                "%y = onnx.pad %a at [-2] by [3] value 0.0 : " + kFour +
                    " -> tensor<5xf64>",
                {{1, 2, 3, 4}});
  EXPECT_EQ(grads[0], Values({0, 1, 1, 0}));
}

TEST_F(GradientRules, CastsReturnToTheOperandsType) {
  auto grads =
      gradients("%a: " + kTwo, "tensor<2xf32>",
                "%y = onnx.cast %a : " + kTwo + " -> tensor<2xf32>", {{1, 2}});
  EXPECT_EQ(grads[0], Values({1, 1}));
  EXPECT_TRUE(cast<RankedTensorType>(func.getResultTypes()[0])
                  .getElementType()
                  .isF64());
}

TEST_F(GradientRules, GradientsCarryTheScope) {
  ASSERT_TRUE(differentiateText(
      "%a: " + kTwo, kTwo,
      "%y = onnx.gelu %a {scope = \"h.0.mlp\"} : " + kTwo + " -> " + kTwo));
  int built = 0;
  for (Operation &op : func.getBody().front().without_terminator()) {
    if (isa<onnx::ConstantOp>(op) && onnx::getScope(&op).empty())
      continue; // the seed
    EXPECT_EQ(onnx::getScope(&op).str(), "h.0.mlp");
    ++built;
  }
  EXPECT_GT(built, 5);
}

TEST_F(GradientRules, MeanAndDeviationAreRefused) {
  std::string message =
      refusal("%x: tensor<2x3xf64>, %s: tensor<3xf64>", kTwo,
              "%n, %y, %r = onnx.layer_normalization %x, %s epsilon 1.0e-5 : "
              "(tensor<2x3xf64>, tensor<3xf64>) -> (tensor<2x3xf64>, " +
                  kTwo + ", " + kTwo + ")");
  EXPECT_NE(message.find("mean"), std::string::npos) << message;
}

TEST_F(GradientRules, EveryOpWithoutGradientIsNamedInOneError) {
  std::string message =
      refusal("%x: tensor<2x3xf64>", "tensor<2x3xf64>",
              "%a = train.softmax_grad %x, %x {scope = \"h.0\"} : "
              "tensor<2x3xf64>\n"
              "%b = train.softmax_grad %a, %x : tensor<2x3xf64>\n"
              "%s = train.sum_of_squares %b {scope = \"norm\"} : "
              "tensor<2x3xf64> -> tensor<f64>\n"
              "%y = onnx.mul %b, %s : tensor<2x3xf64>, tensor<f64> -> "
              "tensor<2x3xf64>");
  for (const char *part : {"'train.softmax_grad' (2", "'h.0'",
                           "'train.sum_of_squares' (1", "'norm'"})
    EXPECT_NE(message.find(part), std::string::npos) << message;
}

/// The masks of a comparison do not carry gradients, so nothing on their way
/// needs one.
TEST_F(GradientRules, ComparisonsEndThePath) {
  auto grads =
      gradients("%a: " + kFour, kFour,
                "%z = onnx.constant dense<1.0> : tensor<f64> : tensor<f64>\n"
                "%c = onnx.less %a, %z : " +
                    kFour +
                    ", tensor<f64> -> tensor<4xi1>\n"
                    "%y = onnx.where %c, %a, %z : tensor<4xi1>, " +
                    kFour + ", tensor<f64> -> " + kFour,
                {{0, 1, 2, -3}});
  EXPECT_EQ(grads[0], Values({1, 0, 0, 1}));
}

/// a stop_gradient(a) is PyTorch's a * a.detach(): its gradient is a, where
/// that of a * a is 2 a.
TEST_F(GradientRules, StopGradientEndsThePath) {
  ASSERT_TRUE(differentiateText("%a: " + kFour, kFour,
                                "%s = onnx.stop_gradient %a : " + kFour +
                                    "\n%y = onnx.mul %a, %s : " + kFour + ", " +
                                    kFour + " -> " + kFour));
  auto stops = func.getBody().front().getOps<onnx::StopGradientOp>();
  for (auto stop : llvm::make_early_inc_range(stops)) {
    stop.replaceAllUsesWith(stop.getX());
    stop.erase();
  }
  auto type = cast<RankedTensorType>(func.getArgumentTypes()[0]);
  auto results = executor.run(func, {Tensor(type, {1, -2, 3, 0.5})});
  ASSERT_TRUE(results.has_value()) << executor.message();
  EXPECT_EQ((*results)[0].values(), Values({1, -2, 3, 0.5}));
}

TEST_F(GradientRules, CrossEntropyGradMatchesDifferences) {
  std::string text = R"(
    func.func @f(%x: tensor<3x5xf64>, %t: tensor<3xi64>, %s: tensor<f64>)
        -> (tensor<f64>, tensor<3x5xf64>) {
      %l, %e = train.cross_entropy %x, %t ignore -100
        : tensor<3x5xf64>, tensor<3xi64> -> tensor<3xf64>, tensor<3xf64>
      %d = train.cross_entropy_grad %x, %t, %e, %s ignore -100
        : tensor<3x5xf64>, tensor<3xi64>, tensor<3xf64>, tensor<f64>
      %n = onnx.reduce_sum %l [0] keepdims false
        : tensor<3xf64> -> tensor<f64>
      return %n, %d : tensor<f64>, tensor<3x5xf64>
    })";
  module = parseSourceString<ModuleOp>(text, context.get());
  ASSERT_TRUE(bool(module));
  func = *module->getOps<func::FuncOp>().begin();
  auto typeOf = [&](int i) {
    return cast<RankedTensorType>(func.getArgumentTypes()[i]);
  };
  Values x(15);
  for (int i = 0; i < 15; ++i)
    x[i] = std::sin(i * 1.7) * 2;
  auto run = [&](const Values &at) {
    auto results = executor.run(func, {Tensor(typeOf(0), at),
                                       Tensor(typeOf(1), {4, -100, 0}),
                                       Tensor(typeOf(2), {0.5})});
    EXPECT_TRUE(results.has_value()) << executor.message();
    return *results;
  };
  Values grad = run(x)[1].values();
  for (int i = 0; i < 15; ++i) {
    const double h = 1e-5;
    Values up = x, down = x;
    up[i] += h, down[i] -= h;
    double wanted = 0.5 * (run(up)[0].get(0) - run(down)[0].get(0)) / (2 * h);
    EXPECT_NEAR(grad[i], wanted, 1e-9) << i;
    if (i / 5 == 1)
      EXPECT_EQ(grad[i], 0);
  }
}
} // namespace
