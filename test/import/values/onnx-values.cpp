//===- onnx-values.cpp - What an imported model computes ------------------===//
//
//   onnx-values < requests > answers
//
// A request is a line of JSON, {"model": FILE, "inputs": [[...], ...]}, with
// the elements of every input in C order; its answer a line too,
// {"outputs": [{"shape": [...], "values": [...]}, ...]}, and with
// "gradient": true also "gradients", those of the first output's sum over the
// inputs (null for integers). The model is imported, compiled kernel by kernel
// and run; {"error": MESSAGE} where one of these fails. Numbers that JSON has
// not are "nan", "inf" and "-inf" in requests, Python's NaN, Infinity and
// -Infinity in answers.
//
//===----------------------------------------------------------------------===//
#include "dialects/Onnx/Import/Import.h"
#include "passes/Train/Differentiate.h"
#include "test/passes/Kernel/KernelExecutor.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"

#include <cmath>
#include <iostream>
#include <nlohmann/json.hpp>
#include <sstream>

using namespace mlir;
using namespace fsdp;
using namespace fsdp::test;
using nlohmann::json;

namespace {
double toNumber(const json &value) {
  return value.is_string()
             ? std::strtod(value.get<std::string>().c_str(), nullptr)
             : value.get<double>();
}

void printNumber(std::ostream &os, double value) {
  if (std::isnan(value))
    os << "NaN";
  else if (std::isinf(value))
    os << (value < 0 ? "-Infinity" : "Infinity");
  else
    os << value;
}

template <typename Range, typename Print>
void printList(std::ostream &os, const Range &range, Print print) {
  os << '[';
  const char *separator = "";
  for (const auto &element : range) {
    os << separator;
    print(element);
    separator = ", ";
  }
  os << ']';
}

void printValues(std::ostream &os, const Tensor &tensor) {
  printList(os, tensor.values(), [&](double value) { printNumber(os, value); });
}

void printTensor(std::ostream &os, const Tensor &tensor) {
  os << "{\"shape\": ";
  printList(os, tensor.getType().getShape(), [&](int64_t e) { os << e; });
  os << ", \"values\": ";
  printValues(os, tensor);
  os << '}';
}

/// Adds the gradients of the first result's sum to the results of `func`; true
/// for each argument that has one.
FailureOr<std::vector<bool>> addGradients(func::FuncOp func) {
  Operation *terminator = func.getBody().front().getTerminator();
  Value y = terminator->getOperand(0);
  OpBuilder b(terminator);
  auto type = cast<RankedTensorType>(y.getType());
  Value ones = b.create<onnx::ConstantOp>(
      func.getLoc(), type,
      DenseElementsAttr::get(type, b.getFloatAttr(type.getElementType(), 1)));
  SmallVector<Value> grads, results(terminator->getOperands());
  if (failed(differentiate(b, y, ones, func.getArguments(), grads)))
    return failure();
  std::vector<bool> has;
  for (Value grad : grads) {
    has.push_back(bool(grad));
    if (grad)
      results.push_back(grad);
  }
  terminator->setOperands(results);
  func.setType(FunctionType::get(func.getContext(), func.getArgumentTypes(),
                                 ValueRange(results).getTypes()));
  return has;
}

FailureOr<std::vector<Tensor>> inputsOf(func::FuncOp func,
                                        const json &elements) {
  std::vector<Tensor> tensors;
  if (elements.size() != func.getNumArguments())
    return func.emitError("has ")
           << func.getNumArguments() << " inputs, expected " << elements.size();
  for (auto [type, given] : llvm::zip(func.getArgumentTypes(), elements)) {
    std::vector<double> values;
    for (const json &element : given)
      values.push_back(toNumber(element));
    auto tensorType = cast<RankedTensorType>(type);
    if (tensorType.getNumElements() != int64_t(values.size()))
      return func.emitError("an input of ")
             << tensorType << ", given " << values.size() << " elements";
    tensors.emplace_back(tensorType, values);
  }
  return tensors;
}

/// Products of f32 are a library's, which is not here: they are computed in
/// f64.
void widenProducts(func::FuncOp func) {
  SmallVector<onnx::MatMulOp> products;
  func.walk([&](onnx::MatMulOp op) { products.push_back(op); });
  for (onnx::MatMulOp op : products) {
    if (!cast<RankedTensorType>(op.getType()).getElementType().isF32())
      continue;
    OpBuilder b(op);
    auto wide = [&](Value x) {
      auto type = cast<RankedTensorType>(x.getType()).clone(b.getF64Type());
      return b.create<onnx::CastOp>(op.getLoc(), type, x).getY();
    };
    Value y = b.create<onnx::MatMulOp>(op.getLoc(), wide(op.getLhs()),
                                       wide(op.getRhs()), op.getTransA(),
                                       op.getTransB());
    op.replaceAllUsesWith(
        b.create<onnx::CastOp>(op.getLoc(), op.getType(), y).getY());
    op.erase();
  }
}

/// The executor takes no tensor without elements.
LogicalResult checkSizes(func::FuncOp func) {
  auto isEmpty = [](Value value) {
    return cast<RankedTensorType>(value.getType()).getNumElements() == 0;
  };
  for (Operation &op : func.getBody().front())
    if (llvm::any_of(op.getOperands(), isEmpty) ||
        llvm::any_of(op.getResults(), isEmpty))
      return op.emitError("has no kernel for a tensor without elements");
  return success();
}

/// Answers on `os`; fails after an error on the context.
LogicalResult answer(MLIRContext *context, const json &request,
                     std::ostream &os) {
  auto module =
      onnx::importOnnx(request.at("model").get<std::string>(), {}, context);
  if (!module || failed(onnx::checkSupported(*module)))
    return failure();
  auto func = *module->getOps<func::FuncOp>().begin();
  size_t outputs = func.getNumResults();
  std::vector<bool> hasGradient;
  if (request.value("gradient", false)) {
    auto has = addGradients(func);
    if (failed(has))
      return failure();
    hasGradient = *has;
  }
  PassManager manager(context);
  manager.addPass(createCanonicalizerPass());
  manager.addPass(createCSEPass());
  auto inputs = inputsOf(func, request.at("inputs"));
  if (failed(inputs) || failed(manager.run(*module)) ||
      failed(checkSizes(func)))
    return failure();
  widenProducts(func);
  KernelExecutor executor;
  auto results = executor.run(func, *inputs);
  if (!results)
    return func.emitError(executor.message());
  ArrayRef<Tensor> all(*results);
  os << "{\"outputs\": ";
  printList(os, all.take_front(outputs),
            [&](const Tensor &tensor) { printTensor(os, tensor); });
  all = all.drop_front(outputs);
  os << ", \"gradients\": ";
  printList(os, hasGradient, [&](bool has) {
    if (!has) {
      os << "null";
      return;
    }
    printValues(os, all.front());
    all = all.drop_front();
  });
  os << '}';
  return success();
}
} // namespace

int main() {
  std::string line;
  while (std::getline(std::cin, line)) {
    auto context = createContext();
    std::string message;
    ScopedDiagnosticHandler handler(context.get(), [&](Diagnostic &diagnostic) {
      if (diagnostic.getSeverity() == DiagnosticSeverity::Error)
        message += (message.empty() ? "" : "\n") + diagnostic.str();
    });
    std::ostringstream os;
    os.precision(17);
    if (failed(answer(context.get(), json::parse(line), os)))
      std::cout << json{{"error", message}}.dump() << std::endl;
    else
      std::cout << os.str() << std::endl;
  }
}
