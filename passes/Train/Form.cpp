//===- Form.cpp - What passes that form one op of several share -----------===//
#include "passes/Train/Form.h"

#include "mlir/Interfaces/SideEffectInterfaces.h"

using namespace mlir;

void fsdp::eraseUnused(Block &block) {
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(block)))
    if (isOpTriviallyDead(&op))
      op.erase();
}
