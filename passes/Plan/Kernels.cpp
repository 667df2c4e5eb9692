//===- Kernels.cpp - Generated kernels of a program -----------------------===//
#include "passes/Plan/Kernels.h"

using namespace mlir;
using namespace fsdp;

FailureOr<KernelTable::Kernel> KernelTable::get(train::KernelOp op) {
  auto [it, isNew] = kernels.try_emplace(kernelKey(op));
  if (!isNew) {
    ++numReused;
    return it->second;
  }
  std::string symbol = "k" + std::to_string(kernels.size() - 1);
  OpBuilder builder = OpBuilder::atBlockEnd(module.getBody());
  auto own = builder.create<ModuleOp>(op.getLoc(), symbol);
  FailureOr<CompiledKernelInfo> info = emitKernel(op, own, symbol);
  if (failed(info))
    return failure();
  it->second = {FlatSymbolRefAttr::get(module.getContext(), symbol), *info};
  return it->second;
}
