//===- Form.h - What passes that form one op of several share ---*- C++ -*-===//
#ifndef FSDP_PASSES_TRAIN_FORM_H
#define FSDP_PASSES_TRAIN_FORM_H

#include "dialects/Onnx/Onnx.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"

namespace fsdp {
/// The op that makes `value` for one reader, if it is an `Op`.
template <typename Op> Op onlyUseOf(mlir::Value value) {
  return value.hasOneUse() ? value.getDefiningOp<Op>() : Op();
}

/// Erases what nothing reads, last ops first.
void eraseUnused(mlir::Block &block);

/// Makes all reads of a parameter in `block` one, which stands before
/// everything else: gradients of several uses then meet in one value. In the
/// order of their first reads.
llvm::SmallVector<onnx::ReadOp> uniteReads(mlir::Block &block);

/// Erases `onnx.stop_gradient`s: without a sweep to come they are identities.
void eraseStops(mlir::Block &block);

/// form(op) for every `Op` in the functions of `module`, which returns whether
/// it replaced the op; the parts that only it needed are erased.
template <typename Op, typename Form>
void formOps(mlir::ModuleOp module, Form form) {
  for (auto func : module.getOps<mlir::func::FuncOp>())
    for (mlir::Block &block : func.getBody()) {
      bool changed = false;
      for (auto op : llvm::make_early_inc_range(block.template getOps<Op>()))
        changed |= form(op);
      if (changed)
        eraseUnused(block);
    }
}
} // namespace fsdp

#endif // FSDP_PASSES_TRAIN_FORM_H
