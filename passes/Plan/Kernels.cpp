//===- Kernels.cpp - Generated kernels of a program -----------------------===//
#include "passes/Plan/Kernels.h"
#include "dialects/FsdpRt/FsdpRt.h"
#include "passes/Kernel/Emit.h"
#include "passes/Kernel/InPlace.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;
using namespace fsdp;

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

/// The function that keeps `op` in its module.
static void keep(train::KernelOp op, ModuleOp own, StringRef symbol) {
  OpBuilder builder = OpBuilder::atBlockEnd(own.getBody());
  auto type = builder.getFunctionType(op.getInputs().getTypes(),
                                      op.getOutputs().getTypes());
  auto func = builder.create<func::FuncOp>(op.getLoc(), symbol, type);
  Block *body = func.addEntryBlock();
  builder.setInsertionPointToStart(body);
  Operation *copy = builder.clone(*op);
  copy->setOperands(body->getArguments());
  builder.create<func::ReturnOp>(op.getLoc(), copy->getResults());
}

FailureOr<KernelTable::Kernel> KernelTable::get(train::KernelOp op) {
  auto [it, isNew] = kernels.try_emplace(kernelKey(op));
  if (!isNew) {
    ++numReused;
    return it->second;
  }
  FailureOr<KernelShape> shape = target.getKernelShape(op);
  if (failed(shape))
    return failure();
  std::string symbol = "k" + std::to_string(kernels.size() - 1);
  OpBuilder builder = OpBuilder::atBlockEnd(module.getBody());
  auto own = builder.create<ModuleOp>(op.getLoc(), symbol);
  noteInPlace(op, own);
  keep(op, own, symbol);
  it->second = {FlatSymbolRefAttr::get(module.getContext(), symbol), *shape};
  return it->second;
}

train::KernelOp fsdp::kernelIn(ModuleOp own) {
  auto func = own.getSymName()
                  ? own.lookupSymbol<func::FuncOp>(*own.getSymName())
                  : func::FuncOp();
  if (!func || func.isExternal() || !func.getBody().hasOneBlock())
    return nullptr;
  Block &block = func.getBody().front();
  auto kernel = dyn_cast<train::KernelOp>(block.front());
  if (!kernel || kernel->getNextNode() != block.getTerminator() ||
      !llvm::equal(kernel.getInputs(), func.getArguments()) ||
      !llvm::equal(kernel.getOutputs(), block.getTerminator()->getOperands()))
    return nullptr;
  return kernel;
}
