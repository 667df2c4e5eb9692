//===- Step.cpp - What passes over a training step share ------------------===//
#include "passes/Support/Step.h"
#include "passes/Support/Values.h"

#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace fsdp;

onnx::SoftmaxCrossEntropyLossOp fsdp::lossBehind(Value value) {
  return viewSource(value).getDefiningOp<onnx::SoftmaxCrossEntropyLossOp>();
}

func::FuncOp fsdp::getFunction(ModuleOp module, StringRef name) {
  auto func = module.lookupSymbol<func::FuncOp>(name);
  if (!func) {
    module.emitError("module has no function '")
        << name << "', which this stage works on";
  } else if (func.isDeclaration()) {
    func.emitError("function '") << name << "' is declared, but has no body";
    return nullptr;
  } else if (!llvm::hasSingleElement(func.getBody())) {
    func.emitError("function '") << name << "' is not one straight line of ops";
    return nullptr;
  }
  return func;
}

bool fsdp::isProgramName(StringRef name) {
  StringRef number = name;
  bool isKernel = number.consume_front("k") && !number.empty() &&
                  llvm::all_of(number, llvm::isDigit);
  return isKernel || llvm::is_contained({kForward, kStep, kCount, kEvaluate,
                                         kGather, kAccumulate, kUpdate, kInit,
                                         kExport, kLoss, kValidTokens},
                                        name);
}

Value fsdp::findArgument(func::FuncOp func, StringRef role) {
  for (BlockArgument argument : func.getArguments()) {
    auto own =
        func.getArgAttrOfType<StringAttr>(argument.getArgNumber(), kRole);
    if (own && own == role)
      return argument;
  }
  return Value();
}

SmallVector<func::FuncOp> fsdp::getReaders(ModuleOp module) {
  SmallVector<func::FuncOp> readers;
  for (StringRef name : {kStep, kEvaluate})
    if (auto func = module.lookupSymbol<func::FuncOp>(name))
      readers.push_back(func);
  return readers;
}

train::BackwardBeginOp fsdp::findBackward(ModuleOp module) {
  func::FuncOp func = getFunction(module, kStep);
  if (!func)
    return nullptr;
  auto backward = findOp<train::BackwardBeginOp>(func.getBody().front());
  if (!backward)
    func.emitError("'step' has no backward: run --train-build-backward");
  return backward;
}

Value fsdp::addArgument(func::FuncOp func, Type type, StringRef role) {
  MLIRContext *context = func.getContext();
  auto attrs = DictionaryAttr::get(context, {{StringAttr::get(context, kRole),
                                              StringAttr::get(context, role)}});
  func.insertArgument(func.getNumArguments(), type, attrs, func.getLoc());
  return func.getArguments().back();
}

void fsdp::setResults(func::FuncOp func, ValueRange values,
                      ArrayRef<StringRef> roles) {
  MLIRContext *context = func.getContext();
  func.getBody().front().getTerminator()->setOperands(values);
  func.setType(
      FunctionType::get(context, func.getArgumentTypes(), values.getTypes()));
  SmallVector<Attribute> attrs;
  for (StringRef role : roles)
    attrs.push_back(DictionaryAttr::get(
        context,
        {{StringAttr::get(context, kRole), StringAttr::get(context, role)}}));
  func.setResAttrsAttr(ArrayAttr::get(context, attrs));
}
