//===- LossTerms.h - What a loss is made of ---------------------*- C++ -*-===//
#ifndef FSDP_PASSES_TRAIN_LOSSTERMS_H
#define FSDP_PASSES_TRAIN_LOSSTERMS_H

#include "dialects/Train/Train.h"

namespace fsdp {
inline constexpr llvm::StringLiteral kLossScope = "loss";

/// A scalar of the type that the sums and counts of `op` are held in.
mlir::RankedTensorType getLossType(onnx::SoftmaxCrossEntropyLossOp op);

/// How many of `labels`, which may be those of `op` in another function, are
/// not ignored.
mlir::Value buildValidCount(mlir::OpBuilder &b,
                            onnx::SoftmaxCrossEntropyLossOp op,
                            mlir::Value labels);

/// The sum of all losses of `op`, those of ignored labels being 0, and the
/// log-sum-exp of its rows.
struct LossSum {
  mlir::Value sum, lse;
};
LossSum buildLossSum(mlir::OpBuilder &b, onnx::SoftmaxCrossEntropyLossOp op);
} // namespace fsdp

#endif // FSDP_PASSES_TRAIN_LOSSTERMS_H
