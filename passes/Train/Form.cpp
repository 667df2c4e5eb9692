//===- Form.cpp - What passes that form one op of several share -----------===//
#include "passes/Train/Form.h"

#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "llvm/ADT/MapVector.h"

using namespace mlir;
using namespace fsdp;

void fsdp::eraseUnused(Block &block) {
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(block)))
    if (isOpTriviallyDead(&op))
      op.erase();
}

SmallVector<onnx::ReadOp> fsdp::uniteReads(Block &block) {
  llvm::MapVector<StringAttr, onnx::ReadOp> reads;
  for (auto read : llvm::make_early_inc_range(block.getOps<onnx::ReadOp>())) {
    auto [it, isNew] = reads.insert({read.getParameterAttr().getAttr(), read});
    if (isNew)
      continue;
    read.replaceAllUsesWith(it->second.getResult());
    read.erase();
  }
  SmallVector<onnx::ReadOp> unique;
  for (auto &[name, read] : llvm::reverse(reads)) {
    read->moveBefore(&block, block.begin());
    unique.push_back(read);
  }
  return unique;
}

void fsdp::eraseStops(Block &block) {
  for (auto stop :
       llvm::make_early_inc_range(block.getOps<onnx::StopGradientOp>())) {
    stop.replaceAllUsesWith(stop.getX());
    stop.erase();
  }
}
