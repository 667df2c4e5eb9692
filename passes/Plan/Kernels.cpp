//===- Kernels.cpp - Generated kernels of a program -----------------------===//
#include "passes/Plan/Kernels.h"
#include "dialects/FsdpRt/FsdpRt.h"
#include "passes/Kernel/InPlace.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;
using namespace fsdp;

static bool onlyCasts(train::KernelOp kernel) {
  return llvm::all_of(kernel.getBody().front().without_terminator(),
                      [](Operation &op) { return isa<onnx::CastOp>(op); });
}

/// The kernel's contract for whoever checks a launch: rt::kInPlace.
static void noteInPlace(train::KernelOp kernel, ModuleOp own) {
  SmallVector<int64_t> pairs;
  for (auto [result, operands] : llvm::enumerate(inPlaceOperands(kernel)))
    for (unsigned operand : operands)
      pairs.append(
          {int64_t(operand), int64_t(kernel.getInputs().size() + result)});
  if (!pairs.empty())
    own->setAttr(rt::kInPlace,
                 DenseI64ArrayAttr::get(kernel.getContext(), pairs));
}

FailureOr<KernelTable::Kernel> KernelTable::get(train::KernelOp op) {
  auto [it, isNew] = kernels.try_emplace(kernelKey(op));
  if (!isNew) {
    ++numReused;
    return it->second;
  }
  std::string symbol = "k" + std::to_string(kernels.size() - 1);
  OpBuilder builder = OpBuilder::atBlockEnd(module.getBody());
  auto own = builder.create<ModuleOp>(op.getLoc(), symbol);
  if (onlyCasts(op))
    own->setAttr(rt::kOnlyCasts, builder.getUnitAttr());
  noteInPlace(op, own);
  FailureOr<CompiledKernelInfo> info = emitKernel(op, own, symbol);
  if (failed(info))
    return failure();
  if (keepsOps)
    keepOps(op, symbol);
  it->second = {FlatSymbolRefAttr::get(module.getContext(), symbol), *info};
  return it->second;
}

void KernelTable::keepOps(train::KernelOp op, StringRef symbol) {
  OpBuilder builder = OpBuilder::atBlockEnd(module.getBody());
  auto type = builder.getFunctionType(op.getInputs().getTypes(),
                                      op.getOutputs().getTypes());
  auto func =
      builder.create<func::FuncOp>(op.getLoc(), (symbol + "_ops").str(), type);
  func.setPrivate();
  Block *body = func.addEntryBlock();
  builder.setInsertionPointToStart(body);
  Operation *copy = builder.clone(*op);
  copy->setOperands(body->getArguments());
  builder.create<func::ReturnOp>(op.getLoc(), copy->getResults());
}
