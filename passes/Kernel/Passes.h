//===- Passes.h - Tensor ops to kernels -------------------------*- C++ -*-===//
#ifndef FSDP_PASSES_KERNEL_PASSES_H
#define FSDP_PASSES_KERNEL_PASSES_H

#include "dialects/Train/Train.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace fsdp {
#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "passes/Kernel/Passes.h.inc"

/// Whether `op` is computed element by element: an elementwise op or an expand,
/// whose result is its iteration space.
bool isElementwise(mlir::Operation *op);

/// Whether `op` casts a float to a wider one.
bool isWideningCast(mlir::Operation *op);

/// A normalisation of the rows of its first operand.
inline bool isNorm(mlir::Operation *op) {
  return mlir::isa_and_nonnull<onnx::LayerNormalizationOp,
                               onnx::RmsNormalizationOp>(op);
}

/// Its gradient with respect to that operand.
inline bool isNormGrad(mlir::Operation *op) {
  return mlir::isa_and_nonnull<train::LayerNormGradOp, train::RmsNormGradOp>(
      op);
}

/// Whether elementwise ops may share the kernel of `op`: those that make what
/// a normalisation reads, those that follow its gradient.
inline bool isFusibleRowOp(mlir::Operation &op) {
  return isNorm(&op) || isNormGrad(&op);
}

/// A sum, mean or maximum, or its parts, whose kernel may compute the
/// elementwise ops that make its operand alone.
inline bool isReduction(mlir::Operation *op) {
  return mlir::isa_and_nonnull<onnx::ReduceSumOp, onnx::ReduceMeanOp,
                               onnx::ReduceMaxOp, train::ReducePartsOp>(op);
}

/// Whether all that `kernel` holds is elementwise, or a constant.
bool isElementwiseGroup(train::KernelOp kernel);

/// Whether `root` needs the result of `op`.
bool isInPrologue(mlir::Operation *op, mlir::Operation *root);
} // namespace fsdp

#endif // FSDP_PASSES_KERNEL_PASSES_H
