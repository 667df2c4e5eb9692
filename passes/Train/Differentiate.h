//===- Differentiate.h - Reverse sweep over a straight line -----*- C++ -*-===//
#ifndef FSDP_PASSES_TRAIN_DIFFERENTIATE_H
#define FSDP_PASSES_TRAIN_DIFFERENTIATE_H

#include "dialects/Train/Train.h"

namespace fsdp {
/// Appends to `grads` the gradient of sum(output * seed) with respect to each
/// of `wrt` (null where `output` does not depend on it). `seed` has `output`'s
/// type. The ops are built at `builder`'s insertion point, which must come
/// after `output` and `seed` in the same block; the sweep goes through each op
/// between `wrt` and `output` once, in reverse order, and adds contributions
/// of several uses as they come. Fails with one error that lists every op on
/// the way that has no gradient.
mlir::LogicalResult differentiate(mlir::OpBuilder &builder, mlir::Value output,
                                  mlir::Value seed, mlir::ValueRange wrt,
                                  llvm::SmallVectorImpl<mlir::Value> &grads);
} // namespace fsdp

#endif // FSDP_PASSES_TRAIN_DIFFERENTIATE_H
