//===- KernelTestBase.cpp - Runs a few ops and compares -------------------===//
#include "test/passes/Kernel/KernelTestBase.h"
#include "passes/Kernel/Passes.h"

#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"

#include <cmath>

using namespace mlir;
using namespace fsdp;
using namespace fsdp::test;

std::string KernelTest::type(ArrayRef<int64_t> shape, const char *dtype) {
  std::string text = "tensor<";
  for (int64_t extent : shape)
    text += std::to_string(extent) + "x";
  return text + dtype + ">";
}

KernelTest::Values KernelTest::random(int64_t count, double low, double high) {
  std::uniform_real_distribution<double> uniform(low, high);
  Values values(count);
  for (double &value : values)
    value = float(uniform(engine));
  return values;
}

KernelTest::Values KernelTest::halves(int64_t count, double low, double high) {
  auto type = RankedTensorType::get({count}, BFloat16Type::get(context.get()));
  return Tensor(type, random(count, low, high)).values();
}

func::FuncOp KernelTest::parse(const std::string &signature,
                               const std::string &body,
                               const std::string &returned,
                               const std::vector<Values> &values,
                               std::vector<Tensor> &inputs) {
  std::string text = "func.func @f" + signature + " {\n" + body + "\nreturn " +
                     returned + "\n}";
  module = parseSourceString<ModuleOp>(text, context.get());
  EXPECT_TRUE(bool(module)) << text;
  if (!module)
    return nullptr;
  auto func = *module->getOps<func::FuncOp>().begin();
  for (auto [i, argument] : llvm::enumerate(func.getArgumentTypes()))
    inputs.emplace_back(cast<RankedTensorType>(argument), values[i]);
  return func;
}

std::vector<Tensor> KernelTest::run(const std::string &signature,
                                    const std::string &body,
                                    const std::string &returned,
                                    const std::vector<Values> &values) {
  std::vector<Tensor> inputs;
  func::FuncOp func = parse(signature, body, returned, values, inputs);
  if (!func)
    return {};
  auto results = executor.run(func, inputs);
  EXPECT_TRUE(results.has_value()) << executor.message();
  if (results)
    return *results;
  std::vector<Tensor> zeros;
  for (Type result : func.getResultTypes())
    zeros.emplace_back(cast<RankedTensorType>(result));
  return zeros;
}

int32_t KernelTest::status(const std::string &signature,
                           const std::string &body, const std::string &returned,
                           const std::vector<Values> &values) {
  std::vector<Tensor> inputs, outputs;
  func::FuncOp func = parse(signature, body, returned, values, inputs);
  if (!func)
    return -1;
  PassManager manager(context.get());
  manager.addPass(createKernelFormGroups());
  EXPECT_TRUE(succeeded(manager.run(*module)));
  auto kernel = *func.getOps<train::KernelOp>().begin();
  for (Type result : kernel.getOutputs().getTypes())
    outputs.emplace_back(cast<RankedTensorType>(result));
  return executor.launch(kernel, inputs, outputs);
}

static double largest(const std::vector<double> &values) {
  double most = 0;
  for (double value : values)
    most = std::max(most, std::abs(value));
  return most;
}

void KernelTest::expectNear(const Tensor &result, const Values &wanted,
                            double tolerance) {
  ASSERT_EQ(size_t(result.size()), wanted.size());
  double most = largest(wanted);
  for (size_t i = 0; i < wanted.size(); ++i)
    ASSERT_LE(std::abs(result.get(i) - wanted[i]), tolerance * most)
        << "element " << i << " is " << result.get(i) << ", wanted "
        << wanted[i];
}

void KernelTest::expectRounded(const Tensor &result, const Values &wanted,
                               double tolerance) {
  ASSERT_EQ(size_t(result.size()), wanted.size());
  ASSERT_TRUE(result.getType().getElementType().isBF16());
  double most = largest(wanted);
  for (size_t i = 0; i < wanted.size(); ++i) {
    // Half of the last of bf16's 8 binary digits.
    double half = wanted[i] == 0 ? 0 : std::ldexp(1, std::ilogb(wanted[i]) - 8);
    ASSERT_LE(std::abs(result.get(i) - wanted[i]), half + tolerance * most)
        << "element " << i << " is " << result.get(i) << ", wanted "
        << wanted[i];
  }
}
